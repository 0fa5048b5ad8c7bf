"""Generates rows from a spec alone: the random numbers of a block and their target. It knows no shards and no files.

A block is BLOCK_ROWS rows with a random stream of its own, so blocks can be made in any order, anywhere, and
the first k rows are the same for any number of rows. Only `Philox.random_raw` is used, a stream that numpy
guarantees for good (NEP 19: that of a bit generator is fixed, that of `Generator.integers` is not).

A word w of b random bits becomes low + floor(w * span / 2**b), without rejection, so every number takes the
same part of the stream. Bias: a number's probability is off 1/span by less than 2**-b, which is less than 2**-16
of it with 32-bit words (spans up to 2**16) and less than 2**-33 of it with 64-bit words (spans up to 2**31).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.spec import SPLITS, DatasetSpec, Split
from sumsquares.datasets.tasks import Integers, target

# Shapes: N rows of a block, I input columns, W random words.
BLOCK_ROWS = 65_536

_NARROW_SPAN = 2**16
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)


def block_count(spec: DatasetSpec, split: Split) -> int:
    """Returns the number of blocks of that split, the last of which may be cut."""
    return -(-spec.rows_in(split) // BLOCK_ROWS)


def input_type(spec: DatasetSpec) -> np.dtype[np.signedinteger]:
    """Returns int32 if the numbers of every split fit, else int64."""
    return np.dtype(np.int32 if 2 * spec.largest < 2**31 else np.int64)


def block(spec: DatasetSpec, split: Split, index: int) -> tuple[Integers, NDArray[np.int64]]:
    """Makes BLOCK_ROWS rows of the split from row index*BLOCK_ROWS on, or as many as are left.

    Returns:
        inputs_NI: numbers, then unused columns, of `input_type`; column-major, each column contiguous.
        target_N: int64.

    """
    rows = min(BLOCK_ROWS, spec.rows_in(split) - index * BLOCK_ROWS)
    assert rows > 0, f"block {index} of {split} is beyond its {spec.rows_in(split)} rows"
    low, _ = spec.range_of(split)
    inputs_IN = np.empty((spec.inputs, BLOCK_ROWS), input_type(spec))
    words_IW = _words(spec.seed, split, index, spec.inputs, spec.largest)
    for words_W, numbers_N in zip(words_IW, inputs_IN, strict=True):
        np.add(_scale(words_W, spec.largest), np.uint64(low), out=numbers_N, casting="unsafe")
    inputs_NI = inputs_IN[:, :rows].T
    return inputs_NI, target(spec.task, inputs_NI[:, : spec.n_numbers])


def blocks(spec: DatasetSpec, split: Split) -> Iterator[tuple[Integers, NDArray[np.int64]]]:
    """Makes all rows of that split, a block at a time, as `block` does."""
    return (block(spec, split, index) for index in range(block_count(spec, split)))


def _words(seed: int, split: Split, index: int, inputs: int, span: int) -> NDArray[np.unsignedinteger]:
    """Draws a row of words per input column. The key names seed and split, the counter's upper half the block."""
    stream = np.random.Philox(key=seed | SPLITS.index(split) << 64, counter=index << 128)
    if span <= _NARROW_SPAN:
        raw = stream.random_raw(inputs * BLOCK_ROWS // 2)
        return raw.astype("<u8", copy=False).view("<u4").reshape(inputs, BLOCK_ROWS)
    return stream.random_raw(inputs * BLOCK_ROWS).reshape(inputs, BLOCK_ROWS)


def _scale(words_W: NDArray[np.unsignedinteger], span: int) -> NDArray[np.uint64]:
    """Computes floor(word * span / 2**bits of a word), for one column: its temporaries (512 KB) stay in L2."""
    if words_W.dtype.itemsize == 4:
        scaled = words_W.astype(np.uint64)
        scaled *= np.uint64(span)
        scaled >>= _HALF
        return scaled
    carry = words_W & _LOW_HALF
    carry *= np.uint64(span)
    carry >>= _HALF
    scaled = words_W >> _HALF
    scaled *= np.uint64(span)
    scaled += carry
    scaled >>= _HALF
    return scaled
