"""The driver's own code: connects to Ray, executes one request after the other, and ends with its launcher.

It is started by driver.py in a session of its own, so that Ctrl-C at a terminal reaches only the launcher. The launcher
reports what happened, so Ray's output in this process is shown only on demand.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection
from typing import Any

from sumsquares.cluster.connect import limit_attempts
from sumsquares.cluster.isolation import isolate
from sumsquares.cluster.launcher_death import end_with_launcher
from sumsquares.cluster.sendable import sendable
from sumsquares.cluster.signals import unblock
from sumsquares.cluster.work import Target
from sumsquares.cluster.workers import Resources

HERE = "the process that is connected to Ray"


def serve(pipe: Connection, target: Target) -> None:
    """Connects, executes requests until there are no more, disconnects, and ends this process."""
    os.setsid()
    _silence(target)
    signal.signal(signal.SIGTERM, _leave)
    unblock()
    end_with_launcher()
    try:
        with _connection(target) as resources:
            signal.signal(signal.SIGTERM, _leave)  # again, since Ray has installed its own handler
            while (request := pipe.recv()) is not None:
                _execute(pipe, resources, *request)
    except Exception as error:
        with suppress(OSError):  # the launcher is gone
            pipe.send(("failed", sendable(error, HERE)))
    finally:
        os._exit(0)  # Ray has stopped; its threads could crash during the interpreter's shutdown


def _connection(target: Target) -> AbstractContextManager[list[Resources]]:
    """Prepares the environment, which Ray reads when it is imported, and then imports Ray and connects."""
    if target.address is None:
        isolate(target.folder)
        tempfile.tempdir = target.folder  # the launcher removes it even if this process is killed
    else:
        limit_attempts()
    os.environ["RAY_TRAIN_V2_ENABLED"] = "1"  # ray_train.py needs it, whatever the user's own programs are set to
    from sumsquares.cluster import session

    if target.address is None:
        return session.local(target.cpus, target.gpus, target.folder)
    return session.remote(target.address)


def _execute(pipe: Connection, resources: list[Resources], name: str, arguments: tuple[Any, ...]) -> None:
    """Executes one request and sends its replies; the launcher re-raises an exception."""

    def reply(value: Any) -> None:
        pipe.send(("reply", value))

    try:
        from sumsquares.cluster import nodes, ray_tasks, ray_train

        if name == "resources":
            reply(resources)
        elif name == "map_tasks":
            for result in ray_tasks.map_tasks(*arguments):
                reply(result)
        elif name == "run_workers":
            make_work, items, split, workers, patience, cut = arguments
            ray_train.run_workers(make_work, items, split, reply, workers, patience, cut)
        else:
            assert name == "on_every_node"
            reply(nodes.on_every_node(*arguments))
    except Exception as error:
        pipe.send(("failed", sendable(error, HERE)))
    else:
        pipe.send(("done", None))


def _silence(target: Target) -> None:
    if not target.shows_log:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            os.dup2(nowhere, number)


def _leave(number: int, _frame: object) -> None:
    """Handles SIGTERM: stops the work and disconnects."""
    sys.exit(128 + number)
