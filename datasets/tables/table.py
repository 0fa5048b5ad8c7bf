"""A table of one's own as a dataset: what resolving its file found. It reads nothing.

A trial is trained on one split of it: `TableSplit` is to a trial what a `DatasetSpec` is for generated rows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sumsquares.datasets.source import Split
from sumsquares.datasets.tables.keys import Column, Missing

HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TABLE_VERSION: Literal[1] = 1
"""Part of every digest of a table: raise it with any change of how its rows are read, drawn or held out."""
TOLD = ("name", "file", "dropped", "left_out", "split_rows", "ends")
"""Fields of a table that are no part of its digest: what it is called, and what follows from the others."""
ColumnType = Literal["double", "int64", "bool"]
_FROZEN = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class InputColumn(BaseModel):
    """One input of the networks."""

    model_config = _FROZEN

    name: str
    """The column's name in the file, or for a category `column=value`."""
    column: Column
    """The column in the file that it follows from."""
    category: str | None = None
    """The text for which it is 1, else 0; None for numbers and booleans."""
    type: ColumnType
    """Arrow type in which its values are stored."""


class SplitRows(BaseModel):
    """How many rows a split trains on and how many it holds out."""

    model_config = _FROZEN

    name: str | None = None
    """What results call it: the boolean column, `fold_1` and so on; None if the table has one split that was drawn."""
    train: Annotated[int, Field(ge=1)]
    test: Annotated[int, Field(ge=1)]
    means: tuple[tuple[str, float], ...] = ()
    """With `missing` = "mean": of each input column with nulls, the mean of the train rows, which takes their place."""


class TableDataset(BaseModel):
    """A table with its splits. Equal digests mean equal rows in equal splits, wherever the file lies."""

    model_config = _FROZEN

    name: str
    """What grids and summaries call it; no part of the digest."""
    file: str
    """Where it was read from, as the spec writes it; no part of the digest."""
    content: HexDigest
    """SHA-256 over the names, types and values of the used columns in row order, the held-out columns included."""
    rows: Annotated[int, Field(ge=1)]
    """Rows that are used: those without nulls, or with `missing` = "mean" those whose target is not null."""
    target: Column
    target_type: Literal["double", "int64"]
    """Arrow type in which targets are stored; a boolean target is 0 or 1."""
    has_integer_target: bool
    """Whether all targets are integers that float64 holds exactly, whatever their type."""
    input_columns: tuple[InputColumn, ...]
    test: float | Column | tuple[Column, ...] | None = None
    """As in the spec, with its default filled in; 0 holds out none: the test rows are then the training rows."""
    folds: int | None = None
    validation: float | None = None
    missing: Missing | None = None
    seed: int = 0
    split_rows: tuple[SplitRows, ...]
    dropped: Annotated[int, Field(ge=0)] = 0
    """Rows that were left out because of nulls; no part of the digest."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Columns that are no inputs, each with the reason; no part of the digest."""

    ends: tuple[tuple[float, float], ...] = ()
    """The smallest and the largest value of each input, and of the target, in any row; no part of the digest."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of everything that the rows of the splits depend on."""
        fields = self.model_dump(mode="json", exclude={*TOLD}, exclude_defaults=True)
        canonical = json.dumps({"table": TABLE_VERSION, **fields}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def whole(self) -> TableDataset:
        """Itself."""
        return self

    @cached_property
    def splits(self) -> tuple[TableSplit, ...]:
        """What a variant is trained on, one after the other."""
        return tuple(TableSplit(self, index) for index in range(len(self.split_rows)))

    @property
    def inputs(self) -> int:
        """Input columns of a row."""
        return len(self.input_columns)

    @property
    def held_out_columns(self) -> tuple[str, ...]:
        """The boolean columns that name the test rows of each split; empty if the rows are drawn."""
        if isinstance(self.test, str):
            return (self.test,)
        return self.test if isinstance(self.test, tuple) else ()

    def __eq__(self, other: object) -> bool:
        # pydantic's compares the cached splits too, which refer back to the table.
        return isinstance(other, TableDataset) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True)
class TableSplit:
    """One split of a table: the rows that a trial is trained on, and those that it is measured on."""

    table: TableDataset
    index: int

    @property
    def name(self) -> str:
        """That of the table."""
        return self.table.name

    @property
    def split(self) -> str | None:
        """What results call the split."""
        return self.table.split_rows[self.index].name

    @property
    def whole(self) -> TableDataset:
        """The table."""
        return self.table

    @property
    def splits(self) -> tuple[TableSplit, ...]:
        """Itself alone."""
        return (self,)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of everything that its rows depend on."""
        return hashlib.sha256(f"{self.table.digest} {self.index}".encode()).hexdigest()

    @property
    def rows(self) -> int:
        """Rows of the train split."""
        return self.table.split_rows[self.index].train

    @property
    def test_rows(self) -> int:
        """Rows of the test split."""
        return self.table.split_rows[self.index].test

    def rows_in(self, split: Split) -> int:
        """Returns the rows of that split; there is no extrapolation."""
        return {"train": self.rows, "test": self.test_rows, "extrapolation": 0}[split]

    @property
    def inputs(self) -> int:
        """Input columns of a row."""
        return self.table.inputs

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns in their order, the target last."""
        return (*(column.name for column in self.table.input_columns), self.table.target)

    @property
    def has_integer_target(self) -> bool:
        """Whether all targets are integers that float64 holds exactly."""
        return self.table.has_integer_target

    @property
    def is_real(self) -> bool:
        """Always: a table's rows are no whole range of integers, whatever its types."""
        return True
