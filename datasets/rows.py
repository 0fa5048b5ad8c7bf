"""Generates rows from a spec alone: the random numbers of a block and their target. It knows no shards and no files.

A block is BLOCK_ROWS rows with a random stream of its own, so blocks can be made in any order, anywhere, and
the first k rows are the same for any number of rows. Only `Philox.random_raw` is used, a stream that numpy
guarantees for good (NEP 19: that of a bit generator is fixed, that of `Generator.integers` is not).

For integers a word w of b random bits becomes low + floor(w * span / 2**b), without rejection, so every number takes
the same part of the stream. Bias: a number's probability is off 1/span by less than 2**-b, which is less than 2**-16
of it with 32-bit words (spans up to 2**16) and less than 2**-32 of it with 64-bit words (spans up to 2**32).
For real numbers the upper 53 bits of a word, k, become low + (k / 2**53) * (high - low), each step rounded to float64;
what rounds to high becomes the number before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.errors import NotFinite
from sumsquares.datasets.formulas.formula import Formula
from sumsquares.datasets.noise import noise
from sumsquares.datasets.source import LARGEST_REAL, Numbers, Range
from sumsquares.datasets.spec import SPLITS, DatasetSpec, Split

# Shapes: N rows of a block, I input columns, K numbers, W random words.
BLOCK_ROWS = 65_536
CHECKED_ROWS = 16 * BLOCK_ROWS
"""How many rows of a split are tried before a formula's dataset is generated."""
SMALLEST_TARGET = 1e-100
"""Of the largest target of those rows, unless all are 0: it can be squared like LARGEST_REAL, and so can its errors."""

_NARROW_SPAN = 2**16
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)
_REAL_SHIFT = np.uint64(11)  # leaves 53 bits

Block = tuple[Numbers, NDArray[Any]]


