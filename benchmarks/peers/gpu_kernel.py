"""The training kernel of the cuda engine alone: loads it, keeps batches and models on the device, and launches it.

Suffixes: M models, S steps, B rows of a batch, I inputs, P parameters of one model.
"""

from __future__ import annotations

import numpy as np
from gpu_accuracy import BATCH, corrections

from sumsquares.jobs.engines.cuda.kernels import load
from sumsquares.jobs.engines.program import Program

LAUNCH_STEPS = 1000
"""Steps per launch."""


def program_of(hidden, steps):
    """The program of a network: ReLU and Adam, batches of 100 of 1,000 rows."""
    return Program(1, tuple(hidden), "relu", "adam", "constant", BATCH, -(-steps // 10), 1000, "float32", 0)


def compiled(device, hidden, steps):
    """Returns the kernels of a network, loaded."""
    return load(device, program_of(hidden, steps), has_decay=False)


class Training:
    """Models on the device and the batches of their steps."""

    def __init__(self, device, kernels, parameters_MP, x_SBI, y_SB, lr_M):
        """Copies everything to the device."""
        models, steps = len(parameters_MP), len(x_SBI)
        rows, stride = kernels.info.batch_rows, kernels.info.row_stride
        x, y = np.zeros((steps, rows, stride), np.float32), np.zeros((steps, rows), np.float32)
        x[:, : x_SBI.shape[1], : x_SBI.shape[2]], y[:, : y_SB.shape[1]] = x_SBI, y_SB
        first_S, second_S = corrections(steps)
        batch = y_SB.shape[1]
        per_step = np.stack([first_S, second_S, np.full(steps, 2 / batch), np.full(steps, batch)], 1)
        self.device, self.kernels, self.steps = device, kernels, steps
        self.batches = [device.put(x), device.put(y), device.put(per_step.astype(np.float32))]
        self.batches += [device.put(np.ones(steps)), device.put(np.full(steps, -1, np.int32))]
        self.first_MP = np.ascontiguousarray(parameters_MP, np.float32)
        self.rates = [device.put(np.asarray(lr_M, np.float64)), device.zeros(models, np.float64)]
        self.finite, self.losses = device.zeros(models, np.int64), device.zeros((models, 1), np.float64)
        self.far = device.empty(max(16, models * kernels.info.far_bytes), np.uint8)
        self.restart()

    def restart(self):
        """Goes back to the first step."""
        self.parameters = self.device.put(self.first_MP)
        self.state = [self.device.zeros(self.first_MP.shape, np.float32) for _ in range(2)]

    def run(self, begin, end):
        """Launches the kernel for some steps."""
        for start in range(begin, end, LAUNCH_STEPS):
            stop = min(end, start + LAUNCH_STEPS)
            self.kernels.train.launch(
                len(self.first_MP), self.kernels.info.threads, self.kernels.info.shared_bytes,
                *(array[start:stop] for array in self.batches), stop - start, 1000.0, *self.rates,
                self.parameters, *self.state, self.finite, self.losses, 1, self.far,
            )  # fmt: skip
