"""Columns by name in, the raw inputs of a network out: what `predict --input` and models from Python do with a table.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import pyarrow as pa

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.source import Numbers
from sumsquares.jobs.storage.store import Store


def inputs_of(store: Store, dataset: Named, rows: pa.RecordBatch, first_row: int = 1) -> Numbers:
    """Returns the raw inputs [N, I] that a dataset's networks take of rows with named columns, in any order.

    Of a table the columns are those of its file, so that a category is given as its text; other types are taken where
    they convert exactly. A null becomes the mean of the training rows where the spec says `missing = "mean"`. Other
    columns are ignored.

    Args:
        store: has the means.
        dataset: what the network was trained on.
        rows: any columns.
        first_row: what messages call the first row.

    Raises:
        UsageError: a column is missing, or a value can't be an input: the message names column, row and value.

    """
    raise NotImplementedError
