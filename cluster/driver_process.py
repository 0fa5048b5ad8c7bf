"""The driver from the inside: connects to Ray, carries out one request after the other, ends with its launcher.

It is started by driver.py, in a session of its own: Ctrl-C at a terminal reaches the launcher alone. What Ray prints in
it is shown on demand only, since the launcher says what happened.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from sumsquares.cluster.connect import limit_attempts
from sumsquares.cluster.isolation import isolate
from sumsquares.cluster.signals import unblock
from sumsquares.cluster.work import Target, describe
from sumsquares.cluster.workers import Resources

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the kernel sends a signal to this process when its parent dies. Ray's servers ask for the same."""


def serve(pipe: Connection, target: Target) -> None:
    """Connects, answers requests until there are no more, disconnects; and ends this process."""
    os.setsid()
    _silence(target)
    signal.signal(signal.SIGTERM, _leave)
    unblock()
    _end_with_launcher()
    try:
        with _connection(target) as resources:
            signal.signal(signal.SIGTERM, _leave)  # Ray has set its own
            while (request := pipe.recv()) is not None:
                _carry_out(pipe, resources, *request)
    except Exception as error:
        with suppress(OSError):  # the launcher has gone
            pipe.send(("failed", _sendable(error)))
    finally:
        os._exit(0)  # Ray is stopped; its threads may crash while Python ends


def _connection(target: Target) -> AbstractContextManager[list[Resources]]:
    """Ray is imported here, once the environment is that of the Ray that is wanted."""
    if target.address is None:
        isolate(target.folder)
        tempfile.tempdir = target.folder  # which is removed even if this process is killed
    else:
        limit_attempts()
    os.environ["RAY_TRAIN_V2_ENABLED"] = "1"  # ray_train.py is written for it, whatever the user's own programs need
    from sumsquares.cluster import session

    if target.address is None:
        return session.local(target.cpus, target.gpus, target.folder)
    return session.remote(target.address)


def _carry_out(pipe: Connection, resources: list[Resources], name: str, arguments: tuple[Any, ...]) -> None:
    """One request, with all that is told of it; what it raises is raised in the launcher."""

    def told(value: Any) -> None:
        pipe.send(("told", value))

    try:
        from sumsquares.cluster import nodes, ray_tasks, ray_train

        if name == "resources":
            told(resources)
        elif name == "map_tasks":
            for made in ray_tasks.map_tasks(*arguments):
                told(made)
        elif name == "run_workers":
            make_work, items, split, workers, patience = arguments
            ray_train.run_workers(make_work, items, split, told, workers, patience)
        else:
            assert name == "on_every_node"
            told(nodes.on_every_node(*arguments))
    except Exception as error:
        pipe.send(("failed", _sendable(error)))
    else:
        pipe.send(("done", None))


def _sendable(error: Exception) -> Exception:
    """The exception with its traceback as a note, or another in its place that can be sent."""
    error.add_note(f"in the process that is connected to Ray:\n{''.join(traceback.format_exception(error))}")
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(describe(error))
    return error


def _silence(target: Target) -> None:
    if not target.shows_log:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            os.dup2(nowhere, number)


def _leave(number: int, _frame: object) -> None:
    """Stops what is done and disconnects."""
    sys.exit(128 + number)


def _end_with_launcher() -> None:
    """Ends this process when its launcher is killed, also while Ray's start keeps its threads from running."""
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher.pid:  # it was killed before
            os._exit(1)
    else:
        threading.Thread(target=lambda: (launcher.join(), os._exit(1)), daemon=True).start()
