"""The runs beside that of a fitted table: the one whose validation rows choose, and that of its variant on all rows."""

from __future__ import annotations

from sumsquares.datasets.tables.table import TOLD, TableDataset
from sumsquares.jobs.spec.job_spec import JobSpec

FINAL = "-final"
"""After a run's name: the run that trains its chosen variant on all rows."""


VALIDATION = "-validation"
"""After a run's name: the run that chooses its variant."""


def is_validation_of(spec: JobSpec, run: JobSpec) -> bool:
    """Whether a spec measures on a part of the training rows of the run's only table, with the same splits."""
    if len(run.datasets) != 1 or len(spec.datasets) != 1:
        return False
    (checked,), (table,) = spec.datasets, run.datasets
    if not isinstance(checked, TableDataset) or not isinstance(table, TableDataset) or checked.validation is None:
        return False
    own = {*TOLD, "validation"}
    return table.validation is None and checked.model_dump(exclude=own) == table.model_dump(exclude=own)


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
