"""Proofs: does a change of a variant lower its RMSE, and does a change drawn at random do so too? Pure numbers.

Compared are trials of the same seeds, by the paired test of gate.py. Each variant is judged alone. On several splits of
a table the trials of one split share its rows, so a pair is a split, with the mean over its seeds; where the splits are
too few for a test, a pair is a seed, with the mean over the splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from sumsquares.jobs.results.case import Cause, Change
from sumsquares.jobs.results.gate import Change as Judged
from sumsquares.jobs.results.gate import Policy, Scores, judge
from sumsquares.jobs.results.proof_size import FEWEST_SEEDS

_TESTED = ("seeds", "effect", "low", "high", "p", "is_small")
Rmse = float | None
"""Of one trial: infinite if it diverged, None if it has no result."""
Place = tuple[str | None, int]
"""Split and seed of a trial."""
SEEDS, SPLITS = "seed", "split"
"""What a pair is."""


@dataclass(frozen=True)
class Side:
    """The trials after one change, compared with those before it."""

    change: Change
    variant_id: str
    """The changed variant."""
    rmse_S: tuple[Rmse, ...]
    judged: Judged | None
    """By the gate; None if no pair has a result on both sides."""
    paired_by: str = SEEDS
    """What the RMSEs are of: seeds, or splits."""

    @property
    def verdict(self) -> str:
        """better, worse, same or untested."""
        return self.judged.verdict if self.judged else "untested"

    @property
    def facts(self) -> dict[str, Any]:
        """The side for --json."""
        return {
            "change": change_facts(self.change),
            "variant_id": self.variant_id,
            **rmse_facts(self.rmse_S),
            "verdict": self.verdict,
            "paired_by": self.paired_by,
            "test": {name: value for name, value in asdict(self.judged).items() if name in _TESTED}
            if self.judged
            else None,
        }


@dataclass(frozen=True)
class Proof:
    """What training again has shown of one variant."""

    variant_id: str
    cause: Cause
    """The one whose change was made."""
    seeds: tuple[int, ...]
    starts: int
    """Of how many seeds the one of the lowest training RMSE is kept after the change: 1 unless it is one of seeds."""
    metric: str
    """What is compared: rmse, or rmse_extrapolation of what doesn't hold beyond the range."""
    before_S: tuple[Rmse, ...]
    after: Side
    control: Side | None
    """Another hyperparameter changed; None if no other value of any is possible."""
    splits: int = 1
    """On how many splits each seed was trained."""

    @property
    def is_proved(self) -> bool:
        """Whether the test calls the change better."""
        return self.after.verdict == "better"

    @property
    def facts(self) -> dict[str, Any]:
        """The proof for --json."""
        return {
            "cause": self.cause.name,
            "proved": self.is_proved,
            "seeds": self.seeds,
            "splits": self.splits,
            "starts": self.starts,
            "metric": self.metric,
            "before": {"variant_id": self.variant_id, **rmse_facts(self.before_S)},
            "after": self.after.facts,
            "control": self.control and self.control.facts,
        }


def compared(
    before_S: Sequence[Rmse],
    change: Change,
    variant_id: str,
    after_S: Sequence[Rmse],
    unit: float = 1.0,
    paired_by: str = SEEDS,
    shared: float = 0.0,
) -> Side:
    """Judges the trials after a change against those before it, pair by pair; `unit` is that of scale.py.

    `shared` is that of the gate's policy, for pairs that are splits.
    """
    policy = Policy(shared=shared if paired_by == SPLITS else 0.0)
    verdicts = judge(_scores(after_S, unit), _scores(before_S, unit), [], policy).changes
    return Side(change, variant_id, tuple(after_S), verdicts[0] if verdicts else None, paired_by)


def pairing(splits: int) -> str:
    """Returns what a pair is, with so many splits."""
    return SPLITS if splits >= FEWEST_SEEDS else SEEDS


def pairs_of(rmse: Mapping[Place, Rmse], places: Sequence[Place], paired_by: str) -> tuple[Rmse, ...]:
    """Returns the RMSE of each pair, the mean over its trials at these places; None if one of them has no result."""
    pairs: dict[Any, list[Rmse]] = {}
    for split, seed in places:
        pairs.setdefault(split if paired_by == SPLITS else seed, []).append(rmse.get((split, seed)))
    return tuple(_mean(values) for values in pairs.values())


def _mean(values: Sequence[Rmse]) -> Rmse:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _scores(rmse_S: Sequence[Rmse], unit: float) -> Scores:
    """The trials that have a result, named by their places."""
    known = {f"{place:06}": rmse / unit for place, rmse in enumerate(rmse_S) if rmse is not None}
    return Scores(
        np.array([*known], np.str_), np.array(["the variant"] * len(known), np.str_), np.array([*known.values()])
    )


def best_of_each(
    seeds: Sequence[int], groups: int, rmse: Mapping[int, Rmse], rmse_train: Mapping[int, Rmse]
) -> tuple[Rmse, ...]:
    """Returns the test RMSE of the seed with the lowest training RMSE in each of several equal groups.

    That is what more seeds are good for: several starts, of which one is kept. Seed `i` is in group `i % groups`, so
    the first seeds are each in a group of their own.
    """
    found = []
    for group in range(groups):
        mates = [seed for place, seed in enumerate(seeds) if place % groups == group and rmse[seed] is not None]
        best = min(mates, key=lambda seed: _or_infinite(rmse_train[seed]), default=None)
        found.append(None if best is None else rmse[best])
    return tuple(found)


def _or_infinite(value: Rmse) -> float:
    return math.inf if value is None else value


def median_of(rmse_S: Sequence[Rmse]) -> float | None:
    """Returns the median of the seeds that have a result, infinite where most have diverged; None if none has one."""
    known = [rmse for rmse in rmse_S if rmse is not None]
    return median(known) if known else None


def rmse_facts(rmse_S: Sequence[Rmse]) -> dict[str, Any]:
    """The RMSEs for --json, null for those of trials that diverged or have no result."""
    middle = median_of(rmse_S)
    return {
        "rmse_median": middle if middle is None or math.isfinite(middle) else None,
        "rmse": [None if rmse is None or not math.isfinite(rmse) else rmse for rmse in rmse_S],
        "diverged": sum(rmse is not None and not math.isfinite(rmse) for rmse in rmse_S),
    }


def change_facts(change: Change | None) -> dict[str, Any] | None:
    """A change for --json."""
    if change is None:
        return None
    return {"field": change.field, "value": change.value, "also": change_facts(change.also), "text": str(change)}