def block_count(spec: DatasetSpec, split: Split) -> int:
    """Returns the number of blocks of that split, the last of which may be cut."""
    return -(-spec.rows_in(split) // BLOCK_ROWS)


def input_type(spec: DatasetSpec) -> np.dtype[Any]:
    """Returns float64 for real numbers; for integers int32 if those of every split fit, else int64."""
    if spec.source.is_real:
        return np.dtype(np.float64)
    if spec.n_digits:
        return np.dtype(np.int32)
    ranges = [each for split in SPLITS for each in spec.input_ranges(split)]
    # Differences within a column must fit too: they are stored.
    fits = all(low >= -(2**31) and high < 2**31 and high - low < 2**31 for low, high in ranges)
    return np.dtype(np.int32 if fits else np.int64)


def block(spec: DatasetSpec, split: Split, index: int) -> Block:
    """Makes BLOCK_ROWS rows of the split from row index*BLOCK_ROWS on, or as many as are left.

    Returns:
        inputs_NI: numbers or their digits, then unused columns, of `input_type`; column-major, each column contiguous.
        target_N: int64 for tasks, float64 for formulas.

    Raises:
        NotFinite: a formula's value for a row of the train or test split is not finite, or beyond LARGEST_REAL.

    """
    rows = min(BLOCK_ROWS, spec.rows_in(split) - index * BLOCK_ROWS)
    assert rows > 0, f"block {index} of {split} is beyond its {spec.rows_in(split)} rows"
    drawn_NI = _draw(spec, split, index, rows)
    numbers_NK = drawn_NI[:, : spec.n_numbers]
    target_N = spec.source.target(numbers_NK)
    if spec.formula is not None:
        if split != "extrapolation":
            _refuse_not_finite(spec, split, index, numbers_NK, target_N)
        if split == "train" and spec.noise:
            target_N += noise(spec.seed, index, rows, spec.noise)
    return (spec.inputs_of(numbers_NK) if spec.n_digits else drawn_NI), target_N


def blocks(spec: DatasetSpec, split: Split) -> Iterator[Block]:
    """Makes all rows of that split, a block at a time, as `block` does."""
    return (block(spec, split, index) for index in range(block_count(spec, split)))


def first_rows_problem(spec: DatasetSpec) -> str | None:
    """Returns why a formula's dataset can't be generated, found in its first CHECKED_ROWS training and test rows."""
    largest = 0.0
    try:
        for split in ("train", "test") if spec.formula is not None else ():
            for index in range(min(block_count(spec, split), CHECKED_ROWS // BLOCK_ROWS)):
                largest = max(largest, float(np.abs(block(spec, split, index)[1]).max()))
    except NotFinite as error:
        return str(error)
    return _tiny(largest) if 0 < largest < SMALLEST_TARGET else None


def _tiny(largest: float) -> str:
    return (
        f"its values in the rows that are checked are at most {largest:.6g} in size, too small for their errors to be "
        f"squared; write it in another unit, so that some are at least {SMALLEST_TARGET:g}"
    )


def _refuse_not_finite(
    spec: DatasetSpec, split: Split, index: int, numbers_NK: Numbers, target_N: NDArray[Any]
) -> None:
    if target_N.min() >= -LARGEST_REAL and target_N.max() <= LARGEST_REAL:  # NaN is both; no temporary array
        return
    row = int(np.flatnonzero(~(np.abs(target_N) <= LARGEST_REAL))[0])
    source, numbers_K = spec.source, numbers_NK[row]
    assert isinstance(source, Formula)
    value = float(source.expression.of(numbers_K[np.newaxis])[0])  # NaN or infinite
    numbers = dict(zip(source.names, numbers_K.tolist(), strict=True))
    raise NotFinite(source.expression.text, split, index * BLOCK_ROWS + row, numbers, value)


def _draw(spec: DatasetSpec, split: Split, index: int, rows: int) -> Numbers:
    """Draws the numbers and the unused columns, column-major."""
    parts = spec.drawn(split)
    is_real, is_narrow = spec.source.is_real, _is_narrow(spec, parts)
    drawn_IN = np.empty((len(parts[0]), rows), np.int64 if spec.n_digits else input_type(spec))
    for column, words_W in enumerate(_words(spec.seed, split, index, len(parts[0]), rows, is_narrow)):
        for part, ranges in enumerate(parts):
            turns = slice(part, None, len(parts))
            fill = _fill_real if is_real else _fill_integers
            fill(words_W[turns], ranges[column], drawn_IN[column, turns])
    return drawn_IN.T


def _is_narrow(spec: DatasetSpec, parts: tuple[tuple[Range, ...], ...]) -> bool:
    """Whether numbers take 32-bit words."""
    return not spec.source.is_real and all(each.integers <= _NARROW_SPAN for part in parts for each in part)


def _words(
    seed: int, split: Split, index: int, columns: int, rows: int, is_narrow: bool
) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """Draws the words of each column. The key names seed and split, the counter's upper half the block.

    A column takes BLOCK_ROWS words of the stream, of which those beyond `rows` aren't drawn.
    """
    stream = np.random.Philox(key=seed | SPLITS.index(split) << 64, counter=index << 128)
    words, in_column = (-(-rows // 2), BLOCK_ROWS // 2) if is_narrow else (rows, BLOCK_ROWS)
    words = -(-words // 4) * 4  # Philox makes four at a time
    for _ in range(columns):
        raw_W = stream.random_raw(words)
        if words < in_column:
            stream.advance((in_column - words) // 4)
        yield (raw_W.astype("<u8", copy=False).view("<u4") if is_narrow else raw_W)[:rows]


def _fill_integers(words_W: NDArray[np.unsignedinteger[Any]], within: Range, numbers_N: Numbers) -> None:
    np.add(_scale(words_W, within.integers).view(np.int64), int(within.low), out=numbers_N, casting="unsafe")


def _fill_real(words_W: NDArray[np.uint64], real: Range, numbers_N: NDArray[np.float64]) -> None:
    """Fills with real numbers, without a temporary array; it overwrites the words."""
    words_W >>= _REAL_SHIFT
    width = real.high - real.low
    np.multiply(words_W.view(np.int64), 2.0**-53, out=numbers_N)
    numbers_N *= width
    numbers_N += real.low
    if real.low + (1 - 2.0**-53) * width >= real.high:  # the largest number is rounded to high
        np.minimum(numbers_N, math.nextafter(real.high, real.low), out=numbers_N)


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
