"""Worker processes of this machine: deaths, hangs, failing starts, messages of any kind, and the launcher's own end."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from inspect import getclosurevars
from pathlib import Path

import pytest
from pieces import make_meeting, make_spoiled, make_work, patiently

from sumsquares.cluster import processes, worker_handle
from sumsquares.cluster.out_of_memory import kills
from sumsquares.cluster.process_table import processes as running
from sumsquares.cluster.processes import map_tasks, run_workers
from sumsquares.cluster.queue import ATTEMPTS
from sumsquares.cluster.work import WorkItem
from sumsquares.cluster.workers import ClusterError

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No test leaves a process behind."""
    yield
    assert not children()


def children():
    """The processes that this one has started, without multiprocessing's helpers, which other tests may leave."""
    ours = [each.pid for each in running() if each.parent == os.getpid()]
    helpers = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")
    return [pid for pid in ours if not any(name in Path(f"/proc/{pid}/cmdline").read_bytes() for name in helpers)]


def pulled(numbers, folder, count=2, make=make_work, split=lambda _payload: [], look=lambda _snapshot: None):
    """Runs these numbers and returns all snapshots."""
    snapshots = []
    items = [WorkItem(str(number), 1.0, (number, str(folder))) for number in numbers]

    def on_progress(snapshot):
        snapshots.append(snapshot)
        look(snapshot)

    run_workers(make, items, split, on_progress, count)
    return snapshots


def done(snapshots):
    """The values of all results."""
    return [value for snapshot in snapshots for _, value in snapshot.results]


def notes(snapshots):
    return [note for snapshot in snapshots for note in snapshot.notes]


def once(folder, name="once"):
    """Whether this is the first call with this folder and name, in any process."""
    with suppress(FileExistsError):
        (Path(folder) / name).touch(exist_ok=False)
        return True
    return False


def test_every_item_is_done_once_by_parallel_processes(tmp_path):
    """And none in this process."""
    snapshots = pulled(range(1, 40), tmp_path, make=make_meeting)
    results = done(snapshots)
    assert sorted(value[0] for value in results) == [n**2 for n in range(1, 40)]
    assert {value[1] for value in results} == {"cpu"}
    assert len({value[2] for value in results} - {os.getpid()}) == 2
    assert (snapshots[-1].left, snapshots[-1].running, snapshots[-1].failures) == (0, {}, [])


# Deaths.


def test_a_killed_process_is_replaced_and_its_item_still_done(tmp_path):
    """And a note says how it died."""
    snapshots = pulled(range(6), tmp_path)
    assert sorted(value[0] for value in done(snapshots)) == [n**2 for n in range(6)]
    assert "0: its worker died (killed by SIGKILL); trying again (2 of 3)" in notes(snapshots)


def make_deadly(device):
    """Kills its process at one number of a list, in a way that its folder names."""

    def work(payload, _heartbeat):
        numbers, how = payload
        if 3 in numbers:
            os.kill(os.getpid(), getattr(signal, how))
        return numbers

    return work


def halves(payload):
    numbers, folder = payload
    middle = len(numbers) // 2
    parts = (numbers[:middle], numbers[middle:]) if middle else ()
    return [WorkItem(str(part), 1.0, (part, folder)) for part in parts]


def test_an_item_that_kills_its_processes_is_split_and_then_given_up(monkeypatch):
    """Only the part that kills is lost, after ATTEMPTS attempts, and its failure says how its last process died.

    Any number of processes may die, as long as others finish something in between.
    """
    monkeypatch.setattr(processes, "DEATHS", ATTEMPTS)
    snapshots = pulled([(1, 2, 3)], "SIGSEGV", count=1, make=make_deadly, split=halves)
    assert sorted(done(snapshots)) == [(1,), (2,)]
    (failure,) = snapshots[-1].failures
    assert (failure.key, failure.reason) == ("(3,)", "its worker died (killed by SIGSEGV)")
    assert sum("split in two" in note for note in notes(snapshots)) == 2
    assert sum("trying again" in note for note in notes(snapshots)) == 3 * (ATTEMPTS - 1)


def processes_of(folder, number):
    """The ids of the processes that worked at a number, in order."""
    return [int(pid) for pid in (folder / str(number)).read_text().split()]


def test_an_error_that_ends_its_worker_is_retried_in_a_new_process(tmp_path):
    """The process does nothing more, and a note says what happened."""
    snapshots = pulled(range(3, 7), tmp_path, count=1, make=make_spoiled)
    assert sorted(value[0] for value in done(snapshots)) == [9, 16, 25, 36]
    assert notes(snapshots) == ["3: SpoiledError: an illegal address, which ended its worker; trying again (2 of 3)"]
    first, second = processes_of(tmp_path, 3)
    worked = [pid for number in range(3, 7) for pid in processes_of(tmp_path, number)]
    assert (first != second, worked.count(first)) == (True, 1)
    assert not snapshots[-1].failures


