"""Answering signals: from the first moment on, and never in the middle of starting a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sumsquares.cluster import signals

ROOT = Path(__file__).parent.parent
HEAVY = ("multiprocessing", "traceback", "typer", "numpy")


def test_nothing_heavy_is_imported_before_signals_are_answered():
    """While Python itself starts signals can't be answered, so our part must be short."""
    code = f"import sys, sumsquares.__main__; print([name for name in {HEAVY} if name in sys.modules])"
    words = [sys.executable, "-S", "-c", code]  # without the site's own imports
    assert subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"


def mask(pipe):
    """Returns which signals a process was started with blocked."""
    pipe.send(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def started_processes(folder):
    """Starts two; must run in a process that has started no other."""
    context = multiprocessing.get_context("spawn")
    for number in range(2):
        here, there = context.Pipe()
        signals.start(context.Process(target=mask, args=(there,)))
        (folder / str(number)).write_text(str(set(signals.STOPPING) <= here.recv()))


def test_the_first_process_as_well_starts_with_signals_blocked(tmp_path):
    """The standard library starts a helper with the first process, and unblocks signals for it."""
    code = f"from pathlib import Path; import test_stopping; test_stopping.started_processes(Path({str(tmp_path)!r}))"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    words = [sys.executable, "-c", code]
    subprocess.run(words, env=os.environ | {"PYTHONPATH": paths}, check=True, timeout=60)
    assert [(tmp_path / str(number)).read_text() for number in range(2)] == ["True", "True"]


def test_a_signal_that_another_thread_gets_does_not_interrupt_a_start(monkeypatch):
    """When the exception is raised, the new process has all that it needs."""
    before = {number: signal.getsignal(number) for number in signals.STOPPING}
    whole, begun, hit = [], threading.Event(), threading.Event()

    def other():
        begun.wait(10)
        signal.raise_signal(signal.SIGTERM)
        hit.set()

    class Process:
        def start(self):
            begun.set()
            assert hit.wait(10)
            whole.append(True)

    threading.Thread(target=other).start()  # before: a thread blocks what the one that starts it blocks
    signals.stop_on_signals()
    try:
        with pytest.raises(signals.Stopped):
            signals.start(Process())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert whole
