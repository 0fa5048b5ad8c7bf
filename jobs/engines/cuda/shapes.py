"""How network.cuh lays a network out: padded widths, bytes of shared memory, and the work of one step.

The same arithmetic as the kernel's own constants, in Python, so that a plan needs no compiler and no GPU.
tests/test_cuda_kernels.py compares it with what the compiled kernels say.

A block of WARPS warps trains one model. The lanes of a warp form LC columns, which share the units of a layer, and
32 / LC groups, each with rows of its own. A group keeps its rows through the forward and the backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

FEW_INPUTS = 4
"""Up to so many inputs, the first layer's weights are read with the biases; above, it is a matrix product."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and its batch, as the kernel sees them."""

    inputs: int
    hidden: tuple[int, ...]
    batch: int
    """Rows of a full batch."""
    item_bytes: int
    """Bytes of a number: 4 or 8."""
    keeps_sums: bool
    """Whether the backward pass needs a layer's sums beside its activations."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the threads of a block share the work: the kernel's macros."""

    warps: int
    """Warps of a block."""
    lc: int
    """Lanes side by side along the units of a layer: a power of two up to 32."""
    ci: int
    """Units of the lower layer in a thread's tile of a weight gradient: 4 or 8."""
    ks: int
    """Lanes that share the rows of such a tile: 1 or 2."""
    tile: int
    """Rows that are worked on at a time."""

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.warps

    @property
    def groups(self) -> int:
        """Groups of lanes with rows of their own, in a block."""
        return self.warps * 32 // self.lc

    @property
    def lane_rows(self) -> int:
        """Rows of one group."""
        return -(-self.tile // self.groups)

    def quads(self, width: int) -> int:
        """Vectors of four units that a lane has of a layer."""
        return -(-width // (4 * self.lc))

    def padded(self, width: int) -> int:
        """Units of a layer as they lie in memory."""
        return 4 * self.lc * self.quads(width)

    def row_words(self, width: int) -> int:
        """Numbers of one group's rows of a layer: an odd number of vectors, so that groups use different banks."""
        words = self.lane_rows * self.padded(width)
        return words + (0 if words // 4 % 2 else 4)

    def rounds(self, below: int, width: int) -> int:
        """Tiles of a weight gradient that each thread has."""
        tiles = self.padded(below) // self.ci * (self.padded(width) // 4)
        return -(-tiles // (self.threads // self.ks))


def shared_bytes(shape: Shape, tiling: Tiling) -> int:
    """Bytes of shared memory of one block that trains."""
    widths = [tiling.padded(width) for width in shape.hidden]
    vectors = shape.inputs * widths[0] + sum(widths) + widths[-1] + 2
    vectors = -(-vectors // 4) * 4
    rows = -(-tiling.groups * tiling.lane_rows // 4) * 4
    weights = sum(below // 4 * (4 * width + 4) for below, width in pairwise(widths))
    kept = 1 + shape.keeps_sums
    activations = kept * sum(tiling.row_words(width) for width in shape.hidden[:-1])
    slopes = sum(tiling.row_words(width) for width in shape.hidden[1:])
    sums = weights if tiling.tile < shape.batch else 0
    words = vectors * (1 + tiling.warps) + rows * (shape.inputs + 1) + weights + sums
    return shape.item_bytes * (words + tiling.groups * (activations + slopes))
