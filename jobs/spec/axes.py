"""The one list of hyperparameters, with allowed values and defaults, and the tables [train] and [[grid]] of a spec.

A hyperparameter is added as a field of `Hyperparameters`. Specs, grids, variants, digests, result files and tables
are derived from its fields; only the engines need code of their own. The checks that need more than one table are in
checks.py, and the expansion to variants is in variants.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
)
from pydantic_core import PydanticCustomError

from sumsquares.datasets.normalize import NormalizationKind, TargetKind

T = TypeVar("T")

Activation = Literal["identity", "relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu", "square"]
Optimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"]
Schedule = Literal["constant", "cosine"]
Init = Literal["glorot_uniform", "he_uniform", "pytorch", "spread_knots"]
Readout = Literal["trained", "solved"]
Output = Literal["linear", "sigmoid", "tanh", "relu"]
Loss = Literal["mse", "mae", "huber", "bce"]
Dtype = Literal["float32", "float64"]
Engine = Literal["auto", "torch", "lanes", "cuda"]


def _without_sign_of_zero(value: float) -> float:
    return value + 0.0  # -0.0 is 0.0 in every result, so it must be in every digest


Width = Annotated[int, Field(strict=True, ge=1, le=16_384)]
Hidden = Annotated[tuple[Width, ...], Field(max_length=64, examples=[[64, 64]])]
LearningRate = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, examples=[0.001])]
WeightDecay = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, ge=0, examples=[0.01]),
    AfterValidator(_without_sign_of_zero),
]
BatchSize = Annotated[int, Field(strict=True, ge=1, le=10**12, examples=[100])]
Epochs = Annotated[int, Field(strict=True, ge=1, le=10**7, examples=[500])]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1, examples=[0])]


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _networks(value: Any) -> Any:
    """Rejects `[64, 64]`, which could mean one network or two, and `[]`."""
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple) for item in value):
        return value
    remedy = "write a list of networks: [[]] for no hidden layer, [[64, 64]] for two layers of 64 units"
    raise PydanticCustomError("spec_networks", f"a network is itself a list of layer widths; {remedy}")


Axis = Annotated[tuple[T, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
"""A scalar or a list in a [[grid]]; the default () stands for the constant of [train], or for all datasets."""

_SeedCount = Annotated[int, Field(strict=True, ge=1, le=10**9, examples=[5]), Tag("count")]
_SeedList = Annotated[tuple[Seed, ...], Field(min_length=1, examples=[[0, 1, 2]]), Tag("list")]
Seeds = Annotated[_SeedCount | _SeedList, Discriminator(lambda v: "list" if isinstance(v, list | tuple) else "count")]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Everything that defines a variant except its dataset; also [train], the constants for what a grid doesn't list.

    New fields go at the end: the order of the fields is that in which variants vary, and the first twelve are part of
    old digests.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    hidden: Hidden = ()
    """Units of each hidden layer, from the input side: 0 to 64 layers of 1 to 16,384 units. () is a linear model."""
    activation: Activation = "relu"
    """Applied after every hidden layer."""
    optimizer: Optimizer = "adam"
    lr: LearningRate = 0.001
    """Learning rate of the first step, above 0."""
    schedule: Schedule = "constant"
    """The learning rate is constant, or decays to 0 along half a cosine over all epochs."""
    weight_decay: WeightDecay = 0.0
    """At least 0; decoupled from the gradient for adamw only."""
    batch_size: BatchSize = 100
    """Rows per step, from 1 to the number of rows of the smallest dataset that it is used with."""
    epochs: Epochs = 500
    """Passes over the training rows, from 1 to 10,000,000."""
    init: Init = "glorot_uniform"
    """Distribution of the initial weights."""
    normalize: NormalizationKind = "unit"
    """Scale of the inputs, and of the target unless `normalize_target` says otherwise."""
    dtype: Dtype = "float32"
    """Type of weights, activations and optimizer state."""
    shuffle_seed: Seed = 0
    """Seed of the order of the rows, from 0 to 2**63-1."""
    readout: Readout = "trained"
    """The output layer is that of the training, or solved after it by least squares on the training rows."""
    normalize_target: TargetKind = "same"
    """Scale of the target, where it isn't that of the inputs."""
    output: Output = "linear"
    """Activation of the output layer."""
    loss: Loss = "mse"
    """What the training minimises: mean squared error, mean absolute error, Huber's loss or binary cross-entropy."""

    @property
    def in_digests(self) -> tuple[str, ...]:
        """The names that are part of the digest: the first twelve, and later ones that are not at their default.

        A trial that an earlier version trained therefore keeps its id when a hyperparameter is added.
        """
        added = [name for name in LATER if getattr(self, name) != DEFAULTS[name]] if LATER else []
        return (*_FIRST, *added) if added else _FIRST


DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Hyperparameters)}
"""The default of each hyperparameter, by name."""
AXES = tuple(DEFAULTS)
"""Names of the hyperparameters, in the order in which variants list and vary them: the last one changes fastest."""
_FIRST, LATER = AXES[:12], AXES[12:]
"""`LATER` are those that were added later: digests leave them out at their defaults, and old result files lack them."""


class _OfDatasets(BaseModel):
    """The first key of a [[grid]]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Axis[Annotated[str, Field(strict=True, examples=["squares"])]] = ()
    """Names of the datasets. Left out, it means all of the spec."""


def _axis_of(name: str, kind: Any) -> Any:
    """Returns the type of a hyperparameter in a [[grid]]: a value or a list of them; of networks always a list."""
    is_list = isinstance(DEFAULTS[name], tuple)
    return Annotated[tuple[kind, ...], BeforeValidator(_networks)] if is_list else Axis[kind]


if TYPE_CHECKING:
    _WithAxes = _OfDatasets
else:
    _kinds = get_type_hints(Hyperparameters, include_extras=True)
    _WithAxes = create_model(
        "_WithAxes", __base__=_OfDatasets, **{name: (_axis_of(name, _kinds[name]), ()) for name in AXES}
    )


class Grid(_WithAxes):
    """[[grid]]: the Cartesian product of its lists. A hyperparameter that it doesn't list has its value in [train]."""

    seeds: Seeds = 1
    """The seeds of each variant: a number n up to 10**9 for seeds 0 to n-1, or a list of seeds from 0 to 2**63-1."""

    @property
    def seed_values(self) -> Sequence[int]:
        """The distinct seeds."""
        return range(self.seeds) if isinstance(self.seeds, int) else tuple(dict.fromkeys(self.seeds))


def axes(grid: Grid, train: Hyperparameters) -> dict[str, tuple[Any, ...]]:
    """Returns the distinct values of every axis except dataset and seeds, in the order of AXES."""
    return {name: tuple(dict.fromkeys(getattr(grid, name) or (getattr(train, name),))) for name in AXES}
