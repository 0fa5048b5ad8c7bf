"""The difference of two runs on one dataset: which variants both have, and how the RMSE of each has changed.

A variant is the same in both if its hyperparameters are, but for those that each run has a single value of: where all
of a run's variants were trained for 500 epochs and all of the other's for 40, they are compared pair by pair. The
change is judged by the test of the nights (gate.py), on trials of the same seeds and splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.jobs.results.described import shared_of, splits_of
from sumsquares.jobs.results.gate import Change, Policy, Scores, judge
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.proof import SPLITS, Place, Rmse, pairing, pairs_of
from sumsquares.jobs.results.scale import unit_in
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.axes import AXES, DEFAULTS

Row = Mapping[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Pair:
    """A variant that both runs have."""

    before: Row
    """Its row of the summary's table."""
    after: Row
    change: Change | None
    """What the test finds; None if no trial of it has a partner."""
    is_same: bool
    """Whether its trials are the same, and so are their RMSEs, to the bit."""


@dataclass(frozen=True)
class Compared:
    """Two runs on one dataset."""

    pairs: tuple[Pair, ...]
    """The one that has become worst first."""
    only_before: tuple[Row, ...]
    only_after: tuple[Row, ...]
    constants: Mapping[str, tuple[Any, Any]]
    """By hyperparameter the single values that the runs have of it, where they differ."""
    verdict: str
    """worse (some variant is), better (some is and none is worse), same, or apart (no common trial)."""


def compare(before: Summary, after: Summary, names: tuple[str, str], policy: Policy | None = None) -> Compared:
    """Compares the variants of a dataset, by its names in both runs; its test rows must be the same."""
    ours, theirs = ([*_rows(each, name)] for each, name in zip((before, after), names, strict=True))
    constants = {
        axis: values
        for axis in AXES
        if (values := (_only(ours, axis), _only(theirs, axis))) and None not in values and values[0] != values[1]
    }
    by_key = [{_key(row, constants): row for row in rows} for rows in (ours, theirs)]
    common = [key for key in by_key[0] if key in by_key[1]]
    about = before.datasets[names[0]]
    policy = policy or Policy(shared=shared_of(about) if pairing(splits_of(about)) == SPLITS else 0.0)
    trials = [_trials(each, name) for each, name in zip((before, after), names, strict=True)]
    scores = [_scores(common, rows, own, about) for rows, own in zip(by_key, trials, strict=True)]
    judgement = judge(scores[1], scores[0], [], policy)
    changes = {change.variant: change for change in judgement.changes}
    pairs = [
        _pair(by_key[0][key], by_key[1][key], changes.get(_name(place)), trials) for place, key in enumerate(common)
    ]
    return Compared(
        tuple(sorted(pairs, key=lambda pair: -pair.change.effect if pair.change else math.inf)),
        tuple(row for key, row in by_key[0].items() if key not in by_key[1]),
        tuple(row for key, row in by_key[1].items() if key not in by_key[0]),
        constants,
        judgement.verdict,
    )


def _rows(summary: Summary, name: str) -> list[Row]:
    rows: list[Row] = summary.table.filter(pc.equal(summary.table["dataset"], name)).to_pylist()
    return rows


def _only(rows: Sequence[Row], axis: str) -> Any:
    """Returns the single value of a hyperparameter in these rows; None if there are several, or no rows."""
    values = {_value(row, axis) for row in rows}
    return values.pop() if len(values) == 1 else None


def _value(row: Row, axis: str) -> Any:
    return row.get(axis, DEFAULTS[axis])


def _key(row: Row, constants: Mapping[str, object]) -> Key:
    return tuple(_value(row, axis) for axis in AXES if axis not in constants)


_Trials = Mapping[str, Mapping[Place, Row]]
"""By variant, split and seed."""


def _trials(summary: Summary, name: str) -> _Trials:
    own: pa.Table = summary.trials.filter(pc.equal(summary.trials["dataset"], name))
    found: dict[str, dict[Place, Row]] = {}
    for row in own.select(["variant_id", "split", "seed", "trial_id", "status", "rmse"]).to_pylist():
        found.setdefault(row["variant_id"], {})[row["split"], row["seed"]] = row
    return found


def _scores(common: Sequence[Key], rows: Mapping[Key, Row], trials: _Trials, about: Row) -> Scores:
    """Returns what is compared: the RMSE of each seed or, with enough splits, the mean on each split."""
    unit, paired_by = unit_in(about), pairing(splits_of(about))
    names, variants, values = [], [], []
    for place, key in enumerate(common):
        rmse = {at: _rmse(row) for at, row in trials.get(rows[key]["variant_id"], {}).items()}
        places = sorted(rmse, key=lambda at: (str(at[0]), at[1]))
        labels = dict.fromkeys(at[0] if paired_by == SPLITS else at[1] for at in places)
        for label, value in zip(labels, pairs_of(rmse, places, paired_by), strict=True):
            if value is not None:
                names.append(f"{_name(place)}-{label}")
                variants.append(_name(place))
                values.append(value / unit)
    return Scores(np.array(names, np.str_), np.array(variants, np.str_), np.array(values, np.float64))


def _rmse(row: Row) -> Rmse:
    return math.inf if row["status"] == "diverged" or row["rmse"] is None else float(row["rmse"])


def _name(place: int) -> str:
    return f"{place:07}"


def _pair(before: Row, after: Row, change: Change | None, trials: Sequence[_Trials]) -> Pair:
    ours, theirs = (own.get(row["variant_id"], {}) for own, row in zip(trials, (before, after), strict=True))
    is_same = ours.keys() == theirs.keys() and all(_rmse(ours[place]) == _rmse(theirs[place]) for place in ours)
    return Pair(before, after, change, is_same and middle(before) == middle(after))
