"""The verbs of the service, one method each."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

import httpx2

from sweeper.client.connection import Connection, Json, Retries
from sweeper.client.display import Look, Sweep, progress_shown
from sweeper.client.frames import curves_frame, stability_frame
from sweeper.client.problems import TimedOut
from sweeper.errors import NotFound

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

ResultsForm = Literal["csv", "json", "parquet"]
FigureName = Literal["stability", "heatmap", "transfer"]

ENDED = frozenset({"done", "done_with_failures", "cancelled"})
"""States of a sweep in which nothing of it will run any more, unless it is retried."""

PAUSED = "paused"


class Client:
    """The service at one address. Use as a context manager, or `close` it.

    Every request has a time-out. What is safe to repeat (reads, and submissions, which carry a
    key of their own) is repeated while the service cannot be reached or says "not now". Errors
    are those of `sweeper.errors`, `Unreachable`, and `Refused` for anything else. Raises ValueError
    for an address that is none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        self._connection = Connection(
            url, key=key, timeout_s=timeout_s, retries=retries or Retries()
        )
        self.url = self._connection.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()

    def submit(
        self,
        sweep: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        confirm: bool = False,
    ) -> Json:
        """The sweep's `id`, `state` and `trials`; one key submits once, however often sent.

        Raises `NeedsConfirmation` for more device-hours than the service's limit, if it has one,
        unless `confirm` is given.
        """
        path = "sweeps?confirm=true" if confirm else "sweeps"
        return self._connection.post(path, sweep, key=idempotency_key or uuid.uuid4().hex)

    def import_results(
        self, results: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Json:
        """Results from elsewhere as a sweep that is done: its `id`, `state` and `trials`."""
        key = idempotency_key or uuid.uuid4().hex
        return self._connection.post("sweeps/import", results, key=key)

    def preview(self, sweep: Mapping[str, Any]) -> Json:
        """What `submit` would do, without effect: trials, those there already, stacks, hours."""
        return self._connection.post("sweeps/preview", sweep)

    def sweep(self, sweep_id: str) -> Sweep:
        """One sweep: its specification, state and counts. A dictionary that notebooks show well."""
        return Sweep(self._connection.get(_path("sweeps", sweep_id)))

    def sweeps(self, *, limit: int = 50, **filters: str) -> Iterator[Sweep]:
        """All sweeps, newest first, read page by page of `limit`.

        Filters: `state`, `search` (part of a name), `tag`, and `archived="true"` for those instead.
        """
        cursor: Json = {}
        while True:
            page = self._connection.get("sweeps", limit=limit, **filters, **cursor)
            yield from map(Sweep, page["items"])
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def wait(
        self,
        sweep_id: str,
        *,
        timeout_s: float | None = None,
        poll_s: float = 0.5,
        progress: Look | None = None,
    ) -> Sweep:
        """The sweep once it has ended or is paused; `progress` sees every look at it.

        Unless one is given, a notebook and a terminal show a bar. A sweep pauses on request, and by
        itself where going on is of no use: when its first trials all failed, or the disk is full.
        Its last event says why, and `resume` lets it go on. Raises `TimedOut`.
        """
        with progress_shown() if progress is None else nullcontext(progress) as look:
            return self._wait(sweep_id, timeout_s, poll_s, look)

    def _wait(self, sweep_id: str, timeout_s: float | None, poll_s: float, look: Look) -> Sweep:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            sweep = self.sweep(sweep_id)
            look(sweep)
            if sweep["state"] in ENDED or sweep["state"] == PAUSED:
                return sweep
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(f"sweep {sweep_id} is {sweep['state']} after {timeout_s:g} s")
            time.sleep(poll_s)

    def results(self, sweep_id: str) -> "DataFrame":
        """One row per point: value, seed, state, outcome, losses, hyperparameters."""
        import pandas

        return pandas.read_parquet(BytesIO(self.results_file(sweep_id, "parquet")))

    def results_file(self, sweep_id: str, form: ResultsForm) -> bytes:
        """The same rows as a file."""
        return self._connection.read(f"{_path('sweeps', sweep_id)}/results.{form}").content

    def trials(self, sweep_id: str, *, state: str | None = None) -> list[Json]:
        """One entry per point: the training run it has, in that state if one is given."""
        query = {} if state is None else {"state": state}
        return self._connection.items(_path("sweeps", sweep_id) + "/trials", **query)

    def trial(self, trial_id: str) -> Json:
        """One training run: configuration, outcome, attempts."""
        return self._connection.get(_path("trials", trial_id))

    def curves(self, sweep_id: str) -> "DataFrame":
        """One row per curve and value: mean, interval and counts over the seeds."""
        return curves_frame(self.curves_json(sweep_id))

    def curves_json(self, sweep_id: str) -> list[Json]:
        """One curve per variant as REST answers it: its points, seed by seed, and its stability."""
        return self._connection.items(_path("sweeps", sweep_id) + "/curves")

    def stability(self, sweep_id: str) -> "DataFrame":
        """One row per curve: best value and loss, optimum, sensitivity, basin."""
        return stability_frame(self.curves_json(sweep_id))

    def compare(self, *sweep_ids: str, **options: float) -> Json:
        """Variants of sweeps over one axis side by side: numbers, verdicts, compute, transfer.

        Options: `margin` and `tolerance` in nats, and `low` and `high`, a window of values.
        """
        return self._connection.get("compare", sweep=list(sweep_ids), **options)

    def searched(self, sweep_id: str) -> list[Json]:
        """What a search has found: its candidates and the `best`, one entry per variant."""
        return self._connection.items(_path("sweeps", sweep_id) + "/search")

    def figure(self, sweep_id: str, **options: str | float | bool) -> "Figure":
        """A figure; options as in REST: `figure="heatmap"`, `theme`, `seeds`, `tolerance`."""
        from sweeper import plots

        return plots.from_json(self.figure_json(sweep_id, **options))

    def figure_json(self, sweep_id: str, **options: str | float | bool) -> str:
        """The same figure as the JSON that plotly reads in any language."""
        return self._connection.read(_path("sweeps", sweep_id) + "/figure", **options).text

    def figure_html(self, sweep_id: str, figure: FigureName = "stability") -> str:
        """A figure as a page that needs no network."""
        path = _path("sweeps", sweep_id) + "/figure.html"
        return self._connection.read(path, figure=figure).text

    def heat_maps(self, sweep_id: str) -> list[Json]:
        """The maps of a sweep of two axes, one per optimizer, each with its ridge."""
        return self._connection.items(_path("sweeps", sweep_id) + "/heatmap")

    def report_html(self, sweep_id: str) -> str:
        """All that is known of a sweep as a page that needs no network."""
        return self._connection.read(_path("sweeps", sweep_id) + "/report.html").text

    def cancel(self, sweep_id: str) -> Json:
        """End the sweep; what other sweeps want goes on."""
        return self._change(sweep_id, "cancel")

    def pause(self, sweep_id: str) -> Json:
        """Let nothing of the sweep run until `resume`."""
        return self._change(sweep_id, "pause")

    def resume(self, sweep_id: str) -> Json:
        """Go on after `pause`, from the checkpoints."""
        return self._change(sweep_id, "resume")

    def retry(self, sweep_id: str) -> Json:
        """Train its failed and cancelled points anew."""
        return self._change(sweep_id, "retry")

    def extend(
        self,
        sweep_id: str,
        *,
        values: Sequence[float] | None = None,
        seeds: Sequence[int] | None = None,
        variants: Sequence[str] | None = None,
    ) -> Json:
        """Add every value with every seed to its curves (or those of these labels).

        What is left out is what each curve has. The answer counts the points that were `added` and
        those that were `there` already, and the trials.
        """
        asked = {"values": values, "seeds": seeds, "variants": variants}
        body = {name: list(part) for name, part in asked.items() if part is not None}
        return self._connection.post(_path("sweeps", sweep_id) + "/extend", body)

    def edit(self, sweep_id: str, **changes: Any) -> Sweep:
        """Change `name`, `note`, `tags` (all of them), `priority` or `archived`; the sweep."""
        return Sweep(self._connection.change("PATCH", _path("sweeps", sweep_id), changes))

    def delete(self, sweep_id: str) -> Json:
        """Delete a sweep that has ended, with what only it used: how many points and trials.

        `deleted` is false if there is no such sweep; `Conflict` if it has not ended.
        """
        return self._connection.change("DELETE", _path("sweeps", sweep_id), None)

    def disk(self) -> Json:
        """Bytes that the database, checkpoints and data sets take, and each of the sweeps."""
        return self._connection.get("disk")

    def optimizers(self) -> list[Json]:
        """The optimizers there are, each with its hyperparameters."""
        return self._connection.items("optimizers")

    def presets(self) -> list[Json]:
        """The ready-made sweeps there are."""
        return self._connection.items("presets")

    def health(self) -> Json:
        """Whether the process answers, and its version."""
        return self._connection.get("/healthz")

    def past_events(self, sweep_id: str, *, after: int = 0) -> list[Json]:
        """What has happened to a sweep so far; `events` also waits for more."""
        found: list[Json] = []
        while True:
            page = self._connection.get(_path("sweeps", sweep_id) + "/events", after=after)
            found += page["items"]
            if page["next"] is None:
                return found
            after = int(page["next"])

    def events(self, sweep_id: str, *, after: int = 0) -> Iterator[Json]:
        """What happens to a sweep, as it happens; goes on after an interruption where it was."""
        path, retries = _path("sweeps", sweep_id) + "/events", self._connection.retries
        pauses = retries.pauses_s()
        while True:
            try:
                for event_id, event in self._connection.stream(path, after):
                    after, pauses = event_id, retries.pauses_s()
                    yield event
            except httpx2.TransportError as error:
                self._connection.pause_or_raise(pauses, error)
            else:
                # The stream ends with the sweep, and when the service stops or is restarted.
                if self.sweep(sweep_id)["state"] in ENDED:
                    return

    def _change(self, sweep_id: str, verb: str) -> Json:
        path = _path("sweeps", sweep_id) + "/" + verb
        return self._connection.post(path, None, key=uuid.uuid4().hex)


def _path(kind: str, opaque_id: str) -> str:
    # Without an id the path would be that of the list.
    if not opaque_id:
        raise NotFound(f"there is none of the {kind} with the empty id ''")
    return f"{kind}/{quote(opaque_id, safe='')}"
