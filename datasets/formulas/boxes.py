"""Branch and bound: parts of a range for which bounds of the formula are finite are done, others are halved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sumsquares.datasets.formulas.intervals import Bounds
from sumsquares.datasets.formulas.operations import OPERATIONS
from sumsquares.datasets.formulas.points import Condition, Points, used_steps
from sumsquares.datasets.formulas.program import Program
from sumsquares.datasets.source import LARGEST_REAL

# Shapes: B boxes, K numbers of a point.
MOST_BOXES = 1024
NARROWEST = 1e-12
"""Of the range: a part of it with real numbers that isn't halved further."""


class Boxes(NamedTuple):
    """Parts of the range."""

    low_BK: Points
    high_BK: Points


def step_bounds(program: Program, boxes: Boxes) -> tuple[list[Bounds], Condition]:
    """Returns the bounds of each step, and whether targets in the whole box are finite and not too large for sure."""
    count = len(boxes.low_BK)
    found: list[Bounds] = []
    defined: dict[int, Condition] = {}
    for index, step in enumerate(program.steps):
        if index in program.constants:
            found.append(Bounds(program.constants[index], program.constants[index]))
        elif step.name == "input":
            found.append(Bounds(boxes.low_BK[:, step.args[0]], boxes.high_BK[:, step.args[0]]))
        else:
            args = [found[arg] for arg in step.args]
            low, high = OPERATIONS[step.name].bounds(*args)
            unknown = np.isnan(low) | np.isnan(high)
            found.append(Bounds(np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)))
            defined[index] = ~unknown
        domain = OPERATIONS[step.name].domain if step.name in OPERATIONS else None
        if domain is not None:
            holds = domain.holds(*(found[arg] for arg in step.args))
            defined[index] = holds & defined.get(index, np.asarray(True))
    used = used_steps(program, lambda i: found[i].high != 0, lambda i: found[i].low == 0, count)
    root = found[program.root]
    is_done = (root.low >= -LARGEST_REAL) & (root.high <= LARGEST_REAL) & np.ones(count, bool)
    for index, holds in defined.items():
        is_done &= holds | ~used[index]
    return found, is_done


def open_middles(program: Program, whole: Boxes, is_real: bool, affords: Callable[[int], bool]) -> Iterator[Points]:
    """Yields points in the parts that aren't done, finer and finer, until none is left or nothing more is afforded."""
    boxes = whole
    size_K = np.maximum(whole.high_BK - whole.low_BK, np.finfo(float).tiny)[0]
    while len(boxes.low_BK) and affords(2 * len(boxes.low_BK)):
        _, is_done = step_bounds(program, boxes)
        boxes = Boxes(boxes.low_BK[~is_done][:MOST_BOXES], boxes.high_BK[~is_done][:MOST_BOXES])
        middle_BK = boxes.low_BK + (boxes.high_BK - boxes.low_BK) / 2
        middle_BK = middle_BK if is_real else np.floor(middle_BK)
        yield middle_BK
        boxes = _halves(boxes, middle_BK, size_K, is_real)


def _halves(boxes: Boxes, middle_BK: Points, size_K: Points, is_real: bool) -> Boxes:
    """Halves each box in its widest number. Boxes that can't be halved are left out."""
    low_BK, high_BK = boxes
    widest = np.argmax((high_BK - low_BK) / size_K, axis=1)
    is_cut = np.arange(low_BK.shape[1]) == widest[:, np.newaxis]
    lower = Boxes(low_BK, np.where(is_cut, middle_BK, high_BK))
    upper = Boxes(np.where(is_cut, middle_BK if is_real else middle_BK + 1, low_BK), high_BK)
    width_B = ((high_BK - low_BK) / size_K).max(axis=1)
    can = width_B > (NARROWEST if is_real else 0)
    return Boxes(
        np.concatenate([lower.low_BK[can], upper.low_BK[can]]), np.concatenate([lower.high_BK[can], upper.high_BK[can]])
    )
