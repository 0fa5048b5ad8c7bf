"""Shared by the tests of damage: a small trained store with every kind of file, and ways to harm one."""

from __future__ import annotations

import io
import json
import random
from datetime import date

import pyarrow.parquet as pq
import pytest
from night_world import TINY, spec_of

from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.engines.state import State
from sumsquares.jobs.night.context import NightContext
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.retention import THROUGH
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.results.stored import read_results, read_weights
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.checkpoints import save_checkpoint
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.repair import repair
from sumsquares.jobs.verify.scan import check, scan

DAYS = ("2026-11-01", "2026-11-02")
WAVES = """[[dataset]]
name = "waves"
formula = "sin(x1) + x2"
low = -2.0
high = [2.0, 3.0]
noise = 0.1
rows = 100
"""
MINE = TINY.replace('"tiny"', '"mine"').replace("[train]", WAVES + "[train]").replace('dataset = "sums"\n', "")
EARLIER = MINE.replace("seeds = 4", "seeds = 2")
VOLATILE = ("timing", "environment", "finished", "files", "sha256")


def start(store, day, text=TINY):
    """A night of that day on fresh rows."""
    night = Night(date.fromisoformat(day), spec_of(text), fresh=True)
    return run_night(NightContext(night, store, IN_PROCESS, Progress(quiet=True)))


def run(store, folder, text):
    """Runs a spec, and returns the exit code."""
    (folder / "spec.toml").write_text(text)
    return commands.run(folder / "spec.toml", 10**6, IN_PROCESS, Shared(store.root, json=True, quiet=True))


def trained_store(folder):
    """A store with two nights, a run and an earlier one of its name, a checkpoint, and the date of the last pruning."""
    store = Store(str(folder / "store"))
    for day in DAYS:
        start(store, day)
    run(store, folder, EARLIER)
    run(store, folder, MINE + "# a comment at the end\n")
    ids, zeros = ["0123456789abcdef"], spec_state()
    save_checkpoint(store, pack_id_of(ids), ids, "torch", zeros)
    store.put(THROUGH, seal({"format": 1, "through": "2026-10-01"}))
    return store


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """That store, which tests must not change."""
    return trained_store(tmp_path_factory.mktemp("trained"))


def spec_state():
    """A state of one model."""
    import numpy as np

    return State(3, np.zeros((1, 4)), (np.zeros((1, 4)),), np.array([3]), np.zeros((1, 2)))


def files(store):
    """All files except the lock, which every repair rewrites."""
    return {path: store.get(path) for path in store.list() if path != LOCK}


def flipped(data, draw):
    """The bytes with one of them changed."""
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ draw.randrange(1, 256)]) + data[at + 1 :]


def truncated(data, draw):
    """The bytes without their end."""
    return data[: draw.randrange(len(data))]


HARMS = {
    "flipped": flipped,
    "truncated": truncated,
    "empty": lambda data, draw: b"",
    "zeros": lambda data, draw: bytes(len(data)),
}


def draw_for(*words):
    """A random generator per case, the same in every run."""
    return random.Random(" ".join(words))  # noqa: S311  no secret


def found(store):
    """The damage by path."""
    return {each.path: each for some in scan(store, lambda _: None).damage.values() for each in some}


def mend(store):
    """Repairs, and returns what remains, by path."""
    from sumsquares.jobs.night.clock import Clock

    return {each.path: each for each in repair(scan(store, lambda _: None), Clock())[1]}


def checked(snapshot, unit):
    """The damage of one unit by path."""
    return {each.path: each for each in check(snapshot, unit)}


def meaning(path, data):
    """A file's content without times and what follows from them."""
    if path.endswith(("report.html", "index.html")):
        return "a page"
    if path.endswith("summary.json"):
        facts = {name: value for name, value in json.loads(data).items() if name not in VOLATILE}
        return json.loads(json.dumps(facts), object_hook=lambda d: {k: v for k, v in d.items() if k != "train_seconds"})
    if path.endswith(("summary.parquet", "trials.parquet")):
        return pq.read_table(io.BytesIO(data)).drop_columns(["train_seconds"]).to_pylist()
    return data


def meanings(store):
    """Of all files but the lock; of packs, which may be cut otherwise the next time, trial by trial."""
    found = {path: meaning(path, data) for path, data in files(store).items() if not path.startswith("trials/")}
    for row in read_results(store).table.drop_columns(["train_seconds"]).to_pylist():
        tensors, ids = read_weights(store, row.pop("pack"))
        place = ids.index(row["trial_id"])
        found[f"trial {row['trial_id']}"] = row, {name: each[place].tobytes() for name, each in tensors.items()}
    return found
