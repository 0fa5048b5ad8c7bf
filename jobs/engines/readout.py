"""The solved readout: the output layer that fits the training rows best, given the hidden layers; and what those do.

An engine may have an observer of its own. Else the lanes kernel computes it where it was built, so that a model's bits
depend neither on its pack nor on the machine; else numpy does.

Suffixes: M models, N rows, I inputs, P parameters of one model, U hidden units, K weights of the output layer with its
bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines import readout_numpy
from sumsquares.jobs.engines.lanes.library import FOLD_ROWS, Library, Seen, load
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import Rows

CALL_FLOPS = 2e9
"""Operations of one call, roughly: 0.1 to 0.4 s, without handling signals."""
FLOPS_PER_SECOND = 1e10
"""Operations that the kernel does in a second here: 7 to 20 x 10^9 were measured on a busy core with AVX-512."""
TRAINING_SPEED = 4
"""How many times faster training does its operations, in float32: 2 to 6 times where layers have 16 to 256 units."""
AFFORDABLE_SHARE, AFFORDABLE_SECONDS = 0.05, 0.1
"""What observing a model may cost: this share of its training, or so little."""
GROUP_BYTES = 1 << 26
"""Memory for the triangles of the models that are observed in one pass over the rows."""
SATURATED_SHARE = 0.99
"""The share of the rows from which on a unit that is saturated on them counts as saturated."""
VECTOR = 8
"""The most models of a vector."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """What the hidden layers of M models do on the training rows, and the readout that fits those rows best."""

    readout_MK: Floats
    """Weights of the output layer, then its bias; NaN unless `can_solve`. A model with a feature that isn't finite has
    NaN, here and below."""
    dead_share_M: Floats
    """Share of the hidden units that are above 0 on no row; NaN unless relu, or without hidden layers."""
    saturated_share_M: Floats
    """Share of the hidden units that are within 0.02 of the ends of their range on nearly all rows; NaN unless tanh or
    sigmoid, or without hidden layers."""
    solver: str
    """What has solved the readout: cuda or lanes, whose bits are the same, or numpy."""


class Known(NamedTuple):
    """What is known of M models after all rows."""

    readout_MK: Floats
    """NaN where it isn't finite, and unless `can_solve`."""
    is_finite_M: NDArray[np.bool_]
    """Whether all features are finite."""
    highest_MU: Floats
    """The highest activation of each unit, of all hidden layers."""
    saturated_MU: Floats
    """Rows on which a unit is saturated."""


