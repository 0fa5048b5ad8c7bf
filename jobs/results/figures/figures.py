"""What the report draws of a run's datasets: a bounded number of packs, rows and answers, whatever the run's size.

Nothing is trained or written. What can't be read any more is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.figures.choosing import chosen_of, ranked
from sumsquares.jobs.results.figures.data import Chosen, Figures
from sumsquares.jobs.results.figures.losses import drawn_seeds
from sumsquares.jobs.results.figures.networks import OnLost, read_kept
from sumsquares.jobs.results.figures.of_dataset import figures_of_dataset
from sumsquares.jobs.results.figures.seeds import rmse_of, shown
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store


class _Part(NamedTuple):
    """What is drawn of one dataset."""

    chosen: Sequence[Chosen]
    rmse: Mapping[str, tuple[float, ...]]


def figures_of(
    summary: Summary,
    expected: Sequence[Trial],
    results: pa.Table,
    store: Store,
    on_lost: OnLost,
    on_rows: Callable[[DataError], object],
    picked: str | None = None,
) -> dict[str, Figures]:
    """Returns the figures of each dataset of a summary of the expected trials; `results` has the column `pack`.

    `on_lost` gets each pack whose weights are needed, and damaged or gone; `on_rows` gets what is wrong with the rows
    of a table. `picked` is the id of the variant that `fit` has chosen.
    """
    parts = {name: _part(summary, name, picked) for name in summary.datasets}
    chosen = [each for part in parts.values() for each in part.chosen]
    trials = _trials_of({each.row["variant_id"] for each in chosen}, expected)
    drawn = {each.row["variant_id"]: drawn_seeds(each, trials[each.row["variant_id"]]) for each in chosen}
    asked = {trial.id: trial for own in trials.values() for trial in own}
    ends = [asked[each.trial] for each in chosen if each.trial is not None and each.is_end]
    others = [asked[each.trial] for each in chosen if each.trial is not None]
    kept = read_kept(store, ends, [*others, *(trial for own in drawn.values() for trial in own)], results, on_lost)
    return {
        name: figures_of_dataset(store, part.chosen, drawn, kept, on_rows, part.rmse) for name, part in parts.items()
    }


def _part(summary: Summary, name: str, picked: str | None) -> _Part:
    table = summary.table.filter(pc.equal(summary.table["dataset"], name))
    trials = summary.trials.filter(pc.equal(summary.trials["dataset"], name))
    order = ranked(table)
    chosen = chosen_of(table, trials, order, picked)
    ids = table["variant_id"].take(pa.array(shown(order), pa.int64())).to_pylist()
    ids += [each.row["variant_id"] for each in chosen if each.trial is not None]
    return _Part(chosen, rmse_of(trials, list(dict.fromkeys(ids))))


def _trials_of(variants: set[str], expected: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Returns the expected trials of these variants, by variant id, in the order of splits and seeds."""
    found: dict[str, list[Trial]] = {variant: [] for variant in variants}
    for trial in expected:
        if (variant := trial.variant.group) in variants:
            found[variant].append(trial)
    return found
