"""A plain reference for tables: pure Python over rows that are held as a whole. It shares no code with the package."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
FORMATS = {"double": "<d", "int64": "<q", "bool": "<?"}


def content(columns: Sequence[tuple[str, str]], rows: Rows) -> str:
    """The content digest of columns (name, type) in their order; None is a null."""
    parts = []
    for name, kind in columns:
        values, nulls = hashlib.sha256(), hashlib.sha256()
        for number, row in enumerate(rows):
            value = row[name]
            values.update(struct.pack(FORMATS[kind], 0 if value is None else value))
            if value is None:
                nulls.update(struct.pack("<q", number))
        text = f"{kind} {len(rows)} {values.hexdigest()} {nulls.hexdigest()}"
        parts.append([name, hashlib.sha256(text.encode()).hexdigest()])
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def key(seed: int, purpose: int, row: int) -> int:
    """The 64-bit key of a row: the word of that number of a Philox stream."""
    return int(np.random.Philox(key=seed | purpose << 64).random_raw(row + 1)[row])


def order(seed: int, rows: int) -> list[int]:
    """The rows in the order in which they are drawn."""
    keys = np.random.Philox(key=seed | 16 << 64).random_raw(rows).tolist()
    return sorted(range(rows), key=lambda row: (keys[row], row))


def drawn(seed: int, rows: int, test: float | None, folds: int | None) -> list[set[int]]:
    """The test rows of each split."""
    ranked = order(seed, rows)
    if folds is not None:
        ends = [part * rows // folds for part in range(folds + 1)]
        return [set(ranked[low:high]) for low, high in pairwise(ends)]
    assert test is not None
    return [set(ranked[: max(1, round(test * rows))])]


def measured(seed: int, rows: int, validation: float) -> set[int]:
    """The rows that are measured on, if they are training rows."""
    keys = np.random.Philox(key=seed | 17 << 64).random_raw(rows).tolist()
    return {row for row in range(rows) if keys[row] < int(validation * 2.0**64)}


def mean(values: Sequence[float]) -> float:
    """The exact mean, rounded once."""
    return math.fsum(values) / len(values)
