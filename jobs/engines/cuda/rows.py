"""The training rows on the device, and the batches that a launch reads: gathered there, in the order of
engines/shuffle.py.

A dataset that fits stays on the device between packs. One that doesn't is uploaded in order, block by block.

Suffixes: N rows, I inputs, S steps, R rows of a batch as they lie in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.cuda.driver import Device
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import Rows, in_memory, step_blocks

BLOCK_ROWS = 1 << 18
"""Rows whose order is drawn at a time: 10 ms, while the device trains on those before."""
BLOCK_NUMBERS = 1 << 25
"""Inputs and targets of a block, likewise: with many inputs it has fewer rows, of 256 MB at most."""
RESIDENT_SHARE = 8
"""A dataset stays on the device where it takes less than this part of the free memory."""
RESIDENT_SETS = 4
"""Datasets that stay on the device at once."""


@dataclass(frozen=True)
class Stored:
    """Rows on the device."""

    x_NI: Array
    y_N: Array


@dataclass(frozen=True)
class Block:
    """The rows of some steps: where they are, and which of them each step trains on."""

    rows: Stored
    order_SR: NDArray[np.int32]
    """Indices of rows; -1 is padding."""
    counts_S: NDArray[np.int64]
    """Rows of each step's batch."""


_resident: OrderedDict[object, Stored] = OrderedDict()


def blocks(
    device: Device, program: Program, rows: Rows, begin: int, padded: int, most: Callable[[], int]
) -> Iterator[Block]:
    """Yields the steps from `begin` on, in blocks of at most `most()` steps whose batches have `padded` rows of memory.

    `most` is called before each block.
    """
    enough = max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // (program.inputs + 1)))
    arguments = (program.batch_size, program.shuffle_seed, program.epochs, begin, enough)
    for stored, order_N, ends_S in _in_order(device, program, rows, arguments):
        first = 0
        while first < len(ends_S):
            ends = ends_S[first : first + most()]
            start = int(ends_S[first - 1]) if first else 0
            yield _block(stored, order_N[start : ends[-1]], ends - start, padded)
            first += len(ends)


def _in_order(
    device: Device, program: Program, rows: Rows, arguments: tuple[int, int, int, int, int]
) -> Iterator[tuple[Stored, NDArray[np.integer], NDArray[np.int64]]]:
    """Yields rows on the device, the order in which they are trained on, and where each step's batch ends."""
    stored = _stored(device, program, rows)
    if stored is None:
        for x_NI, y_N, ends_S in step_blocks(rows, *arguments):
            yield _put(device, program, x_NI, y_N), np.arange(len(y_N)), ends_S
        return

    # The order of a dataset's rows is that of their indices.
    no_inputs: Any = np.empty((rows.count, 0), np.int32)
    indices: Any = np.arange(rows.count, dtype=np.int32)
    for _, order, ends_S in step_blocks(in_memory(no_inputs, indices), *arguments):
        order_N: Any = order
        yield stored, order_N, ends_S


def _block(stored: Stored, order_N: NDArray[np.integer], ends_S: NDArray[np.int64], padded: int) -> Block:
    counts_S = np.diff(ends_S, prepend=0)
    order_SR = np.full((len(ends_S), padded), -1, np.int32)
    is_row_SR = np.arange(padded) < counts_S[:, None]
    order_SR[is_row_SR] = order_N
    return Block(stored, order_SR, counts_S)


def _stored(device: Device, program: Program, rows: Rows) -> Stored | None:
    """Returns all rows on the device, where they may have been from an earlier pack; None if they take too much."""
    if rows.key in _resident:
        _resident.move_to_end(rows.key)
        return _resident[rows.key]
    if rows.count * (program.inputs + 1) * program.item_bytes > device.memory()[0] // RESIDENT_SHARE:
        return None
    x_NI = device.empty((rows.count, program.inputs), program.dtype)
    y_N = device.empty((rows.count,), program.dtype)
    first = 0
    for index in range(rows.chunks):
        x, y = rows.chunk(index)
        x_NI[first : first + len(y)].set(x)
        y_N[first : first + len(y)].set(y)
        first += len(y)
    stored = Stored(x_NI, y_N)
    if rows.key is not None:
        _resident[rows.key] = stored
        while len(_resident) > RESIDENT_SETS:
            _resident.popitem(last=False)
    return stored


def _put(device: Device, program: Program, x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> Stored:
    x, y = (np.ascontiguousarray(array, program.dtype) for array in (x_NI, y_N))
    return Stored(device.put(x), device.put(y))
