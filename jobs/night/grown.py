"""Tables of which a night has other rows than its champion, mostly since their file grew: how both are compared.

Both nights are measured again on the rows of common.py. The noise of the rows is that of earlier nights whose
tables had other rows again and which didn't differ from the champion: each of them has been compared with it on rows of
its own, so its champion's scores, moved by what was found then, stand for its scores on the rows of now. Nights on a
file that grows have most rows in common, so the noise drifts. Even if it is a random walk, at most 1.4 % of the nights
at any length of the history, and 0.9 % of all, pass the test over nights at alpha = 0.01 (4,000 histories of 21).

Suffixes: T trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.night.common import CommonRows, common_rows, why_apart, why_less
from sumsquares.jobs.night.context import ResultsCache
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import NightRecord
from sumsquares.jobs.night.scores import or_infinite, trained_pairs, unit_in
from sumsquares.jobs.results.gate import Scores
from sumsquares.jobs.results.predict import errors_over
from sumsquares.jobs.results.scale import RESOLUTION, log_rmse
from sumsquares.jobs.results.table_rows import TableRows
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store


class _Effect(BaseModel):
    variant: str
    seeds: int
    effect: Annotated[FiniteFloat, Field(gt=-1)]


class _Gate(BaseModel):
    changes: list[_Effect]
    """A night of an edited spec has none."""


_SHAPE = TypeAdapter(_Gate)


@dataclass(frozen=True)
class Grown:
    """The tables of a night that have other rows than the champion's."""

    common: Mapping[str, CommonRows]
    """By the champion's dataset, of those that can be compared."""
    apart: Mapping[str, str]
    """Why the others can't be."""

    @property
    def of_night(self) -> dict[str, CommonRows]:
        """The same tables by the night's dataset."""
        return {each.ours.name: each for each in self.common.values()}


def grown_tables(
    store: Store, matches: Mapping[str, Whole | None], theirs: Mapping[str, Whole], ours: Mapping[str, Whole]
) -> Grown:
    """Finds them among the datasets of both nights; `matches` has the night's dataset by the champion's."""
    common: dict[str, CommonRows] = {}
    apart: dict[str, str] = {}
    for name, match in matches.items():
        table = theirs[name]
        other = ours.get(name) if match is None else match
        if not isinstance(table, TableDataset) or (match is not None and match.digest == table.digest):
            continue
        if match is None or not isinstance(match, TableDataset):
            if isinstance(other, TableDataset) and (reason := why_apart(table, other)) is not None:
                apart[name] = reason
            continue
        found = common_rows(store, table, match)
        if found.compared:
            common[name] = found
        else:
            apart[name] = f"none of its {counted(found.held_out, 'test row')} is left to compare on: {why_less(found)}"
    return Grown(common, apart)


def measured_again(
    store: Store,
    night: Night,
    scores: Scores,
    tables: Mapping[str, CommonRows],
    of_champion: bool,
    read: ResultsCache,
) -> Scores:
    """Returns the scores of a night, of `tables` by its own names for them on the common rows, in the champion's units.

    Trials on a split that has no such row are left out.

    Raises:
        DamagedRecord: some of its trials are not in the store.

    """
    if not tables:
        return scores
    pairs, found = trained_pairs(store, night, read)
    rows, together = TableRows(store), dict[tuple[str, str, str | None], list[Trial]]()
    for _, trial in pairs:
        if trial.variant.dataset.name in tables and found[trial.id]["status"] == "ok":
            key = (str(found[trial.id]["pack"]), trial.variant.dataset.name, trial.variant.dataset.split)
            together.setdefault(key, []).append(trial)
    rmse: dict[str, float] = {}
    for (pack, name, split), mates in together.items():
        if (pair := tables[name].by_split.get(split)) is not None:
            errors = errors_over(store, pack, mates, pair.blocks(rows, of_champion))
            rmse |= zip((trial.id for trial in mates), errors.rmse.tolist(), strict=True)
    values_T = [
        _score(store, trial, own, rmse.get(trial.id), tables)
        for (_, trial), own in zip(pairs, scores.rmse_T.tolist(), strict=True)
    ]
    keep_T = np.array([value is not None for value in values_T])
    rmse_T = np.array([value for value in values_T if value is not None])
    return Scores(scores.trial_T[keep_T], scores.variant_T[keep_T], rmse_T)


def _score(
    store: Store, trial: Trial, own: float, rmse: float | None, tables: Mapping[str, CommonRows]
) -> float | None:
    """Returns a trial's score: `own` unless its dataset is one of `tables`; None if its split has no common row."""
    dataset = trial.variant.dataset
    if dataset.name not in tables:
        return own
    pair = tables[dataset.name].by_split.get(dataset.split)
    return None if pair is None else or_infinite(store, rmse, pair.theirs) / unit_in(store, pair.theirs)


def nights_between(champion: Scores, records: Iterable[NightRecord]) -> list[Scores]:
    """Returns what the scores of earlier nights would be on the rows of now, given those of the champion there.

    Each is the champion's, moved by the effect that was found of that night, variant by variant. Variants that it
    wasn't told of are left out.
    """
    counts = dict(zip(*(each.tolist() for each in np.unique(champion.variant_T, return_counts=True)), strict=True))
    moved = (_moved(champion, effects) for record in records if (effects := _effects(record, counts)))
    return [scores for scores in moved if len(scores.trial_T)]


def _effects(record: NightRecord, counts: Mapping[str, int]) -> dict[str, float]:
    """Returns by variant the mean difference of the logarithms that was found, where all its trials were compared."""
    try:
        changes = _SHAPE.validate_python(record.gate).changes
    except ValidationError:
        return {}
    return {each.variant: math.log1p(each.effect) for each in changes if each.seeds == counts.get(each.variant)}


def _moved(champion: Scores, effects: Mapping[str, float]) -> Scores:
    keep_T = np.array([name in effects for name in champion.variant_T.tolist()], bool)
    moved_T = np.array([effects[name] for name in champion.variant_T[keep_T].tolist()])
    log_T = log_rmse(champion.rmse_T[keep_T]) + moved_T
    rmse_T = np.sqrt(np.maximum(np.exp(2 * log_T) - RESOLUTION**2, 0.0))  # log_rmse backwards
    return Scores(champion.trial_T[keep_T], champion.variant_T[keep_T], rmse_T)
