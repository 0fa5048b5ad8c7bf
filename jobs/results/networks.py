"""What kinds of functions networks are, as far as floors and sentences depend on it: linear, or of linear pieces.

All of it is said of normalised numbers. A network whose inputs or target are logarithms is no linear function of the
raw numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.normalize import NormalizationKind, TargetKind, kind_of_target, normalization
from sumsquares.jobs.spec.variants import Variant

Reach = tuple[float, float]
"""The lowest and the highest answer; infinite where there is none."""
ENDS: dict[str, Reach] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}
"""What output activations reach; those that are missing reach every number."""
_KINKED = ("relu", "leaky_relu")


class Network(NamedTuple):
    """What the floor of a variant depends on, beside its dataset."""

    hidden: tuple[int, ...]
    activation: str
    output: str = "linear"
    log_inputs: bool = False
    log_target: bool = False
    reach: Reach | None = None
    """None if it reaches every number."""

    @property
    def has_logs(self) -> bool:
        """Whether its inputs or its target are logarithms."""
        return self.log_inputs or self.log_target

    @property
    def is_linear(self) -> bool:
        """Whether it is one linear function of its inputs, which may be logarithms."""
        return is_linear(self.hidden, self.activation, self.output) and not self.log_target

    @property
    def is_piecewise(self) -> bool:
        """Whether it is made of linear pieces, but isn't linear."""
        has_kinks = bool(self.hidden) and self.activation in _KINKED
        is_straight = not self.hidden or self.activation == "identity"
        is_so = has_kinks or is_straight if self.output == "relu" else has_kinks and self.output == "linear"
        return is_so and not self.log_target

    @property
    def is_relu_layer(self) -> bool:
        """Whether it has one hidden layer, of ReLU units: along any line it is one of a single input."""
        return self.is_piecewise and (self.output, self.activation, len(self.hidden)) == ("linear", "relu", 1)

    @property
    def pieces(self) -> int:
        """How many linear pieces it may have along a line at most: each unit may cut each piece in two."""
        hidden = math.prod(units + 1 for units in self.hidden) if self.activation in _KINKED else 1
        return hidden * (2 if self.output == "relu" else 1)


def network_of(variant: Variant, moments: Moments | None) -> Network:
    """Returns the network of a variant; the moments of its dataset are needed for an output activation alone."""
    kinds = (variant.normalize, variant.normalize_target)
    return Network(
        variant.hidden,
        variant.activation,
        variant.output,
        variant.normalize == "log",
        kind_of_target(*kinds) == "log",
        reach_of(variant.dataset, variant.output, *kinds, moments),
    )


def is_linear(hidden: Sequence[int], activation: str, output: str) -> bool:
    """Whether a network is one linear function of its normalised inputs, however many layers it has."""
    return output == "linear" and (not hidden or activation == "identity")


def is_linear_in_raw(row: Mapping[str, Any], hidden: Sequence[int]) -> bool:
    """Whether a variant, by its columns, is one linear function of the raw inputs."""
    has_logs = "log" in (row["normalize"], row["normalize_target"])
    return is_linear(hidden, row["activation"], row["output"]) and not has_logs


def distances(reach: Reach, target_N: NDArray[Any]) -> NDArray[np.float64]:
    """Returns how far targets are from what a network reaches."""
    low, high = reach
    return np.maximum(0.0, np.maximum(low - target_N, target_N - high))


def reach_of(
    spec: Dataset, output: str, kind: NormalizationKind, target_kind: TargetKind, moments: Moments | None
) -> Reach | None:
    """Returns what a network with that output activation reaches, in the target's units; None for every number."""
    if output not in ENDS:
        return None
    scale = normalization(spec, kind, target_kind, moments)
    with np.errstate(over="ignore"):
        low, high = (float(scale.restore(np.array(end))) for end in ENDS[output])
    return low, high
