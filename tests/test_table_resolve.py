"""A user's table as a dataset: the same from CSV and Parquet, in one file or many, and equal to a plain reference."""

import math
import random

import numpy as np
import pandas as pd
import plain_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sumsquares.datasets.tables import csv_rows, parquet_rows
from sumsquares.datasets.tables import resolve as resolve_module
from sumsquares.datasets.tables.batches import batches, stored_schema
from sumsquares.datasets.tables.digest import ContentDigest
from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve
from sumsquares.datasets.tables.roles import roles

COLOURS = ("red", "green", "blue", 'a "quoted", one', "größe", "n/a")


def rows_of(seed=0, count=200, nulls=0.0):
    """Rows with every kind of column, as Python values."""
    draw = random.Random(seed)  # noqa: S311  not for secrets

    def maybe(value):
        return None if draw.random() < nulls else value

    return [
        {
            "area": maybe(draw.gauss(0, 1)),
            "rooms": maybe(draw.randrange(-9, 9)),
            "colour": maybe(draw.choice(COLOURS)),
            "old": maybe(draw.random() < 0.5),
            "t1": draw.random() < 0.3,
            "t2": draw.random() < 0.4,
            "price": maybe(draw.choice([draw.gauss(0, 1e6), draw.random(), -1e-30])),
        }
        for _ in range(count)
    ]


TYPES = {
    "area": pa.float64(),
    "rooms": pa.int64(),
    "colour": pa.string(),
    "old": pa.bool_(),
    "t1": pa.bool_(),
    "t2": pa.bool_(),
    "price": pa.float64(),
}
SCHEMA = pa.schema([*TYPES.items()])


def write(rows, path):
    """Writes rows as Parquet, or as CSV the way pandas does."""
    table = pa.Table.from_pylist(rows, SCHEMA)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=37)
    else:
        frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in TYPES})
        frame.to_csv(path, index=False)


def keys(file="t.parquet", **more):
    """The [[dataset]] of such a table."""
    return TableKeys(**{"name": "houses", "file": file, "target": "price", **more})


def stored(table, asked, folder):
    """All stored rows of a table as Python values, after their digest was compared."""
    digest, found = ContentDigest(stored_schema(table)), []
    for batch in batches(table, asked, str(folder)):
        digest.add(batch)
        found += batch.to_pylist()
    assert digest.hexdigest() == table.content
    return found


def test_csv_and_parquet_are_one_table(tmp_path):
    """Digest, rows and splits are the same."""
    write(rows_of(), tmp_path / "t.csv")
    write(rows_of(), tmp_path / "t.parquet")
    inputs = ["rooms", "area", "old", "colour"]
    more = {"inputs": inputs, "categories": "one_hot", "test": ["t1", "t2"]}
    one, other = (resolve(keys(file, **more), str(tmp_path)) for file in ("t.csv", "t.parquet"))
    assert one.digest == other.digest
    assert one.model_copy(update={"file": other.file}) == other
    assert stored(one, keys("t.csv", **more), tmp_path) == stored(other, keys(**more), tmp_path)


@pytest.mark.parametrize("file", ["t.csv", "t.parquet", "many"])
@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_any_batches_files_and_passes_give_the_same_table(file, kept, tmp_path, monkeypatch):
    """Read once or twice, in batches of a few rows, or from several files."""
    rows = rows_of(1, nulls=0.1)
    more = {"categories": "one_hot", "missing": "mean", "folds": 3}
    write(rows, tmp_path / "w.parquet")
    whole = resolve(keys("w.parquet", **more), str(tmp_path))
    (tmp_path / "many").mkdir()
    for index, low in enumerate(range(0, 200, 45)):
        write(rows[low : low + 45], tmp_path / "many" / f"part-{index}.csv")
    write(rows, tmp_path / ("t.csv" if file == "many" else file))
    monkeypatch.setattr(csv_rows, "BLOCK", 512)
    monkeypatch.setattr(parquet_rows, "_MOST_ROWS", 7)
    monkeypatch.setattr(resolve_module, "KEPT_BYTES", kept)
    found = resolve(keys(file, **more), str(tmp_path))
    assert (found.digest, found.split_rows) == (whole.digest, whole.split_rows)
    assert stored(found, keys(file, **more), tmp_path) == stored(whole, keys("w.parquet", **more), tmp_path)


