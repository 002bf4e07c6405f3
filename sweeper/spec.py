"""A sweep as its user writes it: the JSON body, and its shape. What it may say is in `rules`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from sweeper.errors import InvalidRequest
from sweeper.shape import NAME, TEXT, problems

MAX_POINTS = 10_000
"""Points of one sweep: variants times values times seeds."""

AxisScale = Literal["log", "linear", "one_minus_log"]
SamplerName = Literal["tpe", "gp"]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
# Letters, digits, spaces and the punctuation of formulas: no markup, no control characters.
Text = Annotated[str, StringConstraints(pattern=TEXT)]
Name = Annotated[str, StringConstraints(pattern=NAME)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tie(_Model):
    """An override that follows another hyperparameter: `{"tie": "momentum"}`."""

    tie: Name


Setting = Number | StrictBool | Tie | Name
"""A number, a switch, a tie, or the name of a choice such as a schedule."""


SPACINGS = frozenset({"points", "half_decades"})
"""The ways to fill the range between two ends."""


class Grid(_Model):
    """Values, given in one of four ways.

    Listed; so many between two ends, or every half-decade; or in multiples of each optimizer's
    centre.
    """

    values: list[Number] | None = Field(default=None, min_length=1, max_length=MAX_POINTS)
    low: Number | None = None
    high: Number | None = None
    points: Annotated[Whole, Field(ge=2, le=MAX_POINTS)] | None = None
    half_decades: StrictBool = False
    """Every 1e-k and 3.16e-k between the ends, as the study writes them."""
    multiples: list[Number] | None = Field(default=None, min_length=1, max_length=MAX_POINTS)
    """Of what the optimizer's settings say of the hyperparameter, or else of its default."""

    @property
    def given(self) -> frozenset[str]:
        """The parts of a grid that are given."""
        parts = {name: getattr(self, name) for name in Grid.model_fields}
        return frozenset(k for k, part in parts.items() if part is not None and part is not False)

    @property
    def is_range(self) -> bool:
        """Whether anything of a grid between two ends is given."""
        return bool({"low", "high", *SPACINGS} & self.given)


class AxisSpec(Grid):
    """A swept hyperparameter with its values and their scale."""

    parameter: Name
    scale: AxisScale | None = None
    zero: StrictBool = False
    """Adds the value 0 to a log axis."""

    @model_validator(mode="after")
    def _one_way_to_give_values(self) -> Self:
        if message := incomplete(self):
            raise ValueError(message)
        return self


class OptimizerSpec(Grid):
    """One optimizer of a sweep, with what it overrides; a bare name stands for no overrides.

    Its own `values` or `multiples` replace those of the axis, and its own ends theirs.
    """

    name: Name
    label: Text | None = None
    inert: StrictBool = False
    """Keeps the points of an optimizer that does not have the swept hyperparameter."""
    overrides: dict[str, Setting] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_overrides(cls, raw: Any) -> Any:
        if isinstance(raw, str):
            return {"name": raw}
        if not isinstance(raw, dict):
            return raw
        own = cls.model_fields.keys() - {"overrides"}
        overrides = {key: value for key, value in raw.items() if key not in own}
        return {key: raw[key] for key in raw.keys() & own} | {"overrides": overrides}


class BracketSpec(_Model):
    """Bracketing: values beyond the end of the grid, for as long as the best one lies there."""

    mode: Literal["auto"] = "auto"
    budget: Annotated[Whole, Field(ge=1, le=100)]
    """The most values that are added to a curve."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_budget(cls, raw: Any) -> Any:
        return _with_budget(raw)


class RefinementSpec(_Model):
    """Refinement: values near the optimum, at the edges of the basin, and where runs diverge."""

    budget: Annotated[Whole, Field(ge=1, le=100)]
    """The most values that are added to a curve."""
    tolerance: Annotated[Number, Field(gt=0)] | None = None
    """How closely edges are known in the end: in decades, on a linear axis in its own unit."""
    depth: Annotated[Number, Field(gt=0, le=10)] = 0.05
    """Of the basin: nats above the best loss."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_budget(cls, raw: Any) -> Any:
        return _with_budget(raw)


def _with_budget(raw: Any) -> Any:
    if isinstance(raw, dict) and raw.get("budget") is not None:
        return raw
    shown = repr(raw)[:80]
    raise ValueError(
        f"needs a budget, the most values that it may add to each curve, "
        f'such as {{"budget": 6}}, but got {shown}'
    )


class RangeSpec(_Model):
    """What a search may try of a hyperparameter, both ends included."""

    low: Number
    high: Number
    scale: AxisScale | None = None


