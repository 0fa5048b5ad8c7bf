"""A night's verdict in words: one short line with the worst or the best variant first, and the rest line by line.

The line stands alone in a subject, a chat or a table. It is shorter than LONGEST whatever the names in it are: a name
that doesn't fit ends with `...`, and is in the details as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from sumsquares.jobs.night.common import CommonRows, why_less
from sumsquares.jobs.night.decision import Decision, EditedJudgement
from sumsquares.jobs.night.effects import (
    best_effect,
    best_effect_in_short,
    describe,
    descriptions,
    effect,
    effect_in_short,
    noisy_nights,
    ratio,
)
from sumsquares.jobs.night.names import variant_name
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.results.gate import NIGHTS, Change, Judgement, Policy
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.variants import Variant, variants

LONGEST = 200
"""A message has fewer characters."""
_LISTED = 5  # variants in the details; night.json has 100, and all are counted
_OPENINGS = {"better": "promoted", "worse": "regressed"}
_UNNAMED = {
    "better": "promoted: better than champion {}",
    "same": "no significant difference from champion {}, which stays",
    "worse": "regressed against champion {}, which stays",
    "apart": "not promoted: not comparable with champion {}, which stays",
}
"""Openings of a line that names no variant: that of a promoted night, too, which is judged again and doesn't differ."""


@dataclass(frozen=True)
class Words:
    """What is said of a night."""

    message: str
    """One line of fewer than LONGEST characters."""
    details: tuple[str, ...] = ()
    """One fact each: the other variants, how they were tested, what to do."""


def words_of(decision: Decision, night: Night, policy: Policy) -> Words:
    """Returns how the night was judged, and why."""
    if decision.result == "failed":
        return _failed(decision)
    if decision.judgement is None:
        return Words("promoted without a comparison: there was no champion")
    if isinstance(decision.judgement, EditedJudgement):
        words = _edited(decision, decision.judgement, night, policy)
    else:
        words = _paired(decision, decision.judgement, night, policy)
    rows = (_rows_words(name, found) for name, found in decision.tables.items())
    return Words(words.message, (*words.details, *rows))


def by_name(night: Night) -> dict[str, Variant]:
    """Returns the night's variants by the names that scores have of them."""
    return {variant_name(variant): variant for variant in variants(night.spec)}


def shortened(name: str, most: int) -> str:
    """Returns a name in at most `most` characters: as many of its parts as fit, and `...` for those left out."""
    if len(name) <= most:
        return name
    kept = name[: most - 3].rpartition(", ")[0] or name[: most - 3].rpartition(" ")[0] or name[: most - 3]
    return f"{kept.rstrip(', ')}..."


def _led_by(opening: str, name: str, rest: str) -> Words:
    """Returns a line that names one variant; if it had to be shortened, the details begin with its whole name."""
    room = LONGEST - 1 - len(f"{opening}: : {rest}")
    short = shortened(name, room)
    return Words(f"{opening}: {short}: {rest}", () if short == name else (f"{short} is {name}",))


def _failed(decision: Decision) -> Words:
    stays = f", champion {decision.against} stays" if decision.against else ""
    rest = f"diverged: not judged and not promoted{stays}"
    room = LONGEST - 1 - len(f"failed: all trials of  {rest}")
    names, all_names = _datasets(decision.lost, room), _datasets(decision.lost)
    lost = [] if names == all_names else [f"all trials of {all_names} diverged"]
    return Words(
        f"failed: all trials of {names} {rest}",
        (*lost, "fix the spec, for example with a smaller lr, and start a night of it"),
    )


def _paired(decision: Decision, judgement: Judgement, night: Night, policy: Policy) -> Words:
    """Returns the words on a night of the champion's variants."""
    names, changes = by_name(night), judgement.changes
    of_all = counted(len(changes), "variant")

    # Only variants with the night's own verdict are named, the largest change first.
    sign = 1 if decision.result == "worse" else -1
    found = [change for change in changes if change.verdict == decision.result != "same"]
    found.sort(key=lambda change: (-sign * change.effect, change.p, change.variant))
    tested = _how_tested(decision, changes, policy)
    if not found:
        return Words(f"{_unnamed(decision)}: {of_all}", tested)
    lead, *others = [(change, names[change.variant]) for change in found[:_LISTED]]
    than = f"{len(found):,} of {of_all} {decision.result} than champion {decision.against}{_stays(decision)}"
    rest = f"{effect_in_short(lead[0], lead[1].dataset)}; {than}"
    words = _led_by(_OPENINGS[decision.result], describe(lead[1]), rest)
    listed = [f"{describe(variant)}: {effect(change, variant.dataset)}" for change, variant in others]
    listed += [f"and {counted(len(found) - _LISTED, 'variant')} more"] if len(found) > _LISTED else []
    rule = f"p-values are Holm-corrected, tested at alpha = {policy.alpha:.3g}"
    return Words(words.message, (*words.details, *_sureness(*lead), *listed, rule, *tested))


