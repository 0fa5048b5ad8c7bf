"""Signals and kills under a local Ray, at any moment: exit codes, messages, locks, states, data.

Four of them run with the other checks, all forty with `make test-signals`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from pieces import patiently
from specs import SMALL
from test_run import run, summary_of

from sumsquares.cluster.process_table import processes
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.records import read_state
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.storage.store import Store

pytestmark = [pytest.mark.signals, pytest.mark.ray]
SHORT = f'engine = "torch"\n{SMALL}'
ENDLESS = f"""{SHORT}
[[grid]]
dataset = "sums"
hidden = [[5, 4]]
epochs = 5_000_000
"""
"""One worker trains for hours, while the other finishes the rest within a second."""
DIARY = "diary"
"""The file with the hook's input."""


class Case(NamedTuple):
    """Which process gets which signal, and when."""

    command: str
    victim: str
    sent: signal.Signals
    seconds: float

    def __str__(self):
        return f"{self.command}-{self.victim}-{self.sent.name}-{self.seconds:.1f}s"


def cases(rounds):
    """Yields four fixed cases, then random ones."""
    yield Case("nightly", "launcher", signal.SIGTERM, 6.0)  # while Ray starts
    yield Case("run", "launcher", signal.SIGINT, 20.0)  # while it trains
    yield Case("nightly", "gcs_server", signal.SIGKILL, 14.0)
    yield Case("run", "raylet", signal.SIGKILL, 20.0)
    chance = random.Random(8)  # noqa: S311  no secret
    for _ in range(rounds - 4):
        victim = chance.choice(["launcher"] * 4 + ["gcs_server", "raylet", "driver"])
        stopping = [signal.SIGINT, signal.SIGTERM] * 2 + [signal.SIGKILL]
        sent = chance.choice(stopping) if victim == "launcher" else signal.SIGKILL
        yield Case(chance.choice(["run", "nightly"]), victim, sent, chance.uniform(0.3, 25.0))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The summary of an undisturbed run of the short part, in this process."""
    store, code = run(tmp_path_factory.mktemp("quiet"), SHORT)
    assert code == 0
    return summary_of(store)


def start(folder, command):
    """The command as a process, with two workers on a local Ray."""
    (folder / "endless.toml").write_text(ENDLESS.replace('"small"', '"endless"'))
    words = [sys.executable, "-m", "sumsquares", command, "endless.toml", "--store", "store", "--workers", "2"]
    if command == "nightly":
        words += ["--date", "2026-11-01", "--hook", f"tee -a {folder / DIARY}"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def driver_of(launcher):
    """Returns the process that is connected to Ray, the leader of its session; None before it has started."""
    return next((each.pid for each in processes() if each.parent == launcher and each.session == each.pid), None)


def find(victim, launcher):
    """Returns the victim's process id; waits until it has started."""
    if victim == "launcher":
        return launcher
    found = []

    def look():
        driver = driver_of(launcher)
        found[:] = [each.pid for each in processes() if (each.parent, each.name) == (driver, victim)]
        found.extend([driver] if driver and victim == "driver" else [])
        return found

    patiently(look)
    return found[0]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", list(cases(int(os.environ.get("SIGNAL_ROUNDS", "4")))), ids=str)
def test_whatever_is_hit_at_any_moment_the_end_is_reported_and_nothing_is_lost(tmp_path, quiet, case):
    """The documented exit code and message; no process left, the lock free, the state recorded, the data intact."""
    launcher = start(tmp_path, case.command)
    try:
        time.sleep(case.seconds)
        hit = find(case.victim, launcher.pid)
        driver = driver_of(launcher.pid)
        os.kill(hit, case.sent)
        code = launcher.wait(timeout=60)
    finally:
        launcher.kill()
        launcher.wait()
    log = (tmp_path / "log").read_text()
    assert code == expected_code(case), log
    assert "Traceback" not in log
    if code > 0:
        said = ("was lost", "no connection to a local Ray") if code == 5 else (f"stopped by {case.sent.name}",)
        assert any(words in log.splitlines()[-1] for words in said)
    patiently(lambda: not [each for each in processes() if driver and each.session == driver])
    store = Store(str(tmp_path / "store"))
    if case.command == "nightly" and code > 0:
        check_night(store, tmp_path / DIARY, code)
    assert not read_results(store).problems
    assert run(tmp_path, SHORT)[1] == 0
    assert summary_of(store) == quiet


def expected_code(case):
    """The exit code in the form of Popen."""
    if case.victim != "launcher":
        return 5
    return -signal.SIGKILL if case.sent == signal.SIGKILL else 128 + case.sent


def check_night(store, diary, code):
    """Checks that the lock is free and the end recorded; for a night that never began, that the hook was called."""
    lease, _ = read_lease(store)
    assert lease is None or lease.owner is None
    nights = list_nights(store)
    if code == 5 and not nights:
        assert '"event": "failure"' in diary.read_text()
    elif nights:
        state = read_state(store, nights[0])
        assert (state.state, state.exit_code) == ("failed" if code == 5 else "stopped", code)
