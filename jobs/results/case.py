"""A case: all that is known of one variant after a run, and what a cause says of it. The causes are in causes.py.

Nothing is read or trained here: rows of the summary come in.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.moments import Moments
from sumsquares.datasets.normalize import kind_of_target
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.messages.numbers import number
from sumsquares.jobs.results.described import (
    SOLVED,
    dataset_of,
    first_targets,
    is_of_integers,
    is_table,
    spec_of,
    splits_of,
    spread_of,
    target_spread,
    tested_noun,
    train_rows,
)
from sumsquares.jobs.results.middle import middle, middle_or_infinite
from sumsquares.jobs.results.networks import Reach, distances, is_linear, reach_of
from sumsquares.jobs.results.normalized_columns import Scale, columns_of
from sumsquares.jobs.spec.axes import AXES

Row = Mapping[str, Any]
"""A row of the summary's table: one variant."""
LEAST_GAIN = 1.5
"""A change that makes the RMSE less than this many times smaller is none."""
_LEAST_OF_TABLES = 1.1
"""The same of a table, in whose targets there may be noise that no network gets below."""
GOOD = 0.003
"""An RMSE below this share of the target's standard deviation isn't blamed on rows, scales or a low learning rate."""
FAR = 0.05
"""An RMSE above this share of the target's standard deviation is far from what trained networks reach."""
CONSTANT = 0.9
"""An RMSE above this share of the target's standard deviation is hardly better than the same answer for every input."""
_ROUNDS = 0.1
"""An RMSE of integers below this is nearly always right after rounding."""
_KEPT = 8
"""Neighbours that are kept of an axis with many values: those with the lowest median RMSE."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one field of a spec."""

    field: str
    """A hyperparameter, `rows` or `unused` of the dataset, or `seeds`."""
    value: Any
    also: Change | None = None
    """A second change that the first needs: a hidden layer an activation, knots in their places a solved readout."""

    def __str__(self) -> str:
        """As a spec writes it: `activation = "tanh"`, `hidden = [[64]]`, `epochs = 2_000`."""
        value = [list(self.value)] if self.field == "hidden" else self.value
        text = f"{value:_}" if isinstance(value, int) else json.dumps(value)
        return f"{self.field} = {text}" + (f", {self.also}" if self.also else "")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a variant ends where it does."""

    name: str
    sentence: str
    """What shows it, with its numbers: true of what was measured."""
    evidence: Mapping[str, float]
    change: Change | None
    """The one change that mends it; None where there is nothing to mend, or nothing is known to mend it."""
    gain: float = 1.0
    """By what factor the RMSE should fall at least, roughly. It ranks the causes."""


@dataclass(frozen=True)
class Case:
    """All that is known of one variant."""

    row: Row
    """Its row of the summary's table."""
    about: Row
    """Its dataset's entry in the summary."""
    rmse_S: tuple[float, ...]
    """RMSEs of its seeds that are ok, sorted; with several splits, each over the lowest of its split."""
    neighbours: Mapping[str, Sequence[Row]]
    """By axis: variants of the dataset that differ from it in this axis alone, best first; of many the best ones."""
    bent: Row | None = None
    """The best variant of the dataset that has a hidden layer with an activation; None if none has a result."""

    @cached_property
    def rmse(self) -> float | None:
        """Median RMSE on the test rows; with several splits the mean over all trials."""
        return middle(self.row)

    @property
    def median(self) -> float | None:
        """Median RMSE on the test rows, whatever the splits: what other medians are compared with."""
        return self.number("rmse_median")

    @property
    def of_median(self) -> str:
        """What a median is called beside `rmse`."""
        return "median RMSE" if self.splits > 1 else "RMSE"

    @property
    def is_table(self) -> bool:
        """Whether its dataset is a table of one's own: of that, no formula, range or noise is known."""
        return is_table(self.about)

    @property
    def splits(self) -> int:
        """Splits of its dataset."""
        return splits_of(self.about)

    @property
    def over_splits(self) -> str:
        """What is to be added to a number that is averaged over several splits."""
        return f" (mean over {self.splits} splits)" if self.splits > 1 else ""

    @property
    def tested(self) -> str:
        """What a row is called on which it is measured."""
        return tested_noun(self.about)

    @property
    def least_gain(self) -> float:
        """A change that makes the RMSE less than this many times smaller is none."""
        return _LEAST_OF_TABLES if self.is_table else LEAST_GAIN

    @property
    def far(self) -> float:
        """An RMSE above this is far from what trained networks reach.

        How far those get on a table isn't known, so there it is one that is hardly better than a constant answer.
        """
        return (CONSTANT if self.is_table else FAR) * self.spread

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return widths(self.row["hidden"])

    @cached_property
    def spec(self) -> DatasetSpec:
        """Its dataset's spec, if that is generated."""
        return spec_of(self.about)

    @cached_property
    def moments(self) -> Moments | None:
        """Of the training rows of a formula or a table."""
        known = self.about["facts"].get("moments")
        return None if known is None else Moments(**{name: _frozen(value) for name, value in known.items()})

    @property
    def is_linear(self) -> bool:
        """Whether it is one linear function of its inputs, which may be logarithms, however many layers it has."""
        return is_linear(self.hidden, self.row["activation"], self.row["output"]) and not self.has_log_target

    @property
    def has_log_inputs(self) -> bool:
        """Whether its inputs are logarithms."""
        return bool(self.row["normalize"] == "log")

    @property
    def has_log_target(self) -> bool:
        """Whether what it is trained on is the logarithm of the target."""
        return bool(kind_of_target(self.row["normalize"], self.row["normalize_target"]) == "log")

    @cached_property
    def reach(self) -> Reach | None:
        """What its answers reach; None if that is every number. With several splits, as if all were one."""
        kinds = (self.row["normalize"], self.row["normalize_target"])
        return reach_of(dataset_of(self.about), self.row["output"], *kinds, self.moments)

    @cached_property
    def reach_rmse(self) -> float:
        """The RMSE that follows from targets beyond that alone, on the first 65,536 test rows.

        Of a table, on all test rows: that is then its floor.
        """
        if self.is_table:
            return (self.number("floor") or 0.0) if self.row["floor_kind"] == "bound" else 0.0
        return 0.0 if self.reach is None else float(np.sqrt(np.square(self.distances).mean()))

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """How far the targets of those rows are from what its answers reach."""
        assert self.reach is not None
        return distances(self.reach, first_targets(self.spec, "test"))

    @property
    def floor(self) -> float | None:
        """The floor that follows from its hidden layers: None where it is that of its reach, or nothing is known."""
        floor = self.number("floor")
        return None if floor is None or 0 < floor <= self.reach_rmse * (1 + 1e-9) else floor

    @cached_property
    def has_integer_target(self) -> bool:
        """Whether its answers may be right after rounding."""
        return is_of_integers(self.about)

    @property
    def enough(self) -> float:
        """An RMSE below this needs no mending: of integers it is nearly always right after rounding."""
        return _ROUNDS if self.has_integer_target else SOLVED * self.spread

    @property
    def is_solved(self) -> bool:
        """Whether its last layer was solved after the training, so that the losses say little of its answers."""
        return bool(self.row.get("readout") == "solved")

    @property
    def has_logs(self) -> bool:
        """Whether its inputs or its target are logarithms."""
        return self.has_log_inputs or self.has_log_target

    @property
    def on_logs(self) -> str:
        """What is to be added to the shape of its network where a bound is of logarithms."""
        return " on logarithms" if self.has_log_inputs else ""

    @property
    def solving(self) -> Change:
        """The change to a solved readout, which minimises the mean squared error."""
        return Change("readout", "solved", None if self.row["loss"] == "mse" else Change("loss", "mse"))

    @property
    def per_square(self) -> float:
        """Factor of the slope of the loss's logarithm that makes it that of a squared error."""
        return 2.0 if self.row["loss"] == "mae" else 1.0

    @property
    def steps(self) -> int:
        """Optimizer steps of its training; with several splits the most."""
        return int(self.row["epochs"] * -(-self.rows // self.row["batch_size"]))

    @property
    def rows(self) -> int:
        """Training rows; with several splits the most."""
        return max(train_rows(self.about))

    @cached_property
    def gap(self) -> float | None:
        """How many times larger the RMSE is on test rows that were not trained than on training rows."""
        train, unseen = self.number("rmse_train_median"), self.number("rmse_unseen_median")
        return None if train is None or unseen is None else times(unseen, train)

    @property
    def is_memorised(self) -> bool:
        """Whether training rows are answered far better than others: no change of the training mends that.

        Or, where their targets have noise, far better than the formula itself answers them.
        """
        train = self.number("rmse_train_median")
        return (self.gap or 1.0) >= 2 or (train is not None and 2 * train < self.noise)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the target: the RMSE of the best constant answer."""
        return _spread(self.spec) if not self.is_table else target_spread(self.about)

    @cached_property
    def noise(self) -> float:
        """RMS of the noise in the training targets."""
        return float(self.about["facts"].get("noise_rmse") or 0.0)

    @cached_property
    def scale(self) -> Scale:
        """Of the dataset as this variant's normalisation makes it."""
        return columns_of(dataset_of(self.about), self.row["normalize"], self.row["normalize_target"], self.moments)

    def number(self, column: str) -> float | None:
        """The value of a column, None where it is missing."""
        value: float | None = self.row.get(column)
        return value

    def best_neighbour(self, axis: str, fits: Callable[[Any], bool]) -> tuple[Row, float] | None:
        """The best neighbour along an axis among those with a fitting value, and by what factor it is better.

        One of which more trials diverged, as a share, is no better whatever the others say.
        """
        trials, lost = self.row["n"] + self.row["n_diverged"], self.row["n_diverged"]
        for row in self.neighbours.get(axis, ()):
            others = row["n"] + row["n_diverged"]
            if fits(row[axis]) and others and row["n_diverged"] * trials <= lost * others:
                return row, times(self.rmse, middle(row))
        return None


def times(ours: float | None, theirs: float | None) -> float:
    """How many times smaller the second RMSE is; None stands for a variant of which all trials diverged."""
    if theirs is None:
        return 1.0 if ours is None else 0.0
    if ours is None or theirs == 0:
        return 1.0 if ours == 0 else math.inf
    return ours / theirs


def by_neighbour(case: Case, name: str, axis: str, tried: tuple[Row, float]) -> Cause | None:
    """The cause of that name, if the neighbour that has the change is better."""
    row, factor = tried
    if factor < case.least_gain:
        return None
    change = value_of(axis, row)
    ours = "all trials diverged" if case.rmse is None else f"the RMSE is {number(case.rmse)}"
    told = f"With {value_of(axis, case.row)} {ours}. {with_change(change, row)}"
    return Cause(name, told, {"rmse_with_change": rmse_of(row)}, change, factor)


def value_of(axis: str, row: Row) -> Change:
    """The value of an axis in a row, as the change to it."""
    return Change(axis, widths(row[axis]) if axis == "hidden" else row[axis])


def with_change(change: Change, neighbour: Row) -> str:
    """What a neighbour shows of a change, as a sentence."""
    return f"With {change} and everything else equal the RMSE is {number(rmse_of(neighbour))}."


def rmse_of(row: Row) -> float:
    """The RMSE of a variant that has one."""
    rmse = middle(row)
    assert rmse is not None, row["variant_id"]
    return rmse


def cases(rows: Sequence[Row], about: Row, rmse_by_variant: Mapping[str, Sequence[float]]) -> Iterator[Case]:
    """Yields the cases of a dataset's variants, in their order.

    `rmse_by_variant` has the RMSEs of each variant's trials that are ok, by its id; with several splits, each over the
    lowest of its split.
    """
    varied = [axis for axis in AXES if len({row[axis] for row in rows}) > 1]
    along = {axis: _alike(rows, axis, varied) for axis in varied}
    bent = [row for row in rows if row["activation"] != "identity" and middle(row) is not None]
    best = min(bent, key=middle_or_infinite, default=None)
    for place, row in enumerate(rows):
        near = {axis: [other for other in groups[place] if other is not row] for axis, groups in along.items()}
        yield Case(row, about, tuple(sorted(rmse_by_variant.get(row["variant_id"], ()))), near, best)


def _alike(rows: Sequence[Row], axis: str, varied: Iterable[str]) -> list[list[Row]]:
    """For each row those that differ from it in this axis at most, the best ones first."""
    others = [name for name in varied if name != axis]
    key: Callable[[Row], Any] = itemgetter(*others) if others else lambda _: ()
    keys = [key(row) for row in rows]
    groups: dict[Any, list[Row]] = defaultdict(list)
    for each, row in zip(keys, rows, strict=True):
        groups[each].append(row)
    best = {
        each: group if len(group) == 1 else sorted(group, key=middle_or_infinite)[: _KEPT + 1]
        for each, group in groups.items()
    }
    return [best[each] for each in keys]


@lru_cache(maxsize=4096)
def widths(hidden: str) -> tuple[int, ...]:
    """Widths of the hidden layers, from the column `hidden`: `[16, 16]`."""
    return tuple(json.loads(hidden))


_spread = lru_cache(maxsize=1024)(spread_of)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
