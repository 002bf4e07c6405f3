"""What one training run is: frozen values, complete and effective.

A `TrainConfig` holds everything that can change the final loss and nothing else, so its canonical
JSON is the identity of a trial. Runs with equal `stack_key` can be trained as one stack: all they
may differ in is `hyperparameters`, `decay_convention` and `seed`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

TRAINER_VERSION = 2
"""Raised whenever a change of the code changes a final loss: it is part of every identity."""

Precision = Literal["fp32", "bf16"]
ScheduleName = Literal["warmup_cosine", "warmup_stable_decay", "warmup_constant", "constant", "own"]
"""`own`: a training function has its own way with the learning rate, which cannot be chosen."""
DecayConvention = Literal["independent", "coupled", "own"]
QkNorm = Literal["width", "head", "off"]
Parameterisation = Literal["standard", "mup"]


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """A number that may differ between the trials of one stack: default, range and what it does.

    The range is `low <= value <= high`, without the bound itself where `open_low` / `open_high`.
    """

    default: float
    low: float = 0.0
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = True
    help: str = ""

    def admits(self, value: float) -> bool:
        """Whether the value lies in the range; NaN never does."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def rule(self, name: str) -> str:
        """The range as a reader would write it: `0 <= momentum < 1`."""
        left = f"{self.low:g} {'<' if self.open_low else '<='} {name}"
        if self.high == float("inf"):
            return f"{name} {'>' if self.open_low else '>='} {self.low:g}"
        return f"{left} {'<' if self.open_high else '<='} {self.high:g}"


