"""What tables of specs stand for: read once, remembered by the store, and used when the file is gone."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from made_tables import noisy

from sumsquares.datasets.tables.errors import TableError, TableMissing
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.jobs.stages import tables
from sumsquares.jobs.stages.imported import import_table, plan_table
from sumsquares.jobs.stages.tables import LostRows, TableReader, key_of
from sumsquares.jobs.storage.store import Store

KEYS = TableKeys(name="own", file="own.parquet", target="target")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path):
    """A folder with a table."""
    pq.write_table(noisy(100), tmp_path / "own.parquet")
    return str(tmp_path)


def known(store, folder, keys=KEYS):
    """A reader that has put the table into the store, and the table."""
    reader = TableReader(store)
    table = reader.resolve(keys, folder)
    reader.remember()
    import_table(store, table, reader.batches(table))
    return reader, table


def test_resolving_writes_nothing_before_it_is_told_to(store, folder):
    """A command that only plans, or is refused, leaves no trace."""
    reader = TableReader(store)
    table = reader.resolve(KEYS, folder)
    reader.check(table)
    assert store.list() == []
    reader.remember()
    assert store.list() == [f"tables/{key_of(KEYS, folder)}.json"]


def test_a_table_that_was_not_changed_is_not_read_again(store, folder, monkeypatch):
    """Its size and time of change are compared. The name and the way that the file is written are the spec's own."""
    _, table = known(store, folder)
    monkeypatch.setattr(tables, "resolve", None)
    again = KEYS.model_copy(update={"name": "other", "file": f"{folder}/../{Path(folder).name}/own.parquet"})
    found = TableReader(store).resolve(again, "elsewhere")
    assert (found.name, found.file) == ("other", again.file)
    assert found.digest == table.digest
    assert found.splits[0].digest == table.splits[0].digest
    assert found.splits[0].name == "other"


def test_other_keys_are_another_table(store, folder):
    """All of them are part of what it is remembered by, but its name."""
    _, table = known(store, folder)
    other = TableReader(store).resolve(KEYS.model_copy(update={"seed": 1}), folder)
    assert other.content == table.content
    assert other.digest != table.digest


def test_a_file_that_has_changed_is_another_dataset(store, folder):
    """Both are kept in the store."""
    _, table = known(store, folder)
    pq.write_table(noisy(100, seed=1), f"{folder}/own.parquet")
    reader, other = known(store, folder)
    assert other.content != table.content
    assert plan_table(store, table).is_complete
    assert plan_table(store, other).is_complete
    assert not reader.notes


def test_csv_and_parquet_are_the_same_rows(store, folder):
    """The CSV finds them in the store."""
    _, table = known(store, folder)
    pc.write_csv(noisy(100), f"{folder}/own.csv")
    other = TableReader(store).resolve(KEYS.model_copy(update={"file": "own.csv"}), folder)
    assert other.digest == table.digest
    assert plan_table(store, other).is_complete


def test_without_its_file_a_table_is_what_the_store_has_of_it(store, folder):
    """And that is told."""
    _, table = known(store, folder)
    Path(folder, "own.parquet").unlink()
    reader = TableReader(store)
    assert reader.resolve(KEYS, folder) == table
    (note,) = reader.notes
    assert note == "own.parquet is not there any more: dataset own has the 100 rows that the store has of it"


def test_without_file_and_rows_it_is_an_error(store, folder):
    """One that the store never had is missing; one whose rows are damaged is lost."""
    _, table = known(store, folder)
    Path(folder, "own.parquet").unlink()
    with pytest.raises(TableMissing, match=r"other\.parquet"):
        TableReader(store).resolve(KEYS.model_copy(update={"file": "other.parquet"}), folder)
    store.delete(f"datasets/{table.content}/rows/part-00000.parquet")
    for reader in (TableReader(store), TableReader(store)):
        with pytest.raises(LostRows, match=r"own\.parquet is not there: put the file back") as found:
            reader.resolve(KEYS, folder)
        assert found.value.exit_code == 3
        with pytest.raises(LostRows):
            reader.check(table)
        with pytest.raises(LostRows):
            next(reader.batches(table))


def test_a_reader_that_has_not_resolved_a_table_finds_its_file(store, folder):
    """By what the store remembers of it; otherwise the message says what to do."""
    _, table = known(store, folder)
    assert sum(map(len, TableReader(store).batches(table))) == 100
    store.delete(f"tables/{key_of(KEYS, folder)}.json")
    with pytest.raises(LostRows, match="run the spec that names it"):
        next(TableReader(store).batches(table))


@pytest.mark.parametrize("damage", [lambda _: b"", lambda data: data[:-20], lambda data: data.replace(b"own", b"owm")])
def test_a_damaged_memory_is_read_from_the_file_again(store, folder, damage):
    """And written anew."""
    _, table = known(store, folder)
    path = f"tables/{key_of(KEYS, folder)}.json"
    before = store.get(path)
    store.put(path, damage(before))
    reader = TableReader(store)
    assert reader.resolve(KEYS, folder) == table
    reader.remember()
    assert store.get(path) == before


def test_somebody_elses_file_in_its_place_stays(store, folder):
    """The table is read again by each command then."""
    path = f"tables/{key_of(KEYS, folder)}.json"
    store.put(path, b'{"my": "notes"}')
    known(store, folder)
    assert store.get(path) == b'{"my": "notes"}'


def test_a_refused_table_is_not_remembered(store, folder):
    """Its problems are told again by the next command."""
    reader = TableReader(store)
    for _ in range(2):
        with pytest.raises(TableError, match="no_such"):
            reader.resolve(KEYS.model_copy(update={"target": "no_such"}), folder)
    reader.remember()
    assert store.list() == []
