"""A parsed formula: steps that each apply an operation to the values of earlier steps; the last one is its value.

It knows nothing of how formulas are written, but for the canonical text that it returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sumsquares.datasets.operations import (
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
)

# Shapes: N rows, K numbers of a row.
PIECE = 4096
"""Rows that are evaluated at once, so that the columns of all steps stay in the cache."""
_LOOSENESS = {"or": 1, "and": 2, "not": 3, **dict.fromkeys((*COMPARISONS, "chain"), 4), "+": 5, "-": 5}
_LOOSENESS |= {"*": 6, "/": 6, "//": 6, "%": 6, "negative": 7, "**": 8}
_TIGHTEST = 9


class Step(NamedTuple):
    """A number, an input or an operation."""

    name: str
    """`number`, `input`, a constant or an operation."""
    args: tuple[int, ...] = ()
    """Earlier steps; of an input its number from 0."""
    value: float = 0.0
    """Of a number."""


class Tape:
    """Steps in an order in which they can be computed. Equal parts of a formula are one step."""

    def __init__(self, n_inputs: int) -> None:
        self.names = input_names(n_inputs)
        self.steps: list[Step] = []
        self._found: dict[Step, int] = {}

    def input(self, number: int) -> int:
        """Returns the index of the step that is an input, counted from 0."""
        return self.add(Step("input", (number,)))

    def add(self, step: Step) -> int:
        """Returns the index of the step, which is new unless the same one is there."""
        if step not in self._found:
            self._found[step] = len(self.steps)
            self.steps.append(step)
        return self._found[step]

    def text(self, root: int) -> str:
        """Returns the canonical text of a step."""
        written: list[str] = []
        waiting: list[str | int] = [root]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                written.append(part)
            else:
                waiting.extend(reversed(list(self._written(part))))
        return "".join(written)

    def _written(self, index: int) -> Iterator[str | int]:
        name, args, value = self.steps[index]
        if name == "number":
            yield number_text(value)
        elif name == "input":
            yield self.names[args[0]]
        elif name in CONSTANTS:
            yield name
        elif name in FUNCTIONS:
            yield f"{name}("
            for place, arg in enumerate(args):
                yield from (", ", arg) if place else (arg,)
            yield ")"
        else:
            yield from self._operator(name, args)

    def _operator(self, name: str, args: tuple[int, ...]) -> Iterator[str | int]:
        own = _LOOSENESS[name]
        if name in ("not", "negative"):
            yield "not " if name == "not" else "-"
            yield from self._bracketed(args[0], own)
        elif name == "chain":
            yield from self._bracketed(self.steps[args[0]].args[0], own + 1)
            for comparison in args:
                yield f" {self.steps[comparison].name} "
                yield from self._bracketed(self.steps[comparison].args[1], own + 1)
        elif name == "**":  # binds its right side more loosely: 2**-x, x**y**z
            yield from self._bracketed(args[0], own + 1)
            yield "**"
            yield from self._bracketed(args[1], _LOOSENESS["negative"])
        else:
            yield from self._bracketed(args[0], own + (name in COMPARISONS))
            yield f" {name} "
            yield from self._bracketed(args[1], own + 1)

    def _bracketed(self, index: int, least: int) -> Iterator[str | int]:
        tight = _LOOSENESS.get(self.steps[index].name, _TIGHTEST) >= least
        yield from (index,) if tight else ("(", index, ")")


def input_names(count: int) -> list[str]:
    """Returns x, or x1 and so on."""
    return ["x"] if count == 1 else [f"x{i}" for i in range(1, count + 1)]


def number_text(value: float) -> str:
    """Returns the shortest text of a number that isn't negative: 2, 0.5, 1e+300."""
    text = repr(value)
    if value.is_integer() and "e" not in text:
        return text.removesuffix(".0")
    return text
