"""Worker processes of this machine: one is killed, one cannot start, and the launcher is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from pieces import make_meeting, make_work, patiently

from sumsquares.cluster.processes import run_workers
from sumsquares.cluster.work import WorkItem
from sumsquares.cluster.workers import ClusterError


def make_nothing(device):
    """A worker that cannot start."""
    raise SystemExit(3)


def make_waiting(device):
    """Records its process id, then sends heartbeats until the launcher is gone."""

    def work(folder, heartbeat):
        (Path(folder) / str(os.getpid())).touch()
        while True:
            heartbeat(0.0)
            time.sleep(0.05)

    return work


def pulled(numbers, folder, processes=2, make=make_work):
    """Runs these numbers and returns all snapshots."""
    snapshots = []
    items = [WorkItem(str(number), 1.0, (number, str(folder))) for number in numbers]
    run_workers(make, items, lambda _payload: [], snapshots.append, processes)
    return snapshots


def test_every_item_is_done_once_by_parallel_processes(tmp_path):
    """And none in this process."""
    snapshots = pulled(range(1, 40), tmp_path, make=make_meeting)
    results = [value for snapshot in snapshots for _, value in snapshot.results]
    assert sorted(value[0] for value in results) == [n**2 for n in range(1, 40)]
    assert {value[1] for value in results} == {"cpu"}
    assert len({value[2] for value in results} - {os.getpid()}) == 2
    assert (snapshots[-1].left, snapshots[-1].running, snapshots[-1].failures) == (0, {}, [])


def test_a_killed_process_is_replaced_and_its_item_still_done(tmp_path):
    """And a note reports it."""
    snapshots = pulled(range(6), tmp_path)
    assert sorted(value[0] for snapshot in snapshots for _, value in snapshot.results) == [n**2 for n in range(6)]
    assert any("its worker died" in note for snapshot in snapshots for note in snapshot.notes)


def test_an_exception_fails_only_its_item_and_arrives_with_its_traceback(tmp_path):
    """The process that raised continues."""
    snapshots = pulled([1, -2, 3], tmp_path, processes=1)
    (failure,) = snapshots[-1].failures
    assert (failure.key, failure.kind) == ("-2", "ValueError")
    assert "in work" in failure.traceback
    assert {key for snapshot in snapshots for key, _ in snapshot.results} == {"1", "3"}


def make_work_late(device, folder):
    """Two workers are killed before they ask for work."""
    for number in range(2):
        marker = Path(folder) / f"early-{number}"
        with suppress(FileExistsError):
            marker.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return make_work(device)


def test_processes_that_are_killed_in_their_first_second_are_replaced(tmp_path):
    """A few of them, and all items are done."""
    snapshots = pulled(range(1, 6), tmp_path, make=partial(make_work_late, folder=tmp_path))
    assert sorted(value[0] for snapshot in snapshots for _, value in snapshot.results) == [n**2 for n in range(1, 6)]
    assert len(list(tmp_path.glob("early-*"))) == 2


def test_a_process_that_cannot_start_is_not_retried_forever(tmp_path):
    """The error names the exit code and the alternative."""
    with pytest.raises(ClusterError, match=r"exit code 3\); --workers 0"):
        pulled([1], tmp_path, make=make_nothing)


def test_worker_processes_end_soon_after_a_killed_launcher(tmp_path):
    """They notice the closed pipe at their next heartbeat."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_processes import *\n"
        f"items = [WorkItem(str(n), 1.0, {str(tmp_path)!r}) for n in range(2)]\n"
        "run_workers(make_waiting, items, list, print, 2)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    patiently(lambda: len(list(tmp_path.iterdir())) == 2)
    launcher.kill()
    launcher.wait()
    for path in tmp_path.iterdir():
        patiently(lambda number=path.name: not is_running(number))


def is_running(number):
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
