"""Nights as real processes: started twice, killed, stopped by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from night_world import TINY

from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.records import read_night, read_state
from sumsquares.jobs.storage.store import Store

pytestmark = pytest.mark.chaos
LONGER = 'engine = "torch"\n' + TINY.replace("epochs = 4", "epochs = 3000")
"""Trains for some seconds, with the slower engine."""
PLAIN = pytest.param(
    [], marks=pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has no use for two processes")
)
"""No --workers: two plain processes, one for each width."""


@pytest.fixture
def store(tmp_path):
    (tmp_path / "spec.toml").write_text(LONGER.replace("[[4]]", "[[4], [5]]"))
    return Store(str(tmp_path / "store"))


def start(store, place=("--workers", "0")):
    """Starts `sumsquares nightly` as a process."""
    command = [sys.executable, "-m", "sumsquares", "nightly", "spec.toml", *place, "--date", "2026-11-01"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    folder = Path(store.root).parent
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def begun(store, night):
    """Waits until the night trains."""
    while night.poll() is None and "begins, attempt" not in log(store):
        time.sleep(0.02)
    assert night.poll() is None
    return night


def log(store):
    return (Path(store.root).parent / "log").read_text()


def test_one_of_four_simultaneous_starts_works_and_three_are_busy(store):
    """A start after the end does nothing and is exit 0."""
    codes = sorted(night.wait(timeout=120) for night in [start(store) for _ in range(4)])
    assert codes == [0, 6, 6, 6]
    assert log(store).count("begins, attempt 1") == 1
    assert start(store).wait(timeout=60) == 0
    assert "there is nothing to do" in log(store)


def test_a_night_that_was_killed_can_be_continued_at_once(store):
    """Its process is known to be gone, so the next start doesn't wait for its lock to expire."""
    night = begun(store, start(store))
    night.kill()
    night.wait()
    assert read_lease(store)[0].owner is not None
    assert start(store).wait(timeout=120) == 0
    assert "begins, attempt 2" in log(store)
    assert read_champion(store)[0].night == list_nights(store)[0]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("place", [["--workers", "0"], PLAIN])
def test_a_signal_stops_a_night_and_frees_its_lock(store, sent, code, place):
    """The exit code is the signal's, and the next start finishes the night."""
    night = begun(store, start(store, place))
    assert ("trained in 2 processes, without Ray" in log(store)) == (not place)
    night.send_signal(sent)
    assert night.wait(timeout=30) == code
    assert read_lease(store)[0].owner is None
    state = read_state(store, list_nights(store)[0])
    assert (state.state, state.exit_code) == ("stopped", code)
    assert "Traceback" not in log(store)
    assert start(store).wait(timeout=120) == 0
    assert read_night(store, list_nights(store)[0]).attempt == 2
