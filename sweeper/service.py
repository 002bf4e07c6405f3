"""The use cases, one method each: REST, the pages and the command line all call these."""

import hashlib
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper import presets, submission
from sweeper.disk import DiskUse, disk_use
from sweeper.editing import parse_edit
from sweeper.errors import Conflict, InvalidRequest, NotFound, Problem
from sweeper.extension import planned_extension
from sweeper.figures import Figures
from sweeper.grids import axis_scale
from sweeper.imports import form
from sweeper.imports import plan as imports
from sweeper.reading import Reading
from sweeper.search.centre import centred
from sweeper.spec import SweepSpec, parse
from sweeper.storage.deleting import Deletion
from sweeper.storage.editing import Edit
from sweeper.storage.extending import Extension
from sweeper.storage.records import (
    IdempotentRequest,
    Submission,
    SweepRecord,
)
from sweeper.trials import Expansion
from trainers.config import DataConfig, canonical_json
from trainers.data import EMBEDDED, dataset, prepare_embedded
from trainers.optimizers import names
from trainers.scales import SCALES, Scale
from trainers.token_files import DataError, known_names


@dataclass(frozen=True)
class Service(Reading):
    """The use cases over one database and one folder of token data sets."""

    datasets_dir: Path
    confirm_above_hours: float = math.inf
    """Device-hours beyond which a sweep has to be confirmed."""

    def __post_init__(self) -> None:
        """Raises ValueError if a plug-in cannot be used."""
        names()

    @property
    def figures(self) -> Figures:
        """Figures of what can be read."""
        return Figures(self)

    def datasets(self) -> dict[str, DataConfig]:
        """The data sets a sweep can name; the embedded one is written on first use.

        Those whose manifest is damaged are left out.
        """
        found = {EMBEDDED: prepare_embedded(self.datasets_dir)}
        for name in known_names(self.datasets_dir):
            with suppress(DataError):
                found[name] = dataset(self.datasets_dir, name)
        return found

    def submit(
        self,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        caller: str = "",
        confirmed: bool = False,
    ) -> Submission:
        """Store a sweep; its trials start as soon as there is room.

        The same `key` with the same body gives the same sweep again. Raises `InvalidRequest`,
        `KeyReused` or `NeedsConfirmation`, and then nothing is stored.
        """
        resolved = self._centred(body)
        spec = parse(resolved)
        expansion = self._expand(spec)
        if not (confirmed or math.isinf(self.confirm_above_hours)):
            submission.refuse_if_large(self._weighed(spec, expansion), self.confirm_above_hours)
        return self.store.sweeps.submit(
            name=spec.name,
            spec=resolved,
            parameter=spec.axis.parameter,
            axis_scale=axis_scale(spec.axis),
            priority=spec.priority,
            expansion=expansion,
            fresh=spec.fresh,
            request=None if key is None else _idempotent(key, caller, body),
        )

    def import_results(
        self, body: Mapping[str, Any], *, key: str | None = None, caller: str = ""
    ) -> Submission:
        """Store a sweep that was trained elsewhere; its trials are done and are never shared.

        Raises `InvalidRequest` or `KeyReused`, and then nothing is stored.
        """
        planned = imports.plan(form.parse(body))
        request = None if key is None else _idempotent(key, caller, body)
        return self.store.sweeps.take_in(planned, request)

    def preview(self, body: Mapping[str, Any]) -> submission.Preview:
        """What `submit` would store, with its cost; stores nothing. Raises `InvalidRequest`."""
        spec = parse(self._centred(body))
        return self._weighed(spec, self._expand(spec))

    def _weighed(self, spec: SweepSpec, expansion: Expansion) -> submission.Preview:
        whole = submission.in_full(spec, expansion, self.datasets())
        known = frozenset[str]() if spec.fresh else self._known(whole)
        return submission.preview(spec, whole, known, self.store.queue)

    def _centred(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with the best values of the search that it names, if it names one."""
        if parse(body).centre is None:
            return dict(body)
        try:
            return centred(body, self.searched(body["centre"]))
        except (NotFound, Conflict) as error:
            raise InvalidRequest((Problem("/centre", str(error)),)) from None

    def _expand(self, spec: SweepSpec) -> Expansion:
        return submission.whole_expansion(spec, self.datasets(), self.datasets_dir)

    def _known(self, expansion: Expansion) -> frozenset[str]:
        return frozenset(self.store.sweeps.existing([t.fingerprint for t in expansion.trials]))

    def cancel(self, sweep_id: str) -> SweepRecord:
        """End a sweep for good; its trials stop where no other sweep wants them."""
        return self.store.sweeps.cancel(sweep_id)

    def pause(self, sweep_id: str) -> SweepRecord:
        """Hold a sweep; running trials are saved and go on from there after `resume`."""
        return self.store.sweeps.pause(sweep_id)

    def resume(self, sweep_id: str) -> SweepRecord:
        """Let a paused sweep go on."""
        return self.store.sweeps.resume(sweep_id)

    def retry(self, sweep_id: str) -> int:
        """Train the failed and cancelled trials of a sweep anew; how many there are."""
        return self.store.sweeps.retry(sweep_id)

    def extend(self, sweep_id: str, body: Mapping[str, Any]) -> Extension:
        """Add values and seeds to a sweep; what is there already is left as it is.

        Raises `InvalidRequest`, or `Conflict` where the sweep cannot get further points.
        """
        submitted = self.sweep(sweep_id).spec
        planned = planned_extension(submitted, body, self.store.results.points(sweep_id))
        return self.store.sweeps.extend(sweep_id, planned)

    def edit(self, sweep_id: str, body: Mapping[str, Any]) -> SweepRecord:
        """Change name, note, tags, priority, or whether it is archived; raises `InvalidRequest`.

        `Conflict` for archiving what is at work.
        """
        return self.store.sweeps.edit(sweep_id, Edit(**parse_edit(body)))

    def delete(self, sweep_id: str) -> Deletion:
        """Delete a sweep that has ended, with what only it used; else `Conflict`."""
        return self.store.sweeps.delete(sweep_id)

    def disk(self) -> DiskUse:
        """How much room everything takes."""
        return disk_use(self.store.sweeps.usage(), self.datasets_dir.parent)


def scales() -> Mapping[str, Scale]:
    """The model sizes by name."""
    return SCALES


def all_presets() -> tuple[presets.Preset, ...]:
    """Ready-made sweeps."""
    return presets.presets()


def _idempotent(key: str, caller: str, body: Mapping[str, Any]) -> IdempotentRequest:
    digest = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    return IdempotentRequest(caller=caller, key=key, body_sha256=digest)
