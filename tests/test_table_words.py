"""What is told of a table in words: its rows, its splits, and what is left out."""

from __future__ import annotations

import pytest
from table_specs import gone, houses, table_of

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import SplitRows
from sumsquares.jobs.show.table_words import left_out_words, rows_words, table_warnings
from sumsquares.jobs.spec.job_spec import parse_spec

KEYS = {"name": "houses", "file": "houses.csv", "target": "price"}
UNEQUAL = (SplitRows(name="a", train=70, test=30), SplitRows(name="b", train=1_071, test=29))


def table(keys=(), **fields):
    """Returns a table."""
    return table_of(TableKeys(**KEYS | dict(keys)), **fields)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (table(), "price of houses.csv, 100 rows of 3 inputs, 80 to train on and 20 to test"),
        (
            table({"inputs": ("a",)}, rows=1_000),
            "price of houses.csv, 1,000 rows of 1 input, 800 to train on and 200 to test",
        ),
        (table({"folds": 5}), "price of houses.csv, 100 rows of 3 inputs, 5 splits of 80 to train on and 20 to test"),
        (
            table({"test": ("a", "b")}, split_rows=UNEQUAL),
            "price of houses.csv, 100 rows of 3 inputs, 2 splits of 70 to 1,071 to train on and 29 to 30 to test",
        ),
        (
            table({"validation": 0.2}),
            "price of houses.csv, 100 rows of 3 inputs, 80 to train on and 20 to validate",
        ),
        (table({"test": 0.0}), "price of houses.csv, 100 rows of 3 inputs, all of them to train on and to measure on"),
        (table({"file": "a\nb.csv"}), 'price of "a\\nb.csv", 100 rows of 3 inputs, 80 to train on and 20 to test'),
    ],
)  # fmt: skip
def test_a_table_is_told_with_its_rows_and_splits(found, words):
    """In one line, whatever its file is called."""
    assert rows_words(found) == words


def test_what_is_left_out_is_told_with_the_reasons():
    """Of many columns the first ones; nothing if there is nothing."""
    assert left_out_words(table(left_out=(), dropped=0)) == []
    many = tuple((f"c{i}", "is text") for i in range(9))
    assert left_out_words(table(left_out=many, dropped=1_000)) == [
        "1,000 rows left out, in which values are missing",
        "9 columns left out: c0 (is text), c1 (is text), c2 (is text), c3 (is text), c4 (is text), ... and 4 more",
    ]
    assert left_out_words(table({"missing": "mean"}, left_out=(), dropped=1)) == [
        "1 row left out, whose price is missing"
    ]


def test_networks_with_more_parameters_than_training_rows_are_told():
    """Of the largest network of the grids of that table, by the smallest split; only if it is true."""
    assert [*table_warnings(houses())] == []
    (line,) = table_warnings(houses(lambda keys, _: table_of(keys, rows=25)))
    assert line == "dataset houses: the largest network of the spec has 21 parameters, more than the 20 training rows"
    assert [*table_warnings(houses(lambda keys, _: table_of(keys, rows=26)))] == []


def test_a_file_that_is_gone_is_told():
    """Where a copy of a stored spec stands for it."""
    spec = parse_spec(houses().stored_text, "copy", new=True, resolve=gone)
    assert [*table_warnings(spec)] == ["dataset houses: houses.csv is not there; what it held is known from the spec"]