class SearchSpec(_Model):
    """Looks for the best values of several hyperparameters at once, in place of an axis."""

    over: dict[Name, RangeSpec] = Field(min_length=1, max_length=20)
    """An optimizer without one of them is searched over the others."""
    trials: Annotated[Whole, Field(ge=1, le=1000)]
    """Candidates of each variant."""
    at_once: Annotated[Whole, Field(ge=1, le=100)] = 4
    """Candidates of each variant that are asked for together, and trained as one stack."""
    sampler: SamplerName = "tpe"
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    """Of the sampler; the runs have the `seeds` of the sweep."""


CANDIDATE = "candidate"
"""The axis of a search: its values are the numbers of the candidates, in the order of asking."""


class SweepSpec(_Model):
    """One axis over optimizers, scales, architectures and seeds; or two, for their interaction.

    Or no axis but a search for the best values of several hyperparameters.
    """

    name: Text
    axis: AxisSpec
    search: SearchSpec | None = None
    second_axis: AxisSpec | None = None
    """Every value of it is a variant of each optimizer."""
    optimizers: list[OptimizerSpec] = Field(min_length=1, max_length=100)
    scales: list[Name] = Field(default=["nano"], min_length=1, max_length=100)
    architectures: list[Name] = Field(default=["standard"], min_length=1, max_length=100)
    seeds: list[Annotated[Whole, Field(ge=0, lt=2**32)]] = Field(
        default=[0], min_length=1, max_length=1000
    )
    base: dict[str, Setting] = {}
    """Settings of every variant; an optimizer without such a hyperparameter ignores it."""
    data: Name = "embedded"
    priority: Annotated[Whole, Field(ge=-100, le=100)] = 0
    fresh: StrictBool = False
    """Trains every point anew and shares nothing with other sweeps."""
    extend: BracketSpec | None = None
    """Adds values on the side where the optimum lies on the edge, until it is bracketed."""
    refine: RefinementSpec | None = None
    """Then adds values where the curve is not known closely enough."""
    centre: Name | None = None
    """The search whose best values the settings are, where they do not say otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _axis_of_a_search(cls, raw: Any) -> Any:
        """The numbers of its candidates, so that a search is a sweep to everything else."""
        if not isinstance(raw, dict) or raw.get("search") is None:
            return raw
        also = [key for key in ("axis", "second_axis", "extend", "refine") if raw.get(key)]
        if also:
            raise ValueError(f"a search has no {also[0]}: give one of `axis` and `search`")
        return raw | {"axis": {"parameter": CANDIDATE, "values": [0], "scale": "linear"}}


class ExtensionSpec(_Model):
    """Further points of a sweep: every one of `values` with every one of `seeds`.

    What is left out is what each curve has already.
    """

    values: list[Number] | None = Field(default=None, min_length=1, max_length=MAX_POINTS)
    seeds: list[Annotated[Whole, Field(ge=0, lt=2**32)]] | None = Field(
        default=None, min_length=1, max_length=1000
    )
    variants: list[Text] | None = Field(default=None, min_length=1, max_length=1000)
    """Labels of the curves that get them; all of them unless given."""

    @model_validator(mode="after")
    def _adds_something(self) -> Self:
        if self.values is None and self.seeds is None:
            raise ValueError("give `values`, `seeds` or both")
        return self


Parsed = TypeVar("Parsed", bound=BaseModel)


def parse(body: Mapping[str, Any]) -> SweepSpec:
    """The sweep that a JSON body describes; `InvalidRequest` lists all that its shape breaks."""
    return validated(SweepSpec, body)


def validated(model: type[Parsed], body: Mapping[str, Any]) -> Parsed:
    """The body as one of the models here; `InvalidRequest` lists all that its shape breaks."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidRequest(problems(error, model, _PARTS)) from None


def incomplete(grid: Grid) -> str | None:
    """What is wrong with the way in which values are given, or None."""
    lists = grid.given & {"values", "multiples"}
    whole_range = {"low", "high"} <= grid.given and len(grid.given & SPACINGS) == 1
    if len(lists) + grid.is_range == 1 and (lists or whole_range):
        return None
    return (
        "give the values in one way: `values`, `multiples`, or `low` and `high` with either "
        "`points` or `half_decades`"
    )


_PARTS: Mapping[str, type[BaseModel]] = {
    "axis": AxisSpec,
    "second_axis": AxisSpec,
    "extend": BracketSpec,
    "refine": RefinementSpec,
    "search": SearchSpec,
}
"""Where a key stands in a sweep, and the model that has it."""
