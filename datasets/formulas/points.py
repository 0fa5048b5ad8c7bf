"""Evaluates every step of a formula at points, to tell where it has no finite value, and which step is to blame."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.formulas.intervals import Bounds
from sumsquares.datasets.formulas.operations import OPERATIONS
from sumsquares.datasets.formulas.program import Program
from sumsquares.datasets.source import LARGEST_REAL

# Shapes: P points, K numbers of a point.
Condition = NDArray[np.bool_]
Points = NDArray[np.float64]


class Blame(NamedTuple):
    """Why there is no finite value at a point."""

    step: int
    is_undefined: bool
    """Whether the operation has no value there; else its value is too large."""


def used_steps(
    program: Program, holds: Callable[[int], Condition], fails: Callable[[int], Condition], count: int
) -> list[Condition]:
    """Returns which steps the value depends on: `where`, `and` and `or` leave out what their condition decides."""
    used = [np.zeros(count, bool) for _ in program.steps]
    used[program.root][:] = True
    for index in range(program.root, -1, -1):
        name, args, _ = program.steps[index]
        if name == "input":
            continue
        for place, arg in enumerate(args):
            used[arg] |= used[index] & _is_asked(name, place, args[0], holds, fails)
    return used


def _is_asked(
    name: str, place: int, condition: int, holds: Callable[[int], Condition], fails: Callable[[int], Condition]
) -> Condition | bool:
    if place == 0 or name not in ("where", "and", "or"):
        return True
    return fails(condition) if name == "or" or place == 2 else holds(condition)


class Trace:
    """The values of all steps at some points."""

    def __init__(self, program: Program, points_PK: Points) -> None:
        self.program = program
        self.points_PK = points_PK
        self.values = program.values(list(points_PK.T))
        self.used = used_steps(
            program, lambda index: self.values[index] != 0, lambda index: self.values[index] == 0, len(points_PK)
        )

    @cached_property
    def undefined(self) -> dict[int, Condition]:
        """Where which step is used and has no value, although its arguments have."""
        found: dict[int, Condition] = {}
        for index, step in enumerate(self.program.steps):
            operation = OPERATIONS.get(step.name)
            if operation is not None and operation.domain is not None:
                values = [self.values[arg] for arg in step.args]
                fault = ~operation.domain.holds(*(Bounds(value, value) for value in values))
                found[index] = (
                    self.used[index] & fault & ~np.logical_or.reduce(np.broadcast_arrays(*map(np.isnan, values)))
                )
        return found

    @cached_property
    def is_bad(self) -> Condition:
        """At which points the value is not finite or too large, or a step is used that has none."""
        bad = np.zeros(len(self.points_PK), bool)
        for fault in (*self.undefined.values(), ~(np.abs(self.values[self.program.root]) <= LARGEST_REAL)):
            bad |= fault
        return bad

    def blame(self, point: int) -> Blame:
        """Returns the first step to blame at a bad point."""
        for index, fault in self.undefined.items():
            if fault[point]:
                return Blame(index, True)
        for index, used in enumerate(self.used):
            if used[point] and not np.isfinite(np.broadcast_to(self.values[index], used.shape)[point]):
                return Blame(index, False)
        return Blame(self.program.root, False)
