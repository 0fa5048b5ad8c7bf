"""Steps of a formula, made ready to be evaluated: constant parts are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sumsquares.datasets.formulas.operations import CONSTANTS, OPERATIONS, Column
from sumsquares.datasets.formulas.tape import Step


class Program:
    """A formula's steps, the last of which is its value."""

    def __init__(self, steps: Sequence[Step], root: int) -> None:
        self.steps = tuple(steps)
        self.root = root
        self.constants: dict[int, Column] = {}
        self._calls: list[tuple[int, Callable[..., Column], tuple[int, ...]]] = []
        with np.errstate(all="ignore"):
            for index, step in enumerate(self.steps):
                self._prepare(index, step)
        self._dropped = self._last_uses()

    def _prepare(self, index: int, step: Step) -> None:
        if step.name == "input":
            return
        if step.name == "number" or step.name in CONSTANTS:
            self.constants[index] = np.asarray(CONSTANTS.get(step.name, step.value))
            return
        evaluate, args = OPERATIONS[step.name].evaluate, step.args
        if all(arg in self.constants for arg in args):
            self.constants[index] = np.asarray(evaluate(*(self.constants[arg] for arg in args)))
        else:
            self._calls.append((index, evaluate, args))

    def _last_uses(self) -> list[list[int]]:
        """Returns for each call which columns nobody needs after it."""
        last = {arg: place for place, (_, _, args) in enumerate(self._calls) for arg in args}
        last.pop(self.root, None)
        dropped: list[list[int]] = [[] for _ in self._calls]
        for index, place in last.items():
            if index not in self.constants:
                dropped[place].append(index)
        return dropped

    def value(self, columns: Sequence[Column]) -> Column:
        """Evaluates the formula; a column for each input."""
        values = self._given(columns)
        for (index, evaluate, args), dropped in zip(self._calls, self._dropped, strict=True):
            values[index] = evaluate(*(values[arg] for arg in args))
            for unused in dropped:
                del values[unused]
        return values[self.root]

    def values(self, columns: Sequence[Column]) -> dict[int, Column]:
        """Evaluates every step."""
        values = self._given(columns)
        for index, evaluate, args in self._calls:
            values[index] = evaluate(*(values[arg] for arg in args))
        return values

    def _given(self, columns: Sequence[Column]) -> dict[int, Column]:
        given = {index: columns[step.args[0]] for index, step in enumerate(self.steps) if step.name == "input"}
        return given | self.constants

    def is_integer(self, inputs_are: bool) -> bool:
        """Whether every value is an integer, given whether the inputs are; decided from the operations alone."""
        found: list[bool] = []
        for index, step in enumerate(self.steps):
            found.append(self._is_integer(index, step, inputs_are, found))
        return found[self.root]

    def _is_integer(self, index: int, step: Step, inputs_are: bool, found: Sequence[bool]) -> bool:
        if index in self.constants:
            return float(self.constants[index]).is_integer()
        if step.name == "input":
            return inputs_are
        if step.name == "**":
            exponent = self.constants.get(step.args[1])
            return exponent is not None and bool(exponent >= 0) and all(found[arg] for arg in step.args)
        kind = OPERATIONS[step.name].integers
        values = step.args[1:] if step.name == "where" else step.args
        return kind == "always" or (kind == "kept" and all(found[arg] for arg in values))
