"""A plan in words and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.show.engine_text import engine_facts, engine_lines
from sumsquares.jobs.show.format import counted, describe_task
from sumsquares.jobs.show.progress import clock
from sumsquares.jobs.show.table_words import left_out_words, rows_words
from sumsquares.jobs.stages.assumed import assumed
from sumsquares.jobs.stages.assumed import in_words as in_words_assumed
from sumsquares.jobs.stages.cost import Estimate
from sumsquares.jobs.stages.gpu_torch import nobody_trains
from sumsquares.jobs.stages.memory_check import no_room
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.plan import Plan

SHOWN_SHAPES = 8


def plan_facts(plan: Plan, packs: Sequence[Pack], cost: Estimate, placement: Placement) -> dict[str, Any]:
    """The plan for --json."""
    return {
        "run": plan.spec.name,
        "spec_digest": plan.spec.digest,
        "datasets": {
            dataset.dataset.name: {
                "digest": dataset.dataset.digest,
                "rows": dataset.dataset.rows,
                "rows_to_generate": dataset.rows,
            }
            for dataset in plan.datasets
        },
        "variants": plan.variants,
        "trials": {
            "total": len(plan.trials),
            "done": len(plan.trials) - plan.left,
            "to_train": plan.left,
            "trained_by_an_earlier_version": plan.earlier,
        },
        "packs": len(packs),
        "engines": sorted({pack.engine for pack in packs}),
        "trained_by": engine_facts(plan, packs, placement.device),
        "cpu_workers_beside": plan.cpu_engine if placement.device == "cuda" and placement.wanted.workers else None,
        "flops": cost.flops,
        "memory_bytes_per_worker": cost.memory,
        "core_seconds": round(cost.core_seconds, 3),
        "seconds": round(cost.seconds, 3),
        "workers": placement.count,
        "assumed": asdict(assumed(packs, cost, placement)),
        "ray": placement.on_ray,
        "problems": [*_problems(plan), *_refused(plan, packs, placement)],
    }


def plan_text(plan: Plan, packs: Sequence[Pack], cost: Estimate, placement: Placement) -> str:
    """The plan as text."""
    lines = [f"run {plan.spec.name} (spec {plan.spec.digest[:12]})", "datasets:"]
    for dataset in plan.datasets:
        spec = dataset.dataset
        if isinstance(spec, TableDataset):
            todo = f"{counted(dataset.rows, 'row')} to read" if dataset.rows else "complete"
            lines += [f"  {spec.name}: {rows_words(spec)}; {todo}", *(f"    {line}" for line in left_out_words(spec))]
            continue
        todo = f"{counted(dataset.rows, 'row')} to generate" if dataset.rows else "complete"
        lines.append(f"  {spec.name}: {describe_task(spec.model_dump())}; {counted(spec.rows, 'training row')}; {todo}")
    lines.append(f"trials: {len(plan.trials):,} of {counted(plan.variants, 'variant')}; {plan.left:,} to train")
    lines += [in_words_earlier(plan.earlier)] if plan.earlier else []
    lines += _shapes(packs)
    lines += engine_lines(plan, packs, placement)
    if packs:
        lines += [*_cost(cost, placement), *_assumed(packs, cost, placement)]
    else:
        lines.append("cost: none, everything has been trained")
    lines += [f"warning: {problem}" for problem in (*few(_problems(plan)), *_refused(plan, packs, placement))]
    return "\n".join(lines)


def in_words_earlier(count: int) -> str:
    """Why trials are trained again that the store has already."""
    have, they = ("trial in the store was", "it is") if count == 1 else ("trials in the store were", "they are")
    return (
        f"{count:,} {have} trained by an earlier version, whose numbers are not the same to the bit: "
        f"{they} trained again, and the earlier results stay"
    )


def _problems(plan: Plan) -> list[str]:
    """The problems of the stored results and datasets."""
    return [*(problem.message for problem in plan.problems), *(note for each in plan.datasets for note in each.notes)]


def _refused(plan: Plan, packs: Sequence[Pack], placement: Placement) -> list[str]:
    """The reason for which `run` would reject these packs, if any."""
    why = nobody_trains(plan, packs, placement) or no_room(packs, placement)
    return [why] if why else []


def _cost(cost: Estimate, placement: Placement) -> list[str]:
    how = "measured on this machine" if cost.measured else "a rough guess, by operations"
    return [
        f"cost: {cost.flops:.3g} floating-point operations, {cost.memory / 2**20:,.1f} MiB for the largest pack",
        f"time: about {clock(cost.seconds)} {placement}, {how}",
    ]


def _assumed(packs: Sequence[Pack], cost: Estimate, placement: Placement) -> list[str]:
    return ["this assumes:", *(f"  {line}" for line in in_words_assumed(assumed(packs, cost, placement)))]


def _shapes(packs: Sequence[Pack]) -> list[str]:
    """The packs by shape, the costliest shapes first."""
    shapes: dict[str, list[int]] = {}
    for pack in packs:
        program = pack.program
        name = f"{list(program.hidden)} {program.activation}, {program.optimizer}, {counted(program.steps, 'step')}"
        shapes.setdefault(f"{pack.variant.dataset.name}: {name}", []).append(len(pack.trials))
    lines = [f"packs: {len(packs):,} of {counted(len(shapes), 'shape')}"]
    for name, sizes in list(shapes.items())[:SHOWN_SHAPES]:
        lines.append(f"  {name}: {counted(sum(sizes), 'trial')} in {counted(len(sizes), 'pack')}")
    if len(shapes) > SHOWN_SHAPES:
        lines.append(f"  ... {len(shapes) - SHOWN_SHAPES:,} more")
    return lines
