"""Estimates of what a layout costs: registers of a thread, and clocks of a step. It chooses nothing (layout.py).

Fitted to hardware counters of 1-16-16-1 and 1-64-64-1 on an H200, to what the compiler reports of other shapes, and to
the times of 198 layouts of 22 programs there (`benchmarks/gpu_shapes.py --layouts`). A multiprocessor issues four
instructions a clock, and a load of 16 bytes per lane takes 2.3 clocks of its shared memory. The two overlap in part:
the root of the sum of their squares was within 5 % of what was measured.
"""

from __future__ import annotations

from math import hypot, log2, sqrt

from sumsquares.jobs.engines.cuda.shapes import Shape, Tiling

STATE = 2
"""Arrays of optimizer state that are counted, whatever the optimizer has."""
PARTS_OF_PROCESSOR, REGISTERS = 4, 16_384
"""A multiprocessor has four parts, each with so many registers and every fourth warp, whatever the architecture."""
LOAD_CLOCKS = 2.3
IDLE_WARPS = 3
"""With so many warps on a multiprocessor, half of the time passes in waiting."""
WAITING_WARPS = 3
"""A block of so many warps or more waits for the part of the multiprocessor that has most of them: with 5 warps the
same work took up to 1.5 times as long as with 4 or 8."""
ROOM = 0.8
"""Of the registers that a thread can have: up to this share, by the estimate, the optimizer's state is best among them.
It made 1-64-64-64-1 6 % faster and 20-16-16-1 11 %. Where more was needed, it took from 6 % less to 16 % more."""
ROUNDED = 1 - 1e-9
"""A lower bound is multiplied by it, since sums in another order round differently."""
ROOM_TILES = 2
"""With more tiles in a batch, the state is too small a part of a step."""


def clocks(tiling: Tiling, near: bool, blocks: int) -> float:
    """Clocks by which layouts are compared: more than there are where registers might not suffice."""
    spilt = max(1.0, registers(tiling, near) / most_registers(blocks * tiling.warps))
    return spilt**2 * clocks_of_step(tiling, near, blocks)


def clocks_of_step(tiling: Tiling, near: bool, blocks: int, instructions: float = 0.0) -> float:
    """Clocks of a multiprocessor for a step of one model, where so many blocks share it.

    `instructions` are those of the activation, for each unit of a row. They are the same in most layouts.
    """
    warps, loads = blocks * tiling.warps, _loads(tiling)
    issued = _instructions(tiling, near) + loads + instructions * _activations(tiling)
    busy = hypot(issued / 4, loads * LOAD_CLOCKS)
    uneven = _fullest(warps) * PARTS_OF_PROCESSOR / warps if tiling.warps >= WAITING_WARPS else 1.0
    return busy * (1 + (IDLE_WARPS / warps) ** 2) * sqrt(uneven)


def least_clocks(tiling: Tiling, most: int) -> float:
    """No layout with the same warps, LC and TILE has fewer `clocks`; `tiling` has a CI of 4, and others 8 at most.

    At most so many warps share a multiprocessor, or those of one block if they are more.
    """
    shape, tiles = tiling.shape, tiling.tiles
    weights = sum(tiling.padded(layer - 1) * tiling.padded(layer) for layer in shape.matrices) / tiling.threads
    of_tiles, rows = tiles * (tiles > 1), tiles * tiling.groups * tiling.rows
    loads = _loads_of_rows(tiling) + weights * (rows * 3 / 32 + of_tiles / 2)
    loads *= tiling.warps * shape.item_bytes / 4
    issued = (_instructions_of_rows(tiling) + weights * (rows + of_tiles + 10)) * tiling.warps + loads
    busy = hypot(issued / 4, loads * LOAD_CLOCKS)
    needed = _registers(tiling, gradient=0)
    spilt = max(1.0, needed / most_registers(tiling.warps))
    warps = max(min(most, most_warps(needed)), tiling.warps)
    return spilt**2 * busy * (1 + (IDLE_WARPS / warps) ** 2) * ROUNDED


