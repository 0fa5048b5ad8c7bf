"""Which variants of a run are explained: those that were asked for, or the few that say most. Rows in, rows out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sumsquares.jobs.results.case import Row
from sumsquares.jobs.results.middle import middle_or_infinite
from sumsquares.jobs.results.where import matching, read_where

FIRST, BEST = "the first of the spec", "the best"
"""Roles of a variant in its dataset; the first one is the asker's own network."""
FREQUENT = 3
"""Causes of a dataset that are shown with an example: the most frequent ones."""
Chosen = list[tuple[Row, tuple[str, ...]]]
"""Rows, each with its roles."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    dataset: str | None = None
    """None for all datasets."""
    variant: Sequence[str] = ()
    """Conditions as where.py reads them."""
    all_variants: bool = False


def choose(rows: Sequence[Row], best: Mapping[str, str | None], wanted: Wanted, only_first: bool) -> Chosen:
    """Returns the rows that are explained, with their roles; `best` has the best variant's id by dataset.

    Asked for are all, or those that meet the conditions: they come worst first. Else of each dataset the first, the
    best, and an example of each frequent cause; with `only_first` the first alone.

    Raises:
        UsageError: a condition is invalid, or no row meets all of them.

    """
    rows = [row for row in rows if wanted.dataset in (None, row["dataset"])]
    found = matching(rows, [read_where(text) for text in wanted.variant])
    chosen: Chosen = []
    for name, own in _by_dataset(rows).items():
        roles = _roles(own, best.get(name), 0 if only_first else FREQUENT)
        if wanted.variant or wanted.all_variants:
            asked = [row for row in found if row["dataset"] == name]
            chosen += [
                (row, roles.get(row["variant_id"], ())) for row in sorted(asked, key=middle_or_infinite, reverse=True)
            ]
        else:
            by_id = {row["variant_id"]: row for row in own}
            chosen += [(by_id[each], roles[each]) for each in ([*roles][:1] if only_first else roles)]
    return chosen


def counted_causes(rows: Iterable[Row]) -> dict[str, int]:
    """Returns how many variants have each cause as their first, the most frequent one first."""
    return dict(Counter(row["cause"] for row in rows if row.get("cause")).most_common())


def _by_dataset(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["dataset"], []).append(row)
    return found


def _roles(own: Sequence[Row], best: str | None, frequent: int) -> dict[str, tuple[str, ...]]:
    """Returns the roles of a dataset's variants by id, of those that have one; a told variant serves as an example."""
    roles: dict[str, tuple[str, ...]] = {own[0]["variant_id"]: (FIRST,)}
    if best is not None:
        roles[best] = (*roles.get(best, ()), BEST)
    for cause in [*counted_causes(own)][:frequent]:
        alike = [row["variant_id"] for row in own if row["cause"] == cause]
        if not any(each in roles for each in alike):
            roles[alike[0]] = (f"an example of {cause}",)
    return roles
