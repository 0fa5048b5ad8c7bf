"""The keys of a [[dataset]] with `file`, as a spec writes them. What the file holds is found by resolve.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from sumsquares.datasets.source import MOST_INPUTS
from sumsquares.datasets.spec_checks import INT64_MAX

DEFAULT_TEST = 0.2
Column = Annotated[
    str, Field(min_length=1, max_length=1_000, json_schema_extra={"allowed": "the name of a column in quotes"})
]
Missing = Literal["drop", "mean"]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _kind_of(test: Any) -> str:
    """Returns which of the alternatives of `test` a value is, so that a wrong one gets the message of that one."""
    if isinstance(test, str):
        return "column"
    return "columns" if isinstance(test, list | tuple) else "share"


Columns = Annotated[tuple[Column, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=MOST_INPUTS)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False, examples=[DEFAULT_TEST])]
HeldOut = Annotated[
    Annotated[Share, Tag("share")] | Annotated[Column, Tag("column")] | Annotated[Columns, Tag("columns")],
    Discriminator(_kind_of),
]


class TableKeys(BaseModel):
    """A table as a spec names it: which file, which column is the target, and which rows are held out for tests."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """What grids and summaries call it: 1..64 of a-z, 0-9, _ and -, the first a letter or digit."""
    file: Annotated[str, Field(min_length=1, max_length=4_096, examples=["houses.csv"])]
    """Parquet or CSV: a file, a folder, a glob, or an address such as s3://bucket/houses/; relative to the spec."""
    target: Column
    """The column that networks learn to predict; a number, or a boolean as 0 and 1."""
    inputs: Columns | None = None
    """The input columns. Default: every other numeric column; booleans and `test` columns only if they are named."""
    test: HeldOut | None = None
    """Rows held out: a share drawn by `seed`, a boolean column, or several for as many splits. Default 0.2."""
    folds: Annotated[int, Field(ge=2, le=1_000, examples=[5])] | None = None
    """Instead of `test`: each of so many folds, drawn by `seed`, is the test set of one split."""
    validation: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False, examples=[DEFAULT_TEST])] | None = None
    """If given, this share of each split's training rows is held out in place of its test rows, which are not used."""
    missing: Missing | None = None
    """Rows with nulls: "drop" leaves them out, "mean" puts the mean of the training rows in their place."""
    categories: Literal["one_hot"] | None = None
    """Text columns: left out by default; "one_hot" makes a column of zeros and ones of each of their values."""
    seed: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    """Draws the rows of `test`, `folds` and `validation`."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Of CSV: what stands between two fields."""
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    """Of CSV: the decimal point of numbers."""
    encoding: Annotated[str, Field(min_length=1, max_length=40)] = "utf-8"
    """Of CSV: how its text is encoded."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.test is not None and self.folds is not None:
            raise ValueError("test and folds: each of them says which rows are held out; remove one")
        return self
