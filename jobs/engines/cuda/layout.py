"""Chooses how the cuda engine lays a program out on a GPU: the macros of network.cuh, or why it can't train it.

A pure function of the program and the architecture. A trial's bits depend on its layout, so nothing else may decide it:
no timing, no free memory, and not the number of models. Nothing here needs a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from itertools import product
from math import hypot, log2

from sumsquares.jobs.engines import cuda
from sumsquares.jobs.engines.cuda.shapes import Shape, Tiling, linear_numbers
from sumsquares.jobs.engines.program import Program

STATE = 2
"""Arrays of optimizer state that are counted, whatever the optimizer has."""

PARTS_OF_PROCESSOR, REGISTERS = 4, 16_384
"""A multiprocessor has four parts, each with so many registers and every fourth warp, whatever the architecture."""

WARPS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
COLUMNS = (1, 2, 4, 8, 16, 32)
LANE_ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 20)
"""Rows of one lane in a tile, at most: a batch is cut into tiles of about equal size."""

BUSY = 12
"""Warps on a multiprocessor with which the kernel is at its fastest; more of them have too few registers each."""

NEAR = 32
"""Registers that the state of a thread's weights may take; above, it is in global memory."""


MOST_ROWS = 1 << 24
"""Of a batch in float32: the largest number that comes after all smaller ones."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Shared memory of an architecture, in bytes."""

    block: int
    """The most that one block can have."""
    multiprocessor: int
    """What all blocks of a multiprocessor share; each of them takes RESERVED bytes more than it asks for."""


RESERVED = 1024
LARGE, MEDIUM, SMALL = Shared(232_448, 233_472), Shared(166_912, 167_936), Shared(101_376, 102_400)
SHARED = {"sm_80": MEDIUM, "sm_87": MEDIUM, "sm_90": LARGE, "sm_100": LARGE, "sm_103": LARGE, "sm_110": LARGE}
"""Compute capabilities and their shared memory; SMALL is that of all others, such as sm_86, sm_89 and sm_120."""

MEASURED = {
    (16, 16): (1, 4, 4, 2, 0, 12),
    (24, 12): (1, 2, 4, 1, 0, 10),
    (32, 32): (2, 8, 4, 1, 0, 6),
    (64, 64): (4, 16, 8, 1, 1, 3),
}
"""WARPS, LC, CI, KS, MOM and MINB that were the fastest of several on an H200, in float32 with batches of 100 rows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The macros of a kernel, and what one block of it takes."""

    WARPS: int
    LC: int
    CI: int
    KS: int
    MOM: int
    """0: the state of the weights that a thread updates stays in its registers; 1: in global memory."""
    MINB: int
    """Blocks that a multiprocessor must have room for: it limits the registers of a thread."""
    TILE: int
    LANEMAP: int
    shared_bytes: int
    """Bytes of shared memory of one block."""

    @property
    def macros(self) -> dict[str, int]:
        """The layout's own macros."""
        return {name: value for name, value in asdict(self).items() if name.isupper()}


def layout(program: Program, architecture: str = "sm_90") -> Layout | str:
    """Returns the layout of a program on an architecture, such as sm_90, or why the cuda engine can't train it."""
    if int("".join(filter(str.isdigit, architecture))) < 80:
        return f"the GPU's architecture is {architecture}, and the engine cuda needs sm_80 or later"
    if program.dtype == "float32" and min(program.batch_size, program.rows) > MOST_ROWS:
        return f"the engine cuda counts the rows of a batch in float32, up to {MOST_ROWS}"
    shared = SHARED.get(architecture, SMALL)
    return _best(_shape(program), shared) or (
        f"hidden = {list(program.hidden)} with {program.inputs} inputs, in {program.dtype}, needs more than the "
        f"{shared.block // 1024} KiB of shared memory that one network can have on {architecture}"
    )


def refusal(program: Program, architecture: str = "sm_90") -> str | None:
    """Returns why the cuda engine can't train the program on an architecture, or None."""
    found = layout(program, architecture)
    return found if isinstance(found, str) else None


def _shape(program: Program) -> Shape:
    keeps_slope = program.activation in _keeping_slopes()
    batch = min(program.batch_size, program.rows)
    return Shape(program.inputs, program.hidden, batch, program.item_bytes, keeps_slope)


