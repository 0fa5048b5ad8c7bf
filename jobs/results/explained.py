"""Explains a summary: floors, the check on every number of the range, causes, and what matters in the grid.

What it adds follows from the summary, the dataset's rows and, for the check, stored weights. Nothing is trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.case import Cause, Row, cases
from sumsquares.jobs.results.causes import causes_of
from sumsquares.jobs.results.described import splits_of
from sumsquares.jobs.results.everywhere import check_everywhere
from sumsquares.jobs.results.floors import Floor, averaged, floors
from sumsquares.jobs.results.importance import Importance, importance
from sumsquares.jobs.results.over_splits import over_lowest, rmse_by_variant, without_splits
from sumsquares.jobs.results.parts import Parts
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.scale import limit_of, unit_in
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

ROUNDING = 1e-9
"""Share of the largest target by which rounding errors may make an RMSE smaller than its floor."""


def explain(
    summary: Summary,
    expected: Sequence[Trial],
    results: pa.Table,
    store: Store,
    facts_of: Callable[[Named], Facts],
    on_lost: Callable[[str, Exception], object],
) -> Summary:
    """Returns the summary of the expected trials with its explanation; `results` has the column `pack`.

    `on_lost` gets each pack whose weights are needed, and damaged or gone.
    """
    parts = Parts.of(expected)
    best = _best_trials(summary.trials)
    shares = check_everywhere(store, _with_packs(best, expected, results), on_lost)
    found = floors(parts.variants, facts_of, partial(_test_targets, store))
    table = _filled(summary.table, _columns(summary.table, _over_splits(parts, found), best, shares))

    # Causes are found last: they need all other columns.
    explained = with_reasons(replace(summary, table=table))
    table = _filled(table, _in_words(table, explained.causes))
    return replace(
        explained,
        table=table,
        trials=_checked(summary.trials, shares),
        best=_extended(summary.best, table),
        below_floor=_below_floor(summary, parts, found),
    )


def with_reasons(summary: Summary) -> Summary:
    """Returns the summary with the causes of each variant, and what matters in the grid: both follow from its tables.

    The columns of floors must be filled.
    """
    of_dataset: dict[str, list[Row]] = defaultdict(list)
    for row in summary.table.to_pylist():
        of_dataset[row["dataset"]].append(row)
    rmse = rmse_by_variant(summary.trials)
    split = [name for name, about in summary.datasets.items() if splits_of(about) > 1]
    of_seeds = rmse | over_lowest(summary.trials, split) if split else rmse
    causes: dict[str, tuple[Cause, ...]] = {}
    for name, rows in of_dataset.items():
        for case in cases(rows, summary.datasets[name], of_seeds):
            causes[case.row["variant_id"]] = causes_of(case)
    by_split = rmse | without_splits(summary.trials, split) if split else rmse
    return replace(summary, causes=causes, importance=_importance(of_dataset, summary, by_split))


def _best_trials(trials: pa.Table) -> dict[str, Row]:
    """Returns the row of the best trial of each variant by the variant's id, the most promising variants first."""
    known = trials.filter(pc.is_valid(trials["rmse"]))
    keys = [("exact_fraction", "descending"), ("rmse", "ascending"), ("variant_id", "ascending"), ("seed", "ascending")]
    ranked = known.select(["variant_id", "trial_id", "rmse", "exact_fraction", "seed"]).sort_by(keys)
    by_rmse = ranked.sort_by([("rmse", "ascending"), ("seed", "ascending")])
    best: dict[str, Row] = {}
    for row in by_rmse.to_pylist():
        best.setdefault(row["variant_id"], row)
    order = {variant: place for place, variant in enumerate(dict.fromkeys(ranked["variant_id"].to_pylist()))}
    return dict(sorted(best.items(), key=lambda item: order[item[0]]))


def _with_packs(best: Mapping[str, Row], expected: Sequence[Trial], results: pa.Table) -> list[tuple[Trial, str]]:
    """Returns the trials of these rows, each with its pack; those on tables are left out, as their ids are others."""
    # An id costs a hash: 0.2 s for 100,000 trials.
    seeds = {variant: row["seed"] for variant, row in best.items()}
    chosen = [trial for trial in expected if seeds.get(trial.variant.id) == trial.seed]
    by_id = {trial.id: trial for trial in chosen}
    ids = pa.array(by_id, pa.string())
    places = pc.index_in(ids, value_set=results["trial_id"])
    packs = dict(zip(by_id, results["pack"].take(places).to_pylist(), strict=True))
    return [(by_id[row["trial_id"]], packs[row["trial_id"]]) for row in best.values() if row["trial_id"] in by_id]


