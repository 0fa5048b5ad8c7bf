"""The text of a spec for a table, with comments that say what its keys do. It reads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sumsquares.jobs.spec.tables import toml

_WIDTH = 44
"""Columns before a comment, unless a value is longer."""
_COMMENTS = {
    "file": "Parquet or CSV: a file, a folder or a glob, relative to this spec",
    "target": "what the networks learn to predict",
    "test": "share of the rows that is held out; or a boolean column that is true for them, or several",
    "folds": 'each is held out once; or test = 0.2, a share; or test = "COLUMN", true for the rows to hold out',
    "missing": 'rows with nulls: "drop" leaves them out, "mean" puts the mean of the training rows in their place',
    "categories": "text columns: a column of zeros and ones for each value",
    "hidden": "units of each hidden layer; [] is a linear model",
    "lr": "learning rates",
    "schedule": "the learning rate decays to 0 along half a cosine",
    "weight_decay": "keeps networks from memorising few rows",
    "batch_size": "rows per step",
    "epochs": "passes over the training rows",
    "normalize": "inputs and target to mean 0 and standard deviation 1, those of the training rows",
    "seeds": "networks of each variant and split",
}


def table_spec(
    run: str, dataset: str, table: Mapping[str, Any], grid: Mapping[str, Any], head: Sequence[str] = ()
) -> str:
    """Returns a spec with one table, by its keys without the name, and one grid.

    `head` are the lines of the comment that it opens with.
    """
    lines = [
        *(f"# {line}".rstrip() for line in head),
        f"name = {toml(run)}",
        "",
        "[[dataset]]",
        *_lines({"name": dataset, **table}),
        "",
        "[[grid]]",
        *_lines(grid),
    ]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        line, comment = f"{key} = {toml(value)}", _COMMENTS.get(key)
        yield f"{line:{_WIDTH}}# {comment}" if comment else line
