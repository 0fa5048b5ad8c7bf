"""What is trained on a table: the same bits from CSV and Parquet, for any shards, again, and without its file."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from made_tables import noisy

from sumsquares.datasets.tables import shards
from sumsquares.jobs.engines import shuffle
from sumsquares.jobs.pipeline.generating import generate_datasets
from sumsquares.jobs.pipeline.planning import plan_run
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.pipeline.training import train_packs
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.stages import rows, train
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store

SPEC = """name = "own"
[[dataset]]
name = "own"
file = "{file}"
target = "target"
{keys}
[train]
epochs = 4
batch_size = 16
[[grid]]
hidden = [[], [5]]
activation = ["relu", "tanh"]
normalize = ["zscore", "unit"]
init = ["pytorch", "spread_knots"]
seeds = 2
"""
KEYS = ["folds = 3", 'test = ["first", "odd"]', 'test = 0.3\nmissing = "mean"\nvalidation = 0.2']


@pytest.fixture
def table(tmp_path):
    """Rows with a whole-number column, a boolean one, nulls, and two columns that hold rows out, as two files."""
    index_N = np.arange(120)
    b = [None if index % 11 == 0 else index % 7 + 0.5 for index in index_N.tolist()]
    rows = noisy(120, whole=index_N % 5, first=index_N < 30, odd=index_N % 2 == 1)
    rows = rows.append_column("holes", pa.array(b, pa.float64()))
    pq.write_table(rows, tmp_path / "own.parquet", row_group_size=50)
    pc.write_csv(rows, tmp_path / "own.csv")
    return tmp_path


def trained(folder, store, file="own.parquet", keys=KEYS[0]):
    """Trains what is missing; returns how many trials that was, and what people are told."""
    if "mean" not in keys:
        keys += '\ninputs = ["a", "b", "c", "whole"]'
    path = folder / "spec.toml"
    path.write_text(SPEC.format(file=file, keys=keys))
    reader = TableReader(store)
    spec = load_spec(path, resolve=reader.resolve)
    with Runtime(IN_PROCESS, store, Progress(quiet=True), tables=reader) as runtime:
        plan = plan_run(spec, runtime)
        runners = runtime.prepare_training(plan)
        generate_datasets(plan, runtime, runners)
        assert train_packs(plan, runtime, runners) == ()
    return plan.left, reader.notes


def results(store):
    """The rows of all trials without their times, in the order of their ids."""
    rows = read_results(store).table.drop_columns(["train_seconds", "pack"]).sort_by("trial_id").to_pylist()
    assert all(row["status"] == "ok" and math.isfinite(row["rmse"]) for row in rows)
    return rows


@pytest.mark.parametrize("keys", KEYS)
def test_results_are_the_same_bits_whatever_the_file_and_the_shards(table, monkeypatch, keys):
    """Rows, test rows and scales follow from the values alone."""
    first, second = Store(str(table / "first")), Store(str(table / "second"))
    assert trained(table, first, keys=keys)[0] > 0
    monkeypatch.setattr(shards, "SHARD_BYTES", 700)
    trained(table, second, "own.csv", keys)
    assert len(second.list("datasets")) > len(first.list("datasets"))
    assert results(second) == results(first)


def test_rows_are_streamed_in_the_same_order_as_in_memory(table, monkeypatch):
    """Chunks are of training rows, whatever shard they lie in and however little is cached."""
    for module in (shuffle, rows):
        monkeypatch.setattr(module, "CHUNK_ROWS", 32)
    monkeypatch.setattr(rows, "SHARD_ROWS", 32)
    first, second = Store(str(table / "first")), Store(str(table / "second"))
    trained(table, first)
    monkeypatch.setattr(shards, "SHARD_BYTES", 700)
    monkeypatch.setattr(train, "DatasetReader", lambda store, _limit: rows.DatasetReader(store, 1))
    trained(table, second)
    assert results(second) == results(first)


def test_running_again_trains_nothing(table):
    """From the other file, and without any, too; that is told."""
    store = Store(str(table / "store"))
    count, notes = trained(table, store)
    assert (count, notes) == (72, [])
    before = results(store)
    assert trained(table, store) == (0, [])
    assert trained(table, store, "own.csv") == (0, [])
    for file in ("own.parquet", "own.csv"):
        (table / file).unlink()
        left, notes = trained(table, store, file)
        assert left == 0
        assert len(notes) == 1
    assert results(store) == before


def test_trials_that_are_added_when_the_file_is_gone_are_trained_on_the_stored_rows(table):
    """Results that are lost, for instance: they get the same bits."""
    store = Store(str(table / "store"))
    trained(table, store)
    before = results(store)
    (table / "own.parquet").unlink()
    for path in store.list("trials")[:6]:
        store.delete(path)
    assert trained(table, store)[0] > 0
    assert results(store) == before
