"""kill -9 of the launcher and of a worker, in real processes: committed results are kept, the summary is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pieces import patiently
from specs import LONGER
from test_run import run, summary_of

from sumsquares.cluster.process_table import processes
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.storage.store import Store

pytestmark = pytest.mark.chaos
TWO_CORES = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has no use for two processes")
PLAIN = pytest.param(None, marks=TWO_CORES)
"""No --workers: two plain processes for these ten expected seconds."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The summary of an undisturbed run in this process."""
    store, code = run(tmp_path_factory.mktemp("quiet"), LONGER)
    assert code == 0
    return summary_of(store)


def start(folder, workers):
    """`sumsquares run` as a process."""
    (folder / "spec.toml").write_text(LONGER)
    command = [sys.executable, "-m", "sumsquares", "run", "spec.toml", "--store", "store"]
    command += [] if workers is None else ["--workers", str(workers)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def committed(store):
    return {path: store.get(path) for path in store.list("trials") if path.endswith(".parquet")}


def begun(folder, launcher):
    """Waits for the first committed pack."""
    store, deadline = Store(str(folder / "store")), time.monotonic() + 90
    while not committed(store) and launcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return store


@pytest.mark.parametrize("workers", [0, PLAIN])
def test_a_launcher_that_is_killed_repeatedly_ends_with_the_same_summary(tmp_path, quiet, workers):
    """Every pack committed before a kill is kept unchanged; nothing is trained twice, and no process stays."""
    store = Store(str(tmp_path / "store"))
    chance = random.Random(1)  # noqa: S311  no secret
    kept: dict[str, bytes] = {}
    for _ in range(3):
        launcher = start(tmp_path, workers)
        before = len(committed(store))
        while launcher.poll() is None and len(committed(store)) < before + chance.randint(1, 2):
            time.sleep(0.02)
        plain = plain_workers(launcher.pid)
        launcher.kill()
        launcher.wait()
        assert len(plain) == (0 if workers == 0 else 2)
        patiently(lambda plain=plain: not plain & {each.pid for each in processes()})
        now = committed(store)
        assert kept.items() <= now.items()
        kept = now
    assert kept
    assert start(tmp_path, workers).wait(timeout=120) == 0
    assert kept.items() <= committed(store).items()
    assert summary_of(store) == quiet


@pytest.mark.ray
def test_a_run_whose_worker_is_killed_ends_with_the_same_summary(tmp_path, quiet):
    """The run recovers by itself, reports it, and ends with exit code 0."""
    launcher = start(tmp_path, workers=2)
    try:
        store = begun(tmp_path, launcher)
        workers = train_workers(launcher.pid)
        assert len(workers) == 2, (tmp_path / "log").read_text()
        os.kill(workers[0], signal.SIGKILL)
        assert launcher.wait(timeout=120) == 0, (tmp_path / "log").read_text()
    finally:
        launcher.kill()
    assert "its worker died" in (tmp_path / "log").read_text()
    assert summary_of(store) == quiet
    assert not read_results(store).problems


@pytest.mark.parametrize("workers", [PLAIN])
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_run_whose_plain_worker_is_killed_ends_with_the_same_summary(tmp_path, quiet, workers, sent):
    """All workers, one after the other: the run says so, and ends with exit code 0 and no process left."""
    launcher = start(tmp_path, workers)
    try:
        store = begun(tmp_path, launcher)
        workers = plain_workers(launcher.pid)
        assert len(workers) == 2, (tmp_path / "log").read_text()
        for worker in workers:
            os.kill(worker, sent)
            time.sleep(0.5)
        later = plain_workers(launcher.pid)
        assert launcher.wait(timeout=120) == 0, (tmp_path / "log").read_text()
    finally:
        launcher.kill()
    assert f"its worker died (killed by {sent.name}); trying again (2 of 3)" in (tmp_path / "log").read_text()
    assert summary_of(store) == quiet
    assert not read_results(store).problems
    assert not (workers | later) & {each.pid for each in processes()}


def plain_workers(launcher):
    """Process ids of the launcher's plain workers."""
    found = {each.pid for each in processes() if each.parent == launcher}
    return {pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def train_workers(launcher):
    """Process ids of the Ray Train workers that descend from the launcher."""
    parents, names = {}, {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                stat = (path / "stat").read_text()
                names[int(path.name)] = (path / "cmdline").read_text()
            except OSError:
                continue
            parents[int(path.name)] = int(stat.rpartition(")")[2].split()[1])

    def descends(pid):
        return pid == launcher or (pid in parents and descends(parents[pid]))

    return sorted(pid for pid, name in names.items() if name.startswith("ray::RayTrainWorker") and descends(pid))


@pytest.mark.parametrize(
    ("workers", "sent"),
    [
        *((0, sent) for sent in SIGNALS),
        *(pytest.param(None, sent, marks=TWO_CORES) for sent in SIGNALS),
        # SIGINT with Ray is in test_signals.py.
        *(pytest.param(1, sent, marks=pytest.mark.ray) for sent in (signal.SIGTERM, signal.SIGHUP)),
    ],
)
def test_a_signal_ends_the_run_with_its_exit_code_and_keeps_finished_work(tmp_path, workers, sent):
    """In one line without a traceback, with Ray and without."""
    launcher = start(tmp_path, workers)
    store = begun(tmp_path, launcher)
    plain = plain_workers(launcher.pid)
    launcher.send_signal(sent)
    assert launcher.wait(timeout=30) == 128 + sent
    assert not plain & {each.pid for each in processes()}
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "run again to resume" in log
    assert not read_results(store).problems


@pytest.mark.parametrize("workers", [PLAIN])
@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_to_all_processes_of_a_run_ends_it_in_the_same_way(tmp_path, sent, workers):
    """As by Ctrl-C in a terminal, or by a service manager that stops the run."""
    launcher = start(tmp_path, workers)
    begun(tmp_path, launcher)
    os.killpg(launcher.pid, sent)
    assert launcher.wait(timeout=30) == 128 + sent
    assert "Traceback" not in (log := (tmp_path / "log").read_text())
    assert f"stopped by {sent.name}" in log.splitlines()[-1]
    patiently(lambda: not [each for each in processes() if each.session == launcher.pid])
