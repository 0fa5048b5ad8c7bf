"""Floors: the smallest RMSE that a variant's architecture can reach at all, however it is trained.

Each number is a lower bound: exact for constant targets and linear models, close for one hidden layer of ReLU units and
one input, rough otherwise. Where nothing but 0 is known, that is said as None. Pure: datasets' rows are made from
their specs, and nothing is stored.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.facts import MEASURED_ROWS, Facts
from sumsquares.datasets.rows import blocks
from sumsquares.datasets.spec import DatasetSpec, NamedDataset
from sumsquares.datasets.tasks import Integers
from sumsquares.jobs.results.pieces import Errors, Points, errors
from sumsquares.jobs.results.range_floors import CURVED, floor_on_range, is_linear, is_piecewise, is_relu_layer, pieces
from sumsquares.jobs.spec.variants import Variant

# Shapes: N rows, I input columns, G rows of a group.
MOST_DISTINCT = 10_000
"""Distinct inputs up to which the floor on the rows is computed: 1 to 2 seconds."""
_MOST_GROUPS = 128
_MOST_STEPS = 1e7
"""If there are several inputs: how many groups of rows count, the largest first, and up to which sum of the squares of
their distinct numbers. More would take longer than 2 seconds. Leaving out some lowers the bound."""
Network = tuple[tuple[int, ...], str]
"""Hidden layers and activation."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The smallest RMSE that an architecture can reach."""

    kind: str
    """How it is known.

    * constant: all targets of the rows are the same number.
    * linear: without an activation a network is a linear function: least squares.
    * relu_pieces: one hidden layer of ReLU units and one input: pieces.py.
    * rows: a network that is made of linear pieces may have enough of them for every distinct row.
    * bound: other networks of linear pieces: no more pieces than they may have, along one input.
    * none: nothing is known.
    """
    rows: float | None
    """On the test rows: none can have a smaller RMSE there. None if it isn't known."""
    range: float | None
    """On all inputs 1..largest of the task, equally likely, likewise."""


def floors(variants: Sequence[Variant], facts_of: Callable[[NamedDataset], Facts]) -> list[Floor]:
    """Returns the floor of each variant. Variants of one dataset and one architecture share theirs."""
    networks: dict[str, dict[Network, Floor | None]] = defaultdict(dict)
    datasets: dict[str, NamedDataset] = {}
    for variant in variants:
        datasets[variant.dataset.name] = variant.dataset
        networks[variant.dataset.name][variant.hidden, variant.activation] = None
    known = {name: _of_dataset(datasets[name], facts_of(datasets[name]), list(networks[name])) for name in networks}
    return [known[variant.dataset.name][variant.hidden, variant.activation] for variant in variants]


def _of_dataset(dataset: DatasetSpec, facts: Facts, networks: Sequence[Network]) -> dict[Network, Floor]:
    bounded = [
        pieces(hidden)
        for hidden, activation in networks
        if is_piecewise(hidden, activation) and not _fits_all(dataset, facts, hidden, activation)
    ]
    most = max(bounded, default=0)
    fits = None if facts.constant or not most else _fits(dataset, most)
    return {network: _floor(dataset, facts, fits, *network) for network in networks}


def _floor(dataset: DatasetSpec, facts: Facts, fits: Errors | None, hidden: tuple[int, ...], activation: str) -> Floor:
    """Returns the floor of a network on a dataset, given the errors of its pieces on the test rows."""
    whole = floor_on_range(dataset, hidden, activation)
    if facts.constant:
        return Floor("constant", 0.0, whole)
    if is_linear(hidden, activation):
        return Floor("linear", facts.linear_rmse, whole)
    if not is_piecewise(hidden, activation):
        return Floor("none", None, None)
    if _fits_all(dataset, facts, hidden, activation):
        return Floor("rows", 0.0, whole)
    is_layer, rows = is_relu_layer(hidden, activation), None
    if fits is not None:
        squares = fits.of_units(hidden[0]) if is_layer else fits.of_pieces(pieces(hidden))
        rows = math.sqrt(squares / dataset.test_rows)
    if not rows and _distinct(dataset, facts) <= 2 * pieces(hidden):
        return Floor("rows", 0.0, whole)
    if is_layer and dataset.inputs == 1:
        return Floor("relu_pieces", rows, whole)
    return Floor("bound", rows or None, whole) if rows or whole else Floor("none", None, None)


def _fits_all(dataset: DatasetSpec, facts: Facts, hidden: Sequence[int], activation: str) -> bool:
    """Whether a network may fit every distinct row: two with each piece, or with one ReLU layer, one with each unit."""
    enough = hidden[0] if is_relu_layer(hidden, activation) else 2 * pieces(hidden)
    return _distinct(dataset, facts) <= enough


def _distinct(dataset: DatasetSpec, facts: Facts) -> float:
    return facts.distinct if dataset.test_rows <= MEASURED_ROWS else math.inf


def _fits(dataset: DatasetSpec, most: int) -> Errors | None:
    """Returns the errors of up to `most` pieces on the test rows, or None if nothing but 0 is known, or they are many.

    Along each input a network of linear pieces has at most so many of them. So rows that differ in one input alone are
    fitted together, and the groups are added up, for the input with the largest sum. The target is constant along
    unused inputs.
    """
    is_straight = dataset.task not in CURVED and dataset.inputs > 1  # along each input
    if is_straight or dataset.test_rows > MEASURED_ROWS:
        return None
    inputs_NI, target_N = (np.concatenate(parts) for parts in zip(*blocks(dataset, "test"), strict=True))
    enough = min(most, -(-min(len(target_N), dataset.largest, MOST_DISTINCT) // 2))
    found = (_along(inputs_NI, target_N, axis, dataset.n_numbers, enough) for axis in range(dataset.n_numbers))
    known = [fits for fits in found if fits is not None]
    return reduce(operator.or_, known) if known else None


def _along(inputs_NI: Integers, target_N: NDArray[np.int64], axis: int, axes: int, most: int) -> Errors | None:
    """Returns the errors along one of so many axes, or None if no group has 3 distinct numbers, or one has too many."""
    groups = list(_groups(inputs_NI, target_N, axis))[: -(-_MOST_GROUPS // axes)]
    steps_G = np.cumsum([float(len(points.x_N)) ** 2 for points in groups])
    groups = groups[: 1 + int(np.count_nonzero(steps_G[1:] <= _MOST_STEPS / axes))]
    if not 3 <= max(len(points.x_N) for points in groups) <= MOST_DISTINCT:
        return None
    return reduce(operator.add, (errors(points, most) for points in groups))


def _groups(inputs_NI: Integers, target_N: NDArray[np.int64], axis: int) -> Iterator[Points]:
    """Yields the points of the largest groups of rows that are equal in all other inputs."""
    others = [inputs_NI[:, column] for column in range(inputs_NI.shape[1]) if column != axis]
    order = np.lexsort([inputs_NI[:, axis], *others])
    changed = [np.flatnonzero(np.diff(column_N[order])) + 1 for column_N in others]
    start_G = np.unique(np.concatenate([[0], *changed]).astype(np.intp))
    size_G = np.diff(np.append(start_G, len(order)))
    for group in np.argsort(-size_G, kind="stable")[:_MOST_GROUPS]:
        rows = order[start_G[group] : start_G[group] + size_G[group]]
        x_N, first_N, count_N = np.unique(inputs_NI[rows, axis], return_index=True, return_counts=True)
        yield Points(x_N.astype(np.int64), target_N[rows][first_N], count_N.astype(float))
