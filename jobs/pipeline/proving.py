"""Proofs by training again: each variant as it is, with the one change of a cause, and with one drawn at random.

All are variants of an ordinary spec, so their trials are found where the store has them, the neighbours of the same
grid included, and proving again trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import pyarrow as pa

from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import Cause, Change, Row
from sumsquares.jobs.results.changed import changed, controls, fields_of
from sumsquares.jobs.results.described import shared_of
from sumsquares.jobs.results.proof import SEEDS, Place, Proof, Rmse, Side, best_of_each, compared, pairing, pairs_of
from sumsquares.jobs.results.proof_size import MOST_STARTS
from sumsquares.jobs.results.scale import unit_in
from sumsquares.jobs.spec.axes import Engine
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.spec.variants import Trial, Variant
from sumsquares.jobs.spec.written import spec_of
from sumsquares.jobs.stages.targets import WrongTarget

SUFFIX = "-proof"
"""After a run's name: the run of its proofs."""


@dataclass(frozen=True)
class Experiment:
    """What is trained for one proof."""

    before: Variant
    cause: Cause
    change: Change
    seeds: tuple[int, ...]
    """Those of the variant in its run, and others if they are too few to be paired."""
    control: Change | None
    told_id: str
    """The variant's id in its run, which an earlier training version may have trained."""

    @property
    def after(self) -> Variant:
        """The variant with the change of the cause."""
        return changed(self.before, self.change)

    @property
    def starts(self) -> int:
        """From how many seeds one is kept after the change; 1 unless it is a change of the seeds."""
        return min(self.change.value, MOST_STARTS) if self.change.field == "seeds" else 1

    @property
    def splits(self) -> tuple[str | None, ...]:
        """On which splits of its dataset each seed is trained."""
        return tuple(each.split for each in self.before.dataset.whole.splits)

    @property
    def seeds_after(self) -> tuple[int, ...]:
        """The seeds to train with the change."""
        return _enough(self.seeds, self.starts * len(self.seeds))

    @property
    def metric(self) -> str:
        """What the change should lower: the RMSE on the test rows, or beyond the range if that is what is wrong."""
        return "rmse_extrapolation" if self.cause.name == "outside_range" else "rmse"

    @property
    def wanted(self) -> Iterator[tuple[Variant, tuple[int, ...]]]:
        """The variants to train, on all splits, each with its seeds."""
        yield from _on_splits(self.before, self.seeds)
        yield from _on_splits(self.after, self.seeds_after)
        if self.control:
            yield from _on_splits(changed(self.before, self.control), self.seeds)


def _on_splits(variant: Variant, seeds: tuple[int, ...]) -> Iterator[tuple[Variant, tuple[int, ...]]]:
    yield from ((replace(variant, dataset=split), seeds) for split in variant.dataset.whole.splits)


def experiment(
    variant: Variant,
    cause: Cause,
    seeds: Sequence[int],
    fewest: int,
    engine: Engine,
    draw: int,
    refuse: Callable[[Iterable[Trial]], None] = lambda _: None,
) -> Experiment:
    """Plans the proof of a cause that names a change, with `fewest` seeds at least; `draw` seeds the control.

    `refuse` raises a WrongTarget for trials that these rows don't allow.

    Raises:
        SpecError: the change makes a variant that no spec can have.
        WrongTarget: it makes one that these rows don't allow.

    """
    assert cause.change is not None
    before = replace(variant, training_version=TRAINING_VERSION)
    wanted = fewest if pairing(len(before.dataset.whole.splits)) == SEEDS else 1
    planned = Experiment(before, cause, cause.change, _enough(seeds, wanted), None, variant.group)
    spec_of("a-proof", engine, dict(planned.wanted))
    refuse(_trials_of(planned.after))
    known = {before.digest, planned.after.digest}
    fitting = (
        each
        for each in controls(before, [*fields_of(cause.change)], draw)
        if _is_possible(before, each, known, engine, refuse)
    )
    return replace(planned, control=next(fitting, None))


def _trials_of(variant: Variant) -> list[Trial]:
    """A trial of a variant on each of its splits."""
    return [Trial(each, 0) for each, _ in _on_splits(variant, (0,))]