def reference(rows, missing, inputs):
    """The rows that are used, as they are stored."""
    used = ["colour", "old", "area", "rooms", "price"] if missing == "drop" else ["price"]
    kept = [row for row in rows if all(row[name] is not None for name in used)]
    colours = sorted({row["colour"] for row in rows} - {None})
    made = []
    for row in kept:
        one_hot = {f"colour={each}": None if row["colour"] is None else row["colour"] == each for each in colours}
        values = {"area": row["area"], "rooms": row["rooms"], **one_hot, "old": row["old"], "price": row["price"]}
        made.append(values)
    return made


@pytest.mark.parametrize("missing", ["drop", "mean"])
def test_rows_digest_and_splits_are_those_of_the_reference(missing, tmp_path):
    """Nulls, categories in sorted order, canonical bytes and drawn rows, computed row by row in Python."""
    rows = rows_of(2, nulls=0.05)
    write(rows, tmp_path / "t.csv")
    inputs = ["area", "rooms", "colour", "old"]
    asked = keys("t.csv", missing=missing, inputs=inputs, categories="one_hot", test=0.25, seed=9)
    table = resolve(asked, str(tmp_path))
    expected = reference(rows, missing, inputs)
    assert stored(table, asked, tmp_path) == expected
    kinds = [*((each.name, each.type) for each in table.input_columns), ("price", "double")]
    assert [name for name, _ in kinds] == [*expected[0]]
    assert table.content == plain_tables.content(kinds, expected)
    assert (table.rows, table.dropped) == (len(expected), len(rows) - len(expected))
    (test,) = plain_tables.drawn(9, len(expected), 0.25, None)
    assert (table.split_rows[0].train, table.split_rows[0].test) == (len(expected) - len(test), len(test))
    means = dict(table.split_rows[0].means)
    for name, _ in kinds[:-1]:
        values = [float(row[name]) for at, row in enumerate(expected) if at not in test and row[name] is not None]
        if any(row[name] is None for row in expected) or name in means:
            assert means[name] == pytest.approx(plain_tables.mean(values), rel=1e-14)
    assert bool(means) == (missing == "mean")


def test_means_have_the_same_bits_for_any_batches(tmp_path, monkeypatch):
    """They are sums in a fixed order, over blocks whose size the columns fix."""
    rows = rows_of(3, count=3000, nulls=0.1)
    write(rows, tmp_path / "t.parquet")
    asked = keys(missing="mean", test="t1")
    first = resolve(asked, str(tmp_path)).split_rows
    monkeypatch.setattr(parquet_rows, "_MOST_ROWS", 11)
    assert resolve(asked, str(tmp_path)).split_rows == first


def test_roles_follow_from_the_stored_rows(tmp_path):
    """Of columns that name test rows, and with validation."""
    write(rows_of(4), tmp_path / "t.parquet")
    asked = keys(test=["t1", "t2"], validation=0.3)
    table = resolve(asked, str(tmp_path))
    rows = stored(table, asked, tmp_path)
    drawn = plain_tables.measured(0, 200, 0.3)
    whole = next(iter(batches(table, asked, str(tmp_path))))
    for index, name in enumerate(("t1", "t2")):
        train_N, test_N = roles(table, index).of(0, whole)
        assert train_N.tolist() == [not row[name] and at not in drawn for at, row in enumerate(rows)]
        assert test_N.tolist() == [not row[name] and at in drawn for at, row in enumerate(rows)]
        assert (train_N.sum(), test_N.sum()) == (table.split_rows[index].train, table.split_rows[index].test)
    assert [split.split for split in table.splits] == ["t1", "t2"]


