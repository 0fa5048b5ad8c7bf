"""Runs work items with Ray Train: groups of workers side by side, one Ray Train run each. Needs a `session`.

No process group and no barrier: a worker takes the next item when it has finished one. `DataParallelTrainer` is used
instead of `TorchTrainer`, whose process group independent items don't need (5-7 s to the first step, not 12-14).
When a worker dies, its own group restarts, and the queue takes back the group's items. Groups with a minimum below
their size shrink with the cluster and grow again (Ray Train's elastic groups).
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.train import UserCallback, get_context
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util import get_node_ip_address
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sumsquares.cluster import reservations
from sumsquares.cluster.private_folder import PREFIX
from sumsquares.cluster.queue import HEARTBEAT_SECONDS, HUNG_SECONDS, WorkQueue
from sumsquares.cluster.session import amounts
from sumsquares.cluster.work import (
    CutWork,
    Failure,
    MakeWork,
    OnProgress,
    ProgressSnapshot,
    SplitWork,
    WorkItem,
    describe,
)
from sumsquares.cluster.worker_watch import WorkerWatch
from sumsquares.cluster.workers import ClusterError, Group

RESTARTS = 100
"""Restarts of one group before it is given up; the queue gives up an item, or a group that only fails, long before."""
HEARTBEATS_PER_SECOND = 400.0
"""Limit for all workers together, as the queue answers about 1,400 calls a second; many workers send fewer each."""
SNAPSHOT_SECONDS = 0.3
"""Seconds between two snapshots."""
LEAVE_SECONDS = 10.0
"""Seconds from the end of the work until groups that still wait for nodes are abandoned."""


def run_workers(
    make_work: MakeWork,
    items: Sequence[WorkItem],
    split: SplitWork,
    on_progress: OnProgress,
    workers: Sequence[Group],
    patience: float,
    cut: CutWork | None = None,
) -> None:
    """Runs all items; calls `on_progress` several times a second and once at the end.

    With `cut`, CPU and GPU workers share the items so that both end together (sharing.py).

    Raises:
        ClusterError: a group failed for good, raised once the others have finished; or no group had workers for
            `patience` seconds.

    """
    # The queue lives on this node: losing any other node must not end the run, and losing this one does anyway.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(num_cpus=0)(WorkQueue)
    queue = actor.options(scheduling_strategy=here).remote(items, split, cut)
    attempt = uuid.uuid4().hex[:12]  # part of each run's name: Ray Train would resume a run whose name it knows
    failures: list[str] = []
    runs: set[str] = set()
    heartbeat_seconds = max(HEARTBEAT_SECONDS, sum(group.workers for group in workers) / HEARTBEATS_PER_SECOND)
    with tempfile.TemporaryDirectory(prefix="sumsquares-") as folder:
        threads = {
            group.name: threading.Thread(
                target=_run_group,
                args=(group, queue, make_work, heartbeat_seconds, folder, attempt, runs, failures),
                daemon=True,
            )
            for group in workers
        }
        for thread in threads.values():
            thread.start()
        try:
            last = _watch(queue, threads, on_progress, WorkerWatch(workers, patience, amounts, time.monotonic()))
            ended: Mapping[str, str] = ray.get(queue.given_up.remote())
        except ray.exceptions.RayError as error:
            raise ClusterError(f"the cluster was lost: {describe(error)}; run again to resume") from error
        finally:
            if runs:  # after an interrupt, or if some groups still wait for nodes
                reservations.give_back(list(runs))
    failures += ended.values()
    if failures and last.left:
        raise ClusterError(
            f"{last.left} work items are left: {'; '.join(failures)}; finished work is kept, run again to resume"
        )


def _watch(
    queue: Any, threads: Mapping[str, threading.Thread], on_progress: OnProgress, watch: WorkerWatch
) -> ProgressSnapshot:
    """Reports progress until all groups have ended or nothing is left to do; returns the last snapshot."""
    finished: float | None = None
    while True:
        alive = [name for name, thread in threads.items() if thread.is_alive()]
        snapshot: ProgressSnapshot = ray.get(queue.snapshot.remote())
        now = time.monotonic()
        # A group works if one of its workers was heard recently; a thread alone may be waiting for nodes.
        working = [name for name in alive if snapshot.heard.get(name, HUNG_SECONDS) < HUNG_SECONDS]
        note = watch.look(working, sorted(set(alive) - set(working)), snapshot.left, now) if snapshot.left else None
        on_progress(replace(snapshot, notes=[*snapshot.notes, *([note] if note else [])]))
        # Groups end by themselves when nothing is left, except those that still wait for nodes.
        finished = None if snapshot.left else finished or now
        if not alive or (finished and now - finished > LEAVE_SECONDS):
            return snapshot
        time.sleep(SNAPSHOT_SECONDS)


class _Trainer(DataParallelTrainer):
    """A trainer without the actor that hands out Ray datasets, of which there are none.

    That actor starts together with the workers, and takes as much CPU time as one of them: 2 s. The method is Ray
    Train's own: a version that has another one starts the actor.
    """

    def _create_default_callbacks(self) -> list[Any]:
        return [each for each in super()._create_default_callbacks() if type(each).__name__ != "DatasetsCallback"]


class _Losses(UserCallback):
    """A callback in Ray Train's controller, which is the first to know that workers died."""

    def __init__(self, queue: Any, group: str) -> None:
        self._queue, self._group = queue, group

    def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
        """Tells the queue which workers died."""
        del run_context
        self._queue.lost.remote(self._group, list(worker_exceptions))


