"""An existing Optuna study as results: one of its parameters is the axis."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sweeper.imports.found import Found, Row, bad

DATABASES = ("sqlite", "postgresql", "mysql")
_VARIANT = ("optimizer", "scale", "architecture")


def read(storage: str, studies: Sequence[str], parameter: str | None) -> Found:
    """The complete and the diverged trials of the studies named, or of all in the storage.

    A trial is diverged if it failed with the attribute `diverged`, as our own mirror writes it; the
    others that failed, were pruned or are not finished are left out. Trials that differ in other
    parameters than the axis are different curves. A study's attributes `optimizer`, `scale` and
    `architecture` say what it is of; without them it is called by its name.
    """
    source = storage.rsplit("@")[-1].rsplit("/")[-1]
    opened = _storage(storage, source)
    known = optuna.get_all_study_names(opened)
    if unknown := [name for name in studies if name not in known]:
        raise bad(source, f"there is no study {unknown[0]!r}; known: {', '.join(known) or 'none'}")
    chosen = [optuna.load_study(study_name=name, storage=opened) for name in studies or known]
    axis = _axis(chosen, parameter, source)
    found = [pair for study in chosen for pair in _rows(study, axis, source)]
    number = sum(len(study.trials) for study in chosen)
    opened.remove_session()
    opened.engine.dispose()
    return Found(
        source=f"Optuna {source}",
        rows=tuple(row for row, _ in found),
        places=tuple(place for _, place in found),
        left_out=(f"{number - len(found)} trials without a result",) if len(found) < number else (),
        parameter=axis,
    )


def _storage(url: str, source: str) -> Any:
    """The storage as it is: nothing is created in a database that is no Optuna storage."""
    if url.partition(":")[0].partition("+")[0] not in DATABASES:
        raise bad(source, f"the address of a database is needed: {', '.join(DATABASES)}")
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        raise bad(source, "there is no such file")
    try:
        return optuna.storages.RDBStorage(url, skip_table_creation=True)
    except (OptunaError, RuntimeError, ImportError) as error:
        why = str(error.__cause__ or error).partition("\n")[0]
        raise bad(source, f"it is no Optuna storage that can be read: {why}") from None


def _axis(studies: Sequence[Study], parameter: str | None, source: str) -> str:
    names = {name for study in studies for trial in study.trials for name in trial.params}
    if parameter is None and len(names) == 1:
        return names.pop()
    if parameter not in names:
        told = "--parameter must name one of" if parameter is None else f"no {parameter!r} among"
        raise bad(source, f"{told} the parameters: {', '.join(sorted(names)) or 'none'}")
    return parameter


def _rows(study: Study, axis: str, source: str) -> Iterator[tuple[Row, str]]:
    name = study.study_name
    if study.directions != [StudyDirection.MINIMIZE]:
        raise bad(f"{source}, study {name!r}", "one value that is minimised is needed")
    seeds = dict[Any, int]()
    for trial in study.trials:
        if not (trial.state is TrialState.COMPLETE or _diverged(trial)):
            continue
        place = f"{source}, study {name!r}, trial {trial.number}"
        if axis not in trial.params:
            raise bad(place, f"it has no parameter {axis!r}")
        others = tuple((k, v) for k, v in sorted(trial.params.items()) if k != axis)
        repeat = (others, trial.params[axis])
        seeds[repeat] = seeds.get(repeat, -1) + 1
        yield _row(study, trial, axis, others, seeds[repeat]), place


def _diverged(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and bool(trial.user_attrs.get("diverged"))


def _row(
    study: Study, trial: FrozenTrial, axis: str, others: tuple[tuple[str, Any], ...], repeat: int
) -> Row:
    attributes = trial.user_attrs
    numbers = {k: v for k, v in trial.params.items() if _is_number(v)}
    texts = {k: v for k, v in trial.params.items() if k not in numbers}
    keys = ("diverged_at_step", "last_finite_loss", "initial_loss")
    measured = {key: attributes[key] for key in keys if _is_number(attributes.get(key))}
    if "diverged_at_step" in measured:
        measured["diverged_at_step"] = int(measured["diverged_at_step"])
    run = attributes.get("trial")
    return {
        **_variant(study, others),
        "value": trial.params[axis],
        "seed": attributes.get("seed", repeat),
        "outcome": "diverged" if _diverged(trial) else "finite",
        **({} if _diverged(trial) else {"final_loss": trial.value}),
        **measured,
        "id": run if isinstance(run, str) else f"{study.study_name}, trial {trial.number}",
        "config": {"hyperparameters": numbers, **({"options": texts} if texts else {})},
    }


def _variant(study: Study, others: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    """The curve: by the attributes that our mirror gives a study, else by its name."""
    name, attributes = study.study_name, study.user_attrs
    known = {k: attributes[k] for k in _VARIANT if isinstance(attributes.get(k), str)}
    label = attributes.get("label") or name.rpartition(" / ")[2] if known else name
    changes = ", ".join(f"{key}={value}" for key, value in others)
    return {
        "optimizer": "unknown",
        "scale": "unknown",
        **known,
        "label": f"{label}, {changes}" if changes else label,
    }


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
