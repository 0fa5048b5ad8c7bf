"""The difference of two runs in words and tables, the variant that has become worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.messages.numbers import counted, number
from sumsquares.jobs.results.described import splits_of
from sumsquares.jobs.results.gate import Change, Policy
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.proof import SPLITS, pairing
from sumsquares.jobs.results.run_difference import Compared, Pair
from sumsquares.jobs.show.format import Row, describe_variant, distinguish, named
from sumsquares.jobs.show.tables import BEST, WORST, Column, fitting, table_of, wrapped

_GIVE_WAY = ["95 % interval", "before", "p"]
_LEAST_WORDS = 24  # columns of a variant's description


def dataset_text(
    name: str, about: Row, best: tuple[Row | None, Row | None], found: Compared, width: int, shows_all: bool
) -> Iterator[Table | Text]:
    """Yields what has changed on a dataset that both runs have; `best` are the rows of their best variants."""
    yield Text(f"{name}: {_best_words(*best)}", style="bold")
    for axis, (one, other) in found.constants.items():
        yield Text(f"  in all variants: {named(axis, one)} -> {named(axis, other)}; they are compared pair by pair")
    changed = [pair for pair in found.pairs if not pair.is_same]
    if same := len(found.pairs) - len(changed):
        yield Text(f"  {counted(same, 'variant')} with the same RMSE of every trial")
    for rows, which in ((found.only_before, "first"), (found.only_after, "second")):
        if rows:
            words = few([distinguish(row, rows) if len(rows) > 1 else describe_variant(row) for row in rows], "more")
            yield Text(wrapped(f"  {counted(len(rows), 'variant')} only in the {which} run: {'; '.join(words)}", width))
    if changed:
        yield from _changes(changed, about, width, shows_all, len(found.pairs))


def _best_words(before: Row | None, after: Row | None) -> str:
    ours, theirs = (None if best is None else middle(best) for best in (before, after))
    if ours is None or theirs is None:
        return f"best RMSE {number(ours)} -> {number(theirs)}"
    change = f" ({_percent(theirs / ours - 1)})" if ours and ours != theirs else ""
    return f"best RMSE {number(ours)} -> {number(theirs)}{change}"


def _changes(pairs: Sequence[Pair], about: Row, width: int, shows_all: bool, tested: int) -> Iterator[Table | Text]:
    is_cut = not shows_all and len(pairs) > BEST + WORST + 1
    shown = [*pairs[:BEST], *pairs[-WORST:]] if is_cut else pairs
    rows = [pair.after for pair in pairs]
    columns = [
        Column("before", [number(middle(pair.before)) for pair in shown]),
        Column("after", [number(middle(pair.after)) for pair in shown]),
        Column("change", [_effect(pair.change) for pair in shown]),
        Column("95 % interval", [_interval(pair.change) for pair in shown]),
        Column("p", [_p(pair.change) for pair in shown]),
        Column("", [_verdict(pair.change) for pair in shown]),
    ]
    words = [distinguish(pair.after, rows) for pair in shown]
    fit, left_out = fitting(columns, width - max(_LEAST_WORDS, min(36, max(map(len, words)))) - 2, _GIVE_WAY)
    room = width - sum(column.width + 2 for column in fit)
    yield table_of([Column("variant", [wrapped(text, room) for text in words])], fit)
    per = "splits" if pairing(splits_of(about)) == SPLITS else "seeds"
    policy = Policy()
    yield Text(
        wrapped(
            f"change: the geometric mean over pairs of {per}; * by a paired t test with Holm's correction for "
            f"{counted(tested, 'variant')}, alpha = {policy.alpha:g}; below {100 * policy.least_effect:g} % it counts "
            "for nothing",
            width,
        ),
        style="dim",
    )
    if is_cut:
        yield Text(f"{len(pairs) - len(shown):,} variants are not shown: --all-variants shows them", style="dim")
    if left_out:
        yield Text(f"not shown for want of width: {left_out}", style="dim")


def _effect(change: Change | None) -> str:
    return "-" if change is None else _percent(change.effect)


def _interval(change: Change | None) -> str:
    if change is None or change.high is None:
        return "-"
    return f"{_percent(change.low)} to {_percent(change.high)}"


def _p(change: Change | None) -> str:
    return "-" if change is None or change.verdict == "untested" else f"{change.p:.1g}"


def _verdict(change: Change | None) -> str:
    if change is None or change.verdict == "untested":
        return "untested"
    return f"{change.verdict} *" if change.verdict in ("worse", "better") else ""


def _percent(effect: float) -> str:
    """`+12 %`, `-3.4 %`; from a tenfold on, `26 times`."""
    if effect >= 9:
        return f"{number(float(f'{1 + effect:.3g}'))} times"
    return f"{100 * effect:+.3g} %"


def spec_lines(lines: Sequence[str], before: str, after: str) -> Iterator[str]:
    """Yields the difference of the specs."""
    if not lines:
        yield f"{before} and {after} have the same datasets and grids"
        return
    yield f"{before} -> {after}:"
    yield from (f"  {line}" for line in lines)


def apart_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    """Yields the datasets that can't be compared, and why."""
    yield from (f"{name}: not comparable: {reason}" for name, reason in reasons.items())