def test_an_item_whose_error_always_ends_its_worker_is_given_up_and_the_run_continues(tmp_path, monkeypatch):
    """After ATTEMPTS attempts, each in a process of its own; with its reason and traceback."""
    monkeypatch.setattr(processes, "DEATHS", ATTEMPTS - 1)
    (tmp_path / "always").touch()
    snapshots = pulled(range(2, 5), tmp_path, count=1, make=make_spoiled)
    assert sorted(value[0] for value in done(snapshots)) == [4, 16]
    (failure,) = snapshots[-1].failures
    assert (failure.key, failure.reason) == ("3", "SpoiledError: an illegal address")
    assert "in work" in failure.traceback
    assert len(set(processes_of(tmp_path, 3))) == ATTEMPTS


def test_a_kill_for_lack_of_memory_is_told(tmp_path, monkeypatch):
    """By the kernel's own count of such kills."""
    before = iter([7, 8, 8])
    monkeypatch.setattr(worker_handle, "kills", lambda: next(before))
    snapshots = pulled([0], tmp_path, count=1)
    assert "its worker died (killed by SIGKILL, out of memory)" in notes(snapshots)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_kernel_counts_its_kills():
    """The number is in a file that this system has."""
    assert kills() >= 0
    assert "oom_kill " in Path("/proc/vmstat").read_text()


