"""How many rows each split of a table trains on and holds out, and the means that fill its nulls."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sumsquares.datasets.tables.measure import Measured
from sumsquares.datasets.tables.roles import Drawing
from sumsquares.datasets.tables.shown import plural, show
from sumsquares.datasets.tables.table import SplitRows


def splits_of(drawing: Drawing, measured: Measured, inputs: Collection[str]) -> tuple[tuple[SplitRows, ...], list[str]]:
    """Returns the splits, and why there are too few rows for them."""
    if problems := too_many_folds(drawing.folds, drawing.rows):
        return (), problems
    sizes = [*zip(measured.train_S, measured.test_S, strict=True)] if drawing.columns else [*drawing.sizes()]
    problems = [*_problems(drawing, sizes)]
    if problems:
        return (), problems
    splits = []
    for index, (name, (train, test)) in enumerate(zip(drawing.names, sizes, strict=True)):
        found = {column: sums for column, sums in measured.sums.items() if column in inputs}
        empty = [column for column, sums in found.items() if not sums.count_S[index]]
        if empty:
            where = f" of split {show(name)}" if name else ""
            problem = f"column {show(empty[0])} has no value in any training row{where}; leave it out of `inputs`"
            return (), [f'{problem}, or write missing = "drop"']
        means = tuple((column, sums.sum_S[index] / sums.count_S[index]) for column, sums in found.items())
        splits.append(SplitRows(name=name, train=train, test=test, means=means))
    return tuple(splits), []


def too_many_folds(folds: int | None, rows: int) -> list[str]:
    """Returns the problem of more folds than rows, if there is one."""
    if folds is None or folds <= rows:
        return []
    return [f"folds: {plural(rows, 'row')} for {folds:,} folds; write fewer of them, or a longer table"]


def _problems(drawing: Drawing, sizes: list[tuple[int, int]]) -> Iterator[str]:
    key = "folds" if drawing.folds else "test"
    for name, (train, test) in zip(drawing.names, sizes, strict=True):
        if train and test:
            continue
        where = f" in split {show(name)}" if name else ""
        if drawing.validation and (train or test):
            drawn = (
                f"a share of {drawing.validation:g} has drawn {'all' if test else 'none'} of the training rows{where}"
            )
            yield f"validation: {drawn}; use a longer table, or write another share or seed"
        else:
            none = "training" if not train else "test"
            yield f"{key}: no {none} row is left of {drawing.rows:,}{where}; write another share, or a longer table"
