"""The checks of a job spec that need more than one of its tables.

They read the raw TOML data and skip values that are invalid by themselves, so that all problems of a spec are reported
at once. Those that need the rows of a table come last, once the spec is valid by itself. The checks of single values
are those of the models (axes.py, datasets/spec.py, datasets/tables/keys.py).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sumsquares.datasets.spec import SPLITS, NamedDataset
from sumsquares.datasets.spec_checks import NO_KIND
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.axes import Grid
from sumsquares.jobs.spec.checks_formulas import formula_problems
from sumsquares.jobs.spec.checks_tables import value_problems
from sumsquares.jobs.spec.checks_training import training_problems
from sumsquares.jobs.spec.errors import path_of
from sumsquares.jobs.spec.messages import listing, show, similar
from sumsquares.jobs.spec.raw import (
    Datasets,
    Raw,
    axis_of,
    datasets_of,
    is_count,
    kind_of,
    names,
    tables,
    valid,
    values,
)
from sumsquares.jobs.spec.size import size_of

MAX_ROWS = 2**41
"""Limit for all splits of all datasets: two million shards, whose plan takes 8 s and 1 GB."""
MAX_STEPS = 10**15
"""Limit for one trial: thirty years at 1 us per step."""
RESERVED = re.compile(r"champion|night-[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}")
"""Names that are reserved: that of `predict champion`, and those of the runs of nights."""


def reserved_name(raw: Raw) -> Iterator[str]:
    """Yields a line if a new spec has a reserved name; stored specs may have one."""
    name = raw.get("name")
    if isinstance(name, str) and RESERVED.fullmatch(name):
        yield f"name: {show(name)} is what the nightly job calls a night's run, or its champion; write another name"


def cross_problems(raw: Raw, max_trials: int, new: bool) -> Iterator[str]:
    """Yields a line for each problem between the tables of a spec, and if it is new with its formulas."""
    datasets, files = dict(valid(NamedDataset, raw, "dataset")), dict(valid(TableKeys, raw, "dataset"))
    yield from _without_kind(raw)
    yield from _duplicate_names(raw)
    yield from _duplicate_rows(raw, datasets)
    yield from _unknown_names(raw)
    yield from _large_batches(raw, _rows_written(raw), "row")
    yield from _many_rows(datasets)
    yield from _many_steps(raw, {dataset.name: dataset.rows for dataset in datasets.values()})
    yield from training_problems(raw, datasets, files)
    splits = {name: 1 for _, name in names(raw)} | {keys.name: _splits_of(keys) for keys in files.values()}
    if problem := size_of(valid(Grid, raw, "grid"), splits).problem(max_trials):
        yield problem
    yield from (*formula_problems(raw, datasets), *_nothing_held_out(raw, files)) if new else ()


def table_problems(raw: Raw, found: Mapping[str, TableDataset]) -> Iterator[str]:
    """Yields a line for each problem between the tables of a spec and what their files hold."""
    indices = {index: found[name] for index, name in names(raw) if name in found}
    yield from _duplicate_rows(raw, indices)
    smallest = {name: min(each.rows for each in table.splits) for name, table in found.items()}
    yield from _large_batches(raw, smallest, "training row")
    yield from _many_steps(raw, {name: max(each.rows for each in table.splits) for name, table in found.items()})
    yield from value_problems(raw, found)


def _splits_of(keys: TableKeys) -> int:
    return keys.folds or (len(keys.test) if isinstance(keys.test, tuple) else 1)


def _nothing_held_out(raw: Raw, files: Mapping[int, TableKeys]) -> Iterator[str]:
    """Rejects a table without test rows: only a spec that is derived from another may measure on the training rows."""
    for index, keys in files.items():
        if keys.test == 0:
            path = path_of(("dataset", index, "test"), raw)
            yield f"{path}: 0 holds out no rows to measure on; write a share above 0 and below 1, such as 0.2"


def _without_kind(raw: Raw) -> Iterator[str]:
    """Names what a dataset of no kind lacks. Its own model doesn't say it if other keys are wrong or missing."""
    for index, table in tables(raw, "dataset"):
        if kind_of(table) == NamedDataset.__name__ and not {"task", "formula"} & table.keys():
            yield f"{path_of(('dataset', index), raw)}: {NO_KIND}"


