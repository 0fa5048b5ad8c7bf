"""The checks of a new spec's formulas on their ranges and first rows, before anything is generated.

They take a fraction of a second, whatever the spec asks for. What only later rows show ends the generation instead.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sumsquares.datasets.formulas.formula import Formula
from sumsquares.datasets.formulas.range_check import check_range
from sumsquares.datasets.formulas.words import MOST_CHARACTERS
from sumsquares.datasets.rows import blocks, first_rows_problem
from sumsquares.datasets.source import MOST_INPUTS
from sumsquares.datasets.spec import DatasetSpec, NamedDataset
from sumsquares.jobs.spec.errors import path_of
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.raw import Axes, Datasets, Place, Raw, tables

_CHECKED = 2**23
"""How much is evaluated of all formulas: rows times the characters and inputs of a row. It takes about 0.2 s."""
_LEAST_ROWS = 100
MAX_FORMULAS = 100_000
"""Characters and inputs of all formulas of a spec: to parse and check them takes up to 7 s."""


class _Target(NamedTuple):
    value: float
    row: int


def too_many_formulas(raw: Raw) -> str | None:
    """Returns a line if a spec's formulas are so long together that parsing them alone would take long."""
    sizes = [_size(table) for _, table in tables(raw, "dataset")]
    if sum(sizes) <= MAX_FORMULAS:
        return None
    remedy = "write fewer or shorter ones, or several specs"
    return f"dataset: {sum(sizes):_} characters and inputs of all formulas, more than {MAX_FORMULAS:_}; {remedy}"


def _size(table: Raw) -> int:
    formula, count = table.get("formula"), table.get("n_numbers")
    if not isinstance(formula, str) or len(formula) > MOST_CHARACTERS:  # a longer one is refused unparsed
        return 0
    return len(formula) + (count if type(count) is int and 0 < count <= MOST_INPUTS else 0)


def formula_problems(raw: Raw, valid: Datasets) -> Iterator[str]:
    """Yields a line for each formula that isn't finite, and for each target that can't be trained on as it is asked."""
    datasets = {index: each for index, each in valid.items() if each.formula is not None}
    first_rows = {index: _first_rows(each, len(datasets)) for index, each in datasets.items()}
    usable: dict[str, DatasetSpec] = {}
    for index, rows in first_rows.items():
        if problem := _not_finite(rows, len(datasets)):
            yield f"{path_of(('dataset', index, 'formula'), raw)}: {problem}"
        else:
            usable[datasets[index].name] = rows

    # Several grids may have one value of [train]: it is told once.
    found = (each for index, grid in tables(raw, "grid") for each in _wrong_targets(Axes(raw, index, grid), usable))
    yield from dict.fromkeys(f"{path_of(place, raw)}: {problem}" for place, problem in found)


def _first_rows(dataset: NamedDataset, count: int) -> DatasetSpec:
    """Returns the dataset with as many rows as are checked of each of `count`: the first ones have no other values."""
    assert dataset.formula is not None
    most = max(_LEAST_ROWS, _CHECKED // count // (len(dataset.formula) + dataset.inputs))
    fewer = {"rows": min(dataset.rows, most), "test_rows": min(dataset.test_rows, most)}
    return dataset.unnamed().model_copy(update=fewer)


@lru_cache(maxsize=1024)
def _not_finite(first_rows: DatasetSpec, count: int) -> str | None:
    source = first_rows.source
    assert isinstance(source, Formula)
    return check_range(source, count) or first_rows_problem(first_rows)


def _wrong_targets(axes: Axes, usable: dict[str, DatasetSpec]) -> Iterator[tuple[Place, str]]:
    """Yields logarithms of targets that aren't positive, and cross-entropy of targets that are no probabilities."""
    entropy, (_, logarithm) = axes.of("loss").get("bce"), axes.target_scales().get("log", ("", None))
    for name in axes.datasets:
        if name in usable and (entropy or logarithm):
            low, high = _extremes(usable[name])
            if logarithm and low.value <= 0:
                told = _told(name, low)
                yield logarithm, f'"log" needs a target above 0, and {told}; write a normalize_target, such as "unit"'
            outside = low if low.value < 0 else high
            if entropy and not 0 <= outside.value <= 1:
                told = _told(name, outside)
                yield entropy, f'"bce" needs a target from 0 to 1, and {told}; write another loss, such as "mse"'


@lru_cache(maxsize=1024)
def _extremes(first_rows: DatasetSpec) -> tuple[_Target, _Target]:
    """Returns the lowest and the highest target of the training rows."""
    target_N = np.concatenate([target_N for _, target_N in blocks(first_rows, "train")])
    low, high = (int(row) for row in (target_N.argmin(), target_N.argmax()))
    return _Target(float(target_N[low]), low), _Target(float(target_N[high]), high)


def _told(name: str, target: _Target) -> str:
    return f"that of dataset {show(name)} is {target.value:.6g} in training row {target.row}"
