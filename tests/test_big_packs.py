"""Packs of 10,000 models, as a GPU trains them: the same rows as in small ones, whatever interrupts them."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from lanes_builds import needs_lanes

from sumsquares.cluster.inline import map_tasks
from sumsquares.cluster.processes import run_workers
from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.pipeline.training import item_of, split
from sumsquares.jobs.results.stored import MOST, read_losses, read_results, read_weights
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import train
from sumsquares.jobs.stages.checkpoints import checkpointed_packs
from sumsquares.jobs.stages.generate import generate
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.storage.store import Store

MANY = """
name = "many"
[[dataset]]
name = "squares"
task = "square"
largest = 50
rows = 40
test_rows = 30
[train]
epochs = 3
batch_size = 20
[[grid]]
hidden = [[3]]
activation = ["relu"]
lr = RATES
weight_decay = [0.0, 0.001]
optimizer = ["adamw"]
seeds = 10
"""
JOB = parse_spec(MANY.replace("RATES", str([0.001 + place / 1e6 for place in range(500)])).encode(), "many.toml")
PACK = Pack(tuple(trials(JOB)), "lanes")
TRAINER = train.Trainer("lanes", "cpu")

pytestmark = needs_lanes


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A store with the rows."""
    store = Store(str(tmp_path_factory.mktemp("generated")))
    generate(store, make_plan(JOB, store).datasets, map_tasks, lambda _made: None)
    return store


@pytest.fixture
def store(generated, tmp_path):
    """A copy of it."""
    copy = Store(str(tmp_path))
    for path in generated.list("datasets"):
        copy.put(path, generated.get(path))
    return copy


@pytest.fixture(scope="module")
def trained(generated):
    """The store, with the pack trained in a process of its own."""
    snapshots = []
    make_work = partial(train.worker, generated.root, 1 << 30, "auto")
    run_workers(make_work, [item_of(PACK)], split, snapshots.append, 1)
    ((key, outcome),) = [each for snapshot in snapshots for each in snapshot.results]
    assert (key, outcome.trials) == (f"pack {PACK.id}", 10_000)
    assert not snapshots[-1].failures
    return generated


def rows_of(store):
    """The rows by trial, without what depends on time and packs."""
    rows = read_results(store).table.drop_columns(["train_seconds", "pack"]).to_pylist()
    return {row["trial_id"]: row for row in rows}


def test_a_pack_of_10000_is_read_back_and_is_far_from_the_limit(trained):
    """Its rows, weights and curves are those of its trials, in their order; nothing is left to do."""
    assert list(rows_of(trained)) == sorted(PACK.trial_ids)
    assert not make_plan(JOB, trained).todo
    tensors, ids = read_weights(trained, PACK.id)
    assert (ids, tensors["0.weight"].shape) == (PACK.trial_ids, (10_000, 3, 1))
    assert len(read_losses(trained, PACK.id)[0]) == 10_000
    assert len(trained.get(f"trials/{PACK.id}.parquet")) < MOST / 10


def test_its_trials_have_the_rows_and_weights_that_they_have_in_small_packs(trained, store):
    """To the bit."""
    chosen = [PACK.trials[place] for place in np.random.default_rng(0).permutation(10_000)[:100]]
    tensors = read_weights(trained, PACK.id)[0]
    for pack in plan_packs(chosen, "cpu", "lanes"):
        train.train_pack(store, DatasetReader(store), pack, TRAINER, lambda _share: None)
        small, ids = read_weights(store, pack.id)
        places = [PACK.trial_ids.index(trial_id) for trial_id in ids]
        assert all(tensors[name][places].tobytes() == small[name].tobytes() for name in small)
    found, expected = rows_of(store), rows_of(trained)
    assert found == {trial.id: expected[trial.id] for trial in chosen}


def test_it_resumes_from_its_checkpoint_to_the_same_bits(trained, store, monkeypatch):
    """The plan keeps it as it is."""
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(lanes_engine, "_round_steps", lambda _flops: 1)
    shares = []

    def interrupt(share):
        shares.append(share)
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train_pack(store, DatasetReader(store), PACK, TRAINER, interrupt)
    assert [ids for ids, _ in checkpointed_packs(store)] == [PACK.trial_ids]
    (kept,) = make_plan(JOB, store).packs("cpu")
    shares.clear()
    train.train_pack(store, DatasetReader(store), kept, TRAINER, shares.append)
    assert shares[0] > 0.4
    weights = f"trials/{PACK.id}.safetensors"
    assert store.get(weights) == trained.get(weights)
    assert rows_of(store) == rows_of(trained)


@pytest.mark.parametrize(("saving", "pause"), [(0.5, 60), (3.0, 60), (30.0, 600)])
def test_checkpoints_that_take_long_are_further_apart(store, monkeypatch, saving, pause):
    """So that saving takes 5 % of the time at most."""
    now, saved = [0.0], []

    def save(*_):
        now[0] += saving
        saved.append(now[0])

    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(train, "save_checkpoint", save)
    monkeypatch.setattr(lanes_engine, "_round_steps", lambda _flops: 1)

    def heartbeat(_share):
        now[0] += pause / 2 + 1  # every second one is late enough

    pack = Pack(tuple(trials(parse_spec(MANY.replace("RATES", "[0.01]").encode(), "few.toml"))[:1]), "lanes")
    train.train_pack(store, DatasetReader(store), pack, TRAINER, heartbeat)
    between = np.diff(saved) - saving
    assert len(between) > 0
    assert (between >= pause).all()
    assert (between <= pause + 2).all()


@pytest.mark.parametrize(("hidden", "rate"), [("[[3]]", "0.001"), ("[[64, 64]]", "0.001"), ("[[64, 64]]", "1e30")])
def test_the_room_that_a_plan_asks_for_is_that_of_its_files(store, hidden, rate):
    """Hardly more, for networks of any size."""
    text = MANY.replace("RATES", f"[{rate}]").replace("[[3]]", hidden).replace("epochs = 3", "epochs = 60")
    plan = make_plan(parse_spec(text.encode(), "few.toml"), store)
    for pack in plan.packs("cpu"):
        train.train_pack(store, DatasetReader(store), pack, TRAINER, lambda _share: None)
    written = sum(store.sizes("trials").values())
    assert written <= plan.bytes_needed + 20_000 < 1.5 * written + 40_000
