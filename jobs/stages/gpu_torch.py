"""Whether torch can train on the GPUs of a placement: where it can't, only CPU workers have what cuda can't train."""

from __future__ import annotations

from collections.abc import Sequence

from sumsquares.jobs.engines.choice import is_elsewhere
from sumsquares.jobs.engines.torch_build import without_cuda
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.plan import Plan

SHOWN = 4
"""Networks that a refusal names."""


def no_torch(placement: Placement) -> str:
    """Why torch can't use the placement's GPUs; empty if it can, or if they are elsewhere, and so not known."""
    if placement.address is not None or placement.device != "cuda" or is_elsewhere():
        return ""
    return without_cuda() or ""


def nobody_trains(plan: Plan, packs: Sequence[Pack], placement: Placement) -> str | None:
    """Why these packs can't all be trained, and the remedy: some need a CPU worker, and there is none."""
    left = [pack for pack in packs if pack.device == "cpu"]
    if placement.device != "cuda" or placement.wanted.workers or not left:
        return None
    shapes = list({pack.program.hidden: list(pack.program.hidden) for pack in left}.values())
    names = " and ".join(f"hidden = {shape}" for shape in shapes[:SHOWN])
    more = f" and {len(shapes) - SHOWN:,} more networks" if len(shapes) > SHOWN else ""
    why = plan.choice("cuda", left[0].program).why
    return (
        f"no worker can train {names}{more}: {why}; ask for CPU workers beside the GPUs, as --workers 2, or install "
        "torch with CUDA"
    )