def test_the_digest_names_what_the_rows_depend_on(tmp_path):
    """A changed cell, the order of inputs, another seed or target: another table; another name or file: the same."""
    write(rows_of(5), tmp_path / "t.parquet")
    changed = rows_of(5)
    changed[7]["area"] += 1e-12
    write(changed, tmp_path / "u.parquet")
    asked = [
        keys(),
        keys(seed=1),
        keys(inputs=["rooms", "area"]),
        keys(target="area"),
        keys(test=0.3),
        keys(folds=5),
        keys("u.parquet"),
        keys(validation=0.1),
    ]
    digests = [resolve(each, str(tmp_path)).digest for each in asked]
    assert len({*digests}) == len(digests)
    (tmp_path / "t.parquet").rename(tmp_path / "v.parquet")
    assert resolve(keys("v.parquet", name="homes", test=0.2), str(tmp_path)).digest == digests[0]


def test_what_is_no_input_is_told(tmp_path):
    """Text, booleans, dates, constants, copies, empty columns, and a column without a name."""
    count = 20
    table = pa.table(
        {
            "": pa.array(range(count)),
            "a": pa.array([float(i) for i in range(count)], pa.float32()),
            "twin": [float(i) for i in range(count)],
            "words": ["x", "y"] * 10,
            "flag": [True, False] * 10,
            "day": pa.array([0] * count, pa.date32()),
            "same": [3] * count,
            "none": pa.nulls(count),
            "nan": [math.nan] * count,
            "list": [[1]] * count,
            "bytes": [b"x"] * count,
            "y": [i * i % 7 for i in range(count)],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = resolve(keys(target="y"), str(tmp_path))
    assert [each.name for each in found.input_columns] == ["a"]
    assert {name: reason.partition(";")[0] for name, reason in found.left_out} == {
        "": "it has no name",
        "words": "is text",
        "flag": "is boolean",
        "day": "has dates or times",
        "same": "is 3 in every row",
        "none": "has no values",
        "nan": "has no values",
        "list": "has lists or records",
        "bytes": "has values that are no numbers",
        "twin": 'equals "a" in every row',
    }
    assert found.has_integer_target


ARRAYS = {
    "int8": pa.array([1, 2, -3], pa.int8()),
    "uint64": pa.array([1, 2, 3], pa.uint64()),
    "float16": pa.array(np.array([1, 2, 3.5], np.float16)),
    "float32": pa.array([0.5, 2, 3], pa.float32()),
    "decimal": pa.array(["0.1", "1.25", "-7.3"]).cast(pa.decimal128(9, 3)),
    "dictionary": pa.array([1, 2, 1]).dictionary_encode(),
    "bool": pa.array([True, False, True]),
}
VALUES = {
    "int8": [1, 2, -3],
    "uint64": [1, 2, 3],
    "float16": [1, 2, 3.5],
    "float32": [0.5, 2, 3],
    "decimal": [0.1, 1.25, -7.3],
    "dictionary": [1, 2, 1],
    "bool": [True, False, True],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_of_numbers_is_stored_as_one_of_three(name, tmp_path):
    """Integers as int64, all others as float64; decimals as the nearest one."""
    pq.write_table(pa.table({"x": ARRAYS[name], "y": [1.5, 2, 2]}), tmp_path / "t.parquet")
    asked = keys(target="y", inputs=["x"])
    table = resolve(asked, str(tmp_path))
    assert [row["x"] for row in stored(table, asked, tmp_path)] == VALUES[name]
    kind = "int64" if name in ("int8", "uint64", "dictionary") else "bool" if name == "bool" else "double"
    assert table.input_columns[0].type == kind


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_every_type_of_text_makes_the_same_categories(kind, tmp_path):
    """Those that occur, sorted; digits in a text column stay text."""
    pq.write_table(pa.table({"c": pa.array(["2", "10", "2"], kind), "y": [1.5, 2, 2]}), tmp_path / "t.parquet")
    asked = keys(target="y", categories="one_hot")
    table = resolve(asked, str(tmp_path))
    assert [(each.name, each.category) for each in table.input_columns] == [("c=10", "10"), ("c=2", "2")]
    assert [row["c=2"] for row in stored(table, asked, tmp_path)] == [True, False, True]


@pytest.mark.parametrize(("text", "is_integer"), [("1\n2.0\n", True), ("1\n2.5\n", False), ("1\n2e17\n", False)])
def test_targets_that_are_all_integers_are_known(text, is_integer, tmp_path):
    """Whatever their type, if float64 holds them exactly."""
    lines = [f"{number},{target}" for number, target in enumerate(text.split())]
    (tmp_path / "t.csv").write_text("a,y\n" + "\n".join(lines))
    assert resolve(keys("t.csv", target="y"), str(tmp_path)).has_integer_target is is_integer


def test_a_boolean_target_is_zero_or_one(tmp_path):
    """It is stored as an integer."""
    (tmp_path / "t.csv").write_text("a,y\n1,true\n2,False\n3,TRUE\n")
    asked = keys("t.csv", target="y")
    table = resolve(asked, str(tmp_path))
    assert (table.target_type, table.has_integer_target) == ("int64", True)
    assert [row["y"] for row in stored(table, asked, tmp_path)] == [1, 0, 1]


def test_a_type_that_shows_late_is_found(tmp_path, monkeypatch):
    """Integers for two blocks, then a number, then a text: the whole file decides."""
    monkeypatch.setattr(csv_rows, "BLOCK", 256)
    lines = [f"{i},{i % 7},{i % 5},{i}" for i in range(200)]
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + "\n".join(lines) + "\n0.5,x,true,3\n")
    asked = keys("t.csv", target="y")
    table = resolve(asked, str(tmp_path))
    assert [(each.name, each.type) for each in table.input_columns] == [("a", "double")]
    assert dict(table.left_out)["b"].startswith('is text: row 201 has "x"')
    assert stored(table, asked, tmp_path)[-1] == {"a": 0.5, "y": 3}


def test_categories_that_look_like_numbers_at_first_are_text(tmp_path, monkeypatch):
    """The first blocks of such a column are read as text as well."""
    monkeypatch.setattr(csv_rows, "BLOCK", 64)
    (tmp_path / "t.csv").write_text("c,y\n" + "\n".join(f"00{i % 3},{i % 7}" for i in range(90)) + "\nNA,3\nx,4\n")
    asked = keys("t.csv", target="y", categories="one_hot")
    table = resolve(asked, str(tmp_path))
    assert [each.category for each in table.input_columns] == ["000", "001", "002", "NA", "x"]
    assert [row["c=001"] for row in stored(table, asked, tmp_path)][:4] == [False, True, False, False]


def test_a_file_that_changes_between_the_passes_is_refused(tmp_path, monkeypatch):
    """Nothing is made of half of one file and half of another."""
    write(rows_of(6), tmp_path / "t.csv")
    real = resolve_module.choose

    def choose(*args):
        write(rows_of(7, count=100), tmp_path / "t.csv")
        return real(*args)

    monkeypatch.setattr(resolve_module, "choose", choose)
    monkeypatch.setattr(resolve_module, "KEPT_BYTES", 0)
    with pytest.raises(TableError, match="changed while it was read"):
        resolve(keys("t.csv"), str(tmp_path))


def test_a_file_that_changed_before_it_is_stored_is_refused_or_has_another_digest(tmp_path):
    """A column that is gone, a text among numbers, a null: an error that says so; another number: another digest."""
    write(rows_of(8), tmp_path / "t.csv")
    asked = keys("t.csv")
    table = resolve(asked, str(tmp_path))
    text = (tmp_path / "t.csv").read_text()
    for changed in (
        text.replace("area", "arena"),
        text + "1,x,red,True,True,True,5\n",
        text + "1,,red,True,True,True,5\n",
    ):
        (tmp_path / "t.csv").write_text(changed)
        with pytest.raises(TableError, match="changed"):
            [*batches(table, asked, str(tmp_path))]
    (tmp_path / "t.csv").write_text(text + "1,2,red,True,True,True,5\n")
    digest = ContentDigest(stored_schema(table))
    for batch in batches(table, asked, str(tmp_path)):
        digest.add(batch)
    assert digest.hexdigest() != table.content
