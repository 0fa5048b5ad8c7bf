"""The solved readout: the output layer that fits the training rows best, given the hidden layers; and what those do.

The kernel computes it where it was built, so that a model's bits depend neither on its pack nor on the machine; else
numpy does.

Suffixes: M models, N rows, I inputs, P parameters of one model, U hidden units, K weights of the output layer with its
bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType

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
    """What has solved the readout: lanes or numpy."""


def observe(program: Program, parameters_MP: NDArray[np.floating], rows: Rows) -> Observed:
    """Observes trained models on normalised rows in float64, which are read chunk by chunk in stored order."""
    native = load()
    solver = readout_numpy if isinstance(native, str) else native
    program, parameters = replace(program, dtype="float64"), np.ascontiguousarray(parameters_MP, np.float64)
    group = _group(program)
    parts = [
        _observe(solver, program, parameters[first : first + group], rows) for first in range(0, len(parameters), group)
    ]
    readout_MK, dead_M, saturated_M = map(np.concatenate, zip(*parts, strict=True))
    return Observed(readout_MK, dead_M, saturated_M, "numpy" if isinstance(native, str) else "lanes")


def _observe(
    solver: Library | ModuleType, program: Program, parameters_MP: Floats, rows: Rows
) -> tuple[Floats, Floats, Floats]:
    """Returns the readouts, dead shares and saturated shares of models whose triangles fit into memory."""
    seen = Seen.of_no_rows(program, len(parameters_MP))
    for index in range(rows.chunks):
        x_NI, y_N = rows.chunk(index)
        for models in _parts(len(parameters_MP), FOLD_ROWS * _row_flops(program), VECTOR):
            for part in _parts(len(y_N), len(parameters_MP[models]) * _row_flops(program), FOLD_ROWS):
                x, y = (np.ascontiguousarray(array[part], np.float64) for array in (x_NI, y_N))
                solver.observe(program, parameters_MP[models], x, y, seen.models(models))
    readout_MK = _solve(solver, program, rows.count, seen.triangles_MCC)
    is_known_M = np.isfinite(seen.triangles_MCC).all(axis=(1, 2))
    if can_solve(program):
        is_known_M &= np.isfinite(readout_MK).all(axis=1)
    readout_MK[~is_known_M] = np.nan
    dead_M, saturated_M = _shares(program, seen, rows.count)
    return readout_MK, np.where(is_known_M, dead_M, np.nan), np.where(is_known_M, saturated_M, np.nan)


def _solve(solver: Library | ModuleType, program: Program, rows: int, triangles_MCC: Floats) -> Floats:
    """Returns the readouts of models, given the triangles of so many rows; NaN where there are none."""
    models, columns, _ = triangles_MCC.shape
    if not can_solve(program):
        return np.full((models, columns - 1), np.nan)
    parts = _parts(models, _solve_flops(program), VECTOR)
    return np.concatenate([solver.solve(rows, triangles_MCC[part]) for part in parts])


def _shares(program: Program, seen: Seen, rows: int) -> tuple[Floats, Floats]:
    """Returns the shares of dead and of saturated units."""
    dead_M = saturated_M = np.full(len(seen.highest_MU), np.nan)
    if program.hidden and program.activation == "relu":
        dead_M = (seen.highest_MU <= 0).mean(axis=1)
    if program.hidden and program.activation in readout_numpy.ENDS:
        saturated_M = (seen.saturated_MU >= SATURATED_SHARE * rows).mean(axis=1)
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
    return (program.rows * _row_flops(program) + solving) / FLOPS_PER_SECOND


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


def _row_flops(program: Program) -> float:
    """Operations to add a row to what is known of one model: the forward pass, and the reflections of a triangle."""
    return 2.0 * program.parameters + 2.0 * (program.layers[-1].inputs + 2) ** 2


def _solve_flops(program: Program) -> float:
    """Operations to solve the readout of one model: 7 per number for each pair of rows, in some 10 sweeps."""
    return 35.0 * (program.layers[-1].inputs + 1) ** 3