def most_registers(warps: int) -> int:
    """Registers that a thread can have where so many warps share a multiprocessor."""
    return min(255, REGISTERS // (32 * _fullest(warps)) // 8 * 8)


def _fullest(warps: int) -> int:
    """Warps of the part of a multiprocessor that has most of them."""
    return -(-warps // PARTS_OF_PROCESSOR)


def most_warps(registers: int) -> int:
    """Warps that can share a multiprocessor where a thread has so many registers."""
    return PARTS_OF_PROCESSOR * (REGISTERS // (32 * registers))


def state_registers(tiling: Tiling) -> int:
    """Registers for the optimizer's state of the weights that a thread updates."""
    return tiling.shape.item_bytes // 4 * STATE * tiling.updated


def has_room(tiling: Tiling, blocks: int) -> bool:
    """Whether the optimizer's state has room in registers, however much it is, where so many blocks share it all."""
    if tiling.shape.keeps_slope or tiling.tiles > ROOM_TILES:
        return False
    return registers(tiling, near=True) <= ROOM * most_registers(blocks * tiling.warps)


def registers(tiling: Tiling, near: bool) -> int:
    """Registers of a thread; `near` says whether the optimizer's state of its weights is among them."""
    gradient = 5 * tiling.ci + 4 + (0 if near else STATE * 4 * tiling.ci // tiling.ks)
    return _registers(tiling, gradient) + near * state_registers(tiling)


def _registers(tiling: Tiling, gradient: int) -> int:
    """Those but for the state, where a block of the gradient takes so many numbers."""
    shape = tiling.shape
    quads = max(map(tiling.vectors, range(len(shape.hidden))))
    rows_and_units = 4 * tiling.rows * (quads + bool(shape.matrices)) + 4 * quads
    vectors = STATE * -(-tiling.vector_words // tiling.threads)
    return 50 + shape.item_bytes // 4 * (max(rows_and_units, gradient) + vectors + 20 * shape.keeps_slope)


def _instructions(tiling: Tiling, near: bool) -> float:
    """Instructions of a step of one model, over all warps, but for loads."""
    rows, tiles = tiling.rows, tiling.tiles
    blocks = sum(map(tiling.rounds, tiling.shape.matrices))
    weights = 4 * tiling.ci / tiling.ks
    count = _instructions_of_rows(tiling)
    count += blocks * tiles * (tiling.groups * rows * weights + weights * (tiles > 1))
    count += blocks * weights * (10 if near else 14)
    return count * tiling.warps


def _instructions_of_rows(tiling: Tiling) -> float:
    """Those of one warp that the gradients of matrices don't need."""
    shape, rows, tiles = tiling.shape, tiling.rows, tiling.tiles
    first, last = tiling.vectors(0), tiling.vectors(-1)
    count = 100.0 + tiles * (200 + rows * (8 * first * (1 + shape.inputs * shape.few) + 16 * last + 30))
    for outer, inner in _products(shape):
        count += tiles * tiling.fours(outer) * 16 * tiling.vectors(inner) * rows
    return count


def _activations(tiling: Tiling) -> int:
    """Activations of a step of one model, each of a unit of a row, over all warps."""
    vectors = sum(map(tiling.vectors, range(len(tiling.shape.hidden))))
    return tiling.tiles * tiling.rows * 4 * vectors * tiling.warps


def _loads(tiling: Tiling) -> float:
    """Loads from shared memory, and shuffles, of a step of one model, over all warps."""
    rows, tiles = tiling.rows, tiling.tiles
    blocks = sum(map(tiling.rounds, tiling.shape.matrices))
    count = _loads_of_rows(tiling)
    count += blocks * tiles * tiling.groups / tiling.ks * rows * (1 + tiling.ci / 4)
    count += blocks * tiles * 2 * tiling.ci / tiling.ks * (tiles > 1)
    return count * tiling.warps * tiling.shape.item_bytes / 4


def _loads_of_rows(tiling: Tiling) -> float:
    """Those of one warp that the gradients of matrices don't need, each of 16 bytes in float32."""
    shape, rows, tiles = tiling.shape, tiling.rows, tiling.tiles
    count = tiles * (rows * (shape.inputs * shape.few + log2(tiling.lc)) + 16 * tiling.vectors(-1))
    for outer, inner in _products(shape):
        quads = tiling.vectors(inner)
        count += tiles * (tiling.fours(outer) * (rows + 4 * quads) + 2 * rows * quads)
    return count


def _products(shape: Shape) -> list[tuple[int, int]]:
    """The layers that each product of rows and weights sums over, and those that it gives."""
    return [pair for layer in shape.matrices for pair in ((layer - 1, layer), (layer, layer - 1)) if pair[1] >= 0]
