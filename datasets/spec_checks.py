"""What is wrong with a dataset's keys together, and what to write instead. What one key may be is said in spec.py."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sumsquares.datasets.formulas.characters import FormulaError
from sumsquares.datasets.formulas.formula import parse
from sumsquares.datasets.source import LARGEST_REAL, MOST_INPUTS
from sumsquares.datasets.tasks import Task, target_range

if TYPE_CHECKING:
    from sumsquares.datasets.spec import DatasetSpec

INT64_MAX = 2**63 - 1
LARGEST_INTEGER = 2**31 - 1
"""Integers of a task are at most this, and those of a formula at least its negative too."""
_OF_FORMULAS = ("low", "high", "numbers", "noise")
NO_KIND = (
    'task, formula and file are missing; write one of them, such as task = "square", formula = "x**2" or '
    'file = "houses.csv"'
)
"""Said of a dataset that could be of any kind."""
_MOST_SHOWN = 40
"""Characters of a text that is told."""


def as_bound(value: Any) -> float | tuple[float, ...]:
    """Returns a bound as a float, or several as a tuple of floats, so that equal bounds have equal digests."""
    if isinstance(value, list | tuple) and value:
        return tuple(map(_as_number, value))
    return _as_number(value)


def _as_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"found {_shown(value)}; write a number, or a list of numbers, one for each input")
    if not abs(value) <= LARGEST_REAL:
        raise ValueError(f"{_shown(value)} is out of range; write a number from {-LARGEST_REAL:g} to {LARGEST_REAL:g}")
    return float(value) + 0.0  # -0.0 becomes 0.0


def _shown(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:  # str() refuses more than 4,300 digits
        return f"a number of {value.bit_length():,} bits"
    if isinstance(value, str):
        return f"the text {json.dumps(value)}" if len(value) <= _MOST_SHOWN else f"a text of {len(value)} characters"
    if isinstance(value, bool):
        return f"the boolean {json.dumps(value)}"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return repr(value) if isinstance(value, int | float) else "a table"


def check_keys(spec: DatasetSpec) -> None:
    """Raises ValueError with all problems between the keys of a dataset."""
    if spec.task is None and spec.formula is None:
        raise ValueError(NO_KIND)
    if spec.task is not None and spec.formula is not None:
        raise ValueError("task and formula: a dataset has one of them; remove the other")
    found = [*(_of_task(spec) if spec.task else _of_formula(spec)), *_of_inputs(spec)]
    if found:
        raise ValueError(". ".join(found))


def _of_task(spec: DatasetSpec) -> Iterator[str]:
    foreign = [name for name in _OF_FORMULAS if name in spec.model_fields_set]
    if foreign:
        verb, them = ("belongs", "it") if len(foreign) == 1 else ("belong", "them")
        yield (
            f"{_listed(foreign)} {verb} to a formula; remove {them}, or write a formula in place of task and largest, "
            'such as formula = "x**2"'
        )
    if spec.largest is None:
        yield f"largest is missing; write a whole number from 1 to {LARGEST_INTEGER:_}, such as largest = 1000"
    elif spec.task is not None:
        yield from _impossible_targets(spec.task, spec.n_numbers, spec.largest)


def _impossible_targets(task: Task, n_numbers: int, largest: int) -> Iterator[str]:
    if task == "square" and n_numbers != 1:
        yield (f"n_numbers = {n_numbers}: task square has one number; write n_numbers = 1, or task = 'sum_of_squares'")
        return

    def top(largest: int) -> int:
        return target_range(task, n_numbers, 1, 2 * largest)[1]

    if top(largest) > INT64_MAX:
        fits = bisect_right(range(1, LARGEST_INTEGER), INT64_MAX, key=top)
        remedy = [f"largest = {fits} or less"] if fits else []
        remedy += ["fewer numbers"] if n_numbers > 1 else []
        reached = f"{top(largest):.3g}" if top(largest).bit_length() < 1000 else f"2**{top(largest).bit_length() - 1}"
        yield (
            f"task = {task}, n_numbers = {n_numbers}, largest = {largest}: targets reach {reached} "
            f"in the extrapolation split (numbers up to {2 * largest}), int64 ends at {INT64_MAX:.3g}; "
            f"write {', or '.join(remedy)}"
        )


def _of_formula(spec: DatasetSpec) -> Iterator[str]:
    assert spec.formula is not None
    if spec.largest is not None:
        yield "largest belongs to a task; write low and high, the range of the formula's numbers"
    for name in ("low", "high"):
        if getattr(spec, name) is None:
            example = "-1.0" if name == "low" else "1.0"
            yield f"{name} is missing; write one number for all inputs, or a list of one for each, such as {example}"
    try:
        expression = parse(spec.formula, spec.n_numbers if "n_numbers" in spec.model_fields_set else None)
    except FormulaError as error:
        yield f"formula: {error}"
        return
    yield from _of_ranges(spec, expression.n_numbers)


def _of_ranges(spec: DatasetSpec, count: int) -> Iterator[str]:
    lists = {name: bound for name in ("low", "high") if isinstance(bound := getattr(spec, name), tuple)}
    wrong = {name: len(bound) for name, bound in lists.items() if len(bound) != count}
    for name, length in wrong.items():
        numbers, inputs = _counted(length, "number"), _counted(count, "input")
        yield f"{name} has {numbers} and the formula {inputs}; write one number, or one for each input"
    if wrong or spec.low is None or spec.high is None:
        return
    for i, (low, high) in enumerate(zip(each(spec.low, count), each(spec.high, count), strict=True), 1):
        problem = _range_problem(low, high, spec.numbers == "integer")
        if problem is not None:
            yield f"low = {low:.17g} and high = {high:.17g}{f' of x{i}' if count > 1 else ''}: {problem}"
            return  # the same for all inputs, as a rule


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _range_problem(low: float, high: float, is_integer: bool) -> str | None:
    if is_integer and not all(bound.is_integer() and abs(bound) <= LARGEST_INTEGER for bound in (low, high)):
        return (
            f'with numbers = "integer" they are whole numbers from {-LARGEST_INTEGER} to {LARGEST_INTEGER}; write such '
            'numbers, or numbers = "real"'
        )
    if low > high or (low == high and not is_integer):
        return "low is not below high; write a larger high"
    if not is_integer and not low < (low + high) / 2 < high:
        return "no number lies between them; write a larger high"
    return None


def _of_inputs(spec: DatasetSpec) -> Iterator[str]:
    if spec.n_numbers + spec.unused > MOST_INPUTS:
        total = f"n_numbers = {spec.n_numbers} and unused = {spec.unused} are {spec.n_numbers + spec.unused:,} inputs"
        yield f"{total}, more than {MOST_INPUTS:,}; write fewer"
    if spec.digits is None:
        return
    if spec.n_numbers != 1:
        yield f"digits = 2: digits are those of one number, and there are {spec.n_numbers}; remove digits"
    if spec.unused:
        yield "digits = 2: there are no unused inputs beside digits; write unused = 0, or remove digits"
    if spec.formula is not None and spec.numbers != "integer":
        yield 'digits = 2: only integers have digits; write numbers = "integer", or remove digits'
    lows = each(spec.low, 1) if spec.low is not None else ()
    if min(lows, default=0.0) < 0:
        yield f"digits = 2: low = {min(lows):g} is negative, and digits have no sign; write low = 0, or remove digits"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def each(bound: float | tuple[float, ...], count: int) -> tuple[float, ...]:
    """Returns a bound for each input."""
    return bound if isinstance(bound, tuple) else (bound,) * count


def canonical(bound: float | tuple[float, ...] | None) -> float | tuple[float, ...] | None:
    """Returns one number for a tuple of equal ones."""
    return bound[0] if isinstance(bound, tuple) and len(set(bound)) == 1 else bound
