"""Floors: the smallest RMSE that a variant's architecture can reach at all, however it is trained.

Each number is a lower bound: exact for constant targets and linear models, close for one hidden layer of ReLU units and
one input, rough otherwise. An output activation has a floor of its own: no answer lies beyond what it reaches. Where
nothing but 0 is known, that is said as None. Generated rows are made from their specs, and nothing is stored. Of a
table's split, what linear functions reach is among its facts, and nothing is known of other hidden layers.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets import elementary
from sumsquares.datasets.dataset import Named
from sumsquares.datasets.facts import MEASURED_ROWS, Facts
from sumsquares.datasets.linear_fit import rounding
from sumsquares.datasets.rows import blocks
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.networks import Network, Reach, distances, network_of
from sumsquares.jobs.results.parts import key_of
from sumsquares.jobs.results.pieces import Errors, Points, errors
from sumsquares.jobs.results.range_floors import CURVED, floor_on_range
from sumsquares.jobs.spec.variants import Variant

# Shapes: N rows, I input columns, G rows of a group.
MOST_DISTINCT = 10_000
"""Distinct inputs up to which the floor on the rows is computed: 1 to 2 seconds."""
_MOST_GROUPS = 128
_MOST_STEPS = 1e7
"""If there are several inputs: how many groups of rows count, the largest first, and up to which sum of the squares of
their distinct numbers. More would take longer than 2 seconds. Leaving out some lowers the bound."""
_MOST_AXES = 16
"""Numbers along which rows are grouped, the first ones; each takes up to 0.2 seconds."""
_LOG_ROWS = 1 << 20
"""Test rows up to which the best linear function of logarithms is fitted."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest RMSE that an architecture can reach."""

    kind: str
    """How it is known.

    * constant: all targets of the rows are the same number.
    * linear: without an activation a network is a linear function, maybe of logarithms: least squares.
    * relu_pieces: one hidden layer of ReLU units and one input: pieces.py.
    * rows: a network that is made of linear pieces may have enough of them for every distinct row.
    * bound: other networks of linear pieces: no more pieces than they may have, along one input. Networks with an
      output activation: the distance of the targets from what it reaches, where that is more.
    * none: nothing is known.
    """
    rows: float | None
    """On the test rows: none can have a smaller RMSE there. None if it isn't known."""
    range: float | None
    """On all inputs 1..largest of the task, equally likely, likewise; None for formulas and tables."""


Targets = Callable[[TableSplit], Iterator[NDArray[np.float64]]]
"""Yields the targets of a table's test rows."""


def floors(
    variants: Sequence[Variant], facts_of: Callable[[Named], Facts], targets_of: Targets | None = None
) -> list[Floor]:
    """Returns the floor of each variant, of a table's that on its split.

    Variants of one dataset and one architecture share theirs. `targets_of` is needed for tables alone.
    """
    networks: dict[tuple[str, str | None], dict[Network, Floor | None]] = defaultdict(dict)
    datasets: dict[tuple[str, str | None], Named] = {}
    of_variant = []
    for variant in variants:
        dataset = datasets[key_of(variant.dataset)] = variant.dataset
        network = network_of(variant, facts_of(dataset).moments if variant.output != "linear" else None)
        networks[key_of(dataset)][network] = None
        of_variant.append(network)

    def found(key: tuple[str, str | None]) -> dict[Network, Floor]:
        dataset = datasets[key]
        if isinstance(dataset, TableSplit):
            assert targets_of is not None
            return _of_split(dataset, facts_of(dataset), list(networks[key]), targets_of)
        return _of_dataset(dataset, facts_of(dataset), list(networks[key]))

    known = {key: found(key) for key in networks}
    return [known[key_of(variant.dataset)][network] for variant, network in zip(variants, of_variant, strict=True)]


def averaged(floors_S: Sequence[Floor]) -> Floor:
    """Returns the floor of a variant from those on its splits: no mean of its RMSEs over all splits is below it."""
    if len(floors_S) == 1 or all(each.rows is None for each in floors_S):
        return floors_S[0]
    highest = max(floors_S, key=lambda each: each.rows or 0.0)
    return Floor(highest.kind, fmean(each.rows or 0.0 for each in floors_S), None)


