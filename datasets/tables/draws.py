"""Which rows a seed draws: every row has a 64-bit key from a stream of its seed, and the smallest keys are taken.

Exact counts need the rank of a key, which is found by counting: memory doesn't grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Shapes: N rows, B buckets.
Purpose = Literal["test", "validation"]
_PURPOSES: dict[Purpose, int] = {"test": 16, "validation": 17}
"""In the key of the stream, beside the seed: 0 to 3 are of datasets/rows.py and datasets/noise.py."""
_CHUNK = 1 << 20  # rows
_BUCKET_BITS = 16
_SHIFT = np.uint64(64 - _BUCKET_BITS)


class Place(NamedTuple):
    """A row's place among all: equal keys, one pair in 2**64, are in the order of their rows."""

    key: int
    row: int


def keys(seed: int, purpose: Purpose, first: int, rows: int) -> NDArray[np.uint64]:
    """Returns the keys of so many rows from row `first` on."""
    skipped = first % 4  # Philox makes four at a time
    stream = np.random.Philox(key=seed | _PURPOSES[purpose] << 64, counter=first // 4)
    return stream.random_raw(skipped + rows)[skipped:]


@lru_cache(maxsize=16)
def last_places(seed: int, rows: int, counts: tuple[int, ...]) -> tuple[Place, ...]:
    """Returns for each count, ascending and from 1 on, the place of the last of so many smallest keys of "test"."""
    sizes_B = np.zeros(1 << _BUCKET_BITS, np.int64)
    for _, keys_N in _all(seed, rows):
        sizes_B += np.bincount((keys_N >> _SHIFT).astype(np.int64), minlength=len(sizes_B))
    before_B = np.cumsum(sizes_B) - sizes_B
    buckets = (np.searchsorted(before_B, counts, side="left") - 1).tolist()  # the last that begins before it
    members = _members(seed, rows, sorted({*buckets}))
    chosen = ((members[b], count - 1 - int(before_B[b])) for b, count in zip(buckets, counts, strict=True))
    return tuple(Place(int(keys_N[at]), int(rows_N[at])) for (keys_N, rows_N), at in chosen)


def _members(seed: int, rows: int, buckets: Sequence[int]) -> dict[int, tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Returns keys and row numbers of all rows in some buckets, in the order of their places."""
    found_B: dict[int, list[tuple[NDArray[np.uint64], NDArray[np.int64]]]] = {bucket: [] for bucket in buckets}
    wanted_B = np.zeros(1 << _BUCKET_BITS, np.bool_)
    wanted_B[[*buckets]] = True
    for first, keys_N in _all(seed, rows):
        rows_N = np.flatnonzero(wanted_B[(keys_N >> _SHIFT).astype(np.int64)])
        of_N = (keys_N[rows_N] >> _SHIFT).astype(np.int64)
        for bucket in np.unique(of_N).tolist():
            mine_N = rows_N[of_N == bucket]
            found_B[bucket].append((keys_N[mine_N], mine_N + first))
    return {bucket: _sorted(*map(np.concatenate, zip(*some, strict=True))) for bucket, some in found_B.items()}


def _sorted(keys_N: NDArray[np.uint64], rows_N: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    order_N = np.argsort(keys_N, kind="stable")
    return keys_N[order_N], rows_N[order_N]


def _all(seed: int, rows: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    return ((first, keys(seed, "test", first, min(_CHUNK, rows - first))) for first in range(0, rows, _CHUNK))


def parts(seed: int, first: int, rows: int, last: Sequence[Place]) -> NDArray[np.int64]:
    """Returns for so many rows from `first` on how many of the places each lies behind."""
    keys_N = keys(seed, "test", first, rows)
    bounds = np.array([place.key for place in last], np.uint64)
    part_N = np.searchsorted(bounds, keys_N, side="left")
    for row in np.flatnonzero(np.isin(keys_N, bounds)).tolist():
        part_N[row] = sum(place < (int(keys_N[row]), first + row) for place in last)
    return part_N
