"""SIGINT, SIGTERM and SIGHUP in a process of ours: an exception in the main thread, and stretches without one.

No Ray here. Other processes are started with these signals blocked, since Python would answer them with a traceback
until the new process has its own handlers.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last one comes when a terminal is closed."""


class Stopped(BaseException):
    """A signal asked this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; what was finished is kept, run again to go on")
        self.code = 128 + number


class _Pending:
    """Signals that came while they could not be answered."""

    depth = 0
    number: int | None = None


def stop_on_signals() -> None:
    """These signals raise `Stopped` in the main thread, once; a second one ends the process at once.

    A SIGHUP that is ignored stays so: the process was started by nohup.
    """

    def stop(number: int, _frame: object) -> None:
        for each in STOPPING:
            signal.signal(each, signal.SIG_DFL)
        if _Pending.depth:
            _Pending.number = number
        else:
            raise Stopped(number)

    for each in STOPPING:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, stop)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """In the main thread: a signal that comes inside raises `Stopped` on leaving. For short stretches alone."""
    _Pending.depth += 1
    try:
        yield
    finally:
        _Pending.depth -= 1
        if not _Pending.depth and _Pending.number is not None:
            number, _Pending.number = _Pending.number, None
            raise Stopped(number)


def start(process: SpawnProcess) -> None:
    """Starts a process in which these signals are blocked until it calls `unblock`; a signal that comes waits."""
    from multiprocessing import resource_tracker  # 40 ms, in which no handler would be there yet

    with uninterrupted():  # a signal may come to another thread, and an exception here leaves a process half fed
        resource_tracker.ensure_running()  # else `start` does, and unblocks two of them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    """To be called by a process that was started by `start`, once it has its handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
