"""The spec of a dataset: a frozen description that determines every row. It generates and stores nothing."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from sumsquares.datasets.formulas.characters import FormulaError
from sumsquares.datasets.formulas.formula import Expression, Formula, parse
from sumsquares.datasets.formulas.words import MOST_CHARACTERS
from sumsquares.datasets.source import LARGEST_REAL, MOST_INPUTS, Numbers, Range, Source
from sumsquares.datasets.source import SPLITS as SPLITS
from sumsquares.datasets.source import Split as Split
from sumsquares.datasets.spec_checks import INT64_MAX as INT64_MAX
from sumsquares.datasets.spec_checks import (
    LARGEST_INTEGER,
    as_bound,
    canonical,
    check_keys,
    each,
)
from sumsquares.datasets.tasks import Arithmetic
from sumsquares.datasets.tasks import Task as Task

GENERATOR_VERSION: Literal[1] = 1  # part of every digest: raise it with any change of the rows
DEFAULT_TEST_ROWS = 10_000
LATER = ("formula", "low", "high", "numbers", "noise", "digits")
"""Fields that were added later: digests and stored specs leave them out at their defaults."""


def _parsable(text: str) -> str:
    try:
        parse(text)
    except FormulaError as error:
        raise ValueError(str(error)) from None
    return text


_Finite = Annotated[float, Field(allow_inf_nan=False)]
Bound = Annotated[_Finite | tuple[_Finite, ...], BeforeValidator(as_bound)]
"""One number for all inputs of a formula, or one for each."""


class DatasetSpec(BaseModel):
    """Rows of random numbers and their target: a task on integers, or a formula. Equal digests mean equal rows.

    Raises pydantic.ValidationError (a ValueError) for unknown fields, wrong types, values out of range, keys that don't
    belong together, and targets that int64 cannot hold.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    task: Task | None = None
    """What the target is: sum, product or sum of squares of the numbers, or the square of the only number."""
    n_numbers: Annotated[int, Field(ge=1, le=MOST_INPUTS)] = 2
    """Numbers that the target depends on. Default 2; for `square` 1, its only value; for a formula those it names."""
    largest: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] | None = None
    """Of a task: numbers are uniform on 1..largest; 1..2**31-1. In the extrapolation split on largest+1..2*largest."""
    rows: Annotated[int, Field(ge=1, le=10**12)]
    """Rows of the train split, 1..10**12."""
    test_rows: Annotated[int, Field(ge=1, le=10**12)] = DEFAULT_TEST_ROWS
    """Rows of the test split, and of the extrapolation split, 1..10**12. Default: rows, at most 10,000."""
    seed: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    """Names the random streams, 0..2**63-1. Datasets with one seed draw from the same streams."""
    unused: Annotated[int, Field(ge=0, le=MOST_INPUTS - 1)] = 0
    """Extra columns of random numbers that the target does not depend on."""
    formula: Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(_parsable)] | None = None
    """What the target is, as a formula of x, or of x1, x2 and so on, in canonical form."""
    low: Bound | None = None
    """Of a formula: the lower end of each number's range."""
    high: Bound | None = None
    """Of a formula: the upper end of each number's range; real numbers don't reach it, integers do."""
    numbers: Literal["real", "integer"] = "real"
    """Of a formula: real numbers are uniform on low..high, integers on low..high with both ends."""
    noise: Annotated[float, Field(ge=0, le=LARGEST_REAL, allow_inf_nan=False)] = 0.0
    """Standard deviation of normal noise on the targets of the training rows, in the target's units."""
    digits: Literal[2] | None = None
    """If 2, the inputs are the binary digits of the only number, which must be an integer, the lowest digit first."""

    @model_validator(mode="before")
    @classmethod
    def _fill_dependent_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        defaults: dict[str, Any] = {"n_numbers": 1} if data.get("task") == "square" else {}
        if isinstance(rows := data.get("rows"), int):
            defaults["test_rows"] = min(rows, DEFAULT_TEST_ROWS) if rows > 0 else DEFAULT_TEST_ROWS
        if isinstance(text := data.get("formula"), str):
            expression = _parsed(text, data.get("n_numbers"))
            if expression is not None:  # else the error is reported with those of other fields
                data = data | {"formula": expression.text}
                defaults["n_numbers"] = expression.n_numbers
        return defaults | data

    @model_validator(mode="after")
    def _check_and_normalize(self) -> Self:
        check_keys(self)
        for name in ("low", "high"):  # equal datasets have equal digests, however they are spelt
            object.__setattr__(self, name, canonical(getattr(self, name)))
        return self

    @model_serializer(mode="wrap")
    def _without_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out what belongs to another kind of dataset, and later fields at their defaults."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in _LEFT_OUT or value != _LEFT_OUT[name]}

    @property
    def source(self) -> Source:
        """The numbers and the target."""
        return _source(
            self.task, self.n_numbers, self.largest, self.formula, self.low, self.high, self.numbers, self.digits
        )

    @property
    def has_integer_target(self) -> bool:
        """Whether every target is an integer, so that an answer may be right after rounding."""
        return self.source.has_integer_target

    @property
    def is_real(self) -> bool:
        """Whether its numbers are real: else they are integers of a range."""
        return self.source.is_real

    @property
    def split(self) -> None:
        """None: generated rows have one split."""
        return None

    @property
    def inputs(self) -> int:
        """Input columns of a row: the numbers, or their digits, and the unused ones."""
        return self.n_digits or self.n_numbers + self.unused

    @property
    def n_digits(self) -> int:
        """Digits of a number, enough for those of every split; 0 if the inputs are the numbers themselves."""
        if self.digits is None:
            return 0
        top = max(part[0].high for split in SPLITS for part in self.source.parts(split))
        return max(1, int(top).bit_length())

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns in their order: those of the numbers or digits, unused_1.., target."""
        digits = tuple(f"digit_{i}" for i in range(1, self.n_digits + 1))
        unused = (f"unused_{i}" for i in range(1, self.unused + 1))
        return (*(digits or self.source.names), *unused, "target")

    def inputs_of(self, numbers_NK: Numbers) -> Numbers:
        """Returns the inputs for numbers, without unused ones: the numbers, or their digits, column-major."""
        if not self.n_digits:
            return numbers_NK
        places_I: NDArray[np.int64] = np.arange(self.n_digits, dtype=np.int64)[:, np.newaxis]
        return (numbers_NK[:, 0].astype(np.int64) >> places_I & 1).astype(np.int32).T

    def drawn(self, split: Split) -> tuple[tuple[Range, ...], ...]:
        """Returns the ranges of the numbers and the unused columns. Of several parts rows are taken in turns."""
        return tuple((*part, *part[:1] * self.unused) for part in self.source.parts(split))

    def input_ranges(self, split: Split) -> tuple[Range, ...]:
        """Returns the range of each input column: the smallest that holds all parts."""
        if self.n_digits:
            return (Range(0, 1),) * self.n_digits
        columns = zip(*self.drawn(split), strict=True)
        return tuple(Range(min(low for low, _ in parts), max(high for _, high in parts)) for parts in columns)

    def numbers_of(self, inputs_NI: Numbers) -> Numbers:
        """Returns the numbers of rows of inputs."""
        if not self.n_digits:
            return inputs_NI[:, : self.n_numbers]
        weights: NDArray[np.int64] = 1 << np.arange(self.n_digits, dtype=np.int64)
        return (inputs_NI.astype(np.int64) @ weights)[:, np.newaxis]

    def rows_in(self, split: Split) -> int:
        """Returns the rows of that split."""
        return self.rows if split == "train" else self.test_rows

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
        fields = ((name, getattr(self, name)) for name in DatasetSpec.model_fields)
        return {name: value for name, value in fields if name not in _LEFT_OUT or value != _LEFT_OUT[name]}


_LEFT_OUT: dict[str, Any] = {
    name: field.default for name, field in DatasetSpec.model_fields.items() if name in ("task", "largest", *LATER)
}


def _parsed(text: str, n_numbers: Any) -> Expression | None:
    if type(n_numbers) is int and n_numbers > MOST_INPUTS:
        return None
    try:
        return parse(text, n_numbers if type(n_numbers) is int else None)
    except FormulaError:
        return None


@lru_cache(maxsize=1024)
def _source(
    task: Task | None,
    n_numbers: int,
    largest: int | None,
    formula: str | None,
    low: Any,
    high: Any,
    numbers: str,
    digits: int | None,
) -> Source:
    if formula is None:
        assert task is not None
        assert largest is not None
        return Arithmetic(task, n_numbers, largest)
    expression = parse(formula, n_numbers)
    return Formula(expression, each(low, n_numbers), each(high, n_numbers), numbers == "real", digits is not None)


class NamedDataset(DatasetSpec):
    """A dataset as a job spec names it. Its digest doesn't include the name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """What grids and summaries call it: 1..64 of a-z, 0-9, _ and -, the first a letter or digit."""

    @property
    def whole(self) -> NamedDataset:
        """Itself."""
        return self

    @property
    def splits(self) -> tuple[NamedDataset]:
        """Itself alone: what a variant is trained on."""
        return (self,)
