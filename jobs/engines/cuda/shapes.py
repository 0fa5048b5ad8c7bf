"""How shape.cuh lays a network out: padded widths, numbers in shared memory, and blocks of weight gradients.

The same arithmetic as in shape.cuh, so that a plan needs no compiler and no GPU; tests compare the two. Layer -1 is the
inputs, layer 0 the first hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass

FEW_INPUTS = 4
"""Up to so many inputs, the weights of the first layer lie among the vectors; above, they are a matrix."""
LINEAR_FEW_INPUTS = 8
"""Up to so many inputs, a linear model is in registers alone."""
PIECE_BYTES = 16
"""What one instruction moves."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and its batch, as the kernel sees them."""

    inputs: int
    hidden: tuple[int, ...]
    batch: int
    """Rows of a full batch."""
    item_bytes: int
    """Bytes of a number: 4 or 8."""
    keeps_slope: bool
    """Whether the activation's slope is kept between the forward and the backward pass."""

    @property
    def few(self) -> bool:
        """Whether the weights of the first layer lie among the vectors."""
        return self.inputs <= FEW_INPUTS

    @property
    def matrices(self) -> range:
        """The layers whose weights are matrices."""
        return range(1 if self.few else 0, len(self.hidden))


@dataclass(frozen=True, slots=True)
class Tiling:
    """A shape cut into threads: WARPS, LC, CI, KS and TILE are the macros of shape.cuh."""

    shape: Shape
    warps: int
    lc: int
    ci: int
    ks: int
    tile: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.warps

    @property
    def groups(self) -> int:
        """Groups of lanes with rows of their own, in a block."""
        return self.threads // self.lc

    @property
    def rows(self) -> int:
        """Rows of one lane in a tile."""
        return -(-min(self.tile, self.shape.batch) // self.groups)

    @property
    def tile_rows(self) -> int:
        """Rows of a tile; 0 if there are too few groups for tiles."""
        held = self.groups * self.rows
        return _up(self.shape.batch, 4) if held >= self.shape.batch else held // 4 * 4

    @property
    def tiles(self) -> int:
        """Tiles of a full batch."""
        return -(-self.shape.batch // self.tile_rows)

    @property
    def possible(self) -> bool:
        """Whether shape.cuh takes these numbers."""
        return self.tile_rows > 0 and 4 * self.lc >= self.ci and self.groups % self.ks == 0

    def vectors(self, layer: int) -> int:
        """Vectors of four units that one lane has."""
        return -(-self.shape.hidden[layer] // (4 * self.lc))

    def padded(self, layer: int) -> int:
        """Units of a layer as they lie in memory."""
        if layer < 0:
            return self.shape.inputs if self.shape.few else _up(self.shape.inputs, self.ci)
        return 4 * self.lc * self.vectors(layer)

    def fours(self, layer: int) -> int:
        """Steps of a product over the units of a layer."""
        return self.padded(-1) // 4 if layer < 0 else -(-self.shape.hidden[layer] // 4)

    def rounds(self, layer: int) -> int:
        """Blocks of the gradient of a layer's weights that each thread has."""
        blocks = self.padded(layer - 1) // self.ci * (self.padded(layer) // 4)
        return -(-blocks // (self.threads // self.ks))

    @property
    def updated(self) -> int:
        """Weights of the matrices that each thread updates."""
        return sum(map(self.rounds, self.shape.matrices)) * self.ci // self.ks * 4

    @property
    def vector_words(self) -> int:
        """Numbers of the vectors: first weights if inputs are few, biases, the last layer, and the sum of the loss."""
        depth = len(self.shape.hidden)
        biases = sum(map(self.padded, range(depth)))
        return self.shape.inputs * self.padded(0) * self.shape.few + biases + self.padded(depth - 1) + 2

    @property
    def shared_bytes(self) -> int:
        """Bytes of shared memory of a block that trains."""
        shape, depth = self.shape, len(self.shape.hidden)
        piece = PIECE_BYTES // shape.item_bytes
        held = _up(self.groups * self.rows, 4)
        inputs = held * shape.inputs if shape.few else 2 * -(-held // self.rows) * self._lane_words(-1, piece)
        weights = sum(self.padded(layer - 1) // 4 * (4 * self.padded(layer) + piece) for layer in shape.matrices)
        derivatives = range(0 if shape.keeps_slope else shape.matrices.start, depth)
        lane = sum(self._lane_words(layer, piece) for layer in (*range(depth - 1), *derivatives))
        sums = self.updated * self.threads if self.tiles > 1 else 0
        words = _up(self.vector_words, 4) * (1 + self.warps) + inputs + held + weights + self.groups * lane + sums
        return shape.item_bytes * words

    def _lane_words(self, layer: int, piece: int) -> int:
        """Numbers of one lane's rows of a layer: an odd number of 16 bytes, so that lanes don't meet in a bank."""
        words = self.rows * self.padded(layer)
        return words + (0 if words // piece % 2 else piece)


def linear_numbers(inputs: int) -> int:
    """Numbers in shared memory of a block that trains a linear model (linear.cuh)."""
    return 0 if inputs <= LINEAR_FEW_INPUTS else 4 * (inputs + 1)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