def _duplicate_names(raw: Raw) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, name in names(raw):
        if first.setdefault(name, index) != index:
            path = path_of(("dataset", index, "name"), raw)
            yield f"{path}: dataset[{first[name]}] has this name too; write another name for one of them"


def _duplicate_rows(raw: Raw, datasets: Mapping[int, NamedDataset | TableDataset]) -> Iterator[str]:
    """Rejects datasets with equal rows: their trials have equal ids, and would be reported for the first one only."""
    first: dict[str, tuple[int, str]] = {}
    for index, dataset in datasets.items():
        twin, name = first.setdefault(dataset.digest, (index, dataset.name))
        if name != dataset.name:
            same = f"has the same rows as dataset[{twin}] {show(name)}"
            yield f"{path_of(('dataset', index), raw)}: {same}; write another seed, or remove one of them"


def _unknown_names(raw: Raw) -> Iterator[str]:
    defined = dict.fromkeys(name for _, name in names(raw))
    for index, grid in tables(raw, "grid"):
        for place, name in values(grid, ("grid", index), "dataset"):
            if isinstance(name, str) and name not in defined:
                remedy = f"write one of the defined: {listing(defined)}" if defined else "define it in a [[dataset]]"
                yield f"{path_of(place, raw)}: no dataset {show(name)}; {similar(name, defined)}{remedy}"


def _rows_written(raw: Raw) -> dict[str, int]:
    """Returns the training rows of datasets by name, where the spec says how many they are."""
    generated = (table for _, table in tables(raw, "dataset") if kind_of(table) == NamedDataset.__name__)
    return {table["name"]: table["rows"] for table in generated if _has_name_and_rows(table)}


def _large_batches(raw: Raw, rows: Mapping[str, int], noun: str) -> Iterator[str]:
    """Compares each batch size with the smallest dataset of its grid, given the training rows of each by name."""
    seen = set()
    for index, grid in tables(raw, "grid"):
        least = min((name for name in datasets_of(raw, grid) if name in rows), key=lambda name: rows[name], default="")
        for place, size in axis_of(raw, index, grid, "batch_size") if least else ():
            # Several grids may use one batch size of [train]: it is reported once per dataset.
            if is_count(size) and size > rows[least] and (place, least) not in seen:
                seen.add((place, least))
                limit = f"the {rows[least]:_} {noun}{'' if rows[least] == 1 else 's'} of dataset {show(least)}"
                remedy = f"write a whole number from 1 to {rows[least]:_}"
                yield f"{path_of(place, raw)}: {show(size)} is more than {limit}; {remedy}"


def _has_name_and_rows(table: Raw) -> bool:
    return bool(isinstance(table.get("name"), str) and table["name"] and is_count(table.get("rows")))


def _many_rows(datasets: Datasets) -> Iterator[str]:
    """Rejects more rows than anybody can wait for, counted from the numbers in the spec."""
    rows = sum(dataset.rows_in(split) for dataset in datasets.values() for split in SPLITS)
    if rows > MAX_ROWS:
        remedy = "write fewer rows and test_rows, or fewer datasets"
        yield f"dataset: {rows:_} rows of all splits together, more than {MAX_ROWS:_}; {remedy}"


def _many_steps(raw: Raw, rows_of: Mapping[str, int]) -> Iterator[str]:
    """Rejects more steps than anybody can wait for, given the training rows of each dataset by name."""
    # Upper bounds: the most epochs with the most rows and the smallest batches of each grid.
    for index, grid in tables(raw, "grid"):
        most = max((rows_of[name] for name in datasets_of(raw, grid) if name in rows_of), default=0)
        epochs, batches = (_counts(raw, index, grid, key) for key in ("epochs", "batch_size"))
        steps = max(epochs, default=0) * -(-most // min(batches, default=1))
        if steps > MAX_STEPS:
            remedy = "write fewer epochs or rows, or a larger batch_size"
            yield f"grid[{index}]: {steps:_} steps of training a trial, more than {MAX_STEPS:_}; {remedy}"


def _counts(raw: Raw, index: int, grid: Raw, key: str) -> list[Any]:
    return [value for _, value in axis_of(raw, index, grid, key) if is_count(value)]
