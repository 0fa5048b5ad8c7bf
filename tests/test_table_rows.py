"""Tables in the store: what is read back is what was put in, split by split, whatever the shards."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tables import noisy, put, rows_of, table_of
from result_rows import variant
from test_measured import ENGINES, rms

from sumsquares.datasets.errors import DamagedShard
from sumsquares.datasets.tables import shards
from sumsquares.datasets.tables.roles import roles
from sumsquares.jobs.engines.metrics import EVALUATION_ROWS
from sumsquares.jobs.results.dataset_facts import facts_of, facts_path
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.rows_of import blocks_of, pieces_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.results.table_rows import Held, TableRows, manifest_path, read_manifest
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.stages.imported import ChangedTable, import_table, plan_table
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack
from sumsquares.jobs.storage.layout import folder_of, is_folder_of_ours, unit_of
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

KEYS = [{"test": 0.2}, {"test": 0.25, "validation": 0.3}, {"folds": 4}, {"test": ("first", "odd")}, {"test": 0.0}]


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def columns(rows=300):
    """Rows with columns that hold them out in two ways."""
    index_N = np.arange(rows)
    return noisy(rows, first=index_N < rows // 5, odd=index_N % 2 == 1)


def part_of(store, split, part):
    blocks = list(blocks_of(store, split, part))
    return np.concatenate([x_NI for x_NI, _ in blocks]), np.concatenate([y_N for _, y_N in blocks])


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("shard_bytes", [1, 500, 64 << 20])
def test_parts_are_the_rows_of_their_roles_in_order(store, monkeypatch, keys, shard_bytes):
    """In float64, for any size of shards."""
    monkeypatch.setattr(shards, "SHARD_BYTES", shard_bytes)
    rows = columns(40)
    table = put(store, rows, inputs=["a", "b", "c"], **keys)
    x_NI, y_N = np.column_stack([rows[name] for name in "abc"]), rows["target"].to_numpy()
    assert len(read_manifest(store, table).shards) == {1: 40, 500: 3, 64 << 20: 1}[shard_bytes]
    for split in table.splits:
        for part, chosen_N in zip(
            ("train", "test"), roles(table, split.index).of(0, rows_of(table, rows)), strict=True
        ):
            found_NI, found_N = part_of(store, split, part)
            np.testing.assert_array_equal(found_NI, x_NI[chosen_N])
            np.testing.assert_array_equal(found_N, y_N[chosen_N])
            pieces = [TableRows(store, Held(1)).filled(split, part, i, 7) for i in range(-(-split.rows_in(part) // 7))]
            np.testing.assert_array_equal(np.concatenate([x_NI for x_NI, _ in pieces]), found_NI)


@pytest.mark.parametrize("engine", ENGINES)
def test_metrics_of_a_trained_pack_are_those_of_its_answers(store, engine):
    """On the training and the test rows of its split; there is no extrapolation."""
    table = put(store, noisy(120), folds=3)
    for split in table.splits:
        one = variant(split, hidden=(4,), epochs=3, batch_size=20, normalize="zscore")
        pack = Pack(tuple(Trial(one, seed) for seed in range(2)))
        train_pack(store, DatasetReader(store), pack, Trainer(engine, "cpu"), lambda _share: None)
        for row in read_results(store).table.to_pylist():
            if row["split"] != split.split:
                continue
            assert row["status"] == "ok"
            assert row["rmse_extrapolation"] is None
            trial = Trial(one, row["seed"])
            for part, name in (("test", "rmse"), ("train", "rmse_train")):
                x_NI, y_N = part_of(store, split, part)
                assert row[name] == pytest.approx(rms(answers(store, row["pack"], trial, x_NI) - y_N), rel=1e-5)


def files_of(store, table):
    """The stored files of a table's rows, by path."""
    return {path: store.get(path) for path in store.list(f"{folder_of(table)}/rows")}


def test_a_complete_table_is_not_written_again(store):
    """Its manifest lists all rows, and its shards have the right sizes."""
    rows = noisy()
    table = put(store, rows)
    before = {path: store.get(path) for path in store.list(folder_of(table))}
    assert plan_table(store, table).is_complete
    import_table(store, table, [rows_of(table, rows)])
    assert {path: store.get(path) for path in store.list(folder_of(table))} == before


def test_rows_are_stored_once_whatever_the_splits(store):
    """The folder is named by the content, which the splits are no part of."""
    one = put(store, noisy(), folds=3)
    assert plan_table(store, table_of(noisy(), test=0.5, seed=7, name="other")).is_complete
    assert [*store.folders("datasets")] == [f"datasets/{one.content}", f"datasets/{one.content}/rows"]


