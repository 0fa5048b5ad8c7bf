"""What tests of the store's commands share: a store with runs, earlier runs and nights, and how it is looked at."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from night_world import made_up

from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.scan import scan

TEXT = """
name = "{name}"
[[dataset]]
name = "sums"
task = "sum"
largest = 50
rows = 100
test_rows = 40
seed = {seed}
[train]
epochs = {epochs}
batch_size = 20
[[grid]]
hidden = [[4]]
lr = {lr}
activation = "tanh"
seeds = {seeds}
"""
NIGHTS = TEXT.format(name="nights", seed=9, epochs=2, lr=[0.05], seeds=2)
DAY = 86_400.0


def spec(name="a", lr=(0.01, 0.02), seed=1, epochs=2, seeds=2):
    """A spec that trains in a moment."""
    text = TEXT.format(name=name, seed=seed, epochs=epochs, lr=list(lr), seeds=seeds)
    return parse_spec(text.encode(), f"{name}.toml")


def run(store, *specs):
    """Runs them, one after the other."""
    for each in specs:
        with Runtime(IN_PROCESS, store, Progress(quiet=True)) as runtime:
            run_spec(each, runtime, is_derived=True, has_baselines=False)


def full(store, has_nights=True):
    """Fills a store: the run a with two earlier ones, b and c, which share trials or rows with them, and two nights.

    The nights have made-up weights, which repair can't rewrite anything with.
    """
    run(store, spec("a", [0.01]), spec("a", [0.01, 0.02]), spec("a", [0.02, 0.03]))
    run(store, spec("b", [0.03, 0.04]), spec("c", [0.01], seed=2))
    for day in ("2026-11-01", "2026-11-02") if has_nights else ():
        made_up(store, day, text=NIGHTS)


def shared(store, json=True):
    """The options of a command."""
    return Shared(store.root, json=json, quiet=True)


def damage_in(store):
    """The paths of what verify finds, each with its reason."""
    found = scan(Store(store.root), lambda _: None)
    return {(each.path, each.reason) for some in found.damage.values() for each in some}


def age(store, paths, days):
    """Sets back when these files were written."""
    then = time.time() - days * DAY
    for path in paths:
        os.utime(Path(store.root, path), (then, then))


def contents(store):
    """All files by path, but those of runs, which hold times, with their bytes."""
    return {path: store.get(path) for path in store.list() if not path.startswith("runs/")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A full store; tests copy it."""
    store = Store(str(tmp_path_factory.mktemp("filled")))
    full(store)
    return store


@pytest.fixture(name="store")
def copied(filled, tmp_path):
    """A copy that a test may change."""
    return Store(str(shutil.copytree(filled.root, tmp_path / "store")))