def _sureness(lead: Change, variant: Variant) -> list[str]:
    """Returns what the line has no room for, of the variant that it names."""
    if any(lead.diverged):
        return []
    assert lead.high is not None, "a change was tested"
    if lead.is_small:
        return [f"at the gate's resolution: {effect(lead, variant.dataset)}"]
    return [f"its 95 % interval: {ratio(lead.low)} to {ratio(lead.high)}"]


def _how_tested(decision: Decision, changes: Sequence[Change], policy: Policy) -> tuple[str, ...]:
    """Returns what limits the verdict. A variant that wasn't tested must not read like a finding."""
    untested = sum(change.verdict == "untested" for change in changes)
    words = [f"{untested:,} of {counted(len(changes), 'variant')} untested: fewer than two seeds"] if untested else []
    if 0 < decision.nights < NIGHTS:
        which = noisy_nights(NIGHTS, bool(decision.tables))
        words.append(f"until {which} exist, only a {policy.early:g}x change counts")
    return tuple(words)


def _edited(decision: Decision, edited: EditedJudgement, night: Night, policy: Policy) -> Words:
    """Returns the words on a night of an edited spec, dataset by dataset."""
    words = _edited_line(decision, edited)
    details = (
        ["the spec was edited: the best of each dataset is compared with the champion's best"] if edited.found else []
    )
    details += [_compared(edited, name, policy) for name in _ranked(edited, edited.verdict)]
    details += [f"{_datasets([name])}: {reason}" for name, reason in edited.reasons.items()]
    if unlike := [name for name in edited.apart if name not in edited.reasons]:
        details.append(
            f"{_datasets(unlike)} of the champion: no dataset of the same target, range and inputs to compare it with"
        )
    if edited.added:
        details.append(f"{_datasets(edited.added)}: new, and not judged")
    if edited.verdict in ("worse", "apart"):
        details.append(f"if that is meant, `sumsquares nightly promote {night.id}` makes it the champion")
    return Words(words.message, (*words.details, *details))


def _edited_line(decision: Decision, edited: EditedJudgement) -> Words:
    """Returns the first line on a night of an edited spec."""
    champion = f"champion {decision.against}{_stays(decision)}"
    if decision.result == "apart":
        head, tail = "not promoted: ", f" of {champion}, can't be compared with anything in this night"
        return Words(f"{head}{_datasets(edited.apart, LONGEST - 1 - len(head + tail))}{tail}")
    found = [name for name in _ranked(edited, decision.result) if edited.found[name].verdict == decision.result]
    if decision.result == "same" or not found:
        return Words(f"{_unnamed(decision)}: the best of {counted(len(edited.found), 'dataset')} of an edited spec")
    lead = edited.found[found[0]]
    of_all = f"; {len(found):,} of {counted(len(edited.datasets), 'dataset')} {decision.result}"
    short = best_effect_in_short(lead, edited.champion_names[lead.champion].dataset)
    rest = f"{short} against the best of {champion}{of_all if len(edited.datasets) > 1 else ''}"
    return _led_by(_OPENINGS[decision.result], descriptions(edited, lead)[0], rest)


def _ranked(edited: EditedJudgement, result: str) -> list[str]:
    """Returns the champion's datasets, those with this verdict first and of these the largest change first."""
    sign = -1 if result == "better" else 1

    def rank(name: str) -> tuple[bool, float, str]:
        found = edited.found[name]
        size = found.effect if found.effect is not None else found.medians
        return found.verdict != result, -sign * (sign * inf if size is None else size), name

    return sorted(edited.found, key=rank)


def _compared(edited: EditedJudgement, name: str, policy: Policy) -> str:
    found = edited.found[name]
    ours, theirs = descriptions(edited, found)
    same = "shows no significant difference" if found.p is not None else "shows no difference that counts"
    verdict = same if found.verdict == "same" else f"is {found.verdict}"
    rows = edited.champion_names[found.champion].dataset
    return f"{ours} against {theirs} {verdict}: {best_effect(found, rows, policy)}"


def _rows_words(name: str, found: CommonRows) -> str:
    """Returns how many rows a table has and had, and on which of them it was compared."""
    then, now = found.theirs.rows, found.ours.rows
    words = f"dataset '{name}' has {now:,} rows and had {then:,}: compared on"
    if found.compared == found.held_out:
        return f"{words} all {found.held_out:,} test rows of the champion"
    return f"{words} {found.compared:,} of the champion's {counted(found.held_out, 'test row')}, as {why_less(found)}"


def _unnamed(decision: Decision) -> str:
    return _UNNAMED[decision.result].format(decision.against)


def _stays(decision: Decision) -> str:
    return "" if decision.result == "better" else ", which stays"


def _datasets(names: Sequence[str], most: int | None = None) -> str:
    """`dataset 'a'`, `datasets 'a', 'b'`; with a limit of characters `dataset 'a' and 2 more` if they are too many."""
    quoted = [f"'{name}'" for name in names]
    words = f"dataset{'s' if len(quoted) > 1 else ''} {', '.join(quoted)}"
    if most is None or len(words) <= most:
        return words
    more = f"' and {len(names) - 1:,} more" if len(names) > 1 else "'"
    frame = f"dataset '{more}"
    return frame.replace("'", f"'{shortened(names[0], most - len(frame))}", 1)
