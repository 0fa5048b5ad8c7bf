"""Tables for tests of specs: what a file is said to hold, without one."""

from __future__ import annotations

from typing import Any

from sumsquares.datasets.tables.errors import TableMissing
from sumsquares.datasets.tables.keys import DEFAULT_TEST, TableKeys
from sumsquares.datasets.tables.table import InputColumn, SplitRows, TableDataset
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec

HOUSES = """
name = "houses"
[[dataset]]
name = "houses"
file = "houses.csv"
target = "price"
[train]
epochs = 5
batch_size = 20
[[grid]]
hidden = [[], [4]]
lr = [0.01, 0.001]
seeds = 2
"""
COLUMNS = ("area", "rooms", "Größe \U0001f3e0")


def table_of(keys: TableKeys, rows: int = 100, content: str = "ab" * 32, **fields: Any) -> TableDataset:
    """Returns a table that holds what the keys ask for."""
    names = [f"fold_{i + 1}" for i in range(keys.folds)] if keys.folds else [None]
    names = list(keys.test) if isinstance(keys.test, tuple) else names
    test = DEFAULT_TEST if keys.test is None and keys.folds is None else keys.test
    held_out = round(rows * (test if isinstance(test, float) and test else 0.2))
    splits = tuple(SplitRows(name=name, train=rows - held_out, test=held_out) for name in names)
    told = {"left_out": (("street", "text"),), "dropped": 3, "split_rows": splits}
    return TableDataset(
        **{name: getattr(keys, name) for name in ("name", "file", "target", "folds", "validation", "missing", "seed")},
        content=content,
        rows=rows,
        target_type="double",
        has_integer_target=False,
        input_columns=tuple(InputColumn(name=name, column=name, type="double") for name in keys.inputs or COLUMNS),
        test=test,
        **told | fields,
    )


def gone(keys: TableKeys, _folder: str) -> TableDataset:
    """Finds no file."""
    raise TableMissing(keys.file, [f"no such file {keys.file}; write the path of a table"])


def houses(resolve: Any = lambda keys, _: table_of(keys), **replaced: str) -> JobSpec:
    """Returns the spec of a table with lines of its [[dataset]] added, read by `resolve`."""
    lines = "".join(f"{key} = {value}\n" for key, value in replaced.items())
    text = HOUSES.replace("[train]", f"{lines}[train]")
    return parse_spec(text.encode(), "houses.toml", new=True, resolve=resolve, folder="there")
