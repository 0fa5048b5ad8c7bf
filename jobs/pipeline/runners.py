"""The place where a command's plans are carried out: it is found to be good before anything is written, and kept.

Ray is started, or a cluster connected, for the first plan that needs it, and ended on leaving.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from sumsquares.cluster import inline, processes
from sumsquares.cluster.driver import Driver, connected
from sumsquares.cluster.work import Target
from sumsquares.cluster.workers import ClusterError, groups
from sumsquares.jobs import exits
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.progress import Progress, clock
from sumsquares.jobs.stages.foreign import check_datasets, check_places
from sumsquares.jobs.stages.generate import MapTasks
from sumsquares.jobs.stages.memory_check import no_room
from sumsquares.jobs.stages.placement import Place, resources_here
from sumsquares.jobs.stages.plan import Plan
from sumsquares.jobs.stages.timing import Timing
from sumsquares.jobs.storage.store import Store

SWEPT = ("datasets", "nightly", "runs", "states", "trials")
"""Folders of a store in which killed processes leave something."""


class Runners(NamedTuple):
    """How work is done in a place: many small tasks, and packs that workers pull."""

    map_tasks: MapTasks
    run_workers: Callable[..., None]
    device: str
    """The device that packs are cut for: cuda if there are GPU workers."""


INLINE = Runners(inline.map_tasks, inline.run_workers, "cpu")
"""In this process."""


class Workplace:
    """Gives the runners for one plan after the other."""

    def __init__(self, place: Place, store: Store, progress: Progress, timing: Timing) -> None:
        self._place, self._store, self._progress = place, store, progress
        self.timing = timing
        """Has Ray's start as a stage `ray`."""
        self._stack = ExitStack()
        self._on_ray: Runners | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def prepare_training(self, plan: Plan) -> Runners:
        """The runners for a plan's packs and rows, once nothing speaks against them. Nothing is left in the store, and
        what killed runs left there a while ago is removed.

        Raises:
            ClusterError: there is no such cluster, it has not got the workers, or they can't see the store.
            EngineMissing: the engine that the spec names is not there.
            UsageError: a pack needs more memory than this machine has.
            StorageError: the store can't be written, or has no room.
            ForeignFile: a file of somebody else's would be written over.

        """
        if why := no_room(plan.packs(self._place.device), self._place):
            raise exits.UsageError(why)
        self._store.probe(plan.bytes_needed)
        found = self._runners(settle(plan, self._place, self._progress)) if plan.todo else INLINE
        check_places(self._store, plan, plan.packs(found.device))  # which chooses the engine
        self._store.sweep(SWEPT, turns=("runs",))
        return found

    def prepare_tasks(self, plan: Plan, needs_ray: bool) -> Runners:
        """The runners for a plan's rows alone; errors as in `prepare_training`."""
        self._store.probe(plan.bytes_needed)
        check_datasets(self._store, plan)
        found = self._runners(self._place) if needs_ray else INLINE
        self._store.sweep(SWEPT, turns=("runs",))
        return found

    def _runners(self, place: Place) -> Runners:
        if place.inline:
            return INLINE
        if place.processes:
            return Runners(inline.map_tasks, partial(processes.run_workers, processes=place.processes), "cpu")
        if self._on_ray is None:
            with self.timing.stage("ray"):
                self._on_ray = self._connect(place)
        return self._on_ray

    def _connect(self, place: Place) -> Runners:
        wanted = place.wanted
        if place.address is None:
            groups([resources_here()], wanted)  # a local Ray believes whatever it is told to have
        workers, gpu_workers = wanted.workers or 0, wanted.gpu_workers or 0
        gpus = math.ceil(gpu_workers * wanted.gpus_per_worker)
        target = Target(place.address, workers + gpu_workers, gpus, shows_log=exits.is_debugging())
        driver = self._stack.enter_context(connected(target))
        cut = groups(driver.resources(), wanted)
        if place.address is not None:
            check_store_everywhere(self._store, driver)
        return Runners(
            partial(driver.map_tasks, patience=place.patience),
            partial(driver.run_workers, workers=cut, patience=place.patience),
            "cuda" if any(group.device == "cuda" for group in cut) else "cpu",
        )


def settle(plan: Plan, place: Place, progress: Progress) -> Place:
    """The place of this plan; if it was left open and Ray is not worth its start, that is told."""
    seconds = [pack.seconds for pack in plan.packs("cpu")] if place.is_open else []
    settled = place.settled(seconds)
    if settled != place:
        progress.say(f"{counted(plan.left, 'trial')} need about {clock(sum(seconds))} of a core: trained {settled}")
    return settled


def check_store_everywhere(store: Store, driver: Driver) -> None:
    """Finds a file of ours from every node.

    Raises:
        ClusterError: a node can't see it; which one, and what to do.

    """
    with store.trial_file() as (root, path):
        blind = [node for node, seen in driver.on_every_node(partial(sees, root), path).items() if not seen]
    if blind:
        raise ClusterError(
            f"the workers on {few_names(blind)} can't see {store.describe()}; "
            "use a folder that all nodes share, or an object store: --store s3://bucket/prefix"
        )


def sees(root: str, path: str) -> bool:
    """Whether a store has a file, asked from where this runs."""
    return Store(root).exists(path)
