"""What the report draws of a run's datasets: a bounded number of packs, rows and answers, whatever the run's size.

Nothing is trained or written. What can't be read any more is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.figures.choosing import chosen_of, ranked
from sumsquares.jobs.results.figures.curves import curves_of
from sumsquares.jobs.results.figures.data import Chosen, Curves, ErrorMap, Figures, Residuals
from sumsquares.jobs.results.figures.losses import drawn_seeds, losses_of
from sumsquares.jobs.results.figures.maps import error_map
from sumsquares.jobs.results.figures.networks import Asked, Kept, OnLost, read_kept
from sumsquares.jobs.results.figures.residuals import residuals_of
from sumsquares.jobs.results.figures.seeds import rmse_of, shown
from sumsquares.jobs.results.samples import Sample, samples
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

_UNREADABLE = (DataError, FileNotFoundError)
"""What rows of a table raise that are damaged or gone."""
ByVariant = Mapping[str, Sequence[Trial]]


class _Part(NamedTuple):
    """What is drawn of one dataset."""

    chosen: Sequence[Chosen]
    rmse: Mapping[str, tuple[float, ...]]


def figures_of(
    summary: Summary, expected: Sequence[Trial], results: pa.Table, store: Store, on_lost: OnLost
) -> dict[str, Figures]:
    """Returns the figures of each dataset of a summary of the expected trials; `results` has the column `pack`.

    `on_lost` gets each pack whose weights are needed, and damaged or gone.
    """
    parts = {name: _part(summary, name) for name in summary.datasets}
    chosen = [each for part in parts.values() for each in part.chosen]
    trials = _trials_of({each.row["variant_id"] for each in chosen}, expected)
    drawn = {each.row["variant_id"]: drawn_seeds(each, trials[each.row["variant_id"]]) for each in chosen}
    asked = [trial for each in chosen for trial in trials[each.row["variant_id"]] if trial.id == each.trial]
    wanted = {trial.id: trial for trial in (*asked, *(trial for own in drawn.values() for trial in own))}
    kept = read_kept(store, wanted.values(), results, on_lost)
    return {name: _figures(store, part, drawn, kept) for name, part in parts.items()}


def _part(summary: Summary, name: str) -> _Part:
    table = summary.table.filter(pc.equal(summary.table["dataset"], name))
    trials = summary.trials.filter(pc.equal(summary.trials["dataset"], name))
    order = ranked(table)
    ids = table["variant_id"].take(pa.array(shown(order), pa.int64())).to_pylist()
    chosen = chosen_of(table, trials, order)
    others = [each.row["variant_id"] for each in chosen if each.trial is not None]
    return _Part(chosen, rmse_of(trials, list(dict.fromkeys([*ids, *others]))))


def _trials_of(variants: set[str], expected: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Returns the expected trials of these variants, by variant id, in the order of splits and seeds."""
    found: dict[str, list[Trial]] = {variant: [] for variant in variants}
    for trial in expected:
        if (variant := trial.variant.group) in variants:
            found[variant].append(trial)
    return found


def _figures(store: Store, part: _Part, drawn: ByVariant, kept: Mapping[str, Kept]) -> Figures:
    asked = [Asked(each, kept[each.trial]) for each in part.chosen if each.trial is not None and each.trial in kept]
    ends = [each for each in asked if each.chosen.roles != ("other",)]
    losses = (losses_of(each, drawn[each.row["variant_id"]], kept) for each in part.chosen)
    return Figures(
        curves=_curves(store, asked),
        maps=_maps(ends),
        residuals=tuple(_residuals(store, ends)),
        losses=tuple(each for each in losses if each is not None),
        samples=tuple(_samples(store, ends)),
        rmse=part.rmse,
    )


def _numbers(asked: Sequence[Asked]) -> int:
    """Returns how many inputs the target may depend on, of digits one; 0 if nothing is asked."""
    dataset = asked[0].kept.trial.variant.dataset if asked else None
    return 0 if dataset is None else dataset.inputs if isinstance(dataset, TableSplit) else dataset.n_numbers


def _curves(store: Store, asked: Sequence[Asked]) -> Curves | None:
    if _numbers(asked) != 1:
        return None
    try:
        return curves_of(store, asked)
    except _UNREADABLE:
        return None


def _maps(ends: Sequence[Asked]) -> tuple[ErrorMap, ...]:
    """Returns none of a table: what to expect between its rows is not known."""
    if _numbers(ends) != 2 or isinstance(dataset := ends[0].kept.trial.variant.dataset, TableSplit):
        return ()
    return tuple(error_map(dataset, each) for each in ends)


def _residuals(store: Store, ends: Sequence[Asked]) -> Iterator[Residuals]:
    for each in ends:
        if _numbers(ends) > 2 or isinstance(each.kept.trial.variant.dataset, TableSplit):
            try:
                yield residuals_of(store, each)
            except _UNREADABLE:
                continue


def _samples(store: Store, ends: Sequence[Asked]) -> Iterator[tuple[Chosen, tuple[Sample, ...]]]:
    for chosen, kept in ends:
        try:
            yield chosen, tuple(samples(store, kept.trial, kept.network.answers))
        except (*_UNREADABLE, UsageError):  # the latter where an answer is not finite
            continue
