"""Sixteen processes that try to take one lock at the same moment, repeatedly. It imports little, since each process
pays for it.

The lock is free, or its holder's lease has ended.
"""

from __future__ import annotations

import multiprocessing
import os
from contextlib import ExitStack, suppress

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import PATH, Lease, Owner, holding, read_lease
from sumsquares.jobs.storage.store import Store

PROCESSES = 16


def abandon(store):
    """Leaves the lock as a process would that was killed on another machine long ago; its token is counted."""
    found, _ = read_lease(store)
    owner = Owner("elsewhere", 7, "", "2026-11-01-0123456789ab", 0.0)
    store.put(PATH, Lease(found.token + 1 if found else 1, owner, 0.0, 60.0).encode())


def race(root, environment, rounds, abandoned, barrier, won):
    """Tries in every round at the same time as all others; reports its rounds with the lock, and their tokens."""
    os.environ.update(environment)
    store, had = Store(root), []
    store.exists("warm")
    for number in range(rounds):
        if barrier.wait(timeout=60) == 0 and abandoned:
            abandon(store)
        barrier.wait(timeout=60)
        with ExitStack() as stack:
            with suppress(BusyError):
                held = stack.enter_context(holding(store, f"round {number}", Clock()))
                had.append((number, held.token))
            barrier.wait(timeout=60)  # nobody lets go before all have asked
    won.put(had)


def winners(root, rounds, abandoned=False):
    """Returns the rounds and tokens of all processes that had the lock."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["s3fs"])  # a second to import, once
    barrier, won = context.Barrier(PROCESSES), context.Queue()
    arguments = (root, dict(os.environ), rounds, abandoned, barrier, won)
    processes = [context.Process(target=race, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    had = [each for _ in processes for each in won.get(timeout=230)]
    for process in processes:
        process.join(timeout=20)
        assert process.exitcode == 0
    return sorted(had)