LEAST_EPS = 1e-30
"""Of what divisions need: much less is zero in fp32, and 0 / 0 no number."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """A setting of an optimizer that a whole stack shares: a whole number, or a switch.

    The range of a number is `low <= value <= high`; a switch has none. What it is can be read from
    its default.
    """

    default: int | bool = 0
    low: int = 0
    high: int | None = None
    help: str = ""

    @property
    def is_switch(self) -> bool:
        """Whether it is either on or off."""
        return isinstance(self.default, bool)

    def admits(self, value: float) -> bool:
        """Whether the value is of the right kind and in the range."""
        if self.is_switch or isinstance(value, bool):
            return self.is_switch and isinstance(value, bool)
        return value == int(value) and self.low <= value <= (
            value if self.high is None else self.high
        )

    def rule(self, name: str) -> str:
        """The range as a reader would write it: `1 <= frequency <= 10`."""
        if self.is_switch:
            return f"{name} in (false, true)"
        return (
            f"{name} >= {self.low}" if self.high is None else f"{self.low} <= {name} <= {self.high}"
        )


TRAINING_HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    "lr": Hyperparameter(
        default=1e-3, open_low=True, help="peak learning rate; the default is the optimizer's own"
    ),
    "weight_decay": Hyperparameter(
        default=0.0,
        high=1.0,
        help="share of every weight removed per step at peak, independent of the learning rate; "
        "times the learning rate, and of any size, if decay_convention is coupled",
    ),
    "warmup_fraction": Hyperparameter(
        default=0.1, high=1.0, help="share of the steps spent warming up linearly"
    ),
    "lr_floor": Hyperparameter(
        default=0.1,
        high=1.0,
        open_high=False,
        help="share of the peak learning rate at which the schedule starts and ends",
    ),
    "grad_clip": Hyperparameter(
        default=1.0, open_low=True, help="global norm to which gradients are clipped"
    ),
    "z_loss": Hyperparameter(
        default=1e-4, help="weight of mean(logsumexp(logits)^2) in the training loss"
    ),
}
"""Hyperparameters of every optimizer; defaults of the study (arXiv 2407.07972)."""


def under_convention(name: str, rule: Hyperparameter, convention: object) -> Hyperparameter:
    """The range of a hyperparameter: a coupled decay is times the learning rate and may be large.

    With the small learning rates of Lion it is 1 or more: 3 to 10 times AdamW's (arXiv 2302.06675).
    """
    coupled = name == "weight_decay" and convention == "coupled"
    return replace(rule, high=float("inf")) if coupled else rule


SCHEDULE_HYPERPARAMETERS: Mapping[ScheduleName, frozenset[str]] = {
    "warmup_cosine": frozenset({"warmup_fraction", "lr_floor"}),
    "warmup_stable_decay": frozenset({"warmup_fraction", "lr_floor"}),
    "warmup_constant": frozenset({"warmup_fraction"}),
    "constant": frozenset(),
}
"""Which of the training hyperparameters each schedule reads; the others have no effect under it."""


BASE_WIDTHS = ("base_width", "base_head_width")
"""What `mup` alone reads of a model."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A decoder-only transformer. `width` is a multiple of `heads`; lengths are in tokens."""

    width: int
    layers: int
    heads: int
    sequence_length: int
    vocabulary: int
    """Rows of the token table; a data set may use fewer."""
    qk_norm: QkNorm = "width"
    """`width`: one LayerNorm over all heads of q and of k, as in the study's standard variant;
    `head`: one over each head, whose scales all heads share, as in arXiv 2302.05442."""
    tied_embeddings: bool = False
    """Whether the output layer is the token table; the study has a matrix for each. Optimizers that
    treat the last layer in a way of its own then find none, and the table is an embedding."""
    parameterisation: Parameterisation = "standard"
    """`mup`: a learning rate that is right at one width is right at any (`parameterisation.py`)."""
    base_width: int = 256
    """The width at which `mup` is the standard one; without effect on that."""
    base_head_width: int = 64
    """The width of a head at which it is, by default that of the study's scales."""

    def __post_init__(self) -> None:
        for name in BASE_WIDTHS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} >= 1 must hold, but got {name}={getattr(self, name)}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"width must be heads times an even head width, "
                f"but got width={self.width}, heads={self.heads}"
            )

    def num_parameters(self, *, embeddings: bool = True) -> int:
        """Parameters in closed form; without the two token tables if `embeddings` is false."""
        body = self.layers * (12 * self.width**2 + 2 * self.width + 2 * self.qk_norm_size)
        tables = 1 if self.tied_embeddings else 2
        return body + self.width + tables * self.vocabulary * self.width * embeddings

    @property
    def qk_norm_size(self) -> int:
        """Scales of the LayerNorm of q, and of k."""
        return {"width": self.width, "head": self.head_width, "off": 0}[self.qk_norm]

    @property
    def head_width(self) -> int:
        """Components of a query."""
        return self.width // self.heads

    @property
    def width_multiplier(self) -> float:
        """The width in multiples of the base width; 1 where that has no effect."""
        return self.width / self.base_width if self.parameterisation == "mup" else 1.0


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A token data set by name and content: `sha256` is that of its manifest's files."""

    name: str
    sha256: str
    vocabulary: int


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. `hyperparameters` holds every value that the run reads, defaults included.

    Lengths: `steps` in optimizer steps, `batch_size` and `eval_sequences` in sequences.
    """

    optimizer: str
    model: ModelConfig
    data: DataConfig
    steps: int
    batch_size: int
    hyperparameters: Mapping[str, float]
    options: Mapping[str, int | str | bool] = field(default_factory=dict)
    """Settings of the optimizer that a whole stack shares, such as `precondition_frequency`."""
    decay_convention: DecayConvention = "independent"
    """`independent`: a step at peak shrinks weights by `weight_decay` at any learning rate, as in
    the study; `coupled`: by `lr * weight_decay`, as in AdamW. Without decay there is none. `own`:
    the optimizer is not built in and has a rule of its own, which cannot be chosen."""
    optimizer_version: str = ""
    """Of an optimizer that is not built in: what `Entry.version` says."""
    schedule: ScheduleName = "warmup_cosine"
    precision: Precision = "fp32"
    seed: int = 0
    eval_sequences: int = 256
    """Sequences of the held-out text that every evaluation reads, always the same ones."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "eval_sequences"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} >= 1 must hold, but got {name}={getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"0 <= seed < 2**32 must hold, but got seed={self.seed}")

    @property
    def tokens(self) -> int:
        """Tokens read in training."""
        return self.steps * self.batch_size * self.model.sequence_length

    @property
    def is_function(self) -> bool:
        """Whether a training function trains it, alone, on something of which nothing is known."""
        return self.schedule == "own"


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Plain JSON values; numbers canonical, so that 1 and 1.0 are equal, and 0.0 and -0.0."""
    # Not `asdict`: it copies deeply, which a submission of 10,000 points would wait for.
    plain = dict(vars(config))
    plain |= {"model": dict(vars(config.model)), "data": dict(vars(config.data))}
    if config.model.parameterisation == "standard":
        for name in ("parameterisation", *BASE_WIDTHS):
            del plain["model"][name]
    plain["hyperparameters"] = {k: v + 0.0 for k, v in sorted(config.hyperparameters.items())}
    plain["options"] = dict(sorted(config.options.items()))
    if not config.hyperparameters.get("weight_decay"):
        del plain["decay_convention"]
    if not config.optimizer_version:
        del plain["optimizer_version"]
    return plain


def from_dict(plain: Mapping[str, Any]) -> TrainConfig:
    """The inverse of `to_dict`; raises TypeError or ValueError for anything else."""
    fields = dict(plain)
    return TrainConfig(
        **fields | {"model": ModelConfig(**fields["model"]), "data": DataConfig(**fields["data"])}
    )


def canonical_json(value: Mapping[str, Any]) -> str:
    """One text per value: sorted keys, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def stack_key(config: TrainConfig) -> str:
    """Sixteen hex digits, equal for runs that can be trained in one stack."""
    plain = to_dict(config)
    del plain["seed"]
    plain.pop("decay_convention", None)
    plain["hyperparameters"] = sorted(plain["hyperparameters"])
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()[:16]
