"""The worker's own code in a process that processes.py has started: takes and runs items until none is left.

It ends with its launcher, and when memory runs out the kernel kills it before its launcher.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from sumsquares.cluster.launcher_death import end_with_launcher
from sumsquares.cluster.out_of_memory import die_first
from sumsquares.cluster.queue import HEARTBEAT_SECONDS
from sumsquares.cluster.signals import unblock
from sumsquares.cluster.work import Failure, MakeWork, describe


def serve(pipe: Connection, make_work: MakeWork) -> None:
    """The main function of the process; it doesn't return.

    Each message is the name of a method of WorkQueue and its arguments, or `ended` and the reason.
    """
    # A terminal sends these to all of its processes; only the launcher reacts, and decides.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    unblock()
    end_with_launcher()
    die_first()
    with suppress(EOFError, OSError):  # the launcher has closed the pipe
        try:
            work = make_work("cpu")
        except Exception as error:
            pipe.send(("ended", describe(error)))
        else:
            _work_loop(pipe, work)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # a thread of pyarrow could abort the interpreter's shutdown


def _work_loop(pipe: Connection, work: Any) -> None:
    last_heartbeat = time.monotonic()

    def heartbeat(share: float) -> None:
        nonlocal last_heartbeat
        if time.monotonic() - last_heartbeat > HEARTBEAT_SECONDS:
            last_heartbeat = time.monotonic()
            pipe.send(("heartbeat", share))

    while (taken := _take(pipe)) is not None:
        try:
            message = _packed("done", work(taken[1], heartbeat))
        except Exception as error:  # any exception fails its item, not the run
            failure = Failure.of(taken[0], error)
            pipe.send_bytes(_packed("fail", failure))
            if failure.ends_worker:
                pipe.send(("ended", failure.reason))
                return
        else:
            pipe.send_bytes(message)


def _take(pipe: Connection) -> tuple[str, Any] | None:
    pipe.send(("take",))
    taken: tuple[str, Any] | None = pipe.recv()
    return taken


def _packed(kind: str, value: Any) -> Any:
    """Returns the bytes of a message; raises an exception if the value can't be sent, or can't be read."""
    message = ForkingPickler.dumps((kind, value))
    ForkingPickler.loads(message)
    return message
