"""What is drawn of one dataset, once the weights of the trials that are asked have been read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.figures.curves import curves_of_numbers, curves_of_table
from sumsquares.jobs.results.figures.data import Chosen, Curves, ErrorMap, Figures, Residuals
from sumsquares.jobs.results.figures.held_out import HeldOut, held_out
from sumsquares.jobs.results.figures.losses import losses_of
from sumsquares.jobs.results.figures.maps import error_map
from sumsquares.jobs.results.figures.networks import Asked, Kept
from sumsquares.jobs.results.figures.residuals import residuals_of
from sumsquares.jobs.results.samples import Sample, samples
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

Rows = Mapping[str, HeldOut]
"""By the digest of a dataset, or of one split of a table."""


def figures_of_dataset(
    store: Store,
    chosen: Sequence[Chosen],
    drawn: Mapping[str, Sequence[Trial]],
    kept: Mapping[str, Kept],
    on_rows: Callable[[DataError], object],
    rmse: Mapping[str, tuple[float, ...]],
) -> Figures:
    """Returns the figures of a dataset, without those of trials that are not in `kept`.

    `drawn` has, by variant id, the trials whose losses are drawn. `on_rows` gets what is wrong with a table's rows.
    """
    asked = [Asked(each, kept[each.trial]) for each in chosen if each.trial is not None and each.trial in kept]
    ends = [each for each in asked if each.chosen.is_end]
    rows = _rows(store, ends, on_rows)
    losses = (losses_of(each, drawn[each.row["variant_id"]], kept) for each in chosen)
    return Figures(
        curves=_curves(store, asked, rows),
        maps=_maps(ends),
        residuals=tuple(_residuals(ends, rows)),
        losses=tuple(each for each in losses if each is not None),
        samples=tuple(_samples(ends, rows)),
        rmse=rmse,
    )


def _rows(store: Store, ends: Sequence[Asked], on_rows: Callable[[DataError], object]) -> Rows:
    """Returns test rows of what the first and the best were trained on; none if some can't be read."""
    try:
        return {dataset.digest: held_out(store, dataset) for dataset in dict.fromkeys(each.dataset for each in ends)}
    except DataError as error:
        on_rows(error)
    except FileNotFoundError as error:
        gone = f"dataset {ends[0].dataset.name}: some of its rows are not in the store: {error.filename}"
        on_rows(DataError(f"{gone}; run the spec again to read the table's file again"))
    return {}


def _numbers(asked: Asked) -> int:
    """Returns how many inputs the target may depend on; the digits of a number are one."""
    return asked.dataset.inputs if isinstance(asked.dataset, TableSplit) else asked.dataset.n_numbers


def _curves(store: Store, asked: Sequence[Asked], rows: Rows) -> Curves | None:
    if not asked or _numbers(asked[0]) != 1:
        return None
    best = next((each for each in asked if "best" in each.chosen.roles), asked[0])
    if not isinstance(best.dataset, TableSplit):
        return curves_of_numbers(best.dataset, asked)
    found = rows.get(best.dataset.digest)
    return found and curves_of_table(store, best.dataset.table, asked, found.some)


def _maps(ends: Sequence[Asked]) -> tuple[ErrorMap, ...]:
    """Returns none of a table: what to expect between its rows is not known."""
    return tuple(
        error_map(each.dataset, each)
        for each in ends
        if not isinstance(each.dataset, TableSplit) and _numbers(each) == 2
    )


def _residuals(ends: Sequence[Asked], rows: Rows) -> Iterator[Residuals]:
    for each in ends:
        is_drawn = isinstance(each.dataset, TableSplit) or _numbers(each) > 2
        if is_drawn and (found := rows.get(each.dataset.digest)) is not None:
            yield residuals_of(each, found.some)


def _samples(ends: Sequence[Asked], rows: Rows) -> Iterator[tuple[Chosen, tuple[Sample, ...]]]:
    for each in ends:
        if (found := rows.get(each.dataset.digest)) is not None:
            try:
                yield each.chosen, tuple(samples(each.kept.trial, each.kept.network.answers, found.first))
            except UsageError:  # an answer is not finite
                continue
