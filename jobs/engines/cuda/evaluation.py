"""The predictions of models on a GPU: their numbers, or the sums of their errors alone, which are much smaller.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.cuda import compiler
from sumsquares.jobs.engines.cuda.driver import Device, Module
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.metrics import Floats, Sums

THREADS = 128
"""Of a block that sums up errors, as in errors.cuh."""
OUTPUT_BYTES = 1 << 28
"""Memory on the device for the predictions of one launch."""
BLOCK_ROWS, MOST_BLOCKS = 256, 65_535
"""Rows that one block predicts, where that takes no more blocks per model than a grid can have."""


def grid(models: int, rows: int) -> tuple[int, int]:
    """Returns the blocks of a launch that predicts: for each model, and along the rows."""
    return models, min(-(-rows // BLOCK_ROWS), MOST_BLOCKS)


def most_rows(models: int, inputs: int, item_bytes: int) -> int:
    """Returns how many rows with so many inputs are predicted at a time."""
    return max(1, OUTPUT_BYTES // (item_bytes * (models + inputs)))


@dataclass(frozen=True)
class Predictor:
    """An engine's predictor, which can also sum up errors: a function from inputs [N, I] to predictions [M, N]."""

    device: Device
    models: int
    predict: Callable[[NDArray[np.floating]], Array]
    """From inputs to predictions on the device, float32 or float64."""
    most: int
    """Rows that are predicted at a time."""

    def __call__(self, x_NI: NDArray[np.floating]) -> Floats:
        """Returns the predictions."""
        predicted_MN = np.empty((self.models, len(x_NI)))
        for part in self._parts(len(x_NI)):
            predicted_MN[:, part] = self.predict(x_NI[part]).get()
        return predicted_MN

    def sums(
        self, x_NI: NDArray[np.floating], expected_N: Floats, chosen: NDArray[np.intp], scale: float, shift: float
    ) -> Sums:
        """Returns the sums over these rows; `chosen` are the indices of those that are also summed separately.

        The answer to a row is its prediction * scale + shift.
        """
        is_chosen_N = np.zeros(len(expected_N), np.uint8)
        is_chosen_N[chosen] = 1
        parts = [
            self._sums(x_NI[part], expected_N[part], is_chosen_N[part], scale, shift)
            for part in self._parts(len(x_NI)) or [slice(0)]
        ]
        return reduce(Sums.plus, parts)

    def _parts(self, rows: int) -> list[slice]:
        return [slice(first, min(first + self.most, rows)) for first in range(0, rows, self.most)]

    def _sums(
        self, x_NI: NDArray[np.floating], expected_N: Floats, is_chosen_N: NDArray[np.uint8], scale: float, shift: float
    ) -> Sums:
        put, sums = self.device.put, self.device.zeros((len(Sums._fields), self.models), "float64")
        if len(x_NI):
            predicted = self.predict(x_NI)
            kernel = _module(self.device).function(f"sums_{predicted.dtype}")
            rows = (put(expected_N), put(is_chosen_N), len(x_NI))
            kernel.launch(self.models, THREADS, 0, predicted, *rows, float(scale), float(shift), sums)
        found = Sums(*sums.get())
        return found._replace(exact_M=found.exact_M.astype(np.int64), right_side_M=found.right_side_M.astype(np.int64))


@lru_cache(maxsize=4)
def _module(device: Device) -> Module:
    return device.load(compiler.compiled(text(), device.architecture).image)


def text() -> str:
    """Returns the source of the kernels."""
    return source({"T": "double"}, ("platform.cuh", "errors.cuh"))