def _is_possible(
    before: Variant, change: Change, known: set[str], engine: Engine, refuse: Callable[[Iterable[Trial]], None]
) -> bool:
    """Whether a spec may have this change, and it makes a variant that is neither of the known ones."""
    variant = changed(before, change)
    try:
        spec_of("a-proof", engine, dict(_on_splits(variant, (0,))))
        refuse(_trials_of(variant))
    except (SpecError, WrongTarget):
        return False
    return variant.digest not in known


def _enough(seeds: Sequence[int], wanted: int) -> tuple[int, ...]:
    """Returns these seeds and the smallest others, so that there are as many as wanted."""
    more = max(0, wanted - len(seeds))
    taken = set(seeds)
    return (*seeds, *islice((seed for seed in count() if seed not in taken), more))


def proof_spec(run: str, engine: Engine, experiments: Sequence[Experiment]) -> JobSpec:
    """Returns the spec of the run that trains these experiments."""
    seeds_of: dict[Variant, tuple[int, ...]] = {}
    for variant, seeds in (each for planned in experiments for each in planned.wanted):
        seeds_of[variant] = tuple(dict.fromkeys((*seeds_of.get(variant, ()), *seeds)))
    return spec_of(f"{run[: 64 - len(SUFFIX)]}{SUFFIX}", engine, seeds_of)


def prove(
    run: str, engine: Engine, experiments: Sequence[Experiment], runtime: Runtime
) -> tuple[list[Proof], RunOutcome]:
    """Trains what the store lacks of these experiments, and judges each. Raises as `run_spec` does."""
    outcome = run_spec(proof_spec(run, engine, experiments), runtime, is_derived=True)
    trials, fitted = outcome.summary.trials, _by_trial(outcome.summary.trials, "rmse_train")
    tested = {metric: _by_trial(trials, metric) for metric in {each.metric for each in experiments}}
    about_of = {about["digest"]: about for about in outcome.summary.datasets.values()}
    abouts = [about_of[each.before.dataset.whole.digest] for each in experiments]
    judged = [
        _judged(each, tested[each.metric], fitted, about) for each, about in zip(experiments, abouts, strict=True)
    ]
    return judged, outcome


_ByTrial = Mapping[tuple[str, str | None, int], Rmse]


def _by_trial(trials: pa.Table, metric: str) -> _ByTrial:
    """Returns a metric by variant, split and seed: infinite where a trial diverged, or its answers aren't finite."""
    rows = trials.select(["variant_id", "split", "seed", metric]).to_pylist()
    return {
        (row["variant_id"], row["split"], row["seed"]): math.inf if row[metric] is None else row[metric] for row in rows
    }


def _judged(planned: Experiment, rmse: _ByTrial, rmse_train: _ByTrial, about: Row) -> Proof:
    paired_by = pairing(len(planned.splits))
    places = [(split, seed) for split in planned.splits for seed in planned.seeds]

    def of(variant: Variant, values: _ByTrial) -> tuple[Rmse, ...]:
        found = {place: values.get((variant.group, *place)) for place in places}
        return pairs_of(found, places, paired_by)

    def side(change: Change, variant: Variant, rmse_S: tuple[Rmse, ...]) -> Side:
        return compared(before_S, change, variant.group, rmse_S, unit_in(about), paired_by, shared_of(about))

    before_S = of(planned.before, rmse)
    control: Side | None = None
    if planned.control:
        other = changed(planned.before, planned.control)
        control = side(planned.control, other, of(other, rmse))
    after = side(planned.change, planned.after, pairs_of(_kept(planned, rmse, rmse_train), places, paired_by))
    return Proof(
        planned.told_id,
        planned.cause,
        planned.seeds,
        planned.starts,
        planned.metric,
        before_S,
        after,
        control,
        len(planned.splits),
    )


def _kept(planned: Experiment, rmse: _ByTrial, rmse_train: _ByTrial) -> dict[Place, Rmse]:
    """Returns the RMSE after the change for each split and seed: where seeds are the change, of the best start."""
    found: dict[Place, Rmse] = {}
    for split in planned.splits:
        tested, fitted = (
            {seed: values.get((planned.after.group, split, seed)) for seed in planned.seeds_after}
            for values in (rmse, rmse_train)
        )
        best = best_of_each(planned.seeds_after, len(planned.seeds), tested, fitted)
        found |= {(split, seed): each for seed, each in zip(planned.seeds, best, strict=True)}
    return found
