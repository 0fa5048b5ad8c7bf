"""Reports of a night: the gate's verdict as a message and as JSON, and what retention has deleted.

Every message says what was found, how sure that is, and what to do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sumsquares.datasets.dataset import Dataset, Named
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.night import gate_best
from sumsquares.jobs.night.common import CommonRows, why_less
from sumsquares.jobs.night.decision import Decision, EditedJudgement
from sumsquares.jobs.night.gate_best import Comparison
from sumsquares.jobs.night.names import variant_name
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import BestVariant
from sumsquares.jobs.night.retention import Pruning
from sumsquares.jobs.results.described import SOLVED
from sumsquares.jobs.results.gate import NIGHTS, Change, Judgement, Policy, Scores
from sumsquares.jobs.results.pack_files import variant_columns
from sumsquares.jobs.results.scale import RESOLUTION, unit_of
from sumsquares.jobs.show.format import TOLD, counted, describe_variant, named
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Variant, variants
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store

_SHOWN, _LISTED = 3, 100  # changes in the message and in night.json; all are counted
_OPENINGS = {
    "better": "promoted: better than champion {}",
    "same": "no significant difference from champion {}, which stays",
    "worse": "regressed against champion {}, which stays",
    "apart": "not promoted: not comparable with champion {}, which stays",
}
_LEFT_OUT = tuple(axis for axis in AXES if axis not in TOLD)
"""Axes that a variant's description leaves out at their defaults."""


def message_of(decision: Decision, night: Night, policy: Policy) -> str:
    """Returns the message on how the night was judged, and why."""
    if decision.result == "failed":
        return _failed(decision)
    if decision.judgement is None:
        return "promoted without a comparison: there was no champion"
    if isinstance(decision.judgement, EditedJudgement):
        text = _edited(decision, decision.judgement, night, policy)
    else:
        text = _paired(decision, decision.judgement, night, policy)
    return "; ".join([text, *(_rows_words(name, found) for name, found in decision.tables.items())])


def gate_facts(decision: Decision, night: Night, policy: Policy) -> dict[str, Any]:
    """Returns the judgement for night.json, what changed first."""
    tables = [_rows_facts(name, found) for name, found in decision.tables.items()]
    facts = {**asdict(policy), **({"tables": tables} if tables else {})}
    if isinstance(decision.judgement, EditedJudgement):
        return {**facts, "verdict": decision.judgement.verdict, **_edited_facts(decision.judgement)}
    names = _by_name(night)
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
    names, values = _by_name(night), defaultdict(list)
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


def pruning_text(store: Store, plan: Pruning, deleted: bool) -> str:
    """Returns what retention deletes, in words."""
    if not plan.nights:
        return f"nothing to prune in {store.describe()}"
    damaged = (
        f"; no trials are deleted, since {plan.unreadable[0]} is damaged: run its spec again, or delete it"
        if plan.unreadable
        else ""
    )
    verb = "deleted" if deleted else "would delete"
    nights = counted(len(plan.nights), "night")
    nights += f", {plan.nights[0]}" + (f" to {plan.nights[-1]}" if len(plan.nights) > 1 else "")
    return (
        f"{verb} {nights}: {counted(len(plan.trials), 'file')} of trials, "
        f"{len(plan.datasets)} of datasets, {len(plan.records)} of summaries, {counted(plan.bytes, 'byte')}{damaged}"
    )


def pruning_warning(store: Store, plan: Pruning) -> str | None:
    """Returns a warning about files that are not ours and stay; None if there are none."""
    if not plan.foreign:
        return None
    nights = f" and night {few_names(plan.retained)} as a whole" if plan.retained else ""
    files = counted(len(plan.foreign), "file")
    return (
        f"among old nights, {files}, foreign or behind a link,{nights} will not be deleted: "
        f"{few_names([readable(path) for path in plan.foreign])}; move what is yours out of {store.describe()}"
    )


def describe(variant: Variant) -> str:
    """Returns a variant as a person would describe it."""
    return f"{variant.dataset.name} {describe_variant(variant_columns(variant))}"


def _by_name(night: Night) -> dict[str, Variant]:
    """Returns the night's variants by the names that scores have of them."""
    return {variant_name(variant): variant for variant in variants(night.spec)}


def _failed(decision: Decision) -> str:
    stays = f", champion {decision.against} stays" if decision.against else ""
    return (
        f"failed: all trials of {_datasets(decision.lost)} diverged: not judged and not promoted{stays}; "
        "fix the spec, for example with a smaller lr, and start a night of it"
    )


