"""Tables as resolving a file would find them, made of Arrow columns, for tests of the store."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sumsquares.datasets.tables.batches import stored_schema
from sumsquares.datasets.tables.digest import ContentDigest
from sumsquares.datasets.tables.numbers import valid_of, values_of
from sumsquares.datasets.tables.roles import roles
from sumsquares.datasets.tables.table import InputColumn, SplitRows, TableDataset
from sumsquares.jobs.stages import imported


def noisy(rows=300, inputs=3, seed=0, **more):
    """Columns a, b and so on of normal numbers, and `target`, their noisy sum."""
    draw = np.random.default_rng(seed)
    x_NI = draw.normal(size=(rows, inputs)) * 3 + 1
    columns = {chr(ord("a") + index): x_NI[:, index] for index in range(inputs)}
    return pa.table({**columns, "target": x_NI.sum(axis=1) + draw.normal(size=rows) * 0.1, **more})


def table_of(rows, name="own", inputs=None, **keys):
    """The table of stored columns: `inputs` (default: all that aren't the target or held out), then the target."""
    keys = {"test": 0.2} | keys if "folds" not in keys else keys
    held_out = keys.get("test")
    held_out = (held_out,) if isinstance(held_out, str) else held_out if isinstance(held_out, tuple) else ()
    names = inputs or [each for each in rows.column_names if each not in ("target", *held_out)]
    fields = {
        "name": name,
        "file": f"{name}.parquet",
        "content": "0" * 64,
        "rows": len(rows),
        "target": "target",
        "target_type": str(rows["target"].type),
        "has_integer_target": pa.types.is_integer(rows["target"].type),
        "input_columns": tuple(InputColumn(name=each, column=each, type=str(rows[each].type)) for each in names),
        **keys,
    }
    count = keys.get("folds") or len(held_out) or 1
    named = [f"fold_{index + 1}" for index in range(count)] if "folds" in keys else held_out or [None]
    draft = TableDataset(**fields, split_rows=tuple(SplitRows(name=each, train=1, test=1) for each in named))
    batch = rows_of(draft, rows)
    digest = ContentDigest(batch.schema)
    digest.add(batch)
    splits = tuple(_counted(draft, batch, index, each) for index, each in enumerate(named))
    return TableDataset(**fields | {"content": digest.hexdigest()}, split_rows=splits)


def rows_of(table, rows):
    """The rows as one batch of the stored columns."""
    schema = stored_schema(table)
    return rows.select(schema.names).cast(schema).combine_chunks().to_batches()[0]


def _counted(table, batch, index, name):
    train_N, test_N = roles(table, index).of(0, batch)
    means = []
    for column in table.input_columns if table.missing == "mean" else ():
        valid_N = valid_of(batch.column(column.name))
        if not valid_N.all():
            means.append((column.name, float(values_of(batch.column(column.name))[valid_N & train_N].mean())))
    return SplitRows(name=name, train=int(train_N.sum()), test=int(test_N.sum()), means=tuple(means))


def put(store, rows, **keys):
    """Puts a table into a store, and returns it."""
    table = table_of(rows, **keys)
    imported.import_table(store, table, [rows_of(table, rows)])
    return table
