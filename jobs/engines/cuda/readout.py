"""Observes the hidden layers of models on a GPU and solves their readout, to the bits of the lanes kernel.

The kernels are in observe.cuh and solve.cuh. Networks whose layers are too wide for shared memory are left to the CPU.

Suffixes: M models, N rows, I inputs, P parameters of one model, C columns of a triangle, U hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.cuda import exact
from sumsquares.jobs.engines.cuda.driver import Device, Module
from sumsquares.jobs.engines.cuda.exact import TILE_ROWS
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.readout import Known, can_solve, row_flops

MOST_COLUMNS = 127
"""Of a triangle; from here on lanes adds in another order (WIDE_COLUMNS in lanes/wide.h)."""
GROUP_BYTES = 1 << 28
"""Memory on the device for the models that are observed in one pass over the rows."""
ROW_BYTES = 1 << 26
"""Memory on the device for rows."""
CALL_FLOPS, MODEL_FLOPS = 1e11, 3e8
"""Operations of one launch, and of one model in it, roughly: 0.1 s or less on a data centre's GPU, and 0.3 s where
float64 has 1/64 of float32's rate."""


def observer(device: Device, program: Program) -> Observer | None:
    """Returns the observer of a program; None for layers that are too wide."""
    found = Observer(device, program)
    fits = found.columns <= MOST_COLUMNS and found.shared_bytes <= device.shared_per_block
    return found if fits else None


@dataclass(frozen=True)
class Observer:
    """As `engines.readout.Observer` says."""

    device: Device
    program: Program
    solver: str = "cuda"

    @property
    def columns(self) -> int:
        """Columns of a triangle."""
        return self.program.layers[-1].inputs + 2

    @property
    def group(self) -> int:
        """Models that are observed in one pass over the rows."""
        program = self.program
        numbers = self.columns * (self.columns + 1) + 2 * sum(program.hidden)
        return max(1, GROUP_BYTES // (8 * numbers + program.item_bytes * program.parameters))

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: the larger one of the two kernels."""
        return max(self.observe_bytes, self.solve_bytes)

    @property
    def observe_bytes(self) -> int:
        """Shared memory to observe a model: two columns of a tile, the triangle, statistics, values of layers."""
        triangle = self.columns * (self.columns + 1) // 2
        numbers = 2 * (TILE_ROWS + 2) + triangle + 2 * sum(self.program.hidden)
        return 8 * numbers + exact.values_bytes(self.program)

    @property
    def solve_bytes(self) -> int:
        """Shared memory to solve a readout: the rows that are rotated, their lengths, and two flags."""
        return 8 * (self.columns - 1) * ((self.columns | 1) + 1) + 8

    def begin(self, parameters_MP: NDArray[np.floating]) -> Observing:
        """Returns models of which no row is known."""
        kind = "float32" if parameters_MP.dtype == np.float32 else "float64"
        models, units, device = len(parameters_MP), sum(self.program.hidden), self.device
        return Observing(
            self,
            exact.module(device, self.program),
            device.put(exact.shape(self.program)),
            device.put(np.ascontiguousarray(parameters_MP, kind)),
            device.zeros((models, self.columns, self.columns), "float64"),
            device.put(np.full((models, units or 1), -np.inf)),
            device.zeros((models, units or 1), "float64"),
        )


@dataclass(frozen=True)
class Observing:
    """Models that are being observed: what is known of them is on the device, as in `lanes.library.Seen`."""

    observer: Observer
    module: Module
    shape: Array
    parameters_MP: Array
    triangles_MCC: Array
    highest_MU: Array
    saturated_MU: Array

    def add(self, x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> None:
        """Adds rows, in stored order: a multiple of `TILE_ROWS`, but for the last ones."""
        device, program, models = self.observer.device, self.observer.program, self.parameters_MP.shape[0]
        observe = self.module.function(f"observe_{self.parameters_MP.dtype}")
        for first in range(0, len(y_N), self._most_rows()):
            part = slice(first, first + self._most_rows())
            x, y = np.ascontiguousarray(x_NI[part].T, np.float64), np.ascontiguousarray(y_N[part], np.float64)
            known = (self.parameters_MP, self.triangles_MCC, self.highest_MU, self.saturated_MU)
            arguments = (self.shape, device.put(x), device.put(y), len(y), *known)
            observe.launch(
                models, exact.threads(program, self.observer.columns), self.observer.observe_bytes, *arguments
            )

    def _most_rows(self) -> int:
        """Rows of one launch."""
        program = self.observer.program
        in_time = min(CALL_FLOPS / len(self.parameters_MP), MODEL_FLOPS) / row_flops(program)
        in_memory = ROW_BYTES / (8 * (program.inputs + 1))
        return max(1, int(min(in_time, in_memory)) // TILE_ROWS) * TILE_ROWS

    def known(self, rows: int) -> Known:
        """Returns what is known after all rows."""
        models, columns, _ = self.triangles_MCC.shape
        units = sum(self.observer.program.hidden)
        if can_solve(self.observer.program):
            readout = self.observer.device.empty((models, columns - 1), "float64")
            arguments = (np.int64(rows), columns, self.triangles_MCC, readout)
            threads = -(-(columns // 2) // 32) * 32  # one per pair of rows
            self.module.function("solve").launch(models, threads, self.observer.solve_bytes, *arguments)
            readout_MK = readout.get()
            is_finite_M = np.isfinite(readout_MK).all(axis=1)
        else:
            readout_MK = np.full((models, columns - 1), np.nan)
            is_finite_M = np.isfinite(self.triangles_MCC.get()).all(axis=(1, 2))
        return Known(readout_MK, is_finite_M, self.highest_MU.get()[:, :units], self.saturated_MU.get()[:, :units])