def _paired(decision: Decision, judgement: Judgement, night: Night, policy: Policy) -> str:
    """Returns the message on a night of the champion's variants."""
    names, changes = _by_name(night), judgement.changes

    # Only variants with the night's own verdict are named, the most certain first.
    shown = [change for change in _ranked(judgement) if change.verdict == decision.result != "same"]
    of_all = counted(len(changes), "variant")
    count = f"{len(shown)} of {of_all}" if shown else of_all
    told = [(change, names[change.variant]) for change in shown[:_SHOWN]]
    parts = [f"{describe(variant)}: {_effect(change, variant.dataset)}" for change, variant in told]
    parts += [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    rule = f"p-values are Holm-corrected, tested at alpha = {policy.alpha:.3g}"

    # A variant that wasn't tested must not read like a finding.
    untested = sum(change.verdict == "untested" for change in changes)
    unknown = f" ({untested} of them untested: fewer than two seeds)" if untested else ""
    text = f"{_opening(decision)}: {count}{unknown}"
    text += f": {'; '.join(parts)}; {rule}" if shown else ""
    if 0 < decision.nights < NIGHTS:
        which = _noisy_nights(NIGHTS, bool(decision.tables))
        text += f"; until {which} exist, only a {policy.early:g}x change counts"
    return text


def _edited(decision: Decision, edited: EditedJudgement, night: Night, policy: Policy) -> str:
    """Returns the message on a night of an edited spec, dataset by dataset."""
    parts = [_compared(edited, name, policy) for name in edited.found]
    parts += [f"{_datasets([name])}: {reason}" for name, reason in edited.reasons.items()]
    if unlike := [name for name in edited.apart if name not in edited.reasons]:
        parts.append(
            f"{_datasets(unlike)} of the champion: no dataset of the same target, range and inputs to compare it with"
        )
    if edited.added:
        parts.append(f"{_datasets(edited.added)}: new, and not judged")
    how = "of the edited spec the best is compared with the best: " if edited.found else ""
    text = f"{_opening(decision)}: {how}{'; '.join(parts)}"
    if edited.verdict in ("worse", "apart"):
        text += f"; if that is meant, `sumsquares nightly promote {night.id}` makes it the champion"
    return text


def _edited_facts(edited: EditedJudgement) -> dict[str, Any]:
    """Returns the comparison for night.json."""
    shown = [
        {
            "dataset": name,
            "night_dataset": edited.datasets[name],
            **asdict(found),
            "seeds": list(found.seeds),
            "diverged": list(found.diverged),
            **dict(zip(("words", "champion_words"), _descriptions(edited, found), strict=True)),
        }
        for name, found in edited.found.items()
    ]
    reasons = {"reasons": dict(edited.reasons)} if edited.reasons else {}
    return {"datasets": shown, "apart": edited.apart, "added": list(edited.added), **reasons}


def _rows_words(name: str, found: CommonRows) -> str:
    """Returns how many rows a table has and had, and on which of them it was compared."""
    then, now = found.theirs.rows, found.ours.rows
    words = f"dataset '{name}' has {now:,} rows and had {then:,}: compared on"
    if found.compared == found.held_out:
        return f"{words} all {found.held_out:,} test rows of the champion"
    return f"{words} {found.compared:,} of the champion's {counted(found.held_out, 'test row')}, as {why_less(found)}"


def _rows_facts(name: str, found: CommonRows) -> dict[str, Any]:
    """Returns the same for night.json."""
    rows = {"rows_then": found.theirs.rows, "rows_now": found.ours.rows}
    return {"dataset": name, **rows, "test_rows": found.held_out, "compared_rows": found.compared}


def _opening(decision: Decision) -> str:
    return _OPENINGS[decision.result].format(decision.against)


def _ranked(judgement: Judgement) -> list[Change]:
    return sorted(judgement.changes, key=lambda change: (change.verdict in ("same", "untested"), change.p))


def _noisy_nights(count: int, are_of_tables: bool) -> str:
    """Returns the nights that show the noise of the rows."""
    return f"{count} nights on other rows of the tables" if are_of_tables else f"{count} fresh-data nights"


def _replicate(rows: Dataset) -> str:
    """Returns what a variant has several of: seeds, or trials, with each seed on each split of a table."""
    return "trial" if rows.split is not None else "seed"


def _effect(change: Change, rows: Dataset) -> str:
    assert change.high is not None, "a change was tested"
    if any(change.diverged):
        ours, theirs = change.diverged
        trials = counted(change.seeds, _replicate(rows))
        return f"{ours} of {trials} diverged, before {theirs} (p = {change.p:.2g})"
    interval = f"95 % interval {_ratio(change.low)} to {_ratio(change.high)}"
    tested = f"{interval}, {change.seeds} {_replicate(rows)}s, p = {change.p:.2g}"
    return f"{_measure(change.is_small, rows)} {_ratio(change.effect)} ({tested})"


def _compared(edited: EditedJudgement, name: str, policy: Policy) -> str:
    found = edited.found[name]
    ours, theirs = _descriptions(edited, found)
    same = "shows no significant difference" if found.p is not None else "shows no difference that counts"
    verdict = same if found.verdict == "same" else f"is {found.verdict}"
    rows = edited.champion_names[found.champion].dataset
    return f"{ours} against {theirs} {verdict}: {_best_effect(found, rows, policy)}"


def _best_effect(found: Comparison, rows: Dataset, policy: Policy) -> str:
    """Returns by how much the best variants differ, how sure that is, and the reason if there was no test."""
    (ours, theirs), seeds = found.seeds, f"{_replicate(rows)}s"
    if found.medians is None:
        which = {"worse": "its own", "better": "the champion's", "same": "both bests'"}[found.verdict]
        return f"at least half of {which} {seeds} diverged ({ours} and {theirs} {seeds})"
    if found.effect is None or found.low is None or found.high is None:
        few = f"{ours} and {theirs} {seeds}; with fewer than {gate_best.SEEDS} only a {policy.early:g}x change counts"
        return f"median {_measure(found.is_small, rows)} {_ratio(found.medians)} ({few})"
    tested = f"{ours} and {theirs} {seeds}, p = {found.p:.2g}"
    if any(found.diverged):
        text = f"{found.diverged[0]} of {ours} {seeds} diverged, of the champion's {found.diverged[1]} of {theirs}"
    else:
        text = f"{_measure(found.is_small, rows)} {_ratio(found.effect)}"
        tested = f"95 % interval {_ratio(found.low)} to {_ratio(found.high)}, {tested}"
    if found.rule == "early":
        which = _noisy_nights(gate_best.NIGHTS, isinstance(rows, TableSplit))
        tested += (
            f"; median {_ratio(found.medians)}, and until {which} exist only a {policy.early:g}x change of it counts"
        )
    return f"{text} ({tested})"


def _descriptions(edited: EditedJudgement, found: Comparison) -> tuple[str, str]:
    """Returns both best variants in words, with every axis in which they differ."""
    ours, theirs = edited.names[found.night], edited.champion_names[found.champion]
    first, second = _left_out(ours), _left_out(theirs)
    differ = [name for name in first if first[name] != second[name]]

    def with_differences(variant: Variant, facts: Mapping[str, Any]) -> str:
        words = describe(variant)
        more = [named(name, facts[name]) for name in differ]
        return ", ".join([words, *(each for each in more if each not in words)])

    return with_differences(ours, first), with_differences(theirs, second)


def _left_out(variant: Variant) -> dict[str, Any]:
    columns = variant_columns(variant)
    return {**{name: columns[name] for name in _LEFT_OUT}, **_rows_of(variant.dataset)}


def _rows_of(dataset: Named) -> dict[str, Any]:
    """Returns what says which rows of a dataset are trained on."""
    if isinstance(dataset, TableSplit):
        return {"rows": dataset.table.rows, "seed of the rows": dataset.table.seed}
    return {"rows": dataset.rows, "seed of the rows": dataset.seed, "noise": dataset.noise}


def _datasets(names: Iterable[str]) -> str:
    """`dataset 'a'`, `datasets 'a', 'b'`."""
    quoted = [f"'{name}'" for name in names]
    return f"dataset{'s' if len(quoted) > 1 else ''} {', '.join(quoted)}"


def _ratio(effect: float) -> str:
    """Returns a change of the RMSE: in percent, or from a doubling or a half on as a factor."""
    factor = 1 + effect
    if 0.5 < factor < 2:
        return f"{effect:+.1%}"
    return f"x {factor:.3g}" if factor >= 2 else f"x 1/{1 / factor:.3g}" if factor > 0 else "x 0"


def _measure(is_small: bool, rows: Dataset) -> str:
    """Returns what is compared: an RMSE, or a small one as a hypotenuse with the resolution on these rows."""
    if not is_small:
        return "RMSE"
    if rows.has_integer_target or not isinstance(rows, TableSplit):
        resolution = RESOLUTION if rows.has_integer_target else RESOLUTION * unit_of(rows)
        return f"RMSE (hypotenuse with {resolution:.4g})"
    return f"RMSE (hypotenuse with {SOLVED:g} standard deviations of the target)"  # each split has its own
