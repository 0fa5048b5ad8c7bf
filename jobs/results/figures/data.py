"""The data of a dataset's charts, without any words or marks.

Suffixes: P points of a line, A and B points along the two axes of a map, R rows, E epochs, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.samples import Sample

Floats = NDArray[np.float64]
Role = Literal["first", "chosen", "best", "other"]
"""Why a variant is drawn: it is the first of the spec, or what `fit` has chosen in its place, the best, or an example
of another activation or cause."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A variant that is drawn, and the trial of it that is asked: its best one."""

    row: Mapping[str, Any]
    """The variant's row in the summary's table."""
    roles: tuple[Role, ...]
    """A variant may be both the first and the best."""
    trial: str | None
    """Id; None where no trial is ok: such a variant has losses alone."""
    seed: int | None
    """Of that trial."""
    split: str | None
    """Of that trial, where a table has several splits."""

    @property
    def is_end(self) -> bool:
        """Whether it is the first or the best, of which more is drawn than a line among others."""
        return self.roles != ("other",)


@dataclass(frozen=True, slots=True)
class Curves:
    """Answers along the only input of a dataset, from below its training range to above it.

    Of `digits` the input is the number itself. Unused inputs are held at the middle of their range.
    """

    name: str
    """Of the input."""
    inputs_P: Floats
    """Increasing, in the units of the input; integers where the numbers are, all of them where there are few."""
    target_P: Floats | None
    """The rule itself; NaN where it isn't finite. None for a table, whose rule is unknown."""
    low: float
    """Where the training range begins."""
    high: float
    answers: tuple[tuple[Chosen, Floats], ...]
    """(variant, answers_P in the target's units); NaN where a network has none, as of the logarithm of 0."""
    rows: tuple[Floats, Floats] | None
    """Of a table: inputs_R and targets_R of some test rows."""


@dataclass(frozen=True, slots=True)
class ErrorMap:
    """Errors on a lattice of the only two inputs of a dataset, predicted minus expected.

    Unused inputs are held at the middle of their range.
    """

    chosen: Chosen
    names: tuple[str, str]
    """Of the inputs."""
    inputs_A: Floats
    """Of the first input, increasing."""
    inputs_B: Floats
    error_AB: Floats
    """In the target's units; NaN where the rule isn't finite or the network has no answer."""
    low: tuple[float, float]
    """Where the training range of each input begins."""
    high: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Residuals:
    """Expected and predicted values of test rows."""

    chosen: Chosen
    expected_R: Floats
    predicted_R: Floats
    of: int
    """How many test rows there are: all of them are here, or the first ones of generated rows, or some that are evenly
    spread over a table."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The training loss of a variant, at about 50 epochs spaced evenly in the logarithm."""

    chosen: Chosen
    seeds: tuple[int, ...]
    """The first ones of the variant, at most 10; where a table has several splits, those of `chosen.split`."""
    epochs_E: Floats
    loss_SE: Floats
    """In normalised units; NaN from where a trial diverged."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is drawn of one dataset; what doesn't apply, or whose weights are lost, is None or empty."""

    curves: Curves | None = None
    maps: tuple[ErrorMap, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    losses: tuple[Losses, ...] = ()
    samples: tuple[tuple[Chosen, tuple[Sample, ...]], ...] = ()
    """Expected and predicted numbers of the first network and of the best: the question's own table."""
    rmse: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By variant id, the RMSE of each trial that is ok, in the order of splits and seeds."""
