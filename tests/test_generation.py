"""Datasets in the store: missing shards are generated, intact ones are kept, damaged ones are found and generated
again.
"""

from __future__ import annotations

import numpy as np
import pytest
from specs import small

from sumsquares.cluster.inline import map_tasks
from sumsquares.datasets import rows as rows_module
from sumsquares.datasets import shards
from sumsquares.datasets.errors import DamagedManifest, ForeignShard, OtherRows
from sumsquares.datasets.shards import decode_shard
from sumsquares.datasets.spec import SPLITS, NamedDataset
from sumsquares.jobs.stages.generate import folder_of, generate, make_shard, manifest_path, plan_dataset, read_manifest
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.storage.store import Store

DATASET = small().datasets[1]
FOLDER = folder_of(DATASET)


@pytest.fixture
def store(tmp_path):
    """A store with the dataset of squares."""
    store = Store(str(tmp_path / "store"))
    complete(store)
    return store


def complete(store):
    """Generates what is missing; returns what was made and what was kept."""
    made = []
    generate(store, [plan_dataset(store, DATASET)], map_tasks, made.append)
    return [each.entry.path for each in made if each.generated], [e.entry.path for e in made if not e.generated]


def contents(store):
    return {path: store.get(path) for path in store.list(FOLDER)}


def rows(store):
    reader = DatasetReader(store)
    return [reader.shard(DATASET, split, 0) for split in ("train", "test", "extrapolation")]


def test_a_complete_dataset_is_not_touched(store):
    """Nothing is planned and nothing is written."""
    before = contents(store)
    assert plan_dataset(store, DATASET).tasks == []
    assert complete(store) == ([], [])
    assert contents(store) == before


def test_a_half_written_dataset_is_completed_from_what_is_there(store):
    """Without its manifest, intact shards are kept and only the missing one is generated."""
    before = contents(store)
    store.delete(manifest_path(DATASET))
    store.delete(f"{FOLDER}/test/part-00000.parquet")
    made, kept = complete(store)
    assert made == ["test/part-00000.parquet"]
    assert sorted(kept) == ["extrapolation/part-00000.parquet", "train/part-00000.parquet"]
    assert contents(store) == before


@pytest.mark.parametrize("name", ["manifest.json", "train/part-00000.parquet"])
@pytest.mark.parametrize("harm", ["truncated", "flipped", "emptied"])
def test_damaged_files_are_generated_again(store, name, harm):
    """Damage is found by size, by hash, or by the manifest's own digest; the repaired dataset is the same."""
    before, path = contents(store), f"{FOLDER}/{name}"
    data = before[path]
    bad = {"truncated": data[:-7], "flipped": data[:40] + bytes([data[40] ^ 1]) + data[41:], "emptied": b""}[harm]
    store.put(path, bad)
    complete(store)
    rows(store)
    assert contents(store) == before


def test_a_flipped_byte_is_named_and_never_trained_on(store, caplog):
    """The reader finds and reports it, and has the shard made again."""
    path = f"{FOLDER}/train/part-00000.parquet"
    data = store.get(path)
    store.put(path, data[:60] + bytes([data[60] ^ 4]) + data[61:])
    clean = DatasetReader(store).shard(DATASET, "test", 0)
    rows(store)
    assert "train/part-00000.parquet is damaged" in caplog.text
    assert store.get(path) == data
    assert len(clean[1]) == DATASET.test_rows


def test_the_manifest_of_another_dataset_is_damaged_and_rewritten(store):
    """Its own digest is right; the dataset is generated again, at once or after the manifest is deleted."""
    before, other = contents(store), small(seed=7).datasets[1]
    generate(store, [plan_dataset(store, other)], map_tasks, lambda _made: None)
    for remedy in (lambda: None, lambda: store.delete(manifest_path(DATASET))):
        store.put(manifest_path(DATASET), store.get(manifest_path(other)))
        with pytest.raises(DamagedManifest, match="or move it away, and generate the dataset again"):
            read_manifest(store, DATASET)
        with pytest.raises(DamagedManifest):
            DatasetReader(store).shard(DATASET, "train", 0)
        remedy()
        complete(store)
        assert contents(store) == before


def test_a_foreign_file_is_left_alone_and_stops_the_run(store):
    """The message says what was expected and what was found."""
    other = small(largest=49_000).datasets[1]
    generate(store, [plan_dataset(store, other)], map_tasks, lambda _made: None)
    foreign = store.get(f"{folder_of(other)}/train/part-00000.parquet")
    path = f"{FOLDER}/train/part-00000.parquet"
    store.put(path, foreign)
    store.delete(manifest_path(DATASET))
    with pytest.raises(ForeignShard, match="expected"):
        complete(store)
    assert store.get(path) == foreign


