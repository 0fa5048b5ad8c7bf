"""What training needs of this machine's memory: as many packs as workers, the rows that each caches, the processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_tables import noisy, put, table_of
from result_rows import variant
from specs import small

from sumsquares.cluster.inline import map_tasks
from sumsquares.cluster.workers import WorkerRequest
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.datasets.spec import SPLITS, NamedDataset
from sumsquares.datasets.tables.shards import SHARD_BYTES
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages import memory_check
from sumsquares.jobs.stages.generate import generate, plan_dataset
from sumsquares.jobs.stages.memory_check import (
    GPU_MODEL_BYTES,
    GPU_PROCESS_BYTES,
    MIB,
    PROCESS_BYTES,
    bytes_of,
    cached_bytes,
    no_room,
)
from sumsquares.jobs.stages.packs import plan_packs
from sumsquares.jobs.stages.placement import IN_PROCESS, Placement
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.storage.store import Store

PACKS = plan_packs(trials(small(epochs="500", hidden="[[512, 512]]")))
TWO = Placement(WorkerRequest(workers=2, gpu_workers=0))


def answer(monkeypatch, there, placement):
    monkeypatch.setattr(memory_check, "available_memory", lambda: there)
    return no_room(PACKS, placement)


def needed(workers):
    """Bytes for so many packs with their rows."""
    return sum(sorted(map(bytes_of, PACKS))[-max(1, workers) :]) + max(1, workers) * cached_bytes(PACKS, 1 << 30)


@pytest.mark.parametrize("placement", [TWO, replace(TWO, processes=2), IN_PROCESS])
def test_all_workers_must_fit_at_the_same_time(monkeypatch, placement):
    """To the byte; the message names the parts and the remedies."""
    workers = placement.count
    there = needed(workers) + workers * PROCESS_BYTES
    assert answer(monkeypatch, there, placement) is None
    why = answer(monkeypatch, there - 1, placement)
    assert f"up to {there // MIB:,} MiB of memory" in why
    assert "--memory-limit" in why
    assert ("2 workers at the same time" in why) == ("fewer --workers" in why) == (workers == 2)


@pytest.mark.parametrize("workers", [0, 5])
def test_gpu_workers_must_fit_with_what_comes_back_from_the_gpu(monkeypatch, workers):
    """The largest packs of as many as there are, and the rows and processes of CPU workers beside them."""
    packs = plan_packs(trials(small(epochs="500", hidden="[[512, 512], [64, 64]]", seeds="5")), "cuda", "cuda")
    placement = Placement(WorkerRequest(workers=workers, gpu_workers=2))
    held = sorted(len(pack.trials) * (9 * 4 * pack.program.parameters + GPU_MODEL_BYTES) for pack in packs)[-2:]
    rows = (2 + workers) * cached_bytes(packs, 1 << 30)
    there = sum(held) + rows + 2 * GPU_PROCESS_BYTES + workers * PROCESS_BYTES
    monkeypatch.setattr(memory_check, "available_memory", lambda: there)
    assert no_room(packs, placement) is None
    monkeypatch.setattr(memory_check, "available_memory", lambda: there - 1)
    why = no_room(packs, placement)
    assert f"up to {there // MIB:,} MiB of memory" in why
    assert "fewer --gpu-workers or --workers" in why


def test_a_pack_that_does_not_fit_alone_has_another_remedy(monkeypatch):
    """Fewer workers wouldn't help."""
    why = answer(monkeypatch, max(map(bytes_of, PACKS)) - 1, TWO)
    assert "narrower" in why
    assert "--workers" not in why


def test_shards_must_fit_before_they_are_made(monkeypatch):
    """A shard of 1,024 real inputs takes 16 GB: rows and file; a message says which dataset and what to write."""
    wide = NamedDataset(name="wide", formula="sum(x)", n_numbers=1000, low=0, high=1, rows=10**7, unused=24)
    there = 2 * SHARD_ROWS * 1025 * 8
    packs = [
        replace(pack, trials=tuple(replace(t, variant=replace(t.variant, dataset=wide)) for t in pack.trials))
        for pack in PACKS[:1]
    ]
    monkeypatch.setattr(memory_check, "available_memory", lambda: there - 1)
    why = no_room(packs, IN_PROCESS)
    assert why.startswith("generating a shard of dataset wide (1,048,576 rows of 1,024 inputs) needs 16,400 MiB")
    assert "write fewer rows or fewer inputs" in why
    monkeypatch.setattr(memory_check, "available_memory", lambda: there)
    assert not (no_room(packs, IN_PROCESS) or "").startswith("generating")


def test_no_more_packs_than_there_are_and_nothing_about_clusters(monkeypatch):
    """A thousand workers have no more to train than the packs of the plan."""
    many = Placement(WorkerRequest(workers=1000, gpu_workers=0))
    assert answer(monkeypatch, needed(len(PACKS)) + len(PACKS) * PROCESS_BYTES, many) is None
    assert answer(monkeypatch, 0, replace(TWO, address="auto")) is None


def test_the_rows_of_a_worker_are_those_that_its_reader_keeps(tmp_path):
    """All of them, or as many as its limit allows, and at least one shard."""
    store, total = Store(str(tmp_path)), 0
    reader = DatasetReader(store)
    for dataset in {pack.variant.dataset_digest: pack.variant.dataset for pack in PACKS}.values():
        generate(store, [plan_dataset(store, dataset)], map_tasks, lambda _made: None)
        total += sum(reader.shard(dataset, split, 0).nbytes for split in SPLITS)
    assert cached_bytes(PACKS, 1 << 30) == total
    large = [replace(pack, trials=tuple(map(enlarged, pack.trials))) for pack in PACKS]
    assert cached_bytes(large, 1 << 30) == 1 << 30
    assert cached_bytes(large, 1) == SHARD_ROWS * (2 * 4 + 8)


def test_the_rows_of_a_tables_splits_are_those_that_a_reader_keeps(tmp_path):
    """The stored rows once, and those of each split with what says which they are; a little less with held-out bits."""
    store = Store(str(tmp_path))
    table = put(
        store, noisy(2000, **{name: np.arange(2000) % 7 == 0 for name in ("first", "second")}), test=("first", "second")
    )
    packs = plan_packs(Trial(variant(split), 1) for split in table.splits)
    reader = DatasetReader(store)
    for split in table.splits:
        for part in ("train", "test"):
            reader.shard(split, part, 0)
    assert 0.98 * cached_bytes(packs, 1 << 30) <= reader._held._bytes <= cached_bytes(packs, 1 << 30)


def test_reading_a_table_must_fit_whatever_its_size(monkeypatch):
    """A shard at a time is held, however many rows there are."""
    table = table_of(noisy(10))
    huge = TableSplit(table.model_copy(update={"rows": 10**9}), 0)
    packs = plan_packs([Trial(variant(huge), 1)])
    monkeypatch.setattr(memory_check, "available_memory", lambda: 4 * SHARD_BYTES - 1)
    assert no_room(packs, IN_PROCESS).startswith("reading dataset own into the store needs 256 MiB of memory")
    monkeypatch.setattr(memory_check, "available_memory", lambda: 4 * SHARD_BYTES)
    assert not (no_room(packs, IN_PROCESS) or "").startswith("reading")


def enlarged(trial):
    """The trial with a billion rows."""
    dataset = trial.variant.dataset.model_copy(update={"rows": 10**9})
    return replace(trial, variant=replace(trial.variant, dataset=dataset))
