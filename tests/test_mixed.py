"""A run whose packs are shared by CPU and GPU workers, one of which is pretended: by the queue, without Ray."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from specs import small

from sumsquares.cluster import inline
from sumsquares.cluster.queue import WorkQueue
from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.choice import choose
from sumsquares.jobs.engines.cuda import driver
from sumsquares.jobs.engines.state import State
from sumsquares.jobs.pipeline.generating import generate_datasets
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runners, Runtime
from sumsquares.jobs.pipeline.training import train_packs
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages import checkpoints, gpu_cost
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.storage.store import Store

SPEC = small(seeds=40, hidden="[[6], [5, 4]]")


def run_side_by_side(make_work, items, split, on_progress, cut, taken):
    """A CPU worker and one that stands for a GPU worker take turns; `taken` gets the sizes of what they took."""
    queue, work = WorkQueue(items, split, cut), make_work("cpu")
    free = ["cpu", "cuda"]
    for device in free:
        queue.register(f"{device}-0", 0, 1, "", device)
    while free:
        device = free.pop(0)
        worker = f"{device}-0-0"
        if (item := queue.take(worker)) is None:
            continue
        taken[device].append(len(item[1].trials))
        queue.done(worker, work(item[1], partial(queue.heartbeat, worker)))
        on_progress(queue.snapshot())
        free.append(device)
    on_progress(queue.snapshot())


@pytest.fixture
def _no_gpu(monkeypatch):
    """GPU workers are elsewhere: packs are planned for them, and nothing is asked of a driver."""
    monkeypatch.setattr(driver, "reason", lambda: "no driver")
    monkeypatch.setattr(cuda_engine, "available", lambda: "no driver")
    monkeypatch.setattr(gpu_cost, "MULTIPROCESSORS", 8)  # the pretended GPU takes few models, too


def trained(store, taken):
    """Generates and trains what is missing, side by side."""
    runtime = Runtime(IN_PROCESS, store, Progress(quiet=True))
    plan = make_plan(SPEC, store)
    run_workers = partial(run_side_by_side, taken=taken)
    runners = Runners(inline.map_tasks, run_workers, "cuda", "starting", is_mixed=True)
    generate_datasets(plan, runtime, runners)
    return train_packs(plan, runtime, runners)


@pytest.mark.usefixtures("_no_gpu")
def test_each_trial_is_trained_once_and_ends_as_in_packs_of_its_own(tmp_path):
    """Whoever took it, and in whatever part of a pack."""
    store, alone = Store(str(tmp_path / "store")), Store(str(tmp_path / "alone"))
    taken = {"cpu": [], "cuda": []}
    assert trained(store, taken) == ()
    assert min(map(len, taken.values())) > 0
    assert make_plan(SPEC, store).left == 0
    assert len(read_trials(store).table) == sum(map(sum, taken.values()))
    run_spec(SPEC, Runtime(IN_PROCESS, alone, Progress(quiet=True)))
    rows = [
        {row["trial_id"]: (row["rmse"], row["loss_slope"]) for row in read_trials(each).table.to_pylist()}
        for each in (store, alone)
    ]
    assert rows[0] == rows[1]


@pytest.mark.usefixtures("_no_gpu")
def test_a_checkpoint_is_resumed_by_the_kind_of_device_that_made_it(tmp_path, monkeypatch):
    """Whole, and by no other: cores would begin anew."""
    store = Store(str(tmp_path))
    pack = make_plan(SPEC, store).packs("cuda")[0]
    part = pack.of(pack.trials[:7])
    saved = [(part.trial_ids, "cuda-sm_90")]
    monkeypatch.setattr("sumsquares.jobs.stages.plan.checkpointed_packs", lambda _store: saved)
    plan = make_plan(SPEC, store)
    assert [(each.id, each.device) for each in plan.begun] == [(part.id, "cuda")]
    assert part.id in {each.id for each in plan.packs("cuda")}
    assert part.id not in {each.id for each in plan.packs("cpu")}
    taken = {"cpu": [], "cuda": []}
    trained(store, taken)
    assert 7 in taken["cuda"]
    assert make_plan(SPEC, store).left == 0


@pytest.mark.usefixtures("_no_gpu")
def test_the_engine_of_a_checkpoint_is_read_with_it(tmp_path):
    """It tells the kind of device."""
    store = Store(str(tmp_path))
    pack = make_plan(SPEC, store).packs("cpu")[0]
    state = State(1, np.zeros((len(pack.trials), 2)), (), np.zeros(len(pack.trials)), np.zeros((len(pack.trials), 1)))
    for engine in ("cuda-sm_90", choose("auto", "cpu")):
        checkpoints.save_checkpoint(store, pack.id, pack.trial_ids, engine, state)
        assert checkpoints.checkpointed_packs(store) == [(pack.trial_ids, engine)]
    assert replace(pack, device="cuda").id == pack.id
