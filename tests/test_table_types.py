"""The stored type of a column of numbers follows from its values: one digest, whichever program wrote the file."""

from __future__ import annotations

import csv
import math
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from test_table_resolve import stored

from sumsquares.datasets.tables import csv_rows, parquet_rows
from sumsquares.datasets.tables import resolve as resolve_module
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve

HALVES = [index / 2 for index in range(40)]


def python_csv(table, path):
    """As Python's csv module writes it, None as an empty cell."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table.column_names)
        writer.writeheader()
        writer.writerows(table.to_pylist())


def quoted(table, path):
    """Each cell in quotes, as some programs write it."""
    pa_csv.write_csv(table, path, pa_csv.WriteOptions(quoting_style="all_valid"))


def duckdb_csv(table, path):
    """As DuckDB writes CSV."""
    duckdb.from_arrow(table).write_csv(str(path))


def duckdb_parquet(table, path):
    """As DuckDB writes Parquet."""
    duckdb.from_arrow(table).write_parquet(str(path))


WRITERS = {
    "arrow.parquet": pq.write_table,
    "pandas.parquet": lambda table, path: table.to_pandas().to_parquet(path),
    "duckdb.parquet": duckdb_parquet,
    "arrow.csv": pa_csv.write_csv,
    "quoted.csv": quoted,
    "pandas.csv": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "python.csv": python_csv,
    "duckdb.csv": duckdb_csv,
}
WHOLE = [pa.int8(), pa.int32(), pa.int64(), pa.uint16(), pa.float32(), pa.float64(), pa.decimal128(9, 2)]


def table_of(values, type_):
    """A table whose column x has those values, beside two other columns."""
    target = [math.sin(index) for index in range(len(values))]
    return pa.table({"x": pa.array(values, type_), "h": HALVES[: len(values)], "y": target})


def found(folder, file, **more):
    """What resolving the file finds, after its stored rows were compared with its digest."""
    keys = TableKeys(**{"name": "t", "file": file, "target": "y", **more})
    table = resolve(keys, str(folder))
    rows = stored(table, keys, folder)
    types = {each.name: each.type for each in table.input_columns}
    return table.digest, table.content, table.target_type, table.has_integer_target, types, table.ends, rows


@pytest.mark.parametrize("nulls", [None, "drop", "mean"])
def test_whole_numbers_are_integers_whichever_type_and_program_wrote_them(tmp_path, nulls):
    """Types of 8 to 64 bits, floats and decimals, in the files of four programs; with nulls, which make floats of them
    in pandas.
    """
    values = [index % 7 for index in range(30)]
    if nulls:
        values[3] = values[17] = None
    results = []
    for type_ in WHOLE:
        rows = table_of([Decimal(each) if each is not None else None for each in values], pa.decimal128(9, 2))
        rows = rows.set_column(0, "x", rows["x"].cast(type_))
        for name, write in WRITERS.items():
            write(rows, tmp_path / name)
            results.append(found(tmp_path, name, missing=nulls))
    assert all(each == results[0] for each in results)
    assert results[0][4] == {"x": "int64", "h": "double"}


@pytest.mark.parametrize("nulls", [None, "mean"])
def test_one_number_that_is_none_makes_doubles_of_a_column(tmp_path, nulls, monkeypatch):
    """Wherever it stands, and in batches of any size."""
    values = [float(index) for index in range(40)]
    values[37], values[5] = 0.25, None if nulls else -0.0
    results = []
    for batch_rows, kept in ((1 << 18, 1 << 20), (3, 1 << 20), (3, 0)):
        monkeypatch.setattr(csv_rows, "BLOCK", 40 * batch_rows)
        monkeypatch.setattr(parquet_rows, "_MOST_ROWS", batch_rows)
        monkeypatch.setattr(resolve_module, "KEPT_BYTES", kept)
        for name, write in WRITERS.items():
            write(table_of(values, pa.float64()), tmp_path / name)
            results.append(found(tmp_path, name, missing=nulls))
    assert all(each == results[0] for each in results)
    assert results[0][4] == {"x": "double", "h": "double"}


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([0.0, -0.0, 1.0, -1.0], "int64"),
        ([2.0**53 - 1, 1.0 - 2.0**53, 0.0], "int64"),
        ([2.0**53, 1.0, 2.0], "double"),
        ([1e17, 3e17, -1e18], "double"),
        ([1e22, 1.0, 0.0], "double"),
        ([float("nan"), 3.0, 4.0], "int64"),
    ],
)
def test_doubles_of_any_size_have_one_type(tmp_path, values, type_):
    """Also where a program writes 100000000000000000 for 1e17: float64 holds it, and so it is a double."""
    results = []
    for name, write in WRITERS.items():
        write(table_of(values, pa.float64()), tmp_path / name)
        results.append(found(tmp_path, name, missing="mean"))
    if max(values) < 1e19:
        (tmp_path / "plain.csv").write_text(
            "x,h,y\n"
            + "".join(
                f"{'' if math.isnan(x) else int(x)},{HALVES[index]!r},{math.sin(index)!r}\n"
                for index, x in enumerate(values)
            )
        )
        results.append(found(tmp_path, "plain.csv", missing="mean"))
    assert all(each == results[0] for each in results)
    assert results[0][4]["x"] == type_


@pytest.mark.parametrize("values", [[2**53 + 1, 5, 6], [2**63 - 1, -(2**63), 0], [10**17 + 1, 10**17 + 2, 3]])
def test_integers_that_no_double_holds_stay_integers(tmp_path, values):
    """Their values are stored as they are."""
    for name in ("arrow.parquet", "duckdb.parquet", "arrow.csv", "pandas.csv", "python.csv"):
        WRITERS[name](table_of(values, pa.int64()), tmp_path / name)
        result = found(tmp_path, name)
        assert [row["x"] for row in result[-1]] == values
        assert result[4]["x"] == "int64"


def test_an_integer_that_is_rounded_as_a_double_has_one_type_in_any_batches(tmp_path, monkeypatch):
    """A column that has an integer beyond 2**53 and a number with a point is read as float64, batch by batch."""
    (tmp_path / "t.csv").write_text(
        "x,y\n" + "".join(f"{2**53 + 1},{index % 5}\n" for index in range(30)) + "1.0,3\n2,4\n"
    )
    first = found(tmp_path, "t.csv")
    monkeypatch.setattr(csv_rows, "BLOCK", 64)
    assert found(tmp_path, "t.csv") == first
    assert first[4]["x"] == "double"


@pytest.mark.parametrize("type_", [pa.int64(), pa.float32(), pa.float64()])
def test_a_whole_target_is_an_integer_target(tmp_path, type_):
    """Also as floats."""
    results = []
    for name, write in WRITERS.items():
        rows = pa.table({"a": HALVES, "y": pa.array([index * index % 11 for index in range(40)], type_)})
        write(rows, tmp_path / name)
        results.append(found(tmp_path, name))
    assert all(each == results[0] for each in results)
    assert results[0][2:4] == ("int64", True)


@pytest.mark.parametrize(("low", "is_integer"), [(-(2**63), False), (-(2**53), True), (2**53 + 1, False)])
def test_integer_targets_beyond_float64_are_not_called_exact(tmp_path, low, is_integer):
    """The smallest int64 has no positive counterpart."""
    rows = pa.table({"a": [0.5, 1, 2, 4], "y": pa.array([low, 1, 2, 4], pa.int64())})
    pq.write_table(rows, tmp_path / "t.parquet")
    assert found(tmp_path, "t.parquet")[3] is is_integer


def test_a_column_of_ones_and_zeros_holds_rows_out_whatever_its_type(tmp_path):
    """Such as 1.0 and 0.0, which pandas makes of integers."""
    flags = [index % 3 == 0 for index in range(30)]
    results = []
    for type_ in (pa.bool_(), pa.int32(), pa.float64()):
        rows = table_of(range(30), pa.int64()).append_column("out", pa.array(flags).cast(pa.int8()).cast(type_))
        for name, write in WRITERS.items():
            write(rows, tmp_path / name)
            results.append(found(tmp_path, name, test="out"))
    assert all(each == results[0] for each in results)


def test_frames_of_pandas_are_one_table_as_csv_and_parquet(tmp_path):
    """Its own types for nulls too."""
    x = [1, 2, None, 4, 5, 1, 7, 8]
    frames = [pd.Series(x, dtype=each) for each in ("float64", "Int64", "Float32", "object")]
    results = []
    for series in frames:
        frame = pd.DataFrame({"x": series, "h": HALVES[:8], "y": np.sin(np.arange(8))})
        frame.to_csv(tmp_path / "t.csv", index=False)
        frame.to_parquet(tmp_path / "t.parquet")
        results += [found(tmp_path, file, missing="mean") for file in ("t.csv", "t.parquet")]
    assert all(each == results[0] for each in results)
