"""The spec of a dataset: a frozen description that determines every row. It generates and stores nothing."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sumsquares.datasets.tasks import Task as Task
from sumsquares.datasets.tasks import target_range

Split = Literal["train", "test", "extrapolation"]
SPLITS: tuple[Split, ...] = ("train", "test", "extrapolation")

GENERATOR_VERSION: Literal[1] = 1  # part of every digest: raise it with any change of the rows
INT64_MAX = 2**63 - 1
LARGEST_MAX = 2**31 - 1
DEFAULT_TEST_ROWS = 10_000


class DatasetSpec(BaseModel):
    """Rows of random integers 1..largest and their target. Equal digests mean equal rows.

    Raises pydantic.ValidationError (a ValueError) for unknown fields, wrong types, values out of range, and
    targets that int64 cannot hold.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    task: Task
    """What the target is: sum, product or sum of squares of the numbers, or the square of the only number."""
    n_numbers: Annotated[int, Field(ge=1, le=16)] = 2
    """Numbers that the target depends on, 1..16 columns. Default 2; for `square` 1, its only value."""
    largest: Annotated[int, Field(ge=1, le=LARGEST_MAX)]
    """Numbers are uniform on 1..largest; 1..2**31-1. In the extrapolation split on largest+1..2*largest."""
    rows: Annotated[int, Field(ge=1, le=10**12)]
    """Rows of the train split, 1..10**12."""
    test_rows: Annotated[int, Field(ge=1, le=10**12)] = DEFAULT_TEST_ROWS
    """Rows of the test split, and of the extrapolation split, 1..10**12. Default: rows, at most 10,000."""
    seed: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    """Names the random streams, 0..2**63-1. Datasets with one seed draw from the same streams."""
    unused: Annotated[int, Field(ge=0, le=16)] = 0
    """Extra columns of random numbers that the target does not depend on, 0..16."""

    @model_validator(mode="before")
    @classmethod
    def _fill_dependent_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        defaults = {"n_numbers": 1} if data.get("task") == "square" else {}
        if isinstance(rows := data.get("rows"), int):
            defaults["test_rows"] = min(rows, DEFAULT_TEST_ROWS) if rows > 0 else DEFAULT_TEST_ROWS
        return defaults | data

    @model_validator(mode="after")
    def _refuse_impossible_targets(self) -> Self:
        if self.task == "square" and self.n_numbers != 1:
            raise ValueError(
                f"n_numbers = {self.n_numbers}: task square has one number; "
                "write n_numbers = 1, or task = 'sum_of_squares'"
            )
        _, top = target_range(self.task, self.n_numbers, 1, 2 * self.largest)
        if top > INT64_MAX:
            raise ValueError(self._overflow(top))
        return self

    def _overflow(self, top: int) -> str:
        fits = bisect_right(
            range(1, LARGEST_MAX),
            INT64_MAX,
            key=lambda largest: target_range(self.task, self.n_numbers, 1, 2 * largest)[1],
        )
        return (
            f"task = {self.task}, n_numbers = {self.n_numbers}, largest = {self.largest}: targets reach {top:.3g} "
            f"in the extrapolation split (numbers up to {2 * self.largest}), int64 ends at {INT64_MAX:.3g}; "
            f"write largest = {fits} or less" + (", or fewer numbers" if self.n_numbers > 1 else "")
        )

    @property
    def inputs(self) -> int:
        """Input columns of a row: the numbers and the unused ones."""
        return self.n_numbers + self.unused

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns in their order: number_1.., unused_1.., target."""
        numbers = (f"number_{i}" for i in range(1, self.n_numbers + 1))
        unused = (f"unused_{i}" for i in range(1, self.unused + 1))
        return (*numbers, *unused, "target")

    def rows_in(self, split: Split) -> int:
        """Returns the rows of that split."""
        return self.rows if split == "train" else self.test_rows

    def range_of(self, split: Split) -> tuple[int, int]:
        """Returns the smallest and the largest number of that split, both inclusive."""
        return (self.largest + 1, 2 * self.largest) if split == "extrapolation" else (1, self.largest)

    def unnamed(self) -> DatasetSpec:
        """Returns the same dataset without a name: what a manifest stores."""
        return DatasetSpec.model_validate(self._fields())

    @property
    def digest(self) -> str:
        """SHA-256 in hex of everything that the rows depend on, computed at each call (about 10 us)."""
        canonical = json.dumps(
            {"generator": GENERATOR_VERSION, **self._fields()}, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in DatasetSpec.model_fields}


class NamedDataset(DatasetSpec):
    """A dataset as a job spec names it. Its digest doesn't include the name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """What grids and summaries call it: 1..64 of a-z, 0-9, _ and -, the first a letter or digit."""
