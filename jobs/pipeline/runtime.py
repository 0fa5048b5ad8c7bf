"""Where and with what a command's plans are carried out: store, progress, timing, and the runners of its placement.

Ray is started, or a cluster connected, for the first plan that needs it, and ended on leaving.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, suppress
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
from sumsquares.jobs.stages.gpu_torch import nobody_trains
from sumsquares.jobs.stages.imported import TablePlan
from sumsquares.jobs.stages.memory_check import no_room
from sumsquares.jobs.stages.placement import RAY_SECONDS, Placement, resources_here
from sumsquares.jobs.stages.plan import Plan
from sumsquares.jobs.stages.running import Running
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.stages.timing import Timing
from sumsquares.jobs.storage.store import StorageError, Store

SWEPT = ("datasets", "nightly", "runs", "running", "states", "tables", "trials")
"""Folders of a store in which killed processes leave files behind."""


class Runners(NamedTuple):
    """The functions that carry out work in one placement: many small tasks, or packs that workers pull."""

    map_tasks: MapTasks
    run_workers: Callable[..., None]
    device: str
    """The device that packs are cut for: cuda if there are GPU workers."""
    starting: str
    """What is done until the first worker has a pack."""
    is_mixed: bool = False
    """Whether there are CPU workers beside GPU workers."""
    gpus_per_worker: float = 1.0


class Runtime:
    """What a command needs to carry out its plans, one after the other."""

    def __init__(
        self,
        placement: Placement,
        store: Store,
        progress: Progress,
        timing: Timing | None = None,
        tables: TableReader | None = None,
    ) -> None:
        self.placement, self.store, self.progress = placement, store, progress
        self.tables = tables or TableReader(store)
        """By what the tables of the spec were resolved."""
        self.timing = timing or Timing()
        """Seconds by stage; Ray's start is the stage `ray`."""
        self._stack = ExitStack()
        self._on_ray: Runners | None = None
        self._running = Running(store, "run")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        finally:
            self._running.end()

    def hold(self, run: str) -> None:
        """Makes known that this run is worked on, before the store is looked at; waits until no gc deletes files.

        In a store that isn't there, or can't be written, it does nothing: there is nothing to lose in it yet, or a
        check that says so follows.
        """
        if "://" in self.store.root or self.store.is_there():
            with suppress(StorageError):
                self._running.begin(run, self.progress.say)

    def _announce(self) -> None:
        """Does the same for a store that wasn't there, right before the first write."""
        if not self._running.is_written:
            self._running.begin(say=self.progress.say)

    def release(self) -> None:
        """Ends Ray, or disconnects from the cluster; a plan that needs it again starts it again."""
        if self._on_ray is not None:
            self._on_ray = None
            with self.progress.doing("ending Ray" if self.placement.address is None else "disconnecting"):
                self._stack.close()

    def prepare_training(self, plan: Plan) -> Runners:
        """The runners for a plan's packs and rows, unless the plan must be refused. A refusal leaves no trace.

        Files that killed runs left in the store a while ago are removed.

        Raises:
            ClusterError: there is no such cluster, it lacks the workers, or they can't see the store.
            EngineMissing: the engine that the spec names is not available.
            UsageError: a pack needs more memory than this machine has, or a CPU worker, and there is none.
            StorageError: the store can't be written, or has no room.
            ForeignFile: a foreign file would be overwritten.
            LostRows: the store lacks rows of a table whose file is gone.

        """
        assert not (plan.todo and plan.spec.is_earlier), "another training version would give these ids other numbers"
        # The cheap checks come first; starting Ray takes up to 16 s.
        self._check_tables(plan)
        placement = resolved(plan, self.placement)
        packs = plan.packs(placement.device)
        if why := nobody_trains(plan, packs, placement) or no_room(packs, placement):
            raise exits.UsageError(why)
        self.store.probe(plan.bytes_needed)
        runners = self._runners(placement) if plan.todo else self._without_ray(0)
        # The packs and their file names depend on the device, which only the runners know.
        check_places(self.store, plan, plan.packs(runners.device))
        self._announce()
        self.store.sweep(SWEPT, turns=("runs",))
        self.tables.remember()
        self._tell(plan, placement)
        return runners

    def prepare_tasks(self, plan: Plan, are_many: bool) -> Runners:
        """The runners for a plan's rows alone, which may be many; errors as in `prepare_training`."""
        self._check_tables(plan)
        self.store.probe(plan.bytes_needed)
        check_datasets(self.store, plan)
        needs_ray = are_many and not self.placement.is_open
        runners = self._runners(self.placement) if needs_ray else self._without_ray(0)
        self._announce()
        self.store.sweep(SWEPT, turns=("runs",))
        self.tables.remember()
        return runners

    def _check_tables(self, plan: Plan) -> None:
        for each in plan.datasets:
            if isinstance(each, TablePlan) and not each.is_complete:
                self.tables.check(each.dataset)

    def _tell(self, plan: Plan, placement: Placement) -> None:
        """Reports the placement if it was left open and Ray is not worth its start."""
        if placement.of_engine(plan.spec.engine) != self.placement.of_engine(plan.spec.engine):
            time = clock(sum(pack.expected_seconds for pack in plan.packs("cpu")))
            needs = "needs" if plan.left == 1 else "need"
            self.progress.say(f"{counted(plan.left, 'trial')} {needs} about {time} of a core: trained {placement}")

    def _runners(self, placement: Placement) -> Runners:
        if not placement.on_ray:
            return self._without_ray(placement.processes)
        if self._on_ray is None:
            with self.timing.stage("ray"):
                self._on_ray = self._connect(placement)
        return self._on_ray

    def _without_ray(self, training: int) -> Runners:
        """Runners in this process, and in others of this machine: `training` of them train, and all cores make rows."""
        cores = (self.placement.wanted.workers or 0) if self.placement.is_open else 0
        return Runners(
            partial(processes.map_tasks, processes=cores) if cores > 1 else inline.map_tasks,
            partial(processes.run_workers, processes=training) if training else inline.run_workers,
            "cpu",
            "starting workers" if training else "preparing to train",
        )

    def _connect(self, placement: Placement) -> Runners:
        """Starts Ray or connects to the cluster, and checks that it has the workers and that they see the store."""
        wanted = placement.wanted
        # A local Ray accepts any number of CPUs and GPUs, so the machine's own numbers are checked before the start.
        if placement.address is None:
            groups([resources_here()], wanted)
        workers, gpu_workers = wanted.workers or 0, wanted.gpu_workers or 0
        gpus = math.ceil(gpu_workers * (wanted.gpus_per_worker or 1.0))
        target = Target(placement.address, workers + gpu_workers, gpus, shows_log=exits.is_debugging())
        doing = f"connecting to {target}"
        if placement.address is None:
            doing = "starting Ray"
            self.progress.say(f"starting Ray (about {RAY_SECONDS:.0f} s until its workers train)")
        with self.progress.doing(doing):
            driver = self._stack.enter_context(connected(target))
            cut = groups(driver.resources(), wanted)
            if placement.address is not None:
                check_store_everywhere(self.store, driver)
        devices = {group.device for group in cut}
        return Runners(
            partial(driver.map_tasks, patience=placement.patience),
            partial(driver.run_workers, workers=cut, patience=placement.patience),
            "cuda" if "cuda" in devices else "cpu",
            "starting Ray's workers",
            is_mixed=len(devices) > 1,
            gpus_per_worker=min((group.resources["GPU"] for group in cut if group.device == "cuda"), default=1.0),
        )


def resolved(plan: Plan, placement: Placement) -> Placement:
    """The placement of this plan."""
    placement = placement.of_engine(plan.spec.engine)
    return placement.resolved([pack.expected_seconds for pack in plan.packs("cpu")]) if placement.is_open else placement


def check_store_everywhere(store: Store, driver: Driver) -> None:
    """Looks for a test file in the store from every node.

    Raises:
        ClusterError: some nodes can't see it; names them and the remedy.

    """
    with store.trial_file() as (root, path):
        blind = [node for node, seen in driver.on_every_node(partial(sees, root), path).items() if not seen]
    if blind:
        raise ClusterError(
            f"the workers on {few_names(blind)} can't see {store.describe()}; "
            "use a folder that all nodes share, or an object store: --store s3://bucket/prefix"
        )


def sees(root: str, path: str) -> bool:
    """Whether the store has this file, as seen from the node that this runs on."""
    return Store(root).exists(path)
