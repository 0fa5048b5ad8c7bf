"""A night in words and as plain facts: what the gate found, said so that a person knows what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from jobs.night.decision import Decision
from jobs.night.gate import NIGHTS, Change, Judgement, Policy, Scores
from jobs.results.stored import variant_columns
from jobs.show.words import describe_variant
from jobs.spec.variants import Variant

_TOLD, _LISTED = 3, 100  # changes in the sentence and in night.json; all are counted
_DIVERGED = 1e6  # no RMSE grows so much: seeds have diverged that didn't before


def sentence(decision: Decision, names: Mapping[str, Variant], policy: Policy) -> str:
    """What became of the night and why."""
    if decision.result == "first":
        why = f"nothing in common with champion {decision.against}" if decision.against else "there was no champion"
        return f"promoted without a comparison: {why}"
    changes = decision.judgement.changes
    opening = {
        "better": f"promoted: better than champion {decision.against}",
        "same": f"the same as champion {decision.against}, which stays",
        "worse": f"regressed against champion {decision.against}, which stays",
    }[decision.result]
    told = [change for change in _ranked(decision.judgement) if change.verdict == decision.result != "same"]
    counted = f"{len(told)} of {len(changes)} variants" if told else f"{len(changes)} variants"
    parts = [f"{words_of(names[change.variant])}: {_effect(change)}" for change in told[:_TOLD]]
    parts += [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
    rule = f"of nights with nothing changed at most {policy.alpha:.3g} are called {decision.result}"
    untested = sum(change.verdict == "untested" for change in changes)
    unknown = f" ({untested} of them untested: fewer than two seeds)" if untested else ""
    text = f"{opening}: {counted}{unknown}" + (f": {'; '.join(parts)}; {rule}" if told else "")
    if 0 < decision.nights < NIGHTS:
        text += (
            f"; until {NIGHTS} nights show what luck with fresh rows does, changes count from {policy.early:g} times on"
        )
    return text


def words_of(variant: Variant) -> str:
    """A variant as a person would say it."""
    return f"{variant.dataset.name} {describe_variant(variant_columns(variant))}"


def gate_facts(judgement: Judgement, names: Mapping[str, Variant], policy: Policy) -> dict[str, Any]:
    """The judgement for night.json, what changed first."""
    counts = Counter(change.verdict for change in judgement.changes)
    listed = [
        {**asdict(change), "dataset": names[change.variant].dataset.name, "words": words_of(names[change.variant])}
        for change in _ranked(judgement)[:_LISTED]
    ]
    return {**asdict(policy), "verdict": judgement.verdict, "variants": dict(sorted(counts.items())), "changes": listed}


def best_of(scores: Scores, names: Mapping[str, Variant]) -> dict[str, dict[str, Any]]:
    """By dataset, the variant with the lowest median RMSE on the evaluation rows, unless all have diverged."""
    values = defaultdict(list)
    for name, rmse in zip(scores.variant_T.tolist(), scores.rmse_T.tolist(), strict=True):
        values[name].append(rmse)
    best: dict[str, dict[str, Any]] = {}
    for name, rmse in sorted(values.items()):
        variant, median = names[name], float(np.median(rmse))
        known = best.get(variant.dataset.name, {"rmse_median": np.inf})
        if median < known["rmse_median"]:
            best[variant.dataset.name] = {"rmse_median": median, "rmse_best": min(rmse), "words": words_of(variant)}
    return best


def _ranked(judgement: Judgement) -> list[Change]:
    return sorted(judgement.changes, key=lambda change: (change.verdict in ("same", "untested"), change.p))


def _effect(change: Change) -> str:
    assert change.high is not None, "a change was tested"
    if change.effect > _DIVERGED:
        return f"diverges ({change.seeds} seeds, p = {change.p:.2g})"
    interval = f"95 % interval {_ratio(change.low)} to {_ratio(change.high)}"
    return f"RMSE {_ratio(change.effect)} ({interval}, {change.seeds} seeds, p = {change.p:.2g})"


def _ratio(effect: float) -> str:
    """A change of the RMSE: in percent, or from a doubling on as a factor."""
    return f"{effect:+.1%}" if effect < 1 else f"x {1 + effect:.3g}"