@lru_cache(maxsize=1)
def _keeping_slopes() -> frozenset[str]:
    """The activations whose slope doesn't follow from their value, as activations.cuh says."""
    text = resources.files(cuda).joinpath("activations.cuh").read_text()
    return frozenset(re.findall(r"^struct (\w+) : OfSlope", text, re.MULTILINE))


@lru_cache(maxsize=4096)
def _best(shape: Shape, shared: Shared) -> Layout | None:
    if not shape.hidden:
        size = shape.item_bytes * linear_numbers(shape.inputs)
        return Layout(1, 32, 4, 1, 0, 1, shape.batch, 1, size) if size <= shared.block else None
    if found := _measured(shape, shared):
        return found
    fitting = (found for tiling in _tilings(shape) if (found := _fitted(tiling, shared)))
    return min(fitting, key=lambda found: found[0], default=(0.0, None))[1]


def _measured(shape: Shape, shared: Shared) -> Layout | None:
    known = MEASURED.get(shape.hidden) if shape.item_bytes == 4 and 97 <= shape.batch <= 104 else None
    if known is None or not shape.few:
        return None
    *tiling, mom, blocks = known
    size = Tiling(shape, *tiling, shape.batch).shared_bytes
    if blocks * (size + RESERVED) > shared.multiprocessor:
        return None
    return Layout(*tiling, mom, blocks, shape.batch, 1, size)


def _tilings(shape: Shape) -> Iterator[Tiling]:
    for warps, lc in product(WARPS, COLUMNS):
        groups = 32 * warps // lc
        tiles = dict.fromkeys(-(-shape.batch // (groups * rows)) for rows in LANE_ROWS)
        for rows in dict.fromkeys(-(-shape.batch // (groups * each)) for each in tiles):
            for ci, ks in product((4, 8), (1, 2)):
                tiling = Tiling(shape, warps, lc, ci, ks, min(groups * rows, shape.batch))
                if tiling.possible:
                    yield tiling


def _fitted(tiling: Tiling, shared: Shared) -> tuple[float, Layout] | None:
    """Returns the estimated clocks of a step of one model and the layout, or None if it does not fit."""
    size = tiling.shared_bytes
    if size > shared.block:
        return None
    near = tiling.shape.item_bytes // 4 * STATE * tiling.updated <= NEAR
    registers = _registers(tiling, near)
    warps = min(PARTS_OF_PROCESSOR * (REGISTERS // (32 * registers)), BUSY)
    blocks = max(1, min(shared.multiprocessor // (size + RESERVED), warps // tiling.warps))
    spilt = max(1.0, registers / _most_registers(blocks * tiling.warps))
    clocks = hypot(_instructions(tiling, near) / 4, _loads(tiling) * 2.3) * spilt**2
    clocks *= 1 + (3 / (blocks * tiling.warps)) ** 2
    return clocks, Layout(tiling.warps, tiling.lc, tiling.ci, tiling.ks, int(not near), blocks, tiling.tile, 1, size)


def _most_registers(warps: int) -> int:
    """Registers that a thread can have where so many warps share a multiprocessor."""
    return min(255, REGISTERS // (32 * -(-warps // PARTS_OF_PROCESSOR)) // 8 * 8)


def _registers(tiling: Tiling, near: bool) -> int:
    """Estimated registers of a thread."""
    shape = tiling.shape
    quads = max(map(tiling.vectors, range(len(shape.hidden))))
    rows_and_units = 4 * tiling.rows * (quads + bool(shape.matrices)) + 4 * quads
    gradient = 5 * tiling.ci + 4 + (0 if near else STATE * 4 * tiling.ci // tiling.ks)
    kept = STATE * (-(-tiling.vector_words // tiling.threads) + near * tiling.updated)
    return 50 + shape.item_bytes // 4 * (max(rows_and_units, gradient) + kept + 20 * shape.keeps_slope)


def _instructions(tiling: Tiling, near: bool) -> float:
    """Estimated instructions of a step of one model, over all warps."""
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
    """Estimated loads from shared memory, and shuffles, of a step of one model, over all warps."""
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
