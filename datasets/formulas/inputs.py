"""The names in a formula: which inputs it has, and what is said of a name that nobody knows."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from typing import NoReturn

from sumsquares.datasets.formulas.characters import FormulaError, refuse
from sumsquares.datasets.formulas.names import OTHER_NAMES, example_of, is_input
from sumsquares.datasets.formulas.operations import CONSTANTS, FUNCTIONS, OF_ALL_INPUTS
from sumsquares.datasets.source import MOST_INPUTS


def means_all_inputs(call: ast.Call) -> bool:
    """Whether it is sum(x) or the like, which means all inputs where there are several."""
    is_of_x = len(call.args) == 1 and isinstance(call.args[0], ast.Name) and call.args[0].id == "x"
    return is_of_x and isinstance(call.func, ast.Name) and call.func.id in OF_ALL_INPUTS


def count_inputs(tree: ast.expr, n_numbers: int | None) -> int:
    """Returns the number of inputs, x or x1 to xn without gaps. `n_numbers` is what the spec says, if it says it."""
    nodes = [*ast.walk(tree)]
    names = [node for node in nodes if isinstance(node, ast.Name) and is_input(node.id)]
    if not names:
        _refuse_unknown(nodes)
        raise FormulaError("it has no input; write one of x, or of x1, x2 and so on, such as x**2")
    for node in names:
        _check_number(node)
    numbers = {int(node.id[1:]): node for node in names if node.id != "x"}
    of_all = [node.args[0] for node in nodes if isinstance(node, ast.Call) and means_all_inputs(node)]
    bare = [node for node in names if node.id == "x"]
    if n_numbers is not None and n_numbers > 1:
        bare = [node for node in bare if node not in of_all]
        if bare:
            refuse(
                bare[0].col_offset,
                "x",
                f"n_numbers = {n_numbers}, and x is the name of an only input; write x1 to x{n_numbers}, "
                "or sum(x), prod(x), min(x), max(x) or mean(x) of all",
            )
        return _checked(numbers, n_numbers, n_numbers if of_all else 0)
    if bare and numbers:
        refuse(
            bare[0].col_offset, "x", "x is the name of an only input, but there are x1 and so on too; write x1, x2, ..."
        )
    return 1 if bare else _checked(numbers, n_numbers or max(numbers), 0)


def _checked(numbers: dict[int, ast.Name], count: int, n_used: int) -> int:
    beyond = max(numbers, default=0)
    if beyond > count:
        what = f"n_numbers = {count}; write n_numbers = {beyond}, or only inputs up to x{count}"
        refuse(numbers[beyond].col_offset, numbers[beyond].id, what)
    missing = next((i for i in range(1, count + 1) if i not in numbers), None) if n_used < count else None
    if missing is not None:
        inputs = "x1" if len(numbers) == 1 else f"inputs from x1 to x{len(numbers)} without gaps"
        raise FormulaError(
            f"x{missing} is missing among x1 to x{count}; write {inputs}, "
            f"and unused = {count - len(numbers)} for columns that the target does not depend on"
        )
    return count


def _refuse_unknown(nodes: Sequence[ast.AST]) -> None:
    """Names the first name that nobody knows, which may be meant as an input."""
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    for node in nodes:
        if isinstance(node, ast.Name) and node not in called and node.id not in CONSTANTS:
            refuse_name(node, 1)


def _check_number(node: ast.Name) -> None:
    digits = node.id[1:]
    if digits.startswith("0"):
        refuse(node.col_offset, node.id, f"inputs count from x1; write x{digits.lstrip('0') or 1}")
    if len(digits) > 4 or int(digits or 1) > MOST_INPUTS:
        refuse(node.col_offset, node.id, f"there are at most {MOST_INPUTS} inputs; write x1 to x{MOST_INPUTS}")


def refuse_name(node: ast.Name, n_inputs: int, is_called: bool = False) -> NoReturn:
    """Refuses a name that is no input and no constant, or not a function although it is called."""
    name = node.id
    inputs = "x" if n_inputs == 1 else f"x1 to x{n_inputs}"
    if not is_called and name in FUNCTIONS:
        refuse(node.col_offset, name, f"this is a function; write {example_of(name, 'x' if n_inputs == 1 else 'x1')}")
    if is_input(name.lower()):
        refuse(node.col_offset, name, f"names are in small letters; write {name.lower()}")
    if parts := re.fullmatch(r"(x\d*)(x\d*)", name):
        refuse(node.col_offset, name, f"an operator is missing; write {parts[1]} * {parts[2]}")
    if name in OTHER_NAMES:
        refuse(node.col_offset, name, f"formulas don't know it by that name; write {OTHER_NAMES[name]}")
    known = FUNCTIONS if is_called else ("x", *(f"x{i}" for i in range(1, n_inputs + 1)), *CONSTANTS, *FUNCTIONS)
    similar = difflib.get_close_matches(name[:40].lower(), known, n=1, cutoff=0.75)
    kind = "function" if is_called else "name"
    listed = ", ".join(FUNCTIONS) if is_called else f"{inputs}, pi, e or a number"
    write = f"write {similar[0]}, or one of" if similar else "write one of"
    refuse(node.col_offset, name, f"there is no such {kind}; {write} {listed}")
