"""Odd but usable tables: what is computed of them is right, and what is said of them is true."""

from __future__ import annotations

import csv
import math

import plain_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve
from sumsquares.datasets.tables.stored import values_as


def written(folder, rows, header=("a", "b", "y")):
    """Writes rows as t.csv."""
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def rows_of(count):
    """Rows of two inputs and a target."""
    return [(index * 0.37 % 1, index * 0.71 % 1, math.sin(index)) for index in range(count)]


def resolved(folder, **more):
    """The table that keys stand for."""
    return resolve(TableKeys(**{"name": "t", "file": "t.csv", "target": "y", **more}), str(folder))


@pytest.mark.parametrize(("count", "more", "sizes"), [
    (2, {}, [(1, 1)]), (2, {"folds": 2}, [(1, 1)] * 2), (3, {"folds": 2}, [(2, 1), (1, 2)]),
    (3, {"folds": 3}, [(2, 1)] * 3), (1000, {"folds": 1000}, [(999, 1)] * 1000),
])  # fmt: skip
def test_the_smallest_tables_have_splits(tmp_path, count, more, sizes):
    """Each has a row to train on and one to test on."""
    written(tmp_path, rows_of(count))
    assert [(each.train, each.test) for each in resolved(tmp_path, **more).split_rows] == sizes


@pytest.mark.parametrize("held_out", [1, 29])
def test_a_column_may_hold_out_one_row_or_all_but_one(tmp_path, held_out):
    """Which leaves the mean of one row as everything that can be learnt."""
    written(tmp_path, [(*row, int(index < held_out)) for index, row in enumerate(rows_of(30))], ("a", "b", "y", "t"))
    (split,) = resolved(tmp_path, test="t").split_rows
    assert (split.train, split.test) == (30 - held_out, held_out)


def test_a_share_that_draws_no_validation_row_is_told(tmp_path):
    """With the splits where that is so, and a remedy that works: another share."""
    written(tmp_path, rows_of(12))
    drawn = plain_tables.measured(0, 12, 0.05)
    assert not drawn
    with pytest.raises(TableError) as caught:
        resolved(tmp_path, validation=0.05, folds=2)
    assert caught.value.problems == tuple(
        f'validation: a share of 0.05 has drawn none of the training rows in split "fold_{fold}"; '
        "use a longer table, or write another share or seed"
        for fold in (1, 2)
    )
    with pytest.raises(TableError, match="has drawn all of the training rows; use"):
        resolved(tmp_path, validation=0.999)
    assert resolved(tmp_path, validation=0.5, folds=2).splits


def test_a_column_with_two_values_is_no_function_of_the_target(tmp_path):
    """A line goes through any two points; so it is left in."""
    written(tmp_path, [(index if index < 2 else "", *row[1:]) for index, row in enumerate(rows_of(30))])
    assert [each.name for each in resolved(tmp_path, missing="mean", test=0.1).input_columns] == ["a", "b"]


@pytest.mark.parametrize("missing", ["drop", "mean"])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_an_empty_text_is_no_category(tmp_path, type_, missing):
    """CSV has the same for a text that is empty and for one that is missing, and so it is one table."""
    texts = ["x", "", None, "z", " ", "x"] * 5
    rows = pa.table({"a": [row[0] for row in rows_of(30)], "c": pa.array(texts).cast(type_), "y": range(30)})
    pq.write_table(rows, tmp_path / "t.parquet")
    written(tmp_path, zip(*rows.to_pydict().values(), strict=True), rows.column_names)
    more = {"missing": missing, "categories": "one_hot"}
    tables = [resolved(tmp_path, file=file, **more) for file in ("t.csv", "t.parquet")]
    assert tables[0].digest == tables[1].digest
    assert [each.category for each in tables[1].input_columns] == [None, " ", "x", "z"]
    assert tables[1].rows == (20 if missing == "drop" else 30)


def test_ones_and_zeros_stand_for_true_and_false_in_one_column():
    """As in rows that are predicted for; other numbers don't."""
    texts = pa.array(["true", "0", " FALSE", "1.0", None, "NA"])
    assert values_as(texts, "bool", ".").to_pylist() == [True, False, False, True, None, None]
    assert values_as(pa.array(["true", "2"]), "bool", ".") is None
    assert values_as(pa.array([0, 2]), "bool", ".") is None
    assert values_as(pa.array([0.0, 1.0, math.nan]), "bool", ".").to_pylist() == [False, True, None]


@pytest.mark.parametrize(
    "texts", [["Ann", "Bob", "Cid"] + [f"n{row}" for row in range(27)], ["", *map(str, range(29))]]
)
def test_a_column_with_a_different_text_in_every_row_is_left_out(tmp_path, texts):
    """Names tell nothing of other people; one text that is there twice is enough for categories, and so is a wish."""
    rows = [(f"x{text}" if text else "", *row[1:]) for text, row in zip(texts, rows_of(30), strict=True)]
    written(tmp_path, rows)
    asked = {"categories": "one_hot", "missing": "drop"}
    table = resolved(tmp_path, **asked)
    assert [each.name for each in table.input_columns] == ["b"]
    assert table.left_out == (
        ("a", "has a different text in every row, so its categories say nothing about other rows"),
    )
    assert resolved(tmp_path, **asked, inputs=["a", "b"]).inputs == len({*texts} - {""}) + 1
    written(tmp_path, [*rows[:-1], (rows[-2][0], *rows[-1][1:])])
    assert resolved(tmp_path, **asked).inputs == len({*texts} - {""})
