"""What is said of a point at which a formula has no finite value: where, which part, why, and what to write."""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.formulas.operations import CONDITIONS, OPERATIONS
from sumsquares.datasets.formulas.points import Points, Trace
from sumsquares.datasets.formulas.poles import Pole
from sumsquares.datasets.formulas.program import Program
from sumsquares.datasets.formulas.tape import input_names, written
from sumsquares.datasets.source import LARGEST_REAL

# Shapes: K numbers of a point.
_MOST_SHOWN = 60
"""Characters of a part of the formula."""
_MOST_NUMBERS = 6
_OTHER_RANGE = "write another low or high"


def told(trace: Trace, point: int, is_real: bool) -> str:
    """Returns the message for a bad point."""
    program = trace.program
    step, is_undefined = trace.blame(point)
    place = _place(program, step, trace.points_PK[point], is_exact=True)
    if not _inputs(program, step):
        fault = _fault(trace, step, point) if is_undefined else _too_large(trace, step, point)
        return f"{_part(program, step)} {fault}, whatever the inputs are; write another number there"
    if not is_undefined:
        return f"{_part(program, step)} {_too_large(trace, step, point)}, {place}; {_OTHER_RANGE}"
    return f"{_part(program, step)} {_fault(trace, step, point)} {place}; {_remedy(program, step, is_real)}"


def told_pole(program: Program, pole: Pole) -> str:
    """Returns the message for a pole near a point, or at it."""
    trace = Trace(program, pole.point_K[np.newaxis])
    if trace.is_bad[0]:
        return told(trace, 0, is_real=True)
    place = _place(program, pole.step, pole.point_K, is_exact=False)
    return f"{_part(program, pole.step)} has a pole {place}; {_remedy(program, pole.step, is_real=True)}"


def _fault(trace: Trace, step: int, point: int) -> str:
    name, args, _ = trace.program.steps[step]
    if name == "**":
        base = np.broadcast_to(trace.values[args[0]], len(trace.points_PK))[point]
        return "raises 0 to a negative power" if base == 0 else "raises a negative number to a power that is no integer"
    domain = OPERATIONS[name].domain
    assert domain is not None
    return domain.fault


def _too_large(trace: Trace, step: int, point: int) -> str:
    if np.isfinite(np.broadcast_to(trace.values[step], len(trace.points_PK))[point]):
        return f"is beyond {LARGEST_REAL:g}, the largest target"
    return "is beyond the numbers of float64, which end at 1.8e308"


def _remedy(program: Program, step: int, is_real: bool) -> str:
    """Returns another range, or a condition under which the part has a value."""
    args = program.steps[step].args
    template = _guard(program, step, is_real)
    asked = [arg for place, arg in enumerate(args) if f"{{{place}}}" in template]
    if all(arg in program.constants for arg in asked):
        if program.steps[step].name in ("/", "//", "%"):  # by 0, in any range
            return "write another number than 0 there"
        return f"{_OTHER_RANGE}, or another number than {written(program.steps, asked[0])} there"
    condition = template.format(*(_bracketed(program, arg) for arg in args))
    part = written(program.steps, step)
    if len(condition) + len(part) > 2 * _MOST_SHOWN:
        return f"{_OTHER_RANGE}, or where(condition, a, b) to leave it out there"
    return f"{_OTHER_RANGE}, or where({condition}, {part}, 0)"


def _guard(program: Program, step: int, is_real: bool) -> str:
    name, args, _ = program.steps[step]
    if name == "**" and float(program.constants.get(args[1], np.asarray(0.5))).is_integer():
        return "abs({0}) > 0.01" if is_real else "{0} != 0"
    domain = OPERATIONS[name].domain
    assert domain is not None
    return domain.real_guard if is_real else domain.guard


def _bracketed(program: Program, step: int) -> str:
    text = written(program.steps, step)
    return f"({text})" if program.steps[step].name in CONDITIONS else text


def _part(program: Program, step: int) -> str:
    text = written(program.steps, step)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN // 2]} ... {text[-_MOST_SHOWN // 2 :]}"


def _place(program: Program, step: int, point_K: Points, is_exact: bool) -> str:
    """Returns where it is: the values of the inputs that the step depends on."""
    inputs = _inputs(program, step)
    names = input_names(sum(found.name == "input" for found in program.steps))
    shown = [f"{names[k]} = {_number(point_K[k], is_exact)}" for k in inputs[:_MOST_NUMBERS]]
    more = [f"and {len(inputs) - _MOST_NUMBERS} more numbers"] if len(inputs) > _MOST_NUMBERS else []
    return f"{'at' if is_exact else 'near'} {', '.join([*shown, *more])}"


def _inputs(program: Program, step: int) -> list[int]:
    waiting, seen = [step], {step}
    while waiting:
        found = program.steps[waiting.pop()]
        new = set(found.args) - seen if found.name != "input" else set()
        seen |= new
        waiting.extend(new)
    return sorted(program.steps[index].args[0] for index in seen if program.steps[index].name == "input")


def _number(value: float, is_exact: bool) -> str:
    text = repr(float(value)) if is_exact else f"{value:.6g}"
    return text.removesuffix(".0")