def _columns(
    table: pa.Table, found: Sequence[Floor], best: Mapping[str, Row], shares: Mapping[str, float]
) -> dict[str, list[Any]]:
    """Returns the columns of floors and of the check, in the order of the table."""
    everywhere = {variant: shares.get(row["trial_id"]) for variant, row in best.items()}
    return {
        "floor": [floor.rows for floor in found],
        "floor_range": [floor.range for floor in found],
        "floor_kind": [floor.kind for floor in found],
        "exact_everywhere": [everywhere.get(variant) for variant in table["variant_id"].to_pylist()],
    }


def _in_words(table: pa.Table, causes: Mapping[str, tuple[Cause, ...]]) -> dict[str, list[Any]]:
    """Returns the columns of causes, in the order of the table."""
    of_row = [causes[variant] for variant in table["variant_id"].to_pylist()]
    return {
        "cause": [found[0].name for found in of_row],
        "causes": [", ".join(cause.name for cause in found) for found in of_row],
        "remedy": [None if found[0].change is None else str(found[0].change) for found in of_row],
    }


def _filled(table: pa.Table, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Returns the table with these values in its columns."""
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    return table


def _checked(trials: pa.Table, shares: Mapping[str, float]) -> pa.Table:
    """Returns the trials with the share of all combinations that each answers right, null where it wasn't checked."""
    values = [shares.get(trial) for trial in trials["trial_id"].to_pylist()]
    return trials.append_column("exact_everywhere", pa.array(values, pa.float64()))


def _extended(best: Mapping[str, dict[str, Any] | None], table: pa.Table) -> dict[str, dict[str, Any] | None]:
    """Returns the best variants with all columns of the table."""
    extended: dict[str, dict[str, Any] | None] = {}
    for name, winner in best.items():
        if winner is not None:
            [row] = table.filter(pc.equal(table["variant_id"], winner["variant_id"])).slice(0, 1).to_pylist()
            winner = {**row, **{key: value for key, value in winner.items() if key not in row}}
        extended[name] = winner
    return extended


def _importance(
    of_dataset: Mapping[str, Sequence[Row]], summary: Summary, rmse: Mapping[str, Sequence[float]]
) -> dict[str, Importance]:
    """Returns what matters in the grid, by dataset."""
    found = {}
    for name, rows in of_dataset.items():
        unit = unit_in(summary.datasets[name])
        rmse_VS = [[value / unit for value in rmse.get(row["variant_id"], ())] for row in rows]
        found[name] = importance(rows, rmse_VS, limit_of(summary.datasets[name]["facts"]["largest_target"]) / unit)
    return found


def _below_floor(summary: Summary, parts: Parts, found: Sequence[Floor]) -> tuple[str, ...]:
    """Returns the ids of trials whose RMSE is below what their architecture can reach at all on its test rows."""
    floor_of = {
        (variant.group, variant.dataset.split): floor.rows
        for variant, floor in zip(parts.variants, found, strict=True)
        if floor.rows
    }
    lowest = summary.trials.group_by(["variant_id", "split", "dataset"]).aggregate([("rmse", "min")]).to_pylist()
    below = []
    for row in lowest:
        floor = floor_of.get((row["variant_id"], row["split"]))
        largest = summary.datasets[row["dataset"]]["facts"]["largest_target"]
        if floor and row["rmse_min"] is not None and row["rmse_min"] < floor - ROUNDING * largest:
            below.append(row)
    return tuple(_id_of(summary.trials, row) for row in below)


def _id_of(trials: pa.Table, lowest: Row) -> str:
    """Returns the id of the trial with the lowest RMSE of its variant on its split, and of those the lowest seed."""
    is_one = pc.and_(pc.equal(trials["variant_id"], lowest["variant_id"]), pc.equal(trials["rmse"], lowest["rmse_min"]))
    found = trials.filter(is_one).sort_by([("seed", "ascending")]).select(["trial_id", "split"]).to_pylist()
    return next(str(row["trial_id"]) for row in found if row["split"] == lowest["split"])


def _over_splits(parts: Parts, found: Sequence[Floor]) -> list[Floor]:
    """Returns the floor of each variant, from those on its splits."""
    floors_VS: list[list[Floor]] = [[] for _ in parts.first_P]
    for variant, floor in zip(parts.variant_P, found, strict=True):
        floors_VS[variant].append(floor)
    return [averaged(floors_S) for floors_S in floors_VS]


def _test_targets(store: Store, split: TableSplit) -> Iterator[NDArray[np.float64]]:
    return (target_N.astype(np.float64) for _, target_N in blocks_of(store, split, "test"))
