"""Chooses how the cuda engine lays a program out on a GPU: the macros of shape.cuh, or why it can't train it.

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

from sumsquares.jobs.engines import cuda
from sumsquares.jobs.engines.cuda.estimates import (
    clocks,
    has_room,
    least_clocks,
    most_warps,
    registers,
    state_registers,
)
from sumsquares.jobs.engines.cuda.shapes import Shape, Tiling, linear_numbers
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.messages.numbers import counted

WARPS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
COLUMNS = (1, 2, 4, 8, 16, 32)
LANE_ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 20)
"""Rows of one lane in a tile, at most: a batch is cut into tiles of about equal size."""

BUSY = 12
"""Warps on a multiprocessor with which the kernel is at its fastest; more of them have too few registers each."""

NEAR = 32
"""Registers that the state of a thread's weights may take; above, it is in global memory, unless there is room."""

KEPT = 1 << 16
"""Shapes whose layout a process remembers: more than a plan has."""

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

SIMPLE = frozenset({"identity", "relu", "leaky_relu"})
"""Activations without an exponential function whose slope follows from their value."""
MEASURED: dict[tuple[tuple[int, ...], int, str], tuple[int, int, int, int, int, int]] = {
    ((16, 16), 32, "simple"): (1, 4, 4, 2, 0, 16),
    ((16, 16), 104, "simple"): (1, 4, 4, 2, 0, 12),
    ((16, 16), 104, "exponential"): (1, 4, 4, 2, 0, 12),
    ((16, 16), 104, "slope"): (1, 4, 4, 2, 0, 8),
    ((24, 12), 104, "simple"): (1, 2, 4, 1, 0, 10),
    ((24, 12), 104, "exponential"): (1, 2, 4, 1, 0, 10),
    ((32, 32), 104, "simple"): (2, 8, 4, 1, 0, 6),
    ((32, 32), 104, "exponential"): (2, 8, 4, 1, 0, 6),
    ((64, 64), 104, "simple"): (4, 16, 8, 1, 1, 3),
    ((64, 64), 104, "exponential"): (4, 16, 8, 1, 1, 3),
    ((96, 96), 104, "simple"): (4, 8, 8, 2, 1, 1),
    ((128, 128), 104, "simple"): (8, 32, 8, 1, 0, 1),
}
"""WARPS, LC, CI, KS, MOM and MINB that were the fastest of several on an H200, or within 1 % of it, in float32 with one
input and batches of 32 and 100 rows: by widths, rows up to a multiple of 8, and kind of activation. With simple ones it
was relu, with those whose slope is kept gelu, and with exponential ones tanh and sigmoid, of 16 and 64 units alone."""


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
    batch = min(program.batch_size, program.rows)
    if program.dtype == "float32" and batch > MOST_ROWS:
        return f"a batch has {batch:,} rows, and the engine cuda counts up to {MOST_ROWS:,} of them in float32"
    shared = SHARED.get(architecture, SMALL)
    inputs = counted(program.inputs, "input")
    shape = _shape(program)
    return (
        _measured(shape, _kind(program.activation), shared)
        or _best(shape, shared)
        or (
            f"hidden = {list(program.hidden)} with {inputs}, in {program.dtype}, needs more than the "
            f"{shared.block // 1024} KiB of shared memory that one network can have on {architecture}"
        )
    )


def tiling_of(program: Program, found: Layout) -> Tiling:
    """How a layout cuts a program's network into threads."""
    return Tiling(_shape(program), found.WARPS, found.LC, found.CI, found.KS, found.TILE)


def refusal(program: Program, architecture: str = "sm_90") -> str | None:
    """Returns why the cuda engine can't train the program on an architecture, or None."""
    found = layout(program, architecture)
    return found if isinstance(found, str) else None


def _shape(program: Program) -> Shape:
    batch = min(program.batch_size, program.rows)
    return Shape(program.inputs, program.hidden, batch, program.item_bytes, _kind(program.activation) == "slope")


def _kind(activation: str) -> str:
    """The kind of an activation in MEASURED."""
    if activation in _keeping_slopes():
        return "slope"
    return "simple" if activation in SIMPLE else "exponential"


@lru_cache(maxsize=1)
def _keeping_slopes() -> frozenset[str]:
    """The activations whose slope doesn't follow from their value, as activations.cuh says."""
    text = resources.files(cuda).joinpath("activations.cuh").read_text()
    return frozenset(re.findall(r"^struct (\w+) : OfSlope", text, re.MULTILINE))


@lru_cache(maxsize=KEPT)
def _best(shape: Shape, shared: Shared) -> Layout | None:
    """The layout of the fewest clocks; of several such layouts, the first of `_tilings`."""
    if not shape.hidden:
        size = shape.item_bytes * linear_numbers(shape.inputs)
        return Layout(1, 32, 4, 1, 0, 1, shape.batch, 1, size) if size <= shared.block else None
    best: tuple[float, int, Layout] | None = None
    for least, place, cut in sorted((least_clocks(cut, BUSY), place, cut) for place, cut in enumerate(_cuts(shape))):
        if best and least > best[0]:
            break
        for tiling in _tilings_of(cut):
            found = _fitted(tiling, shared)
            if found and (best is None or (found[0], place) < best[:2]):
                best = found[0], place, found[1]
    return best[2] if best else None


def _measured(shape: Shape, kind: str, shared: Shared) -> Layout | None:
    known = MEASURED.get((shape.hidden, -(-shape.batch // 8) * 8, kind))
    if known is None or not shape.few or shape.item_bytes != 4:
        return None
    warps, lc, ci, ks, mom, blocks = known
    size = Tiling(shape, warps, lc, ci, ks, shape.batch).shared_bytes
    if blocks * (size + RESERVED) > shared.multiprocessor:
        return None
    return Layout(warps, lc, ci, ks, mom, blocks, shape.batch, 1, size)


def _tilings(shape: Shape) -> Iterator[Tiling]:
    for cut in _cuts(shape):
        yield from _tilings_of(cut)


def _cuts(shape: Shape) -> Iterator[Tiling]:
    """The possible warps, columns and rows of a tile, each as the tiling with the smallest CI and KS."""
    for warps, lc in product(WARPS, COLUMNS):
        groups = 32 * warps // lc
        tiles = dict.fromkeys(-(-shape.batch // (groups * rows)) for rows in LANE_ROWS)
        for rows in dict.fromkeys(-(-shape.batch // (groups * each)) for each in tiles):
            cut = Tiling(shape, warps, lc, 4, 1, min(groups * rows, shape.batch))
            if cut.possible:
                yield cut


def _tilings_of(cut: Tiling) -> Iterator[Tiling]:
    for ci, ks in product((4, 8), (1, 2)):
        tiling = Tiling(cut.shape, cut.warps, cut.lc, ci, ks, cut.tile)
        if tiling.possible:
            yield tiling


def _fitted(tiling: Tiling, shared: Shared) -> tuple[float, Layout] | None:
    """Returns the estimated clocks of a step of one model and the layout, or None if it does not fit."""
    size = tiling.shared_bytes
    if size > shared.block:
        return None
    near = state_registers(tiling) <= NEAR
    warps = min(most_warps(registers(tiling, near)), BUSY)
    blocks = max(1, min(shared.multiprocessor // (size + RESERVED), warps // tiling.warps))
    near = near or has_room(tiling, blocks)
    found = Layout(tiling.warps, tiling.lc, tiling.ci, tiling.ks, int(not near), blocks, tiling.tile, 1, size)
    return clocks(tiling, near, blocks), found
