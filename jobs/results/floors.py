"""Floors: the smallest RMSE that a variant's architecture can reach at all, however it is trained.

Each number is a lower bound: exact for constant targets and linear models, close for one hidden layer of ReLU units and
one input, rough otherwise. Where nothing but 0 is known, that is said as None. Pure: datasets' rows are made from
their specs, and nothing is stored.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.facts import MEASURED_ROWS, Facts
from sumsquares.datasets.normalize import target_moments
from sumsquares.datasets.rows import blocks
from sumsquares.datasets.spec import DatasetSpec, NamedDataset
from sumsquares.datasets.tasks import Integers
from sumsquares.jobs.results.pieces import Errors, Points, errors
from sumsquares.jobs.spec.variants import Variant

# Shapes: N rows, I input columns, G rows of a group.
MOST_DISTINCT = 10_000
"""Distinct inputs up to which the floor on the rows is computed: 1 to 2 seconds."""
_MOST_GROUPS = 100
"""Groups of rows, the largest ones, that count if there are several inputs. Leaving out the others lowers the bound."""
_CURVED = ("square", "sum_of_squares")  # along each number, and by the same; the other tasks are straight
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
    most = max((pieces(hidden) for hidden, activation in networks if is_piecewise(hidden, activation)), default=0)
    fits = None if facts.constant or not most else _fits(dataset, most)
    return {network: _floor(dataset, facts, fits, *network) for network in networks}


def is_linear(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network is one linear function, however many layers it has."""
    return not hidden or activation == "identity"


def is_piecewise(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network is made of linear pieces, but isn't linear."""
    return bool(hidden) and activation in ("relu", "leaky_relu")


def is_relu_layer(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network has one hidden layer, of ReLU units: along any line it is one of a single input."""
    return activation == "relu" and len(hidden) == 1


def pieces(hidden: Sequence[int]) -> int:
    """Returns how many linear pieces a network may have along a line at most: each unit may cut each piece in two."""
    return math.prod(units + 1 for units in hidden)


def _floor(dataset: DatasetSpec, facts: Facts, fits: Errors | None, hidden: tuple[int, ...], activation: str) -> Floor:
    """Returns the floor of a network on a dataset, given the errors of its pieces on the test rows."""
    whole = _on_range(dataset, hidden, activation)
    if facts.constant:
        return Floor("constant", 0.0, whole)
    if is_linear(hidden, activation):
        return Floor("linear", facts.linear_rmse, whole)
    if not is_piecewise(hidden, activation):
        return Floor("none", None, None)
    is_layer, rows = is_relu_layer(hidden, activation), None
    if fits is not None:
        squares = fits.of_units(hidden[0]) if is_layer else fits.of_pieces(pieces(hidden))
        rows = math.sqrt(squares / dataset.test_rows)
    if not rows and _distinct(dataset, facts) <= 2 * pieces(hidden):
        return Floor("rows", 0.0, whole)
    if is_layer and dataset.inputs == 1:
        return Floor("relu_pieces", rows, whole)
    return Floor("bound", rows or None, whole) if rows or whole else Floor("none", None, None)


def _distinct(dataset: DatasetSpec, facts: Facts) -> float:
    return facts.distinct if dataset.test_rows <= MEASURED_ROWS else math.inf


def _on_range(dataset: DatasetSpec, hidden: tuple[int, ...], activation: str) -> float | None:
    """Returns the floor on all inputs, or None if nothing but 0 is known."""
    if is_linear(hidden, activation):
        return math.sqrt(linear_on_range(dataset))
    if dataset.largest == 1:  # a constant
        return 0.0
    if not is_piecewise(hidden, activation):
        return None
    squares = _pieces_on_range(dataset, hidden, activation)
    # With one input, what is straight can be answered by one unit, and few numbers by enough pieces.
    is_straight = dataset.inputs == 1 and dataset.task not in _CURVED
    has_enough = dataset.largest**dataset.n_numbers <= 2 * pieces(hidden)
    return math.sqrt(squares / dataset.largest) or (0.0 if is_straight or has_enough else None)


def _pieces_on_range(dataset: DatasetSpec, hidden: tuple[int, ...], activation: str) -> Fraction:
    """Returns the least sum of squared errors along one number: a sum of squares is a square plus a constant there."""
    if dataset.task not in _CURVED:
        return Fraction(0)
    if is_relu_layer(hidden, activation):
        return units_on_range(hidden[0], dataset.largest)
    return pieces_on_range(pieces(hidden), dataset.largest)


def linear_on_range(dataset: DatasetSpec) -> Fraction:
    """Returns the smallest mean squared error of a linear function on all inputs, exact.

    It is the target's variance without the part along each number, which are independent. Unused inputs have none.
    """
    count, largest = dataset.n_numbers, dataset.largest
    if dataset.task in _CURVED:
        return Fraction(count * line_on_squares(largest), largest)
    mean, spread = Fraction(largest + 1, 2), Fraction(largest**2 - 1, 12)
    along = mean ** (count - 1) if dataset.task == "product" else 1  # the slope along each number
    return target_moments(dataset.task, count, largest)[1] - count * along**2 * spread


def line_on_squares(numbers: int) -> Fraction:
    """Returns the sum of squared errors of the best line on the squares of that many consecutive integers."""
    return Fraction(numbers * (numbers**2 - 1) * (numbers**2 - 4), 180)


def pieces_on_range(count: int, numbers: int) -> Fraction:
    """Returns the same for so many lines: it is smallest if all have as many numbers, or one more."""
    share, more = divmod(numbers, count)
    return more * line_on_squares(share + 1) + (count - more) * line_on_squares(share)


def units_on_range(units: int, largest: int) -> Fraction:
    """Returns the same on 1..largest for one layer of ReLU units: as many lines, after a flat piece.

    More numbers on the flat piece cost more with each, and gain less, so the best number of them is found by bisection.
    """

    def total(flat: int) -> Fraction:
        return _flat_on_squares(flat) + pieces_on_range(units, largest - flat)

    return total(bisect_left(range(largest), True, key=lambda flat: total(flat + 1) >= total(flat)))


def _flat_on_squares(numbers: int) -> Fraction:
    """Returns the sum of squared errors of the best constant on the squares of 1..numbers."""
    return Fraction(numbers * (numbers**2 - 1) * (2 * numbers + 1) * (8 * numbers + 11), 180)


def _fits(dataset: DatasetSpec, most: int) -> Errors | None:
    """Returns the errors of up to `most` pieces on the test rows, or None if nothing but 0 is known, or they are many.

    Along each input a network of linear pieces has at most so many of them. So rows that differ in one input alone are
    fitted together, and the groups are added up, for the input with the largest sum. The target is constant along
    unused inputs.
    """
    if dataset.test_rows > MEASURED_ROWS:
        return None
    inputs_NI, target_N = (np.concatenate(parts) for parts in zip(*blocks(dataset, "test"), strict=True))
    enough = min(most, -(-min(len(target_N), dataset.largest, MOST_DISTINCT) // 2))
    found = (_along(inputs_NI, target_N, axis, enough) for axis in range(dataset.n_numbers))
    known = [fits for fits in found if fits is not None]
    return reduce(operator.or_, known) if known else None


def _along(inputs_NI: Integers, target_N: NDArray[np.int64], axis: int, most: int) -> Errors | None:
    """Returns the errors along one input, or None if no group has 3 distinct numbers, or one has too many."""
    groups = list(_groups(inputs_NI, target_N, axis))
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