def _of_split(
    split: TableSplit, facts: Facts, networks: Sequence[Network], targets_of: Targets
) -> dict[Network, Floor]:
    """Returns the floors on a split of a table: least squares, and what output activations reach."""
    found = {}
    beyond = {each.reach: _beyond(targets_of(split), each.reach, split.test_rows) for each in networks}
    for each in networks:
        floor = Floor("none", None, None)
        if facts.constant:
            floor = Floor("constant", 0.0, None)
        elif each.is_linear and not each.log_inputs:
            floor = Floor("linear", facts.linear_rmse, None)
        found[each] = _with_reach(floor, beyond[each.reach])
    return found


def _of_dataset(dataset: DatasetSpec, facts: Facts, networks: Sequence[Network]) -> dict[Network, Floor]:
    bounded = [each for each in networks if each.is_piecewise and not _fits_all(dataset, facts, each)]
    fits: dict[bool, Errors | None] = {}
    for is_log in {each.log_inputs for each in bounded if not facts.constant}:
        most = max(each.pieces for each in bounded if each.log_inputs == is_log)
        fits[is_log] = _fits(dataset, most, is_log)
    beyond = {
        reach: _beyond(_targets(dataset), reach, dataset.test_rows) for reach in {each.reach for each in networks}
    }
    return {
        each: _with_reach(_floor(dataset, facts, fits.get(each.log_inputs), each), beyond[each.reach])
        for each in networks
    }


def _targets(dataset: DatasetSpec) -> Iterator[NDArray[Any]]:
    return (target_N for _, target_N in blocks(dataset, "test"))


def _with_reach(floor: Floor, beyond: float) -> Floor:
    """Returns the floor of a network whose answers are at least so far from the targets."""
    return floor if beyond <= (floor.rows or 0.0) else Floor("bound", beyond, floor.range)


def _beyond(targets: Iterable[NDArray[Any]], reach: Reach | None, rows: int) -> float:
    """Returns the root mean square distance of the test rows' targets from what a network reaches."""
    if reach is None:
        return 0.0
    squares = sum(float(np.square(distances(reach, target_N)).sum()) for target_N in targets)
    return math.sqrt(squares / rows)


def _floor(dataset: DatasetSpec, facts: Facts, fits: Errors | None, network: Network) -> Floor:
    """Returns the floor of a network that reaches all targets, given the errors of its pieces on the test rows."""
    whole = floor_on_range(dataset, network)
    if facts.constant:
        return Floor("constant", 0.0, whole)
    if network.is_linear:
        rmse = _linear_of_logs(dataset) if network.log_inputs else facts.linear_rmse
        return Floor("none", None, whole) if rmse is None else Floor("linear", rmse, whole)
    if not network.is_piecewise:
        return Floor("none", None, None)
    if _fits_all(dataset, facts, network):
        return Floor("rows", 0.0, whole)
    rows = None
    if fits is not None:
        squares = fits.of_units(network.hidden[0]) if network.is_relu_layer else fits.of_pieces(network.pieces)
        rows = math.sqrt(squares / dataset.test_rows)
    if not rows and _distinct(dataset, facts) <= 2 * network.pieces:
        return Floor("rows", 0.0, whole)
    if network.is_relu_layer and dataset.inputs == 1:
        return Floor("relu_pieces", rows, whole)
    return Floor("bound", rows or None, whole) if rows or whole else Floor("none", None, None)


def _linear_of_logs(dataset: DatasetSpec) -> float | None:
    """Returns the RMSE of the best linear function of the inputs' logarithms, or None if the test rows are many."""
    if dataset.test_rows > _LOG_ROWS:
        return None
    inputs_NI, target_N = _test_rows(dataset)
    columns = np.column_stack([elementary.log(inputs_NI.astype(np.float64)), np.ones(len(target_N))])
    weights, *_ = np.linalg.lstsq(columns, target_N.astype(np.float64))
    rmse = math.sqrt(float(np.square(columns @ weights - target_N).mean()))
    return 0.0 if rmse <= rounding(dataset.inputs, float(np.abs(target_N).max())) else rmse


def _fits_all(dataset: DatasetSpec, facts: Facts, network: Network) -> bool:
    """Whether a network may fit every distinct row: two with each piece, or with one ReLU layer, one with each unit."""
    enough = network.hidden[0] if network.is_relu_layer else 2 * network.pieces
    return _distinct(dataset, facts) <= enough


def _distinct(dataset: DatasetSpec, facts: Facts) -> float:
    return facts.distinct if dataset.test_rows <= MEASURED_ROWS else math.inf


