"""The reference for the kernel's observation of hidden layers, which serves where the kernel wasn't built.

It has `observe` and `solve` as `lanes.library.Library` has them. LAPACK's last bits differ from machine to machine.

Suffixes: M models, N rows, I inputs, P parameters of one model, C columns of a triangle, U hidden units,
K weights of the output layer with its bias.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.lanes.library import Seen
from sumsquares.jobs.engines.program import Program

ROWS = 1024
"""Rows that are added to a triangle at a time."""
ENDS = {"tanh": (-0.98, 0.98), "sigmoid": (0.02, 0.98)}
"""A unit is saturated where its activation isn't between these: within 0.02 of the ends of its range."""

Floats = NDArray[np.float64]


def observe(program: Program, parameters_MP: Floats, x_NI: Floats, y_N: Floats, seen: Seen) -> None:
    """Adds rows to what is known of the models, in place."""
    for m in range(len(parameters_MP)):
        model = slice(m, m + 1)
        for start in range(0, len(y_N), ROWS):
            part = slice(start, start + ROWS)
            hidden = _hidden(program, parameters_MP[model], x_NI[part])
            _fold(seen.triangles_MCC[m], hidden[-1] if hidden else x_NI[part], y_N[part])
            if hidden:
                _note(program.activation, np.concatenate(hidden, axis=1), seen.models(model))


def _hidden(program: Program, parameters_1P: Floats, x_NI: Floats) -> list[Floats]:
    """Returns the activations [N, U] of each hidden layer of one model."""
    import torch  # only where the kernel is missing: that takes seconds

    from sumsquares.jobs.engines.network import Network

    with torch.inference_mode():
        layers = Network(program, torch.from_numpy(parameters_1P)).hidden(torch.from_numpy(x_NI))
    return [layer[0].numpy() for layer in layers]


def _fold(triangle_CC: Floats, features_NK: Floats, y_N: Floats) -> None:
    """Adds rows to the triangle of one model."""
    rows_NC = np.column_stack((features_NK, np.ones(len(y_N)), y_N))
    with np.errstate(all="ignore"):
        triangle_CC[:] = np.linalg.qr(np.concatenate((triangle_CC, rows_NC)), mode="r")


def _note(activation: str, values_NU: Floats, seen: Seen) -> None:
    """Adds rows to the statistics of the units of one model."""
    seen.highest_MU[0] = np.fmax(seen.highest_MU[0], np.fmax.reduce(values_NU))
    if activation in ENDS:
        low, high = ENDS[activation]
        seen.saturated_MU[0] += np.count_nonzero((values_NU <= low) | (values_NU >= high), axis=0)


def solve(rows: int, triangles_MCC: Floats) -> Floats:
    """Returns the weights and bias that fit the rows of triangles best, as `numpy.linalg.lstsq` does for the rows."""
    size = triangles_MCC.shape[2] - 1
    readout_MK = np.full((len(triangles_MCC), size), np.nan)
    for readout_K, triangle_CC in zip(readout_MK, triangles_MCC, strict=True):
        if np.isfinite(triangle_CC).all():
            cut = np.finfo(np.float64).eps * max(rows, size)
            readout_K[:] = np.linalg.lstsq(triangle_CC[:size, :size], triangle_CC[:size, size], rcond=cut)[0]
    return readout_MK
