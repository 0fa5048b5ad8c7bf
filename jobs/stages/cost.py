"""Estimates the cost of a plan before it runs: operations, memory, and the time, from a short measurement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.engines.choice import engine
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.spec.variants import Variant
from sumsquares.jobs.stages.packs import Pack, training_seconds
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.train import models_of

MEASURED_SHAPES = 6
"""How many of the most expensive shapes are measured; the others are scaled by the median of their factors."""
MEASURED_STEPS = 40
"""Limit per shape; the first half is warm-up. They take about 0.1 s for a cache-sized pack of small networks."""
LEAST_STEPS = 4
"""The fewest steps per shape. If the budget is short, batches have fewer rows, but not far fewer: with 10 rows instead
of 100 the time would be wrong by a factor of ten for two layers of 2,048 units, since the optimizer's time stays
the same."""
MEASURED_FLOPS = 1e10
"""Limit per shape: half a second for wide layers, where a run may take thousands of seconds."""
REPEATS, REPEATED_SECONDS = 3, 0.05
"""Short measurements are repeated, and the fastest counts: other work beside can only make one slower."""
MEASURED_ROWS = 1 << 18
MEASURED_BYTES = 256 << 20
"""Limit of the measured rows, while they are drawn; and of the models and activations of a measured pack: larger packs
are estimated by `Pack.seconds` alone."""


@dataclass(frozen=True)
class Estimate:
    """The cost of training."""

    flops: float
    """Floating-point operations of all packs."""
    memory: int
    """Bytes of the largest pack, without the rows that a worker caches."""
    core_seconds: float
    """Time on one core; of packs of a GPU, on one whole GPU."""
    seconds: float
    """Time on the workers, without Ray's start."""
    factor: float | None
    """By which a step takes longer on a core of this machine than `Pack.seconds` says, at the median of the measured
    shapes; None if nothing was measured, so that the times of training are those of `Pack.seconds`."""

    @property
    def measured(self) -> bool:
        """Whether anything was measured."""
        return self.factor is not None


def estimate(packs: Sequence[Pack], workers: int) -> Estimate:
    """Measures a few steps of the most expensive shapes on this machine, for seconds at most, and adds up all packs."""
    # A measurement corrects the cost model for this machine by one factor per shape.
    shapes: dict[Program, list[Pack]] = {}
    for pack in packs:
        shapes.setdefault(pack.program, []).append(pack)
    by_cost = sorted(shapes, key=lambda program: -sum(pack.seconds for pack in shapes[program]))
    samples = {program: measurable(shapes[program][0]) for program in by_cost[:MEASURED_SHAPES]}
    factors = {program: _measured_factor(sample) for program, sample in samples.items() if sample is not None}

    # No run is shorter than its longest pack, however many workers it has.
    usual = statistics.median(factors.values()) if factors else 1.0
    seconds = [pack.seconds * factors.get(pack.program, usual) + pack.beside_seconds for pack in packs]
    return _estimate(packs, sum(seconds), max(sum(seconds) / max(1, workers), max(seconds, default=0.0)), factors)


def estimate_on_gpus(packs: Sequence[Pack], placement: Placement, cpu_engine: str) -> Estimate:
    """Adds up packs of GPU workers by the cost model alone: a CPU would tell nothing of them, and take hours.

    CPU workers beside them train with `cpu_engine` what only they can, and take a share by which both end together.
    """
    on_cpus, packs = [pack for pack in packs if pack.device == "cpu"], [pack for pack in packs if pack.device != "cpu"]
    wanted = placement.wanted
    gpu_workers, cores = max(1, wanted.gpu_workers or 0), wanted.workers or 0
    gpus = gpu_workers * min(1.0, wanted.gpus_per_worker or 1.0)
    seconds = [pack.expected_seconds for pack in packs]
    # Workers that share a GPU train one after the other, and do at the same time what comes beside.
    together = max(sum(pack.seconds for pack in packs) / gpus, sum(seconds) / gpu_workers)
    on_cores = sum(training_seconds(pack.program, len(pack.trials), cpu_engine, "cpu") for pack in packs)
    before = [pack.expected_seconds for pack in on_cpus]
    if cores and packs:
        shared = (1 + sum(before) / on_cores) / (1 / together + cores / on_cores)
    else:
        shared = max([together, *seconds])
    ended = max([shared, sum(before) / max(1, cores), *before])
    return _estimate([*packs, *on_cpus], sum([*seconds, *before]), ended, {})


def _estimate(packs: Sequence[Pack], worker_seconds: float, seconds: float, factors: dict[Program, float]) -> Estimate:
    return Estimate(
        flops=sum(pack.flops for pack in packs),
        memory=max((pack.bytes for pack in packs), default=0),
        core_seconds=worker_seconds,
        seconds=seconds,
        factor=statistics.median(factors.values()) if factors else None,
    )


def measurable(pack: Pack) -> Pack | None:
    """Returns the pack with two epochs of a few steps, in smaller batches if necessary, or None if that is too large.

    It never has more steps, larger batches or more operations than the pack itself.
    """
    program = pack.program
    flops = pack.flops / (program.epochs * program.rows)
    rows = min(MEASURED_ROWS, MEASURED_BYTES // (16 * program.inputs), int(MEASURED_FLOPS / flops))
    batch = min(program.batch_size, rows // LEAST_STEPS)
    steps = min(MEASURED_STEPS, program.steps, rows // batch if batch else 0) // 2
    if not steps:
        return None
    variants = {trial.variant: _shorter(trial.variant, batch, steps) for trial in pack.trials}
    shorter = replace(pack, trials=tuple(replace(trial, variant=variants[trial.variant]) for trial in pack.trials))
    return shorter if shorter.program.model_bytes * len(pack.trials) <= MEASURED_BYTES else None


def _shorter(variant: Variant, batch: int, steps: int) -> Variant:
    return replace(variant, dataset=_of_rows(variant.dataset, batch * steps), batch_size=batch, epochs=2)


def _of_rows(dataset: Named, rows: int) -> Named:
    """Returns a dataset of that many training rows; of a table it is one that is only measured, and has none."""
    if not isinstance(dataset, TableSplit):
        return dataset.model_copy(update={"rows": rows})
    split = dataset.table.split_rows[dataset.index].model_copy(update={"train": rows})
    return TableSplit(dataset.table.model_copy(update={"split_rows": (split,)}), 0)


def _measured_factor(pack: Pack) -> float:
    """Measures the time of a step relative to the estimate of `Pack.seconds`; the first epoch is warm-up."""
    trainer = engine(pack.engine)
    program = pack.program
    x_NI = np.random.Philox(key=1).random_raw(program.rows * program.inputs).reshape(program.rows, -1) / 2.0**64
    data = in_memory(x_NI.astype(program.dtype), x_NI[:, 0].astype(program.dtype))
    state = trainer.train(replace(program, epochs=1), models_of(pack), data)
    found: list[float] = []
    while len(found) < REPEATS and sum(found) < REPEATED_SECONDS:
        start = time.perf_counter()
        trainer.train(program, models_of(pack), data, state=state)
        found.append(time.perf_counter() - start)
    return min(found) / (pack.seconds / program.epochs)
