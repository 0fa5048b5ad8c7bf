"""Datasets as a summary describes them: their specs again, their ranges in words, and what their targets are like.

Generated rows are made from the specs where they are needed, and nothing is read: of a table, the summary says it all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.facts import NOISE_ROWS
from sumsquares.datasets.rows import block
from sumsquares.datasets.source import Range, Split
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.datasets.task_moments import target_moments
from sumsquares.jobs.messages.numbers import number, plain

FIELDS = tuple(DatasetSpec.model_fields)
SOLVED = 0.001
"""Share of the target's standard deviation below which an RMSE counts as solved where targets aren't integers."""
_KEPT = 16
"""Datasets whose targets are kept: of each up to 65,536 rows, 512 KB."""
_FEW = 3
"""Numbers that are named one by one."""
_LONGEST = 60
"""Characters of a formula that are shown."""


def is_table(about: Mapping[str, Any]) -> bool:
    """Whether a dataset is a table of one's own, from its entry in a summary."""
    return "file" in about


def spec_of(about: Mapping[str, Any]) -> DatasetSpec:
    """Returns the spec of a generated dataset from its entry in a summary."""
    return _spec(tuple((name, _frozen(about[name])) for name in FIELDS if name in about))


def table_of(about: Mapping[str, Any]) -> TableDataset:
    """Returns a table from its entry in a summary; its name isn't there."""
    fields = {name: about[name] for name in TableDataset.model_fields if name in about}
    return TableDataset.model_validate_json(json.dumps({"name": "", **fields}))


def dataset_of(about: Mapping[str, Any]) -> Dataset:
    """Returns the rows of a dataset from its entry in a summary: of a table, its first split."""
    return table_of(about).splits[0] if is_table(about) else spec_of(about)


def splits_of(about: Mapping[str, Any]) -> int:
    """Returns in how many ways the rows of a dataset are split into training and test rows."""
    return len(about["split_rows"]) if is_table(about) else 1


def shared_of(about: Mapping[str, Any]) -> float:
    """Returns the test rows of a split over its training rows, the mean over the splits; 0 of generated rows."""
    if not is_table(about):
        return 0.0
    return fmean(split["test"] / split["train"] for split in about["split_rows"])


def train_rows(about: Mapping[str, Any]) -> Sequence[int]:
    """Returns the number of training rows of each split."""
    return [split["train"] for split in about["split_rows"]] if is_table(about) else [about["rows"]]


def tested_rows(about: Mapping[str, Any]) -> int:
    """Returns the number of test rows, of all splits together."""
    return sum(split["test"] for split in about["split_rows"]) if is_table(about) else int(about["test_rows"])


def tested_noun(about: Mapping[str, Any]) -> str:
    """Returns what a row is called on which trials are measured: `test row`, or of a table `validation row`."""
    if about.get("validation") is not None:
        return "validation row"
    return "training row" if measures_training(about) else "test row"


def measures_training(about: Mapping[str, Any]) -> bool:
    """Whether trials are measured on the rows of a table that they are trained on, since these are all that it has."""
    return about.get("test") == 0 and about.get("validation") is None


def is_of_integers(about: Mapping[str, Any]) -> bool:
    """Whether answers are judged as right or wrong after rounding: never those of a table, whatever its targets."""
    return not is_table(about) and spec_of(about).has_integer_target


def target_spread(about: Mapping[str, Any]) -> float:
    """Returns the target's standard deviation, from a dataset's entry in a summary: of a table on the test rows, the
    mean over its splits."""
    return float(about["facts"]["test_target_std"]) if is_table(about) else spread_of(spec_of(about))


@lru_cache(maxsize=1024)
def _spec(fields: tuple[tuple[str, Any], ...]) -> DatasetSpec:
    return DatasetSpec.model_validate(dict(fields))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def spread_of(spec: DatasetSpec) -> float:
    """Returns the target's standard deviation: of a task on its whole range, of a formula on the test rows."""
    if spec.task is not None:
        assert spec.largest is not None
        return math.sqrt(target_moments(spec.task, spec.n_numbers, spec.largest)[1])
    return float(first_targets(spec, "test").std())


@lru_cache(maxsize=_KEPT)
def first_targets(spec: DatasetSpec, split: Split) -> NDArray[np.float64]:
    """Returns the finite targets among the first 65,536 rows of a split, as float64."""
    target_N = block(spec, split, 0)[1].astype(np.float64)
    return target_N[np.isfinite(target_N)]


def noise_words(about: Mapping[str, Any]) -> str:
    """What the noise of a dataset's training rows is, without a full stop."""
    rows, known = int(about["rows"]), min(int(about["rows"]), NOISE_ROWS)
    which = "the training rows" if known == rows else f"the first {known:,} training rows"
    return (
        f"The training targets have noise of standard deviation {plain(about['noise'])}; the formula itself has an "
        f"RMSE of {number(about['facts']['noise_rmse'])} on {which}"
    )


def formula_words(spec: DatasetSpec) -> str:
    """A formula, shortened: `sum(x1, ..., x20)`."""
    assert spec.formula is not None
    names, text = spec.source.names, spec.formula
    if len(names) > _FEW:
        text = text.replace(", ".join(names), f"{names[0]}, ..., {names[-1]}")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def names_words(names: tuple[str, ...]) -> str:
    """Names of numbers: `x`, `x1, x2`, `x1 to x20`."""
    return ", ".join(names) if len(names) <= _FEW else f"{names[0]} to {names[-1]}"


def end(value: float) -> str:
    """An end of a range: `-3`, `1000`, `0.25`."""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def range_words(spec: DatasetSpec) -> str:
    """The numbers of a formula with their ranges: `x1, x2 in -3..3`, `x1 in 0..1, x2 in 2..5`."""
    (parts,) = spec.source.parts("train")
    if len(set(parts)) == 1:
        return f"{names_words(spec.source.names)} in {dots(parts[0])}"
    if len(parts) > _FEW:
        low, high = min(part.low for part in parts), max(part.high for part in parts)
        return f"{names_words(spec.source.names)} in ranges within {dots(Range(low, high))}"
    return ", ".join(f"{name} in {dots(part)}" for name, part in zip(spec.source.names, parts, strict=True))


def dots(part: Range) -> str:
    """A range: `-3..3`."""
    return f"{end(part.low)}..{end(part.high)}"


def beyond_words(spec: DatasetSpec) -> str:
    """The numbers of the extrapolation split: `numbers from 1,001 to 2,000`; of a formula those below and above."""
    parts = spec.source.parts("extrapolation")
    if any(len(set(part)) > 1 for part in parts):
        return "numbers below and above the ranges, as far again" if len(parts) > 1 else "numbers above the ranges"
    return f"numbers {' and '.join(f'from {_counted(part[0].low)} to {_counted(part[0].high)}' for part in parts)}"


def _counted(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else end(value)
