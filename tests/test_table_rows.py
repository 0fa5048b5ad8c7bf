"""Tables in the store: what is read back is what was put in, split by split, whatever the shards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from made_tables import noisy, put, rows_of, table_of
from result_rows import variant
from test_measured import ENGINES, rms

from sumsquares.datasets.errors import DamagedShard
from sumsquares.datasets.tables import stored
from sumsquares.datasets.tables.roles import roles
from sumsquares.jobs.results.dataset_facts import facts_of, facts_path
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.results.table_rows import TableRows, manifest_path, read_manifest
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.stages.imported import ChangedTable, import_table, plan_table
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack
from sumsquares.jobs.storage.layout import folder_of
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
    monkeypatch.setattr(stored, "SHARD_BYTES", shard_bytes)
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
            pieces = [TableRows(store, 1).filled(split, part, i, 7) for i in range(-(-split.rows_in(part) // 7))]
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
