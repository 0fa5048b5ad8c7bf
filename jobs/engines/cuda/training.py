"""The models of a pack in training on the device, and how many steps they train in one launch.

Suffixes: M models, P parameters of one model, E points of a loss curve, S steps, R rows of a batch as they lie in
memory.
"""

from __future__ import annotations

import numpy as np

from sumsquares.jobs.engines.cuda.driver import Device
from sumsquares.jobs.engines.cuda.kernels import Kernels
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.cuda.rows import Block
from sumsquares.jobs.engines.cuda.weights import initial_parameters
from sumsquares.jobs.engines.losses import curve_epochs, points
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.state import PerModel, State, losses_so_far

LAUNCH_SECONDS = 0.15
"""Of one launch, roughly: without handling signals or showing progress."""
FIRST_SECONDS = 0.02
"""Of the first one by the estimate below; what it takes is measured, and the next ones follow from that."""
MODEL_FLOPS, DEVICE_FLOPS = 2e10, 5e12
"""Operations of float32 in a second, roughly and at least: of one model's block, and of a device full of them."""
UPDATE_FLOPS = 30
"""The cost of updating one parameter, in operations."""
LEAST_STEP_SECONDS = 3e-6
"""Of a step of the smallest model."""
GROWTH = 8
"""How many times as many steps as the launch before it a launch may have."""
BATCH_BYTES, LAUNCH_STEPS = 1 << 28, 1 << 20
"""Memory of the batches of one launch, and its steps, at most."""
GATHER_THREADS, GATHER_BLOCKS = 256, 4096
"""Threads of a block that gathers rows, and the most blocks of a launch."""
LOSS_FACTORS = {"mse": 2.0}
"""By which a loss's slope is multiplied, as in engines/objective.py; 1 for all others."""


class Training:
    """Models on the device."""

    def __init__(self, gpu: Device, program: Program, kernel: Kernels, models: PerModel, state: State | None) -> None:
        self._gpu, self._program, self._kernel = gpu, program, kernel
        self._lr_M = gpu.put(np.array(models.lr, np.float64))
        self._decay_M = gpu.put(np.array(models.weight_decay, np.float64))
        count = len(models.seeds)
        self._far = gpu.empty(count * kernel.info.far_bytes, np.uint8)
        self._in_use: tuple[Array, ...] = ()
        if state is None:
            self._begin(models)
        else:
            self._resume(state)

    def _begin(self, models: PerModel) -> None:
        count, gpu, kernel = len(models.seeds), self._gpu, self._kernel
        self.step = 0
        self._parameters_MP = initial_parameters(gpu, self._program, models)
        self._state = [gpu.zeros(self._parameters_MP.shape, self._program.dtype) for _ in range(kernel.info.arrays)]
        self._finite_M = gpu.zeros((count,), np.int64)
        self._losses_ME = gpu.zeros((count, len(curve_epochs(self._program.epochs))), np.float64)

    def _resume(self, state: State) -> None:
        gpu, self.step = self._gpu, state.step
        self._parameters_MP = gpu.put(state.parameters)
        self._state = [gpu.put(array) for array in state.optimizer_state]
        self._finite_M = gpu.put(state.finite_steps.astype(np.int64))
        self._losses_ME = gpu.put(losses_so_far(self._program, state))

    def launch(self, block: Block) -> None:
        """Trains all models on the steps of a block, and returns before that is done."""
        begin, end = self.step, self.step + len(block.counts_S)
        inputs = (*self._batches(block), *self._per_step(block, begin, end))
        self._kernel.train.launch(
            len(self._finite_M),
            self._kernel.info.threads,
            self._kernel.info.shared_bytes,
            *inputs,
            end - begin,
            float(self._program.rows),
            self._lr_M,
            self._decay_M,
            self._parameters_MP,
            *[*self._state, None, None][:2],
            self._finite_M,
            self._losses_ME,
            self._losses_ME.shape[1],
            self._far,
        )
        # To free memory of the device waits for it: what it reads is kept until the next launch.
        self._in_use, self.step = inputs, end

    def _batches(self, block: Block) -> tuple[Array, Array]:
        """Gathers the rows of a block: x [S, R, I], with the kernel's stride of a row, and y [S, R]."""
        count = block.order_SR.size
        x = self._gpu.empty((count, self._kernel.info.row_stride), self._program.dtype)
        y = self._gpu.empty((count,), self._program.dtype)
        order, rows = self._gpu.put(block.order_SR), block.rows
        grid = min(-(-count * self._kernel.info.row_stride // GATHER_THREADS), GATHER_BLOCKS)
        self._kernel.gather.launch(grid, GATHER_THREADS, 0, rows.x_NI, rows.y_N, order, count, x, y)
        return x, y

    def _per_step(self, block: Block, begin: int, end: int) -> tuple[Array, Array, Array]:
        """Returns what changes from step to step: the numbers in the program's type, the rates' factors, the points."""
        program = self._program
        scale_S = LOSS_FACTORS.get(program.loss, 1.0) / block.counts_S
        steps_S4 = np.stack((*bias_corrections(begin, end), scale_S, block.counts_S), axis=1)
        point_S = points(begin, end, program.epochs, program.steps_per_epoch)
        return (
            self._gpu.put(steps_S4.astype(program.dtype)),
            self._gpu.put(lr_factors(program.schedule, begin, end, program.steps)),
            self._gpu.put(point_S.astype(np.int32)),
        )

    def snapshot(self) -> State:
        """Returns a copy of the state after the steps that were launched."""
        state = tuple(array.get() for array in self._state)
        return State(self.step, self._parameters_MP.get(), state, self._finite_M.get(), self._losses_ME.get())


class Pace:
    """How many steps a launch has: a constant time, by what the launches before it took."""

    def __init__(self, program: Program, models: int, kernel: Kernels) -> None:
        step_flops = program.flops / program.steps + UPDATE_FLOPS * program.parameters
        expected = max(LEAST_STEP_SECONDS, step_flops / MODEL_FLOPS, models * step_flops / DEVICE_FLOPS)
        numbers = kernel.info.batch_rows * (kernel.info.row_stride + 1)
        self._most = max(1, min(LAUNCH_STEPS, BATCH_BYTES // (numbers * program.item_bytes)))
        self._steps = int(FIRST_SECONDS / expected)

    def steps(self) -> int:
        """Steps of the next launch."""
        return min(max(1, self._steps), self._most)

    def took(self, steps: int, seconds: float) -> None:
        """Tells how long a launch of so many steps took."""
        self._steps = min(int(steps * LAUNCH_SECONDS / max(seconds, 1e-9)), GROWTH * steps)
