"""The content digest of a table: names, types and values of its columns in row order, whatever file they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.tables.numbers import values_of

_LITTLE = {"double": "<f8", "int64": "<i8", "bool": "<u1"}
"""How values are hashed; nulls as 0, and their row numbers apart."""


class ContentDigest:
    """Takes batches of stored columns in row order; their sizes don't matter."""

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = {field.name: _Column(str(field.type)) for field in schema}

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows: the columns of the schema, by name."""
        for name, column in self._columns.items():
            column.add(batch.column(name))

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yields batches, and adds each as it passes."""
        for batch in batches:
            self.add(batch)
            yield batch

    def of_column(self, name: str) -> str:
        """Returns the digest of one column's type and values, without its name, in hex."""
        return self._columns[name].hexdigest()

    def hexdigest(self, names: Iterable[str] | None = None) -> str:
        """Returns the digest of the rows so far in hex: of all columns, or of those named, in that order."""
        chosen = [*self._columns] if names is None else [*names]
        canonical = json.dumps([[name, self.of_column(name)] for name in chosen], separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class _Column:
    def __init__(self, kind: str) -> None:
        self._kind, self._rows = kind, 0
        self._values, self._nulls = hashlib.sha256(), hashlib.sha256()

    def add(self, array: pa.Array) -> None:
        self._values.update(np.ascontiguousarray(values_of(array), _LITTLE[self._kind]).data)
        if array.null_count:
            rows_N = np.flatnonzero(pc.is_null(array).to_numpy(zero_copy_only=False)) + self._rows
            self._nulls.update(rows_N.astype("<i8").data)
        self._rows += len(array)

    def hexdigest(self) -> str:
        parts = [self._kind, str(self._rows), self._values.hexdigest(), self._nulls.hexdigest()]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()
