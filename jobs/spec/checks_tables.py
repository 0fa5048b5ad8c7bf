"""The checks of a spec against the values of its tables: what can't be normalised, or trained on, as it is asked."""

from collections.abc import Iterator, Mapping

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.errors import path_of
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.raw import Axes, Place, Raw, tables


def value_problems(raw: Raw, found: Mapping[str, TableDataset]) -> Iterator[str]:
    """Yields a line for each table whose values have no logarithm, or are no probabilities, where a grid needs it."""
    # Several grids may have one value of [train]: it is told once.
    lines = (line for index, grid in tables(raw, "grid") for line in _of_grid(Axes(raw, index, grid), found))
    yield from dict.fromkeys(f"{path_of(place, raw)}: {problem}" for place, problem in lines)


def _of_grid(axes: Axes, found: Mapping[str, TableDataset]) -> Iterator[tuple[Place, str]]:
    inputs, entropy = axes.of("normalize").get("log"), axes.of("loss").get("bce")
    _, target = axes.target_scales().get("log", ("", None))
    for table in (found[name] for name in axes.datasets if name in found and found[name].ends):
        low, high = table.ends[-1]
        wrong = _without_logarithm(table)
        if inputs and wrong:
            remedy = "write another normalize, or inputs without that column"
            yield inputs, f'"log" needs inputs above 0, and {wrong} of dataset {show(table.name)}; {remedy}'
        if target and low <= 0:
            told = f"that of dataset {show(table.name)} is {low:.6g} in some row"
            yield target, f'"log" needs a target above 0, and {told}; write a normalize_target, such as "zscore"'
        if entropy and not 0 <= low <= high <= 1:
            told = f"that of dataset {show(table.name)} is {low if low < 0 else high:.6g} in some row"
            yield entropy, f'"bce" needs a target from 0 to 1, and {told}; write another loss, such as "mse"'


def _without_logarithm(table: TableDataset) -> str | None:
    """Returns the first input that isn't positive in every row, with its smallest value."""
    lows = ((column.name, low) for column, (low, _) in zip(table.input_columns, table.ends, strict=False))
    return next((f"column {show(name)} has {low:.6g} in some row" for name, low in lows if low <= 0), None)
