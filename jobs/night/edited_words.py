"""A night of an edited spec in words and as plain facts; the words that all nights share are here too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sumsquares.jobs.night.best import NIGHTS, SEEDS, Comparison
from sumsquares.jobs.night.edited import Edited
from sumsquares.jobs.night.gate import RESOLUTION, Policy
from sumsquares.jobs.results.stored import variant_columns
from sumsquares.jobs.show.format import TOLD, describe_variant, named
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Variant

_LEFT_OUT = tuple(axis for axis in AXES if axis not in TOLD)
"""Axes that a variant's words leave out at their defaults."""


def edited_sentence(edited: Edited, against: str, policy: Policy, night: str) -> str:
    """What became of the night and why, dataset by dataset."""
    parts = [_compared(edited, name, policy) for name in edited.found]
    apart = [name for name, ours in edited.datasets.items() if ours is None]
    if apart:
        parts.append(
            f"{listed(apart)} of the champion: no dataset of the same task, range and inputs to compare it with"
        )
    if edited.added:
        parts.append(f"{listed(edited.added)}: new, and not judged")
    how = "of the edited spec the best is compared with the best: " if edited.found else ""
    text = f"{opening(edited.verdict, against)}: {how}{'; '.join(parts)}"
    if edited.verdict in ("worse", "apart"):
        text += f"; if that is meant, `sumsquares nightly promote {night}` makes it the champion"
    return text


def edited_facts(edited: Edited) -> dict[str, Any]:
    """The comparison for night.json."""
    shown = [
        {
            "dataset": name,
            "night_dataset": edited.datasets[name],
            **asdict(found),
            "seeds": list(found.seeds),
            "diverged": list(found.diverged),
            **dict(zip(("words", "champion_words"), _words(edited, found), strict=True)),
        }
        for name, found in edited.found.items()
    ]
    apart = [name for name, ours in edited.datasets.items() if ours is None]
    return {"datasets": shown, "apart": apart, "added": list(edited.added)}


def opening(result: str, against: str) -> str:
    """How a sentence on a night begins that was judged."""
    return {
        "better": f"promoted: better than champion {against}",
        "same": f"the same as champion {against}, which stays",
        "worse": f"regressed against champion {against}, which stays",
        "apart": f"not promoted: not comparable with champion {against}, which stays",
    }[result]


def words_of(variant: Variant) -> str:
    """A variant as a person would say it."""
    return f"{variant.dataset.name} {describe_variant(variant_columns(variant))}"


def listed(datasets: Iterable[str]) -> str:
    """`dataset 'a'`, `datasets 'a', 'b'`."""
    quoted = [f"'{name}'" for name in datasets]
    return f"dataset{'s' if len(quoted) > 1 else ''} {', '.join(quoted)}"


def ratio(effect: float) -> str:
    """A change of the RMSE: in percent, or from a doubling or a half on as a factor."""
    factor = 1 + effect
    if 0.5 < factor < 2:
        return f"{effect:+.1%}"
    return f"x {factor:.3g}" if factor >= 2 else f"x 1/{1 / factor:.3g}" if factor > 0 else "x 0"


def what(is_small: bool) -> str:
    """What is compared: an RMSE, as a hypotenuse with a tenth of an integer."""
    return f"RMSE (hypotenuse with {RESOLUTION:g})" if is_small else "RMSE"


def _compared(edited: Edited, name: str, policy: Policy) -> str:
    found = edited.found[name]
    ours, theirs = _words(edited, found)
    verdict = {"same": "the same"}.get(found.verdict, found.verdict)
    return f"{ours} against {theirs} is {verdict}: {_effect(found, policy)}"


def _words(edited: Edited, found: Comparison) -> tuple[str, str]:
    """Both best variants, each with what they differ in and what a variant's words leave out."""
    ours, theirs = edited.names[found.night], edited.champion_names[found.champion]
    first, second = _left_out(ours), _left_out(theirs)
    differ = [name for name in first if first[name] != second[name]]

    def told(variant: Variant, facts: Mapping[str, Any]) -> str:
        words = words_of(variant)
        more = [named(name, facts[name]) for name in differ]
        return ", ".join([words, *(each for each in more if each not in words)])

    return told(ours, first), told(theirs, second)


def _left_out(variant: Variant) -> dict[str, Any]:
    columns = variant_columns(variant)
    rows = {"rows": variant.dataset.rows, "seed of the rows": variant.dataset.seed}
    return {**{name: columns[name] for name in _LEFT_OUT}, **rows}


def _effect(found: Comparison, policy: Policy) -> str:
    """By how much, how sure that is, and why where there is no test."""
    ours, theirs = found.seeds
    if found.medians is None:
        which = {"worse": "its own", "better": "the champion's", "same": "both bests'"}[found.verdict]
        return f"at least half of {which} seeds diverged ({ours} and {theirs} seeds)"
    counts = f"a change of the median counts from {policy.early:g} times on"
    if found.effect is None or found.low is None or found.high is None:
        seeds = f"{ours} and {theirs} seeds; with fewer than {SEEDS} {counts}"
        return f"median {what(found.is_small)} {ratio(found.medians)} ({seeds})"
    tested = f"{ours} and {theirs} seeds, p = {found.p:.2g}"
    if any(found.diverged):
        text = f"{found.diverged[0]} of {ours} seeds diverged, of the champion's {found.diverged[1]} of {theirs}"
    else:
        text = f"{what(found.is_small)} {ratio(found.effect)}"
        tested = f"95 % interval {ratio(found.low)} to {ratio(found.high)}, {tested}"
    if found.rule == "early":
        tested += f"; median {ratio(found.medians)}, and until {NIGHTS} nights show the luck of other rows {counts}"
    return f"{text} ({tested})"
