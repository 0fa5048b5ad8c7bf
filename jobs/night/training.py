"""Trains a night: the same stages as `sumsquares run`, on the night's own run. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sumsquares.cluster.work import Failure
from sumsquares.jobs.night.here import Here
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.pipeline.run import generate_datasets, summarize_run, train_packs
from sumsquares.jobs.pipeline.runners import Workplace
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.plan import RETRAINED, Plan, make_plan
from sumsquares.jobs.stages.run_files import begin_run


@dataclass(frozen=True)
class Trained:
    """What there is in the store of a night, and what could not be made."""

    summary: Summary
    seconds: dict[str, float]
    """Wall time of each stage."""
    failures: Sequence[Failure]


def train_spec(spec: JobSpec, here: Here, workplace: Workplace, check: Callable[[], None], read: Reading) -> Trained:
    """Plans, generates, trains what is missing and summarises; `check` is called between the stages."""
    timing = workplace.timing
    with timing.stage("plan"):
        plan = make_plan(spec, here.store, read)
        _tell(plan, here.progress)
    runners = workplace.prepare_training(plan)
    begin_run(here.store, spec)
    with timing.stage("generate"):
        generate_datasets(plan, here.store, runners, here.progress)
    check()
    with timing.stage("train"):
        failures = train_packs(plan, here.store, here.place.memory_limit, runners, here.progress)
    here.progress.warn_all(str(failure) for failure in failures)
    check()
    published = summarize_run(spec, here.store, timing, here.progress, read)
    return Trained(published.summary, dict(timing.seconds), failures)


def _tell(plan: Plan, progress: Progress) -> None:
    again = {True: "; trained anew", False: ""}
    progress.warn_all(f"{problem.message}{again[problem.kind in RETRAINED]}" for problem in plan.problems)
    progress.warn_all(note for dataset in plan.datasets for note in dataset.notes)
    trials, variants = counted(len(plan.trials), "trial"), counted(plan.variants, "variant")
    progress.say(f"{trials} of {variants}, {plan.left:,} of them to train")
