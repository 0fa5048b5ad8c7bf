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
from typing import Any, NamedTuple

from sumsquares.datasets.normalize import NormalizationKind, normalization, target_moments
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.messages.numbers import number
from sumsquares.jobs.results.range_floors import is_linear
from sumsquares.jobs.spec.axes import AXES

Row = Mapping[str, Any]
"""A row of the summary's table: one variant."""
LEAST_GAIN = 1.5
"""A change that makes the RMSE less than this many times smaller is none."""
GOOD = 0.003
"""An RMSE below this share of the target's standard deviation isn't blamed on rows, scales or a low learning rate."""
FAR = 0.05
"""An RMSE above this share of the target's standard deviation is far from what trained networks reach."""
CONSTANT = 0.9
"""An RMSE above this share of the target's standard deviation is hardly better than the same answer for every input."""
_KEPT = 8
"""Neighbours that are kept of an axis with many values: those with the lowest median RMSE."""
_SPEC = tuple(DatasetSpec.model_fields)


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


class Scale(NamedTuple):
    """Where a dataset's normalised columns lie: mean and standard deviation of the inputs, and of the target."""

    input_mean: float
    input_std: float
    target_mean: float
    target_std: float


@dataclass(frozen=True)
class Case:
    """All that is known of one variant."""

    row: Row
    """Its row of the summary's table."""
    about: Row
    """Its dataset's entry in the summary."""
    rmse_S: tuple[float, ...]
    """RMSEs of its seeds that are ok, sorted."""
    neighbours: Mapping[str, Sequence[Row]]
    """By axis: variants of the dataset that differ from it in this axis alone, best first; of many the best ones."""

    @cached_property
    def rmse(self) -> float | None:
        """Median RMSE on the test rows."""
        return self.number("rmse_median")

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return widths(self.row["hidden"])

    @property
    def is_linear(self) -> bool:
        """Whether it is one linear function, however many layers it has."""
        return is_linear(self.hidden, self.row["activation"])

    @property
    def is_solved(self) -> bool:
        """Whether its last layer was solved after the training, so that the losses say little of its answers."""
        return bool(self.row.get("readout") == "solved")

    @property
    def steps(self) -> int:
        """Optimizer steps of its training."""
        return int(self.row["epochs"] * -(-self.about["rows"] // self.row["batch_size"]))

    @cached_property
    def gap(self) -> float | None:
        """How many times larger the RMSE is on test rows that were not trained than on training rows."""
        train, unseen = self.number("rmse_train_median"), self.number("rmse_unseen_median")
        return None if train is None or unseen is None else times(unseen, train)

    @property
    def is_memorised(self) -> bool:
        """Whether training rows are answered far better than others: no change of the training mends that."""
        return (self.gap or 1.0) >= 2

    @property
    def spread(self) -> float:
        """Standard deviation of the target: the RMSE of the best constant answer."""
        return _spread(self.about["task"], self.about["n_numbers"], self.about["largest"])

    @cached_property
    def scale(self) -> Scale:
        """Of the dataset as this variant's normalisation makes it."""
        return _scale(self.row["normalize"], *(self.about[name] for name in _SPEC))

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
                return row, times(self.rmse, row["rmse_median"])
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
    if factor < LEAST_GAIN:
        return None
    change = Change(axis, widths(row[axis]) if axis == "hidden" else row[axis])
    ours = "all trials diverged" if case.rmse is None else f"the RMSE is {number(case.rmse)}"
    told = (
        f"With {Change(axis, case.hidden if axis == 'hidden' else case.row[axis])} {ours}. {with_change(change, row)}"
    )
    return Cause(name, told, {"rmse_with_change": float(row["rmse_median"])}, change, factor)


def with_change(change: Change, neighbour: Row) -> str:
    """What a neighbour shows of a change, as a sentence."""
    return f"With {change} and everything else equal the RMSE is {number(neighbour['rmse_median'])}."


def cases(rows: Sequence[Row], about: Row, rmse_by_variant: Mapping[str, Sequence[float]]) -> Iterator[Case]:
    """Yields the cases of a dataset's variants, in their order.

    `rmse_by_variant` has the RMSEs of each variant's trials that are ok, by its id.
    """
    varied = [axis for axis in AXES if len({row[axis] for row in rows}) > 1]
    along = {axis: _alike(rows, axis, varied) for axis in varied}
    for place, row in enumerate(rows):
        near = {axis: [other for other in groups[place] if other is not row] for axis, groups in along.items()}
        yield Case(row, about, tuple(sorted(rmse_by_variant.get(row["variant_id"], ()))), near)


def _alike(rows: Sequence[Row], axis: str, varied: Iterable[str]) -> list[list[Row]]:
    """For each row those that differ from it in this axis at most, the best ones first."""
    others = [name for name in varied if name != axis]
    key: Callable[[Row], Any] = itemgetter(*others) if others else lambda _: ()
    keys = [key(row) for row in rows]
    groups: dict[Any, list[Row]] = defaultdict(list)
    for each, row in zip(keys, rows, strict=True):
        groups[each].append(row)
    best = {
        each: group if len(group) == 1 else sorted(group, key=_median)[: _KEPT + 1] for each, group in groups.items()
    }
    return [best[each] for each in keys]


def _median(row: Row) -> float:
    return math.inf if row["rmse_median"] is None else float(row["rmse_median"])


@lru_cache(maxsize=4096)
def widths(hidden: str) -> tuple[int, ...]:
    """Widths of the hidden layers, from the column `hidden`: `[16, 16]`."""
    return tuple(json.loads(hidden))


@lru_cache(maxsize=1024)
def _spread(task: Any, n_numbers: int, largest: int) -> float:
    return math.sqrt(target_moments(task, n_numbers, largest)[1])


@lru_cache(maxsize=1024)
def _scale(kind: NormalizationKind, *fields: Any) -> Scale:
    spec = DatasetSpec(**dict(zip(_SPEC, fields, strict=True)))
    scale = normalization(spec, kind)
    mean, variance = target_moments(spec.task, spec.n_numbers, spec.largest)
    return Scale(
        input_mean=((1 + spec.largest) / 2 - scale.input_shift) / scale.input_scale,
        input_std=math.sqrt((spec.largest**2 - 1) / 12) / scale.input_scale,
        target_mean=(float(mean) - scale.target_shift) / scale.target_scale,
        target_std=math.sqrt(variance) / scale.target_scale,
    )
