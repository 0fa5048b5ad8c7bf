"""Of which run the answers of a fitted table are: that of its variant on all rows, which `fit` trains last."""

from __future__ import annotations

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.job_spec import JobSpec

FINAL = "-final"
"""After a run's name: the run that trains its chosen variant on all rows."""


def is_final_of(spec: JobSpec, run: JobSpec) -> bool:
    """Whether a spec trains on all rows of the run's only table, with the same inputs and target."""
    if len(run.datasets) != 1 or len(spec.datasets) != 1:
        return False
    (whole,), (table,) = spec.datasets, run.datasets
    if not isinstance(whole, TableDataset) or not isinstance(table, TableDataset) or whole.test != 0:
        return False
    return _rows_of(whole) == _rows_of(table) and (bool(table.held_out_columns) or whole.content == table.content)


def _rows_of(table: TableDataset) -> tuple[object, ...]:
    # The columns that hold out test rows are part of the content, and the run on all rows hasn't got them.
    return table.rows, table.target, table.input_columns, table.missing
