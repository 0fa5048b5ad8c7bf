"""SIGINT, SIGTERM and SIGHUP: an exception in the main thread, with sections that it cannot interrupt. No Ray here.

Child processes start with these signals blocked: until they have their own handlers, Python would answer a signal with
a traceback.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP arrives when a terminal is closed."""


class Stopped(BaseException):
    """A signal asked this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; finished work is kept, run again to resume")
        self.exit_code = 128 + number


class _Pending:
    """A signal that arrived in an uninterruptible section."""

    depth = 0
    number: int | None = None


def stop_on_signals() -> None:
    """Makes the first of these signals raise `Stopped` in the main thread; a second one ends the process at once.

    A SIGHUP that is already ignored stays ignored: the process was started by nohup.
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
    """Delays `Stopped` to the end of this section of the main thread. For short sections only."""
    _Pending.depth += 1
    try:
        yield
    finally:
        _Pending.depth -= 1
        if not _Pending.depth and _Pending.number is not None:
            number, _Pending.number = _Pending.number, None
            raise Stopped(number)


def start(process: SpawnProcess) -> None:
    """Starts a process in which these signals stay blocked, and pending, until it calls `unblock`."""
    from multiprocessing import resource_tracker  # here: at the top, its 40 ms would delay the launcher's handlers

    # The mask is this thread's own: another thread may receive a signal, and an exception here would leave the new
    # process without all of its input.
    with uninterrupted():
        resource_tracker.ensure_running()  # otherwise `process.start` starts it, which unblocks two of the signals
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    """Unblocks the signals in a process started by `start`, once its handlers are installed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
