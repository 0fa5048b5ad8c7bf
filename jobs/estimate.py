"""What a plan costs before anything is spent: operations, memory and time, the time by a short measurement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from jobs.engines.order import in_memory
from jobs.engines.program import Program
from jobs.packs import Pack
from jobs.training import models_of

MEASURED_SHAPES = 6
"""The costliest shapes are measured, the others are taken to be off by the median of these."""
MEASURED_STEPS = 40
"""Of each, the first half to warm up: about 0.1 s for a cache-sized pack of small networks."""


@dataclass(frozen=True)
class Estimate:
    """What training costs."""

    flops: float
    """Floating-point operations in all."""
    memory: int
    """Bytes of one worker's largest pack; the rows that it holds come on top."""
    core_seconds: float
    """Time on one core."""
    seconds: float
    """Time on the given number of workers, Ray's start not included."""


def estimate(packs: Sequence[Pack], workers: int) -> Estimate:
    """Measures a few steps of the costliest shapes on this machine, and adds up."""
    shapes: dict[Program, list[Pack]] = {}
    for pack in packs:
        shapes.setdefault(pack.program, []).append(pack)
    costliest = sorted(shapes, key=lambda program: -sum(pack.seconds for pack in shapes[program]))
    factors = {program: _measured_factor(shapes[program][0]) for program in islice(costliest, MEASURED_SHAPES)}
    usual = statistics.median(factors.values()) if factors else 1.0
    seconds = [pack.seconds * factors.get(pack.program, usual) for pack in packs]
    return Estimate(
        flops=sum(pack.flops for pack in packs),
        memory=max((pack.program.model_bytes * len(pack.trials) for pack in packs), default=0),
        core_seconds=sum(seconds),
        seconds=max(sum(seconds) / max(1, workers), max(seconds, default=0.0)),
    )


def _measured_factor(pack: Pack) -> float:
    """How many times longer a step takes than the model of `Pack.seconds` says."""
    from jobs.engines import torch_engine

    torch_engine.prepare()
    rows = pack.program.batch_size * MEASURED_STEPS // 2
    program = replace(pack.program, rows=rows, epochs=2)
    x_NI = np.random.Philox(key=1).random_raw(rows * program.inputs).reshape(rows, -1) / 2.0**64
    data = in_memory(x_NI.astype(program.dtype), x_NI[:, 0].astype(program.dtype))
    warmed = torch_engine.train(replace(program, epochs=1), models_of(pack), data)
    began = time.perf_counter()
    torch_engine.train(program, models_of(pack), data, state=warmed)
    measured = (time.perf_counter() - began) / (program.steps // 2)
    return measured / (pack.seconds / pack.program.steps)
