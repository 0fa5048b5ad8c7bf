"""A night in words and as plain facts: what the gate found, said so that a person knows what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sumsquares.jobs.night.decision import Decision
from sumsquares.jobs.night.edited import Edited
from sumsquares.jobs.night.edited_words import edited_facts, edited_sentence, listed, opening, ratio, what, words_of
from sumsquares.jobs.night.gate import NIGHTS, Change, Judgement, Policy, Scores
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.variants import Variant

_TOLD, _LISTED = 3, 100  # changes in the sentence and in night.json; all are counted


def sentence(decision: Decision, names: Mapping[str, Variant], policy: Policy, night: str) -> str:
    """What became of the night and why."""
    if decision.result == "failed":
        return _failed(decision)
    if decision.judgement is None:
        return "promoted without a comparison: there was no champion"
    if isinstance(decision.judgement, Edited):
        return edited_sentence(decision.judgement, decision.against or "", policy, night)
    return _paired(decision, decision.judgement, names, policy)


def _failed(decision: Decision) -> str:
    stays = f", champion {decision.against} stays" if decision.against else ""
    return (
        f"failed: all trials of {listed(decision.lost)} diverged: not judged and not promoted{stays}; "
        "mend the spec, by a smaller lr for example, and start a night of it"
    )


def _paired(decision: Decision, judgement: Judgement, names: Mapping[str, Variant], policy: Policy) -> str:
    changes = judgement.changes
    told = [change for change in _ranked(judgement) if change.verdict == decision.result != "same"]
    of_all = counted(len(changes), "variant")
    variants = f"{len(told)} of {of_all}" if told else of_all
    parts = [f"{words_of(names[change.variant])}: {_effect(change)}" for change in told[:_TOLD]]
    parts += [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
    rule = f"p-values are Holm-corrected, tested at alpha = {policy.alpha:.3g}"
    untested = sum(change.verdict == "untested" for change in changes)
    unknown = f" ({untested} of them untested: fewer than two seeds)" if untested else ""
    text = f"{opening(decision.result, decision.against or '')}: {variants}{unknown}"
    text += f": {'; '.join(parts)}; {rule}" if told else ""
    if 0 < decision.nights < NIGHTS:
        text += (
            f"; until {NIGHTS} nights show what luck with fresh rows does, changes count from {policy.early:g} times on"
        )
    return text


def gate_facts(decision: Decision, names: Mapping[str, Variant], policy: Policy) -> dict[str, Any]:
    """The judgement for night.json, what changed first."""
    if isinstance(decision.judgement, Edited):
        return {**asdict(policy), "verdict": decision.judgement.verdict, **edited_facts(decision.judgement)}
    changes = _ranked(decision.judgement) if decision.judgement else []
    counts = Counter(change.verdict for change in changes)
    shown = [
        {
            **asdict(change),
            "diverged": list(change.diverged),
            "dataset": names[change.variant].dataset.name,
            "words": words_of(names[change.variant]),
        }
        for change in changes[:_LISTED]
    ]
    verdict = decision.judgement.verdict if decision.judgement else decision.result
    return {**asdict(policy), "verdict": verdict, "variants": dict(sorted(counts.items())), "changes": shown}


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
    if any(change.diverged):
        ours, theirs = change.diverged
        return f"{ours} of {counted(change.seeds, 'seed')} diverged, before {theirs} (p = {change.p:.2g})"
    interval = f"95 % interval {ratio(change.low)} to {ratio(change.high)}"
    return f"{what(change.is_small)} {ratio(change.effect)} ({interval}, {change.seeds} seeds, p = {change.p:.2g})"
