"""What the estimate of a plan assumes about the machine that will train it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.stages.cost import Estimate
from sumsquares.jobs.stages.packs import LANES_HERTZ, PACK_SECONDS, TORCH_FLOPS, Pack
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
    )


def in_words(found: Assumed) -> list[str]:
    """The assumptions as lines of text."""
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
