"""Which variants of a dataset are drawn, and which trial of each is asked. Rows of a summary in, no files.

Suffixes: V variants.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.jobs.results.case import Row
from sumsquares.jobs.results.figures.data import Chosen, Role

MOST = 5
"""Variants of a dataset that are drawn: more lines than that can't be told apart."""
_CONTRASTS = ("readout", "activation")
"""What the other variants differ in: of each value that is not drawn yet, the best variant."""


def ranked(table: pa.Table) -> list[int]:
    """Returns the places of the variants that have an RMSE in a dataset's part of the summary's table, the best first.

    The order is the one in which a summary names the best.
    """
    middle = pc.if_else(pc.greater(table["n_splits"], 1), table["rmse_mean"], table["rmse_median"])
    keys = pa.table({"by": middle, "parameters": table["parameters"], "variant_id": table["variant_id"]})
    order = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])  # nulls last
    places: list[int] = order.to_pylist()[: len(table) - middle.null_count]
    return places


def roles_of(table: pa.Table, order: list[int], picked: str | None) -> dict[int, tuple[Role, ...]]:
    """Returns the roles of the drawn variants by place: the first of the spec, the best, then the others.

    `picked` is the id of the variant that `fit` has chosen: it is in the place of the first.
    """
    roles: dict[int, tuple[Role, ...]] = {0: ("first",)}
    if picked is not None:
        roles = {table["variant_id"].to_pylist().index(picked): ("chosen",)}
    if order:
        roles[order[0]] = (*roles.get(order[0], ()), "best")
    for column in _CONTRASTS:
        values_V = table[column].to_pylist()
        lowest: dict[str, int] = {}
        for place in order:
            lowest.setdefault(values_V[place], place)
        drawn = {values_V[place] for place in roles}
        for place in (place for value, place in lowest.items() if value not in drawn):
            if len(roles) < MOST:
                roles.setdefault(place, ("other",))
    return roles


def chosen_of(table: pa.Table, trials: pa.Table, order: list[int], picked: str | None = None) -> list[Chosen]:
    """Returns the drawn variants, each with the best of its trials that are ok; `trials` has those of the dataset."""
    roles = roles_of(table, order, picked)
    rows = table.take(pa.array(roles, pa.int64())).to_pylist()
    best = _best_trials(trials, [row["variant_id"] for row in rows])
    chosen = []
    for row, own in zip(rows, roles.values(), strict=True):
        trial = best.get(row["variant_id"], {})
        chosen.append(Chosen(row, own, trial.get("trial_id"), trial.get("seed"), trial.get("split")))
    return chosen


def _best_trials(trials: pa.Table, variants: Iterable[str]) -> dict[str, Row]:
    """Returns the best trial of each of these variants; one of which no trial is ok has none."""
    mine = trials.filter(pc.is_in(trials["variant_id"], value_set=pa.array(variants, pa.string())))
    known = mine.filter(pc.is_valid(mine["rmse"])).select(["variant_id", "trial_id", "seed", "split", "rmse"])
    best: dict[str, Row] = {}
    for row in known.sort_by([("rmse", "ascending"), ("seed", "ascending")]).to_pylist():
        best.setdefault(row["variant_id"], row)
    return best