def make_telling(device):
    """Returns what the kernel thinks of this process."""
    return lambda _payload, _heartbeat: int(Path("/proc/self/oom_score_adj").read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_when_memory_runs_out_a_worker_is_killed_before_anything_else(tmp_path):
    """It has the highest adjustment that there is."""
    assert done(pulled([1], tmp_path, make=make_telling, count=1)) == [1000]


def test_processes_that_die_whatever_they_work_at_end_the_run(monkeypatch):
    """With one line, and not after any number of them."""
    monkeypatch.setattr(processes, "DEATHS", 4)
    with pytest.raises(
        ClusterError, match=r"^5 worker processes died one after the other.*SIGABRT.*run again"
    ) as error:
        pulled([(3, number) for number in range(20)], "SIGABRT", make=make_deadly)
    assert "\n" not in str(error.value)


# Hangs.


@pytest.fixture
def impatient(monkeypatch, tmp_path):
    """A callback that makes a process that has left a marker count as hung after a second, until it is replaced."""

    def look(snapshot):
        seen.extend(snapshot.notes)
        is_hung = (tmp_path / "once").exists() and not seen
        monkeypatch.setattr(processes, "HUNG_SECONDS", 1.2 if is_hung else 900.0)

    seen = []
    return look


def make_stopped(device):
    """Stops its process once, which then runs nothing at all."""

    def work(payload, _heartbeat):
        if once(payload[1]):
            os.kill(os.getpid(), signal.SIGSTOP)
        return payload[0]

    return work


def make_native(device):
    """Waits in native code that holds Python's lock, once."""

    def work(payload, _heartbeat):
        if once(payload[1]):
            ctypes.PyDLL(None).sleep(600)
        return payload[0]

    return work


def make_cut(device):
    """Sends the first bytes of a message, once, and then nothing more."""

    def work(payload, heartbeat):
        if payload[0] == 0 and once(payload[1]):
            pipe = getclosurevars(heartbeat).nonlocals["pipe"]
            os.write(pipe.fileno(), b"\0\0\1\0abc")
            os.kill(os.getpid(), signal.SIGSTOP)
        return payload[0]

    return work


@pytest.mark.parametrize("make", [make_stopped, make_native, make_cut])
def test_a_hung_process_is_killed_and_its_item_still_done(tmp_path, impatient, make):
    """Whether it is stopped, in native code, or in the middle of a message; the note says why."""
    snapshots = pulled(range(3), tmp_path, count=1, make=make, look=impatient)
    assert sorted(done(snapshots)) == [0, 1, 2]
    (note,) = notes(snapshots)
    assert "its worker died (no sign of life for 0.02 minutes); trying again" in note


def test_a_process_that_stops_in_the_middle_of_a_message_delays_no_other(tmp_path, impatient):
    """The other one has done everything else before it is found."""
    snapshots = pulled(range(9), tmp_path, make=make_cut, look=impatient)
    found = next(index for index, snapshot in enumerate(snapshots) if snapshot.notes)
    assert sorted(done(snapshots[:found])) == list(range(1, 9))
    assert done(snapshots[found:]) == [0]


def make_late(device, folder):
    """Hangs once before it asks for work."""
    if once(folder):
        time.sleep(600)
    return make_work(device)


def test_a_process_that_hangs_while_it_starts_is_replaced(tmp_path, monkeypatch):
    """No item is charged with an attempt, but a note says so."""

    def look(snapshot):
        limit = 0.2 if (tmp_path / "once").exists() and not replaced else 900.0
        monkeypatch.setattr(processes, "HUNG_SECONDS", limit)

    replaced = []
    lose = worker_handle.WorkerHandle.lose
    monkeypatch.setattr(worker_handle.WorkerHandle, "lose", lambda self: [lose(self), replaced.append(1)][0])
    snapshots = pulled([1, 2], tmp_path, count=1, make=partial(make_late, folder=tmp_path), look=look)
    assert (len(done(snapshots)), len(replaced)) == (2, 1)
    (note,) = notes(snapshots)
    assert "before it asked for work (no sign of life" in note


def make_patient(device):
    """Sends heartbeats until a file exists."""

    def work(payload, heartbeat):
        (Path(payload[1]) / str(os.getpid())).touch()
        while not (Path(payload[1]) / "enough").exists():
            heartbeat(0.5)
            time.sleep(0.05)
        return payload[0]

    return work


PAUSED = """
import sys
sys.path.insert(0, {tests!r})
from test_processes import *
def look(snapshot):
    if len(list(Path({folder!r}).iterdir())) == 2:
        processes.HUNG_SECONDS = 2.5
snapshots = pulled(range(2), {folder!r}, make=make_patient, look=look)
print(len(done(snapshots)), notes(snapshots))
"""


def test_what_is_stopped_as_a_whole_and_continued_is_not_hung(tmp_path):
    """As by Ctrl-Z and `fg`, for longer than a process may be silent."""
    program = PAUSED.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    words = [sys.executable, "-c", program]
    launcher = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    patiently(lambda: len(list(tmp_path.iterdir())) == 2)
    time.sleep(1.0)
    os.killpg(launcher.pid, signal.SIGSTOP)
    time.sleep(4.0)
    os.killpg(launcher.pid, signal.SIGCONT)
    time.sleep(1.5)
    (tmp_path / "enough").touch()
    assert launcher.communicate(timeout=60)[0] == "2 []\n"


# Starts.


def make_nothing(device):
    """A worker that cannot start."""
    raise SystemExit(3)


def make_error(device):
    """Another one, with an exception."""
    raise LookupError("no\nkernel")


def make_work_late(device, folder):
    """Two workers are killed before they ask for work."""
    for number in range(2):
        if once(folder, f"early-{number}"):
            os.kill(os.getpid(), signal.SIGKILL)
    return make_work(device)


def make_only_one(device, folder):
    """The first worker starts, and works until the others have been given up."""
    if not once(folder):
        raise SystemExit(3)
    return make_patient(device)


def test_processes_that_are_killed_in_their_first_second_are_replaced(tmp_path):
    """A few of them, and all items are done."""
    snapshots = pulled(range(1, 6), tmp_path, make=partial(make_work_late, folder=tmp_path))
    assert sorted(value[0] for value in done(snapshots)) == [n**2 for n in range(1, 6)]
    assert len(list(tmp_path.glob("early-*"))) == 2


@pytest.mark.parametrize(("make", "reason"), [(make_nothing, "exit code 3"), (make_error, "LookupError: no kernel")])
def test_a_process_that_cannot_start_is_not_retried_forever(tmp_path, make, reason, capfd):
    """The error gives the reason and the alternative; the processes print nothing."""
    with pytest.raises(ClusterError, match=rf"the last one: {reason}\); --workers 0"):
        pulled([1], tmp_path, make=make)
    assert capfd.readouterr().err == ""


def test_a_process_that_the_system_does_not_start_is_one_that_has_died(tmp_path, monkeypatch):
    """Such as for lack of memory or process ids."""

    def start(_process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(worker_handle, "start", start)
    with pytest.raises(ClusterError, match=r"BlockingIOError.*temporarily unavailable"):
        pulled([1], tmp_path)


def test_others_continue_if_a_process_cannot_be_started(tmp_path):
    """A note says so, once, and all items are done."""

    def look(snapshot):
        if any("can't be started" in note for note in snapshot.notes):
            (tmp_path / "enough").touch()

    snapshots = pulled(range(5), tmp_path, make=partial(make_only_one, folder=tmp_path), look=look)
    assert sorted(done(snapshots)) == [0, 1, 2, 3, 4]
    *before, last = notes(snapshots)
    assert before == ["a worker process ended before it asked for work (exit code 3); another one is started"] * 3
    assert last == "a worker process can't be started (exit code 3); the run continues with 1"


# Messages.


class OddError(Exception):
    """Can't be sent to another process."""

    def __reduce__(self):
        raise TypeError("not for others")


class Unreadable:
    """Can be sent, and not be read."""

    def __reduce__(self):
        return int, ("no number",)


def make_odd(device):
    """Returns or raises what can't be sent, or is large."""

    def work(payload, _heartbeat):
        if payload[0] == "raises":
            raise OddError("odd")
        return {"lambda": lambda: 0, "unreadable": Unreadable(), "large": bytes(5_000_000)}[payload[0]]

    return work


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("lambda", "make_odd"), ("unreadable", "ValueError: invalid literal"), ("raises", "OddError: odd")],
)
def test_what_cannot_be_sent_fails_its_item_alone(tmp_path, kind, reason):
    """With its reason, and no process dies of it."""
    snapshots = pulled([kind, "large"], tmp_path, count=1, make=make_odd)
    (failure,) = snapshots[-1].failures
    assert failure.key == kind
    assert reason in failure.reason
    assert not [note for note in notes(snapshots) if "died" in note]
    assert [len(value) for value in done(snapshots)] == [5_000_000]


