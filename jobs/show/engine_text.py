"""Which engine trains what, and why: for plans, in words and as plain data, and one sentence about results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.choice import ASSUMED, BY_PACK, choose, is_elsewhere
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.plan import Plan

SHOWN = 8
"""Reasons that a plan's text has; its JSON has all of them."""


def engine_facts(plan: Plan, packs: Sequence[Pack], device: str) -> list[dict[str, Any]]:
    """Returns for each engine, and each reason for it, the trials and the networks that it is expected to train.

    `device` is the one that the plan's packs were asked for.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for pack in packs:
        choice = plan.choice(device, pack.program)
        key = (pack.device, choice.engine, choice.why)
        facts = dict(zip(("device", "engine", "why"), key, strict=True)) | {"trials": 0, "hidden": []}
        each = found.setdefault(key, facts)
        each["trials"] += len(pack.trials)
        if [*pack.program.hidden] not in each["hidden"]:
            each["hidden"].append([*pack.program.hidden])
    return list(found.values())


def engine_lines(plan: Plan, packs: Sequence[Pack], placement: Placement) -> list[str]:
    """The same in words; of a plan with nothing to train, the engine that would train most."""
    facts = engine_facts(plan, packs, placement.device)
    if not facts:
        return [] if plan.spec.engine == "cuda" else [f"engine: {_named(choose(plan.spec.engine, 'cpu'))}"]
    if placement.device == "cpu":
        return [_on_cpus(facts[0])]
    on_gpus = [each for each in facts if each["device"] != "cpu"]
    lines = [f"engine: {_on_gpus(on_gpus) if on_gpus else 'none on GPUs'}"]
    if any(each["engine"] == "torch" for each in on_gpus):
        lines.append("  torch on a GPU: the last digits of a trial depend on the trials that are trained with it")
    cores = placement.wanted.workers
    refused = [_instead(each, has_cores=bool(cores)) for each in facts if each["why"]]
    left = len(refused) - SHOWN
    lines += [*refused[:SHOWN], f"  ... and {left:,} more reasons"] if left > 1 else refused
    if cores:
        lines.append(f"  CPU workers beside them: {_named(plan.cpu_engine)}")
    return lines


def by_pack_words(count: int) -> str:
    """The sentence about trials that torch has trained on a GPU; empty if there are none."""
    if not count:
        return ""
    were, they = ("was", "it") if count == 1 else ("were", "they")
    return (
        f"{counted(count, 'trial')} {were} trained by torch on a GPU, where the last digits of a trial depend on the "
        f"trials that are trained with it: trained again in another pack, {they} may end with others "
        f"({BY_PACK}, docs/engines.md)."
    )


def _on_cpus(facts: dict[str, Any]) -> str:
    why = f", as lanes can't be used: {facts['why']}" if facts["why"] else ""
    return f"engine: {_named(facts['engine'])}{why}"


def _on_gpus(facts: Sequence[dict[str, Any]]) -> str:
    trials = {name: sum(each["trials"] for each in facts if each["engine"] == name) for name in ("cuda", "torch")}
    parts = [f"{name} for {counted(count, 'trial')}" for name, count in trials.items() if count]
    said = ", ".join(parts) if len(parts) > 1 else next(name for name, count in trials.items() if count)
    assumed = f" ({ASSUMED} and CUDA's NVRTC are assumed; the workers decide)" if is_elsewhere() else ""
    return f"{said} on GPUs{assumed if trials['cuda'] else ''}"


def _instead(facts: dict[str, Any], has_cores: bool) -> str:
    count = counted(facts["trials"], "trial")
    if facts["device"] != "cpu":
        return f"  {facts['engine']} trains {count}: {facts['why']}"
    return f"  {facts['engine'] if has_cores else 'no worker'} trains {count} on CPUs: {facts['why']}"


def _named(engine: str) -> str:
    return f"lanes ({lanes_engine.variant()})" if engine == "lanes" else engine
