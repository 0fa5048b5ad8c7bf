"""Estimates of what a layout costs: registers of a thread, and clocks of a step. It chooses nothing (layout.py).

Fitted to hardware counters of 1-16-16-1 and 1-64-64-1 on an H200, and to what the compiler reports of other shapes. A
multiprocessor issues four instructions a clock, and a load of 16 bytes per lane takes 2.3 clocks of its shared memory.
The two overlap in part: the root of the sum of their squares was within 5 % of what was measured.
"""

from __future__ import annotations

from math import hypot, log2

from sumsquares.jobs.engines.cuda.shapes import Shape, Tiling

STATE = 2
"""Arrays of optimizer state that are counted, whatever the optimizer has."""
PARTS_OF_PROCESSOR, REGISTERS = 4, 16_384
"""A multiprocessor has four parts, each with so many registers and every fourth warp, whatever the architecture."""
LOAD_CLOCKS = 2.3
IDLE_WARPS = 3
"""With so many warps on a multiprocessor, half of the time passes in waiting."""


def clocks(tiling: Tiling, near: bool, blocks: int) -> float:
    """Clocks of a multiprocessor for a step of one model, where so many blocks share it."""
    warps = blocks * tiling.warps
    spilt = max(1.0, registers(tiling, near) / most_registers(warps))
    busy = hypot(_instructions(tiling, near) / 4, _loads(tiling) * LOAD_CLOCKS)
    return busy * spilt**2 * (1 + (IDLE_WARPS / warps) ** 2)


def most_registers(warps: int) -> int:
    """Registers that a thread can have where so many warps share a multiprocessor."""
    return min(255, REGISTERS // (32 * -(-warps // PARTS_OF_PROCESSOR)) // 8 * 8)


def most_warps(registers: int) -> int:
    """Warps that can share a multiprocessor where a thread has so many registers."""
    return PARTS_OF_PROCESSOR * (REGISTERS // (32 * registers))


def state_registers(tiling: Tiling) -> int:
    """Registers for the optimizer's state of the weights that a thread updates."""
    return tiling.shape.item_bytes // 4 * STATE * tiling.updated


def registers(tiling: Tiling, near: bool) -> int:
    """Registers of a thread; `near` says whether the optimizer's state of its weights is among them."""
    shape = tiling.shape
    quads = max(map(tiling.vectors, range(len(shape.hidden))))
    rows_and_units = 4 * tiling.rows * (quads + bool(shape.matrices)) + 4 * quads
    gradient = 5 * tiling.ci + 4 + (0 if near else STATE * 4 * tiling.ci // tiling.ks)
    vectors = STATE * -(-tiling.vector_words // tiling.threads)
    words = max(rows_and_units, gradient) + vectors + 20 * shape.keeps_slope
    return 50 + shape.item_bytes // 4 * words + near * state_registers(tiling)


def _instructions(tiling: Tiling, near: bool) -> float:
    """Instructions of a step of one model, over all warps."""
    shape, rows, tiles = tiling.shape, tiling.rows, tiling.tiles
    first, last = tiling.vectors(0), tiling.vectors(-1)
    count = 100.0 + tiles * (200 + rows * (8 * first * (1 + shape.inputs * shape.few) + 16 * last + 30))
    for outer, inner in _products(shape):
        count += tiles * tiling.fours(outer) * 16 * tiling.vectors(inner) * rows
    blocks = sum(map(tiling.rounds, shape.matrices))
    weights = 4 * tiling.ci / tiling.ks
    count += blocks * tiles * (tiling.groups * rows * weights + weights * (tiles > 1))
    count += blocks * weights * (10 if near else 14)
    return count * tiling.warps + _loads(tiling)


def _loads(tiling: Tiling) -> float:
    """Loads from shared memory, and shuffles, of a step of one model, over all warps."""
    shape, rows, tiles = tiling.shape, tiling.rows, tiling.tiles
    count = tiles * (rows * (shape.inputs * shape.few + log2(tiling.lc)) + 16 * tiling.vectors(-1))
    for outer, inner in _products(shape):
        quads = tiling.vectors(inner)
        count += tiles * (tiling.fours(outer) * (rows + 4 * quads) + 2 * rows * quads)
    blocks = sum(map(tiling.rounds, shape.matrices))
    count += blocks * tiles * tiling.groups / tiling.ks * rows * (1 + tiling.ci / 4)
    count += blocks * tiles * 2 * tiling.ci / tiling.ks * (tiles > 1)
    return count * tiling.warps * shape.item_bytes / 4


def _products(shape: Shape) -> list[tuple[int, int]]:
    """The layers that each product of rows and weights sums over, and those that it gives."""
    return [pair for layer in shape.matrices for pair in ((layer - 1, layer), (layer, layer - 1)) if pair[1] >= 0]
