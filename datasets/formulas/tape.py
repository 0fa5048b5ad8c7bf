"""A parsed formula: steps that each apply an operation to the values of earlier steps; the last one is its value.

It knows nothing of how formulas are written, but for the canonical text that it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sumsquares.datasets.formulas.operations import (
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
)

# How tightly an operator binds: what binds less tightly than its place needs is put in parentheses.
_TIGHTNESS = {"or": 1, "and": 2, "not": 3, **dict.fromkeys((*COMPARISONS, "chain"), 4), "+": 5, "-": 5}
_TIGHTNESS |= {"*": 6, "/": 6, "//": 6, "%": 6, "negative": 7, "**": 8}
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

    def __init__(self) -> None:
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


def written(steps: Sequence[Step], root: int) -> str:
    """Returns the canonical text of a step."""
    return "".join(_Writer(steps).pieces(root))


class _Writer:
    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.names = input_names(sum(step.name == "input" for step in steps))

    def pieces(self, root: int) -> Iterator[str]:
        """Yields the text in pieces, without recursion: a chain may be long."""
        waiting: list[str | int] = [root]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                yield part
            else:
                waiting.extend(reversed(list(self.parts(part))))

    def parts(self, index: int) -> Iterator[str | int]:
        """Yields the text of a step, with the steps in it as their indices."""
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
            yield from self.operator(name, args)

    def operator(self, name: str, args: tuple[int, ...]) -> Iterator[str | int]:
        own = _TIGHTNESS[name]
        if name in ("not", "negative"):
            yield "not " if name == "not" else "-"
            yield from self.bracketed(args[0], own)
        elif name == "chain":
            yield from self.bracketed(self.steps[args[0]].args[0], own + 1)
            for comparison in args:
                yield f" {self.steps[comparison].name} "
                yield from self.bracketed(self.steps[comparison].args[1], own + 1)
        elif name == "**":  # binds its right side more loosely: 2**-x, x**y**z
            yield from self.bracketed(args[0], own + 1)
            yield "**"
            yield from self.bracketed(args[1], _TIGHTNESS["negative"])
        else:
            yield from self.bracketed(args[0], own + (name in COMPARISONS))
            yield f" {name} "
            yield from self.bracketed(args[1], own + 1)

    def bracketed(self, index: int, least: int) -> Iterator[str | int]:
        tight = _TIGHTNESS.get(self.steps[index].name, _TIGHTEST) >= least
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