def test_large_messages_go_both_ways(tmp_path):
    """Larger than the buffer of a pipe."""
    large = bytes(range(256)) * 20_000
    (made,) = map_tasks(bytes.upper, [large], 1)
    assert made == large.upper()


def test_an_exception_fails_only_its_item_and_arrives_with_its_traceback(tmp_path):
    """The process that raised continues."""
    snapshots = pulled([1, -2, 3], tmp_path, count=1)
    (failure,) = snapshots[-1].failures
    assert (failure.key, failure.kind) == ("-2", "ValueError")
    assert "in work" in failure.traceback
    assert {key for snapshot in snapshots for key, _ in snapshot.results} == {"1", "3"}


# Tasks.


def inverse(number):
    return 1 / number


def be_odd(_argument):
    raise OddError("odd")


def die_once(folder):
    if once(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    return folder


def die(_argument):
    os.kill(os.getpid(), signal.SIGKILL)


def test_tasks_have_results_and_raise_their_own_exceptions():
    """As in this process."""
    assert sorted(map_tasks(inverse, [1, 2, 4], 2)) == [0.25, 0.5, 1.0]
    assert list(map_tasks(inverse, [], 2)) == []
    with pytest.raises(ZeroDivisionError) as error:
        list(map_tasks(inverse, [1, 0], 2))
    assert "in inverse" in error.value.__notes__[0]
    with pytest.raises(RuntimeError, match="OddError: odd"):
        list(map_tasks(be_odd, [1], 1))


def test_a_task_whose_process_dies_is_tried_again_and_not_for_ever(tmp_path):
    """The error names the task and the reason."""
    assert list(map_tasks(die_once, [str(tmp_path)], 2)) == [str(tmp_path)]
    with pytest.raises(
        ClusterError, match=r"task 000000000 of 1 failed: its worker died .killed by SIGKILL.; run again"
    ):
        list(map_tasks(die, [1], 2))


# The launcher.


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_an_exception_in_the_launcher_leaves_no_process_behind(tmp_path, kind):
    """Such as of a full disk, while all processes work."""

    def look(snapshot):
        if len(snapshot.running) == 2:
            found.extend(children())
            raise kind

    found = []
    with pytest.raises(kind):
        pulled(range(2), tmp_path, make=make_patient, look=look)
    assert len(found) == 2
    assert not children()


def test_many_processes_start_and_end_and_leave_no_open_files(tmp_path):
    """And no threads."""
    pulled(range(3), tmp_path)
    gc.collect()
    files, threads = in_use("fd"), in_use("task")
    snapshots = pulled(range(1, 60), tmp_path, count=24)
    assert len(done(snapshots)) == 59
    gc.collect()
    assert in_use("fd") == files
    patiently(lambda: in_use("task") <= threads)


def in_use(kind):
    """How many files or threads this process has."""
    return len([*Path(f"/proc/self/{kind}").iterdir()])


def make_waiting(device):
    """Records its process id, then sends heartbeats until the launcher is gone."""

    def work(folder, heartbeat):
        (Path(folder) / str(os.getpid())).touch()
        while True:
            heartbeat(0.0)
            time.sleep(0.05)

    return work


def make_deaf(device):
    """Records its process id, then runs no Python for ten minutes."""

    def work(folder, _heartbeat):
        (Path(folder) / str(os.getpid())).touch()
        ctypes.PyDLL(None).sleep(600)

    return work


@pytest.mark.parametrize("make", ["make_waiting", "make_deaf"])
def test_worker_processes_end_soon_after_a_killed_launcher(tmp_path, make):
    """Also in the middle of native code."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from test_processes import *\n"
        f"items = [WorkItem(str(n), 1.0, {str(tmp_path)!r}) for n in range(2)]\n"
        f"run_workers({make}, items, list, print, 2)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    patiently(lambda: len(list(tmp_path.iterdir())) == 2)
    launcher.kill()
    launcher.wait()
    ours = {int(path.name) for path in tmp_path.iterdir()}
    patiently(lambda: not ours & {each.pid for each in running()})