def _run_group(
    group: Group,
    queue: Any,
    make_work: MakeWork,
    heartbeat_seconds: float,
    folder: str,
    attempt: str,
    runs: set[str],
    failures: list[str],
) -> None:
    """Runs one group in a thread of the driver; `runs` holds the id of its Ray Train run meanwhile."""
    elastic = group.at_least < group.workers
    trainer = _Trainer(
        _work_loop,
        train_loop_config={
            "queue": queue,
            "group": group,
            "make_work": make_work,
            "heartbeat_seconds": heartbeat_seconds,
        },
        scaling_config=ScalingConfig(
            num_workers=(group.at_least, group.workers) if elastic else group.workers,
            use_gpu=group.device == "cuda",
            resources_per_worker=dict(group.resources),
            label_selector=dict(group.labels) or None,
        ),
        run_config=RunConfig(  # type: ignore[arg-type]  # the type hints are those of Ray Train v1
            name=f"{attempt}-{group.name}",
            storage_path=folder,
            # The controller may retry without end to get resources: `WorkerWatch` decides when the run gives up.
            failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=-1),
            callbacks=[_Losses(queue, group.name)],
        ),
    )
    run_id = trainer.train_run_context.run_id
    runs.add(run_id)
    try:
        trainer.fit()
    except Exception as error:  # raised by `run_workers` once the other groups have finished
        failures.append(f"group {group.name} ended: {describe(error)}")
    finally:
        runs.discard(run_id)


def _work_loop(config: dict[str, Any]) -> None:
    """The main function of each worker of a group."""
    queue, group = config["queue"], config["group"]
    context = get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    name, logs = f"{group.name}-{rank}", _log_location()
    ray.get(queue.register.remote(group.name, rank, size, logs, group.device))
    if ray.get(queue.is_given_up.remote(group.name)):
        return  # all of its workers end in peace, and so does the group
    try:
        work = config["make_work"](group.device)
    except Exception as error:
        ray.get(queue.fail_to_start.remote(name, describe(error)))
        raise
    last_heartbeat = 0.0

    def heartbeat(share: float) -> None:
        nonlocal last_heartbeat
        if time.monotonic() - last_heartbeat > config["heartbeat_seconds"]:
            last_heartbeat = time.monotonic()
            # Restarts the watchdog's timer; when it runs out, the process prints its stacks and exits.
            faulthandler.dump_traceback_later(HUNG_SECONDS, exit=True, file=sys.stderr)
            queue.heartbeat.remote(name, share)

    while (taken := ray.get(queue.take.remote(name))) is not None:
        heartbeat(0.0)
        try:
            result = work(taken[1], heartbeat)
        except Exception as error:  # any exception fails its item, not the group
            failure = Failure.of(taken[0], error, logs)
            ray.get(queue.fail.remote(name, failure))
            if failure.ends_worker:
                _end_process(failure.reason)
        else:
            ray.get(queue.done.remote(name, result))
    faulthandler.cancel_dump_traceback_later()


def _end_process(reason: str) -> None:
    """Ends this process at once, whatever state its libraries are in: Ray Train starts its group again."""
    sys.stderr.write(f"this worker ends: {reason}\n")
    sys.stderr.flush()
    os._exit(1)


def _log_location() -> str:
    """`NODE:PATH` of this worker's log; empty for a local Ray, whose logs are removed with it."""
    with suppress(OSError):  # a system without /proc
        path = Path("/proc/self/fd/2").readlink()  # Ray sends each worker's standard error to a file of its own
        if path.is_absolute() and PREFIX not in str(path):
            return f"{get_node_ip_address()}:{path}"  # type: ignore[no-untyped-call]
    return ""
