"""One change in words: how large it is, how sure that is, and of which variants; short for a message, or in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sumsquares.datasets.dataset import Dataset, Named
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.night import gate_best
from sumsquares.jobs.night.decision import EditedJudgement
from sumsquares.jobs.night.gate_best import Comparison
from sumsquares.jobs.results.described import SOLVED
from sumsquares.jobs.results.gate import Change, Policy
from sumsquares.jobs.results.scale import RESOLUTION, unit_of
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.show.format import TOLD, counted, describe_variant, named
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Variant

_LEFT_OUT = tuple(axis for axis in AXES if axis not in TOLD)
"""Axes that a variant's description leaves out at their defaults."""
_RESOLVED = " at the gate's resolution"


def describe(variant: Variant) -> str:
    """Returns a variant as a person would describe it."""
    return f"{variant.dataset.name} {describe_variant(variant_columns(variant))}"


def effect(change: Change, rows: Dataset) -> str:
    """Returns by how much a variant changed, with the interval."""
    if any(change.diverged):
        return effect_in_short(change, rows)
    assert change.high is not None, "a change was tested"
    interval = f"95 % interval {ratio(change.low)} to {ratio(change.high)}"
    tested = f"{interval}, {change.seeds} {_replicate(rows)}s, p = {change.p:.2g}"
    return f"{_measure(change.is_small, rows)} {ratio(change.effect)} ({tested})"


def effect_in_short(change: Change, rows: Dataset) -> str:
    """Returns the same in at most 65 characters."""
    trials = counted(change.seeds, _replicate(rows))
    if any(change.diverged):
        ours, theirs = change.diverged
        return f"{ours} of {trials} diverged, before {theirs} (p = {change.p:.2g})"
    small = _RESOLVED if change.is_small else ""
    return f"RMSE {ratio(change.effect)}{small} ({trials}, p = {change.p:.2g})"


def best_effect(found: Comparison, rows: Dataset, policy: Policy) -> str:
    """Returns by how much the best variants differ, how sure that is, and the reason if there was no test."""
    (ours, theirs), seeds = found.seeds, f"{_replicate(rows)}s"
    if found.medians is None:
        which = {"worse": "its own", "better": "the champion's", "same": "both bests'"}[found.verdict]
        return f"at least half of {which} {seeds} diverged ({ours} and {theirs} {seeds})"
    if found.effect is None or found.low is None or found.high is None:
        few = f"{ours} and {theirs} {seeds}; with fewer than {gate_best.SEEDS} only a {policy.early:g}x change counts"
        return f"median {_measure(found.is_small, rows)} {ratio(found.medians)} ({few})"
    tested = f"{ours} and {theirs} {seeds}, p = {found.p:.2g}"
    if any(found.diverged):
        text = f"{found.diverged[0]} of {ours} {seeds} diverged, of the champion's {found.diverged[1]} of {theirs}"
    else:
        text = f"{_measure(found.is_small, rows)} {ratio(found.effect)}"
        tested = f"95 % interval {ratio(found.low)} to {ratio(found.high)}, {tested}"
    if found.rule == "early":
        which = noisy_nights(gate_best.NIGHTS, isinstance(rows, TableSplit))
        tested += (
            f"; median {ratio(found.medians)}, and until {which} exist only a {policy.early:g}x change of it counts"
        )
    return f"{text} ({tested})"


def best_effect_in_short(found: Comparison, rows: Dataset) -> str:
    """Returns the same in at most 80 characters."""
    (ours, theirs), seeds = found.seeds, f"{_replicate(rows)}s"
    if found.medians is None:
        which = {"worse": "its", "better": "the champion's", "same": "both bests'"}[found.verdict]
        return f"at least half of {which} {seeds} diverged"
    if found.effect is None:
        return f"median RMSE {ratio(found.medians)} ({ours} and {theirs} {seeds}, no test)"
    if any(found.diverged):
        now, before = found.diverged
        return f"{now} of {ours} {seeds} diverged, before {before} of {theirs} (p = {found.p:.2g})"
    small = _RESOLVED if found.is_small else ""
    return f"RMSE {ratio(found.effect)}{small} ({ours} and {theirs} {seeds}, p = {found.p:.2g})"


def descriptions(edited: EditedJudgement, found: Comparison) -> tuple[str, str]:
    """Returns both best variants in words, with every axis in which they differ."""
    ours, theirs = edited.names[found.night], edited.champion_names[found.champion]
    first, second = _left_out(ours), _left_out(theirs)
    differ = [name for name in first if first[name] != second[name]]

    def with_differences(variant: Variant, facts: Mapping[str, Any]) -> str:
        words = describe(variant)
        more = [named(name, facts[name]) for name in differ]
        return ", ".join([words, *(each for each in more if each not in words)])

    return with_differences(ours, first), with_differences(theirs, second)


def noisy_nights(count: int, are_of_tables: bool) -> str:
    """Returns the nights that show the noise of the rows."""
    return f"{count} nights on other rows of the tables" if are_of_tables else f"{count} fresh-data nights"


def ratio(effect: float) -> str:
    """Returns a change of the RMSE: in percent, or from a doubling or a half on as a factor."""
    factor = 1 + effect
    if 0.5 < factor < 2:
        return f"{effect:+.1%}"
    return f"x {factor:.3g}" if factor >= 2 else f"x 1/{1 / factor:.3g}" if factor > 0 else "x 0"


def _left_out(variant: Variant) -> dict[str, Any]:
    columns = variant_columns(variant)
    return {**{name: columns[name] for name in _LEFT_OUT}, **_rows_of(variant.dataset)}


def _rows_of(dataset: Named) -> dict[str, Any]:
    """Returns what says which rows of a dataset are trained on."""
    if isinstance(dataset, TableSplit):
        return {"rows": dataset.table.rows, "seed of the rows": dataset.table.seed}
    return {"rows": dataset.rows, "seed of the rows": dataset.seed, "noise": dataset.noise}


def _replicate(rows: Dataset) -> str:
    """Returns what a variant has several of: seeds, or trials, with each seed on each split of a table."""
    return "trial" if rows.split is not None else "seed"


def _measure(is_small: bool, rows: Dataset) -> str:
    """Returns what is compared: an RMSE, or a small one as a hypotenuse with the resolution on these rows."""
    if not is_small:
        return "RMSE"
    if rows.has_integer_target or not isinstance(rows, TableSplit):
        resolution = RESOLUTION if rows.has_integer_target else RESOLUTION * unit_of(rows)
        return f"RMSE (hypotenuse with {resolution:.4g})"
    return f"RMSE (hypotenuse with {SOLVED:g} standard deviations of the target)"  # each split has its own