class Observing(Protocol):
    """Models that are being observed."""

    def add(self, x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> None:
        """Adds rows, in stored order."""

    def known(self, rows: int) -> Known:
        """Returns what is known after all rows, of which there were so many."""


class Observer(Protocol):
    """Observes models of one program."""

    @property
    def solver(self) -> str:
        """What it is, as `Observed.solver` says."""

    @property
    def group(self) -> int:
        """Models that are observed in one pass over the rows."""

    def begin(self, parameters_MP: NDArray[np.floating]) -> Observing:
        """Returns models of which no row is known, with parameters in any dtype: at most a group."""


def observe(
    program: Program, parameters_MP: NDArray[np.floating], rows: Rows, observer: Observer | None = None
) -> Observed:
    """Observes trained models on normalised rows in float64, which are read chunk by chunk in stored order.

    It takes an engine's observer of the program, or this processor's.
    """
    observer = observer or _on_cpu(program)
    parts = [
        _observe(program, observer.begin(parameters_MP[first : first + observer.group]), rows)
        for first in range(0, len(parameters_MP), observer.group)
    ]
    readout_MK, dead_M, saturated_M = map(np.concatenate, zip(*parts, strict=True))
    return Observed(readout_MK, dead_M, saturated_M, observer.solver)


def _observe(program: Program, observing: Observing, rows: Rows) -> tuple[Floats, Floats, Floats]:
    """Returns the readouts, dead shares and saturated shares of one group."""
    for index in range(rows.chunks):
        observing.add(*rows.chunk(index))
    known = observing.known(rows.count)
    is_solved_M = np.isfinite(known.readout_MK).all(axis=1) | (not can_solve(program))
    is_known_M = known.is_finite_M & is_solved_M
    readout_MK = np.where(is_known_M[:, None], known.readout_MK, np.nan)
    dead_M, saturated_M = _shares(program, known, rows.count)
    return readout_MK, np.where(is_known_M, dead_M, np.nan), np.where(is_known_M, saturated_M, np.nan)


@dataclass(frozen=True)
class _OnCpu:
    """The observer of programs by the lanes kernel, or by numpy."""

    program: Program
    by: Library | ModuleType

    @property
    def solver(self) -> str:
        return "lanes" if isinstance(self.by, Library) else "numpy"

    @property
    def group(self) -> int:
        return _group(self.program)

    def begin(self, parameters_MP: NDArray[np.floating]) -> _ObservingOnCpu:
        parameters = np.ascontiguousarray(parameters_MP, np.float64)
        return _ObservingOnCpu(self.program, self.by, parameters, Seen.of_no_rows(self.program, len(parameters)))


@dataclass(frozen=True)
class _ObservingOnCpu:
    """Models that are being observed by calls of at most `CALL_FLOPS`."""

    program: Program
    by: Library | ModuleType
    parameters_MP: Floats
    seen: Seen

    def add(self, x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> None:
        flops = row_flops(self.program)
        for models in _parts(len(self.parameters_MP), FOLD_ROWS * flops, VECTOR):
            parameters_MP, seen = self.parameters_MP[models], self.seen.models(models)
            for part in _parts(len(y_N), len(parameters_MP) * flops, FOLD_ROWS):
                x, y = (np.ascontiguousarray(array[part], np.float64) for array in (x_NI, y_N))
                self.by.observe(self.program, parameters_MP, x, y, seen)

    def known(self, rows: int) -> Known:
        readout_MK = _solve(self.by, self.program, rows, self.seen.triangles_MCC)
        is_finite_M = np.array(np.isfinite(self.seen.triangles_MCC).all(axis=(1, 2)))
        return Known(readout_MK, is_finite_M, self.seen.highest_MU, self.seen.saturated_MU)


def _on_cpu(program: Program) -> Observer:
    native = load()
    return _OnCpu(replace(program, dtype="float64"), readout_numpy if isinstance(native, str) else native)


def _solve(solver: Library | ModuleType, program: Program, rows: int, triangles_MCC: Floats) -> Floats:
    """Returns the readouts of models, given the triangles of so many rows; NaN where there are none."""
    models, columns, _ = triangles_MCC.shape
    if not can_solve(program):
        return np.full((models, columns - 1), np.nan)
    parts = _parts(models, _solve_flops(program), VECTOR)
    return np.concatenate([solver.solve(rows, triangles_MCC[part]) for part in parts])


def _shares(program: Program, known: Known, rows: int) -> tuple[Floats, Floats]:
    """Returns the shares of dead and of saturated units."""
    dead_M = saturated_M = np.full(len(known.highest_MU), np.nan)
    if program.hidden and program.activation == "relu":
        dead_M = (known.highest_MU <= 0).mean(axis=1)
    if program.hidden and program.activation in readout_numpy.ENDS:
        saturated_M = (known.saturated_MU >= SATURATED_SHARE * rows).mean(axis=1)
    return dead_M, saturated_M


def with_readout(program: Program, parameters_MP: NDArray[np.floating], readout_MK: Floats) -> tuple[Program, Floats]:
    """Returns the float64 program with its parameters [M, P], of which the output layer's are replaced."""
    assert can_solve(program), program.output
    parameters = np.array(parameters_MP, np.float64)
    parameters[:, program.layers[-1].start :] = readout_MK
    return replace(program, dtype="float64"), parameters


def can_solve(program: Program) -> bool:
    """Whether least squares gives an output layer that fits best: only where the output is linear in its weights."""
    return program.output == "linear"


def is_affordable(program: Program) -> bool:
    """Whether observing a model takes little time beside its training, or hardly any, by a count of operations."""
    training = program.flops * program.item_bytes / 4 / (TRAINING_SPEED * FLOPS_PER_SECOND)
    return seconds_of(program) <= max(AFFORDABLE_SHARE * training, AFFORDABLE_SECONDS)


def seconds_of(program: Program) -> float:
    """Expected time to observe one of several models on one core."""
    solving = _solve_flops(program) if can_solve(program) else 0.0
    return (program.rows * row_flops(program) + solving) / FLOPS_PER_SECOND


def bytes_of(program: Program, models: int) -> int:
    """Bytes that observing models takes: the triangles of a group, and another one to solve."""
    return _triangle_bytes(program) * (min(models, _group(program)) + 1)


def _group(program: Program) -> int:
    """Models that are observed in one pass over the rows."""
    return max(1, GROUP_BYTES // _triangle_bytes(program))


def _triangle_bytes(program: Program) -> int:
    return 8 * (program.layers[-1].inputs + 2) ** 2


def _parts(count: int, flops: float, multiple: int) -> Iterator[slice]:
    """Divides models or rows, each of which takes so many operations, into those of one call."""
    size = max(1, int(CALL_FLOPS / flops) // multiple) * multiple
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def row_flops(program: Program) -> float:
    """Operations to add a row to what is known of one model: the forward pass, and the reflections of a triangle."""
    return 2.0 * program.parameters + 2.0 * (program.layers[-1].inputs + 2) ** 2


def _solve_flops(program: Program) -> float:
    """Operations to solve the readout of one model: 7 per number for each pair of rows, in some 10 sweeps."""
    return 35.0 * (program.layers[-1].inputs + 1) ** 3
