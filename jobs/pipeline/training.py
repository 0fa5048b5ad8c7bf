"""The train stage: hands the packs of a plan to workers, and collects those that failed."""

from __future__ import annotations

from functools import partial

from sumsquares.cluster.work import Failure, ProgressSnapshot, WorkItem
from sumsquares.jobs.pipeline.failures import raise_if_fatal, warn_of_failures
from sumsquares.jobs.pipeline.runtime import Runners, Runtime
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.stages.mixed import Mixed
from sumsquares.jobs.stages.order import in_order
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import Plan
from sumsquares.jobs.stages.targets import refuse_targets
from sumsquares.jobs.stages.train import worker


def train_packs(plan: Plan, runtime: Runtime, runners: Runners) -> tuple[Failure, ...]:
    """Trains all packs of the plan; returns and reports those that were given up.

    Raises:
        WrongTarget: the targets of a dataset are not what a trial needs.
        StorageError: results could not be written.

    """
    packs = plan.packs(runners.device)
    if not packs:
        return ()
    with runtime.progress.doing("checking targets"):
        refuse_targets(plan.todo, partial(facts_of, runtime.store))
    failures: tuple[Failure, ...] = ()
    make_work = partial(worker, runtime.store.root, runtime.placement.memory_limit, plan.spec.engine)
    ordered = in_order(packs)
    mixed = Mixed(plan.cpu_engine, runners.gpus_per_worker) if runners.is_mixed else None
    begun = {pack.id: pack.device for pack in plan.begun}
    with runtime.progress.training([pack for pack, _ in ordered], runners.starting) as show:

        def on_progress(snapshot: ProgressSnapshot) -> None:
            nonlocal failures
            failures = tuple(snapshot.failures)
            show(snapshot)

        if mixed is None:
            runners.run_workers(make_work, [item_of(*each) for each in ordered], split, on_progress)
        else:
            # A checkpoint is of use to the kind of device that made it.
            items = [
                mixed.item(pack, [begun[pack.id]], is_whole=True)
                if begun.get(pack.id) in ("cpu", pack.device)
                else mixed.item(pack)
                for pack in packs
            ]
            runners.run_workers(make_work, items, mixed.split, on_progress, cut=mixed.cut)
    raise_if_fatal(failures)
    warn_of_failures(failures, runtime.progress)
    # A damaged pack is deleted only once everything that replaces it is committed. A new pack may have its name.
    if not failures:
        for path in set(plan.replaced) - {f"trials/{pack.id}.parquet" for pack in packs}:
            runtime.store.delete(path)
    return failures


def item_of(pack: Pack, is_first: bool = False) -> WorkItem:
    """A pack as a work item."""
    return WorkItem(f"pack {pack.id}", pack.seconds, pack, is_first)


def split(pack: Pack) -> list[WorkItem]:
    """The two halves of a pack as work items."""
    return [item_of(half) for half in pack.split()]
