"""Views for people: a public interface, the same on SQLite and PostgreSQL.

`v_result`: one row per point. `sweep` and `sweep_name`; `label`, `optimizer`, `scale`,
`architecture` of its variant; `parameter`, `axis_scale`, `value`, `seed`, `origin` (grid, extend,
refine); `trial` and its `state` (pending, running, done, failed, cancelled), `outcome` (finite or
diverged), `final_loss` (NULL unless finite), `best_loss`, `train_loss` (smoothed), `initial_loss`,
`last_finite_loss`, `diverged_at_step`, `busy_s` (device seconds), `failure`, `finished_at`; the
common hyperparameters `lr`, `momentum`, `beta2`, `eps`, `weight_decay`, `warmup_fraction`,
`lr_floor`, `grad_clip`, `z_loss` (NULL where the run has none), `steps`, `batch_size`; and the
whole configuration, `config`, as JSON text.

`v_curve`: one row per variant and value: the variant's columns, `parameter`, `axis_scale`, `value`,
`seeds` (points), `finite`, `diverged`, `failed` (or cancelled), `waiting` (pending or running), and
`loss_mean`, `loss_min`, `loss_max` of the final losses over the finite ones.

`v_metric`: one row per measurement: `trial`, `key`, `step`, `value`, `kind` (finite, nan, inf,
-inf, json; `value` is NULL unless finite), `detail` (JSON text, NULL unless `kind` is json).

`v_integrity`: must be empty. Each row is a broken promise: `problem`, `sweep`, `trial` or NULL.
"""

from collections.abc import Mapping

VIEWS = ("v_result", "v_curve", "v_metric", "v_integrity")

HYPERPARAMETERS = (
    "lr",
    "momentum",
    "beta2",
    "eps",
    "weight_decay",
    "warmup_fraction",
    "lr_floor",
    "grad_clip",
    "z_loss",
)

_VARIANT = (
    "s.public_id AS sweep, s.name AS sweep_name, v.label, v.optimizer, v.scale, v.architecture"
)
_JOIN = """FROM point p
  JOIN sweep s ON s.id = p.sweep_id
  JOIN variant v ON v.id = p.variant_id
  JOIN trial t ON t.id = p.trial_id"""


def definitions(dialect: str) -> Mapping[str, str]:
    """The SELECT of each view; only reading JSON differs between the databases."""
    return {
        "v_result": _result(dialect),
        "v_curve": _CURVE,
        "v_metric": _METRIC,
        "v_integrity": _INTEGRITY,
    }


def create_statements(dialect: str) -> list[str]:
    """SQL that creates all views."""
    return [f"CREATE VIEW {name} AS\n{body}" for name, body in definitions(dialect).items()]


def drop_statements() -> list[str]:
    """SQL that drops them, whether they are there or not."""
    return [f"DROP VIEW IF EXISTS {name}" for name in reversed(VIEWS)]


def _number(dialect: str, path: tuple[str, ...]) -> str:
    if dialect == "sqlite":
        return f"json_extract(t.config, '$.{'.'.join(path)}')"
    return f"CAST(CAST(t.config AS json) #>> '{{{','.join(path)}}}' AS double precision)"


def _integer(dialect: str, name: str) -> str:
    number = _number(dialect, (name,))
    return number if dialect == "sqlite" else f"CAST({number} AS bigint)"


def _result(dialect: str) -> str:
    common = ",\n  ".join(
        f"{_number(dialect, ('hyperparameters', name))} AS {name}" for name in HYPERPARAMETERS
    )
    lengths = ", ".join(f"{_integer(dialect, name)} AS {name}" for name in ("steps", "batch_size"))
    columns = f"""{_VARIANT},
  s.parameter, s.axis_scale, p.value, p.seed, p.origin, t.public_id AS trial, t.state, t.outcome,
  t.final_loss, t.best_loss, t.train_loss, t.initial_loss, t.last_finite_loss, t.diverged_at_step,
  t.busy_s, t.failure, t.finished_at,
  {common},
  {lengths}, t.config"""
    return "SELECT " + columns + "\n" + _JOIN


_CURVE = f"""SELECT {_VARIANT}, s.parameter, s.axis_scale, p.value, count(*) AS seeds,
  sum(CASE WHEN t.outcome = 'finite' THEN 1 ELSE 0 END) AS finite,
  sum(CASE WHEN t.outcome = 'diverged' THEN 1 ELSE 0 END) AS diverged,
  sum(CASE WHEN t.state IN ('failed', 'cancelled') THEN 1 ELSE 0 END) AS failed,
  sum(CASE WHEN t.state IN ('pending', 'running') THEN 1 ELSE 0 END) AS waiting,
  avg(t.final_loss) AS loss_mean, min(t.final_loss) AS loss_min, max(t.final_loss) AS loss_max
{_JOIN}
GROUP BY s.id, v.id, p.value"""

_METRIC = """SELECT t.public_id AS trial, m.key, m.step, m.value, m.kind, m.detail
FROM metric m JOIN trial t ON t.id = m.trial_id"""

_INTEGRITY = """SELECT 'a sweep has lost points' AS problem, s.public_id AS sweep,
  CAST(NULL AS text) AS trial
FROM sweep s
WHERE s.num_points <> (SELECT count(*) FROM point p JOIN trial t ON t.id = p.trial_id
  WHERE p.sweep_id = s.id
  AND t.state IN ('pending', 'running', 'done', 'failed', 'cancelled'))
UNION ALL
SELECT 'two live trials have one fingerprint', NULL, min(t.public_id)
FROM trial t WHERE t.state NOT IN ('failed', 'cancelled')
GROUP BY t.fingerprint HAVING count(*) > 1
UNION ALL
SELECT 'a result is incomplete', NULL, t.public_id
FROM trial t
WHERE (t.state = 'done') <> (t.outcome IS NOT NULL)
  OR (COALESCE(t.outcome, '') = 'finite') <> (t.final_loss IS NOT NULL)
UNION ALL
SELECT 'a running trial is in no running stack', NULL, t.public_id
FROM trial t
WHERE t.state = 'running'
  AND NOT EXISTS (SELECT 1 FROM stack k WHERE k.id = t.stack_id AND k.state = 'running')
UNION ALL
SELECT 'a pending trial is in a stack that is not pending', NULL, t.public_id
FROM trial t JOIN stack k ON k.id = t.stack_id
WHERE t.state = 'pending' AND k.state <> 'pending'
UNION ALL
SELECT 'the demand for a trial is wrong', NULL, t.public_id
FROM trial t
WHERE t.state IN ('pending', 'running') AND COALESCE(t.demand, -2147483648) <>
  COALESCE((SELECT max(s.priority) FROM point p JOIN sweep s ON s.id = p.sweep_id
    WHERE p.trial_id = t.id AND s.intent = 'active'), -2147483648)
UNION ALL
SELECT 'a cancelled trial still runs', NULL, t.public_id
FROM trial t
WHERE t.state IN ('pending', 'running')
  AND NOT EXISTS (SELECT 1 FROM point p JOIN sweep s ON s.id = p.sweep_id
    WHERE p.trial_id = t.id AND s.intent <> 'cancelled')"""
