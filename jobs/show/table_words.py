"""What is told of a table before it is trained on: its rows, its splits, and what of it is left out."""

from __future__ import annotations

from collections.abc import Iterator

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.axes import axes
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.messages import plain
from sumsquares.jobs.spec.size import parameters_of


def rows_words(table: TableDataset) -> str:
    """Returns what a table is: `price of houses.csv, 442 rows of 10 inputs, 354 to train on and 88 to test`."""
    size = f"{counted(table.rows, 'row')} of {counted(table.inputs, 'input')}"
    return f"{plain(table.target)} of {plain(table.file)}, {size}, {_splits(table)}"


def left_out_words(table: TableDataset) -> list[str]:
    """Returns a line for the rows that are left out, and one for the columns, each of them with its reason."""
    lines = []
    if table.dropped:
        lack = f"whose {plain(table.target)} is" if table.missing == "mean" else "in which values are"
        lines.append(f"{counted(table.dropped, 'row')} left out, {lack} missing")
    if table.left_out:
        columns = few_names([f"{plain(name)} ({reason})" for name, reason in table.left_out])
        lines.append(f"{counted(len(table.left_out), 'column')} left out: {columns}")
    return lines


def table_warnings(spec: JobSpec) -> Iterator[str]:
    """Yields what a person should know before training on tables: files that are gone, and networks that are large."""
    for table in spec.datasets:
        if isinstance(table, TableDataset):
            if table.name in spec.gone:
                yield f"dataset {table.name}: {plain(table.file)} is not there; what it held is known from the spec"
            rows, most = min(split.rows for split in table.splits), _most_parameters(spec, table)
            if most > rows:
                networks = f"the largest network of the spec has {most:,} parameters"
                yield f"dataset {table.name}: {networks}, more than the {counted(rows, 'training row')}"


def _splits(table: TableDataset) -> str:
    if table.test == 0 and table.validation is None:
        return "all of them to train on and to measure on"
    sizes = _between([split.rows for split in table.splits]), _between([split.test_rows for split in table.splits])
    rows = f"{sizes[0]} to train on and {sizes[1]} to test"
    if table.validation is not None:
        rows = f"{sizes[0]} to train on and {sizes[1]} to validate"
    return rows if len(table.splits) == 1 else f"{len(table.splits):,} splits of {rows}"


def _between(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _most_parameters(spec: JobSpec, table: TableDataset) -> int:
    """Returns the weights and biases of the largest network that is trained on a table."""
    grids = (grid for grid in spec.grids if table.name in spec.names_of(grid))
    networks = (hidden for grid in grids for hidden in axes(grid, spec.train)["hidden"])
    return max((parameters_of(table.inputs, hidden) for hidden in networks), default=0)
