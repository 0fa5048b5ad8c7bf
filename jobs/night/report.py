"""What night.json has of a night's verdict: the comparison in full, and the best variants."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sumsquares.jobs.night.common import CommonRows
from sumsquares.jobs.night.decision import Decision, EditedJudgement
from sumsquares.jobs.night.effects import describe, descriptions
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import BestVariant
from sumsquares.jobs.night.verdict import by_name
from sumsquares.jobs.results.gate import Change, Judgement, Policy, Scores

_LISTED = 100  # changes in night.json; all are counted


def gate_facts(decision: Decision, night: Night, policy: Policy) -> dict[str, Any]:
    """Returns the judgement for night.json, what changed first."""
    tables = [_rows_facts(name, found) for name, found in decision.tables.items()]
    facts = {**asdict(policy), **({"tables": tables} if tables else {})}
    if isinstance(decision.judgement, EditedJudgement):
        return {**facts, "verdict": decision.judgement.verdict, **_edited_facts(decision.judgement)}
    names = by_name(night)
    changes = _ranked(decision.judgement) if decision.judgement else []
    counts = Counter(change.verdict for change in changes)
    shown = [
        {
            **asdict(change),
            "diverged": list(change.diverged),
            "dataset": names[change.variant].dataset.name,
            "words": describe(names[change.variant]),
        }
        for change in changes[:_LISTED]
    ]
    verdict = decision.judgement.verdict if decision.judgement else decision.result
    return {**facts, "verdict": verdict, "variants": dict(sorted(counts.items())), "changes": shown}


def best_of(scores: Scores, units: Sequence[float], night: Night) -> dict[str, BestVariant]:
    """Returns by dataset the variant with the lowest median RMSE on the evaluation rows, unless all have diverged.

    `units` has the unit of each score.
    """
    names, values = by_name(night), defaultdict(list)
    for name, rmse, unit in zip(scores.variant_T.tolist(), scores.rmse_T.tolist(), units, strict=True):
        values[name].append(rmse * unit)
    best: dict[str, BestVariant] = {}
    for name, rmse in sorted(values.items()):
        variant = names[name]
        median, lowest = float(np.median(rmse)), min(rmse)
        known = best.get(variant.dataset.name)
        if median < (known.rmse_median if known else np.inf):
            found = BestVariant(rmse_median=median, rmse_best=lowest, words=describe(variant))
            best[variant.dataset.name] = found
    return best


def _edited_facts(edited: EditedJudgement) -> dict[str, Any]:
    """Returns the comparison for night.json."""
    shown = [
        {
            "dataset": name,
            "night_dataset": edited.datasets[name],
            **asdict(found),
            "seeds": list(found.seeds),
            "diverged": list(found.diverged),
            **dict(zip(("words", "champion_words"), descriptions(edited, found), strict=True)),
        }
        for name, found in edited.found.items()
    ]
    reasons = {"reasons": dict(edited.reasons)} if edited.reasons else {}
    return {"datasets": shown, "apart": edited.apart, "added": list(edited.added), **reasons}


def _rows_facts(name: str, found: CommonRows) -> dict[str, Any]:
    """Returns the same for night.json."""
    rows = {"rows_then": found.theirs.rows, "rows_now": found.ours.rows}
    return {"dataset": name, **rows, "test_rows": found.held_out, "compared_rows": found.compared}


def _ranked(judgement: Judgement) -> list[Change]:
    return sorted(judgement.changes, key=lambda change: (change.verdict in ("same", "untested"), change.p))