@pytest.mark.parametrize("harm", ["gone", "emptied", "flipped"])
def test_rows_of_two_versions_are_never_mixed(store, monkeypatch, harm):
    """A shard that this version makes with other rows than the manifest lists is neither written nor trained on.

    Once the folder is moved away, all rows are made anew.
    """
    before, path = contents(store), f"{FOLDER}/test/part-00000.parquet"
    data = before[path]
    other_version(monkeypatch)
    assert complete(store) == ([], [])
    if harm == "gone":
        store.delete(path)
    else:
        store.put(path, b"" if harm == "emptied" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    harmed = contents(store)
    if harm != "flipped":  # a file of the right size is read only for training
        with pytest.raises(
            OtherRows, match=rf"{path} is damaged or missing.* move the folder {FOLDER} out of the store"
        ):
            complete(store)
    if harm != "gone":
        with pytest.raises(OtherRows, match="all rows of the dataset are made anew"):
            DatasetReader(store).shard(DATASET, "test", 0)
    assert contents(store) == harmed
    for name in harmed:
        store.delete(name)
    made, kept = complete(store)
    assert (len(made), kept) == (3, [])
    assert all(store.get(name) != before[name] for name in before if "train" not in name)
    rows(store)


def test_shards_of_another_version_without_a_manifest_are_made_again(store, monkeypatch):
    """An interrupted run of another version may have left them; the dataset is this version's as a whole."""
    before = contents(store)
    store.delete(manifest_path(DATASET))
    other_version(monkeypatch)
    made, kept = complete(store)
    assert made == ["test/part-00000.parquet", "extrapolation/part-00000.parquet"]
    assert kept == ["train/part-00000.parquet"]
    assert all((store.get(name) == before[name]) == ("train" in name) for name in before)


def other_version(monkeypatch):
    """Makes the generator give the rows of the test and extrapolation splits in another order."""

    def block(spec, split, index):
        inputs_NI, target_N = rows_module.block(spec, split, index)
        return (
            (inputs_NI, target_N) if split == "train" else (np.asfortranarray(inputs_NI[::-1]), target_N[::-1].copy())
        )

    monkeypatch.setattr(shards, "block", block)


def test_any_shard_can_be_made_anywhere_in_any_order(store, tmp_path):
    """The store ends up the same, manifest included."""
    other = Store(str(tmp_path / "other"))
    plan = plan_dataset(other, DATASET)
    for task in reversed(plan.tasks):
        make_shard(task)
    complete(other)
    assert contents(other) == contents(store)


@pytest.mark.parametrize(
    "fields",
    [
        {"formula": "sqrt(x1) * x2", "low": [0, -1], "high": 4, "noise": 0.1, "unused": 1},
        {"formula": "x % 3", "low": 0, "high": 99, "numbers": "integer", "digits": 2},
        {"task": "square", "largest": 50, "digits": 2},
    ],
)
def test_formulas_and_digits_are_read_as_they_were_generated(store, fields):
    """To the bit, NaN included, after generation and after a shard was damaged."""
    dataset = NamedDataset(name="one", rows=70_000, test_rows=900, **fields)
    generate(store, [plan_dataset(store, dataset)], map_tasks, lambda _made: None)
    path = f"{folder_of(dataset)}/extrapolation/part-00000.parquet"
    data = store.get(path)
    store.put(path, data[:60] + bytes([data[60] ^ 4]) + data[61:])
    reader = DatasetReader(store)
    for split in SPLITS:
        inputs_NI, target_N = reader.shard(dataset, split, 0)
        parts = [rows_module.block(dataset, split, index) for index in range(rows_module.block_count(dataset, split))]
        assert inputs_NI.tobytes() == np.concatenate([part[0] for part in parts]).tobytes()
        assert target_N.tobytes() == np.concatenate([part[1] for part in parts]).tobytes()
        assert inputs_NI.dtype == parts[0][0].dtype
    assert store.get(path) == data
    assert plan_dataset(store, dataset).tasks == []


def test_a_reader_holds_no_more_than_its_limit(store):
    """Beyond its limit shards are read again, with the same rows."""
    reader = DatasetReader(store, memory_limit=1)
    for split in ("train", "test", "train"):
        manifest = read_manifest(store, DATASET)
        entry = manifest.splits[split].shards[0]
        table = decode_shard(store.get(f"{FOLDER}/{entry.path}"), DATASET, entry)
        assert reader.shard(DATASET, split, 0)[1].tolist() == table["target"].to_pylist()
        assert len(reader._held._items) == 1
