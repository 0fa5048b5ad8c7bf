"""What the estimate of a plan assumes about the machine that will train it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.stages.cost import Estimate
from sumsquares.jobs.stages.cpu_cost import LANES_HERTZ, TORCH_FLOPS
from sumsquares.jobs.stages.gpu_cost import BESIDE_SECONDS
from sumsquares.jobs.stages.packs import PACK_SECONDS, Pack
from sumsquares.jobs.stages.placement import Placement


@dataclass(frozen=True)
class Assumed:
    """The assumptions. Where workers are those of a cluster, they are assumed to be like this machine."""

    cores: int
    """Of this machine, for this process."""
    workers: int
    """0 if this process trains."""
    elsewhere: bool
    """Whether they are those of a cluster."""
    engines: tuple[str, ...]
    instructions: str | None
    """That lanes uses here; None if it doesn't train."""
    factor: float | None
    """By which a step took longer, when it was measured, than the cost model says; None if nothing was measured."""
    idle: bool = True
    """Nothing else is assumed to run on the cores."""
    pack_seconds: float = PACK_SECONDS
    """Of a pack, beside its training."""
    lanes_hertz: float = LANES_HERTZ
    """Of the core with AVX-512 that lanes's cost model describes."""
    torch_flops: float = TORCH_FLOPS
    """Per second, of the core that torch's cost model describes."""
    gpus: float = 0.0
    """Of the GPU workers: each is assumed to be as fast as an H200. Nothing is measured on them."""
    cpu_workers: int = 0
    """Beside the GPU workers."""


def assumed(packs: Sequence[Pack], cost: Estimate, placement: Placement) -> Assumed:
    """Returns what the estimate of these packs assumes."""
    engines = tuple(sorted({pack.engine for pack in packs}))
    return Assumed(
        cores=len(os.sched_getaffinity(0)),
        workers=placement.count,
        elsewhere=placement.address is not None,
        engines=engines,
        instructions=lanes_engine.variant() if "lanes" in engines else None,
        factor=cost.factor,
        gpus=placement.gpus,
        cpu_workers=placement.wanted.workers or 0 if placement.gpus else 0,
    )


def in_words(found: Assumed) -> list[str]:
    """The assumptions as lines of text."""
    if found.gpus:
        return _of_gpus(found)
    where = "like this machine's" if found.elsewhere else "of this machine"
    busy = max(1, found.workers)
    cores = f"{busy} core{'s' * (busy > 1)} {where}"
    speed = "as fast as they are now" if found.factor else "as fast as the cost model's"
    models = {
        "lanes": f"{found.lanes_hertz / 1e9:.2g} GHz with AVX-512 (lanes uses {found.instructions} here)",
        "torch": f"{found.torch_flops / 1e9:.0f} GFLOP/s",
    }
    core = " and ".join(models[name] for name in found.engines)
    model = f"the cost model's core: {core}"
    if found.factor:
        model += f"; measured just now, a step takes {found.factor:.2f} times as long as on it"
    return [
        f"{cores} with nothing else to do, {speed}; there {'are' if found.cores > 1 else 'is'} {found.cores}",
        model,
        f"{1000 * found.pack_seconds:.0f} ms for each pack beside its training",
    ]


def _of_gpus(found: Assumed) -> list[str]:
    gpus = f"{found.gpus:g} GPU{'s' * (found.gpus != 1)} with nothing else to do, as fast as an H200"
    cores = "1 core beside, which takes" if found.cpu_workers == 1 else f"{found.cpu_workers} cores beside, which take"
    beside = f"{1000 * found.pack_seconds:.0f} ms for each pack beside its training"
    return [
        f"{gpus}: nothing was measured" + (f"; and {cores} a share of the trials" if found.cpu_workers else ""),
        f"{beside}, and {1e6 * BESIDE_SECONDS:.0f} us for each of its trials",
    ]