def _test_rows(dataset: DatasetSpec) -> tuple[Numbers, NDArray[np.int64 | np.float64]]:
    inputs_NI, target_N = (np.concatenate(parts) for parts in zip(*blocks(dataset, "test"), strict=True))
    return inputs_NI, target_N


def _fits(dataset: DatasetSpec, most: int, is_log: bool) -> Errors | None:
    """Returns the errors of up to `most` pieces on the test rows, or None if nothing but 0 is known, or they are many.

    Along each input a network of linear pieces has at most so many of them: along its logarithm, if that is what it
    gets. So rows that differ in one input alone are fitted together, and the groups are added up, for the input with
    the largest sum. The target is constant along unused inputs.
    """
    if dataset.test_rows > MEASURED_ROWS or not (axes := _axes(dataset)):
        return None
    inputs_NI, target_N = _test_rows(dataset)
    if is_log:
        inputs_NI = elementary.log(inputs_NI.astype(np.float64))
    widest = max(_count(dataset, axis) for axis in axes)
    enough = min(most, -(-int(min(len(target_N), widest, MOST_DISTINCT)) // 2))
    found = (_along(inputs_NI, target_N, axis, len(axes), enough) for axis in axes)
    known = [fits for fits in found if fits is not None]
    return reduce(operator.or_, known) if known else None


def _axes(dataset: DatasetSpec) -> list[int]:
    """Returns the numbers along which there may be a bound above 0: with 3 values, and not known to be straight.

    Rows of several real numbers are never equal in all but one; digits have two values.
    """
    is_straight = dataset.task is not None and dataset.task not in CURVED and dataset.inputs > 1
    if is_straight or dataset.digits or (dataset.is_real and dataset.inputs > 1):
        return []
    return [axis for axis in range(dataset.n_numbers) if _count(dataset, axis) >= 3][:_MOST_AXES]


def _count(dataset: DatasetSpec, axis: int) -> float:
    """Returns how many values a number has."""
    if dataset.is_real:
        return math.inf
    return dataset.source.parts("test")[0][axis].integers


def _along(
    inputs_NI: Numbers, target_N: NDArray[np.int64 | np.float64], axis: int, axes: int, most: int
) -> Errors | None:
    """Returns the errors along one of so many axes, or None if no group has 3 distinct numbers, or one has too many."""
    groups = list(_groups(inputs_NI, target_N, axis))[: -(-_MOST_GROUPS // axes)]
    steps_G = np.cumsum([float(len(points.x_N)) ** 2 for points in groups])
    groups = groups[: 1 + int(np.count_nonzero(steps_G[1:] <= _MOST_STEPS / axes))]
    if not 3 <= max(len(points.x_N) for points in groups) <= MOST_DISTINCT:
        return None
    return reduce(operator.add, (errors(points, most) for points in groups))


def _groups(inputs_NI: Numbers, target_N: NDArray[np.int64 | np.float64], axis: int) -> Iterator[Points]:
    """Yields the points of the largest groups of rows that are equal in all other inputs.

    Logarithms of different numbers may be equal: then the mean of their targets counts for all, which lowers the bound.
    """
    others = [inputs_NI[:, column] for column in range(inputs_NI.shape[1]) if column != axis]
    order = np.lexsort([inputs_NI[:, axis], *others])
    changed = [np.flatnonzero(np.diff(column_N[order])) + 1 for column_N in others]
    start_G = np.unique(np.concatenate([[0], *changed]).astype(np.intp))
    size_G = np.diff(np.append(start_G, len(order)))
    for group in np.argsort(-size_G, kind="stable")[:_MOST_GROUPS]:
        rows = order[start_G[group] : start_G[group] + size_G[group]]
        x_N, first_N, place_N, count_N = np.unique(
            inputs_NI[rows, axis], return_index=True, return_inverse=True, return_counts=True
        )
        y_N = target_N[rows][first_N]
        if y_N.dtype == np.float64:
            y_N = np.where(count_N == 1, y_N, np.bincount(place_N, target_N[rows]) / count_N)
        yield Points(_near_1(x_N) if x_N.dtype == np.float64 else x_N.astype(np.int64), y_N, count_N.astype(float))


def _near_1(x_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the numbers over a power of two, which changes no fit: the squares of tiny ones would be 0."""
    near_N: NDArray[np.float64] = np.ldexp(x_N, -np.frexp(np.abs(x_N).max())[1])
    return near_N