@pytest.mark.parametrize("damage", ["cut", "missing", "flipped"])
def test_a_damaged_shard_is_read_again_and_the_others_are_kept(store, monkeypatch, damage):
    """Sizes are compared when a run is planned, bytes when they are written again."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1_000)
    rows = noisy()
    table = put(store, rows)
    before = files_of(store, table)
    path = sorted(before)[3]
    data = before[path]
    if damage == "missing":
        store.delete(path)
    else:
        store.put(path, data[:-5] if damage == "cut" else data[:60] + bytes([data[60] ^ 4]) + data[61:])
    plan = plan_table(store, table)
    assert plan.is_complete == (damage == "flipped")
    assert len(plan.notes) == (damage != "flipped")
    with pytest.raises((DamagedShard, FileNotFoundError)):
        part_of(store, table.splits[0], "train")
    written = []
    monkeypatch.setattr(store, "put", lambda path, data: (written.append(path), Store.put(store, path, data)))
    import_table(store, table, [rows_of(table, rows)])
    assert written == [path, manifest_path(table)]
    assert files_of(store, table) == before


def test_a_table_that_changed_while_it_was_read_leaves_no_manifest(store):
    """Its shards are removed again, and the message says what to do."""
    table = table_of(noisy())
    with pytest.raises(ChangedTable, match=r"own\.parquet: it was changed while it was read: run again"):
        import_table(store, table, [rows_of(table, noisy(seed=1))])
    assert store.list() == []


def test_shards_that_were_written_before_stay_when_the_table_has_changed(store, monkeypatch):
    """Only what was written from other rows is removed."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1_000)
    table = put(store, noisy())
    before = files_of(store, table)
    path = sorted(before)[3]
    store.put(path, before[path][:-5])
    with pytest.raises(ChangedTable):
        import_table(store, table, [rows_of(table, noisy(seed=1))])
    assert files_of(store, table) == {other: data for other, data in before.items() if other != path}


def test_somebody_elses_parquet_in_the_place_of_a_shard_is_refused(store):
    """It stays as it is."""
    table = table_of(noisy())
    path = f"{folder_of(table)}/rows/part-00000.parquet"
    store.put(path, foreign := parquet(noisy(5)))
    with pytest.raises(ForeignFile, match="move it out of the store"):
        import_table(store, table, [rows_of(table, noisy())])
    assert store.get(path) == foreign


def parquet(rows):
    """The bytes of an ordinary Parquet file."""
    file = io.BytesIO()
    pq.write_table(rows, file)
    return file.getvalue()


def test_nulls_are_the_means_of_the_training_rows(store):
    """Each split has its own, and rows of other splits don't matter."""
    rows = noisy(60)
    a = [None if index % 7 == 0 else value for index, value in enumerate(rows["a"].to_pylist())]
    table = put(store, rows.set_column(0, "a", pa.array(a, pa.float64())), folds=3, missing="mean")
    a_N = np.array([np.nan if value is None else value for value in a])
    for split in table.splits:
        roles_N = roles(table, split.index).of(0, rows_of(table, rows.append_column("x", rows["a"])))
        mean = float(np.nanmean(a_N[roles_N[0]]))
        for part, chosen_N in zip(("train", "test"), roles_N, strict=True):
            expected_N = np.where(np.isnan(a_N), mean, a_N)[chosen_N]
            np.testing.assert_allclose(part_of(store, split, part)[0][:, 0], expected_N, rtol=1e-12)


@pytest.mark.parametrize("keys", KEYS)
def test_facts_of_a_split_are_those_of_its_rows(store, monkeypatch, keys):
    """Against numpy on all rows at once; each split has a file of its own."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1_000)
    rows = pa.concat_tables([columns(80), columns(80).slice(0, 30)])
    table = put(store, rows, inputs=["a", "b", "c"], **keys)
    for split in table.splits:
        (train_NI, train_N), (test_NI, test_N) = (part_of(store, split, part) for part in ("train", "test"))
        found = facts_of(store, split)
        known = {tuple(row) for row in train_NI.tolist()}
        assert found.seen_N.tolist() == [tuple(row) in known for row in test_NI.tolist()]
        assert found.distinct == len({tuple(row) for row in test_NI.tolist()})
        design_NI = np.column_stack([test_NI, np.ones(len(test_NI))])
        weights, *_ = np.linalg.lstsq(design_NI, test_N)
        assert found.linear_rmse == pytest.approx(rms(design_NI @ weights - test_N), rel=1e-9)
        assert found.largest_target == np.abs(np.concatenate([train_N, test_N])).max()
        assert not found.constant
        assert not found.covers_range
        moments = found.moments
        np.testing.assert_allclose(moments.input_mean, train_NI.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.input_std, train_NI.std(axis=0), rtol=1e-12)
        assert (moments.target_min, moments.target_max) == (train_N.min(), train_N.max())
        assert found.test_target_std == pytest.approx(test_N.std(), rel=1e-12)
        assert facts_of(store, split) is not found
        assert repr(facts_of(store, split)) == repr(found)
    assert len({facts_path(split) for split in table.splits}) == len(table.splits)


@pytest.mark.parametrize("inputs", [1, 10, 64, 65, 300, 1024])
def test_wide_tables_are_read_in_fewer_rows_at_a_time(inputs):
    """A power of two, so that blocks end where chunks and forward passes do."""
    for numbers, most in ((1 << 22, 1 << 16), (1 << 24, 1 << 20)):
        rows = pieces_of(inputs, numbers, most)
        assert rows & (rows - 1) == 0
        assert rows % EVALUATION_ROWS == 0
        assert rows <= most
        assert rows * inputs <= numbers
        assert rows == most or 2 * rows * inputs > numbers


def test_files_of_tables_belong_to_units_of_the_store(store):
    """By their names; others in their folders don't."""
    table = put(store, noisy(), folds=2)
    for split in table.splits:
        facts_of(store, split)
    assert {unit_of(path) for path in store.list()} == {("dataset", table.content)}
    assert all(map(is_folder_of_ours, store.folders()))
    assert unit_of(f"tables/{table.content}.json") == ("table", table.content)
    assert unit_of("tables/other.json") is None
    assert unit_of(f"{folder_of(table)}/rows/other.parquet") is None
