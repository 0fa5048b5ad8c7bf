"""Parses the text of a formula to a tape, by Python's `ast` and a fixed list. It evaluates nothing."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NoReturn

from sumsquares.datasets.formulas.characters import FormulaError, refuse
from sumsquares.datasets.formulas.inputs import count_inputs, means_all_inputs, refuse_name
from sumsquares.datasets.formulas.names import example_of, is_input
from sumsquares.datasets.formulas.operations import CONDITIONS, CONSTANTS, FUNCTIONS, OPERATIONS
from sumsquares.datasets.formulas.tape import Step, Tape
from sumsquares.datasets.formulas.words import check_text

MOST_NODES = 5_000
"""Numbers, inputs and operations of a formula."""
MOST_DEPTH = 100
"""Operations inside each other, where a chain such as x1 + x2 - x3 counts as one."""
MOST_LEVELS = 1_500
"""Of Python's tree, in which each operator of a chain is a level. Python itself gives up at 3,000, less three for each
function that is being called, and a formula must not depend on that."""
_TOO_LONG = f"more than {MOST_LEVELS} operators are in one chain or inside each other; write sum(...), or fewer"
_OF_TWO = {  # what to write of functions that others give a second argument
    "round": "round(100 * x) / 100 for two decimals",
    "log": "log2(x) or log10(x), or log(x) / log(3) for another base",
}
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.And: "and",
    ast.Or: "or",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def parse_tape(text: str, n_numbers: int | None) -> tuple[Tape, int, int]:
    """Returns the steps, the index of the one that is the formula's value, and the number of inputs.

    Raises:
        FormulaError: the text has no meaning, or is too large.

    """
    text = text.strip("\n")
    check_text(text)
    tree = _tree(text)
    n_inputs = count_inputs(tree, n_numbers)
    parser = _Parser(text, n_inputs)
    root = parser.value(tree, 0)
    return parser.tape, root, n_inputs


def _tree(text: str) -> ast.expr:
    # Blanks at the beginning would be an indentation. A parenthesis in place of the first keeps all positions.
    parsed = f"({text[1:]})" if text[0] in " \t" else text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(parsed, mode="eval").body
    except SyntaxError as error:
        at = max((error.offset or 1) - 1, 0)
        part = text[at : at + 20].strip() or text[-20:]
        refuse(at, part, "this can't be read; write values with operators between them")
    except (RecursionError, MemoryError):
        raise FormulaError(_TOO_LONG) from None
    if _levels(tree) > MOST_LEVELS:
        raise FormulaError(_TOO_LONG)
    return tree


def _levels(tree: ast.AST) -> int:
    count, level = 0, [tree]
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        count += 1
    return count


class _Parser:
    def __init__(self, text: str, n_inputs: int) -> None:
        self.text = text
        self.n_inputs = n_inputs
        self.nodes = 0
        self.tape = Tape()
        self.kinds: dict[type[ast.expr], Callable[[Any, int], int]] = {
            ast.Constant: self.number,
            ast.Name: self.name,
            ast.BinOp: self.chain,
            ast.UnaryOp: self.unary,
            ast.BoolOp: self.joined,
            ast.Compare: self.compared,
            ast.Call: self.call,
        }

    def value(self, node: ast.expr, depth: int) -> int:
        """Returns the index of the step that has the node's value."""
        self.count(node, depth)
        if type(node) not in self.kinds:
            self.refuse(node, "a formula is one value of numbers, inputs, operators and functions; write one")
        return self.kinds[type(node)](node, depth)

    def count(self, node: ast.expr, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise FormulaError(f"it has more than {MOST_NODES} numbers, inputs and operations; write a shorter one")
        if depth > MOST_DEPTH:
            self.refuse(node, f"more than {MOST_DEPTH} operations lie inside each other; write fewer")

    def refuse(self, node: ast.expr, what: str) -> NoReturn:
        refuse(node.col_offset, self.text[node.col_offset : node.end_col_offset], what)

    def number(self, node: ast.Constant, _: int) -> int:
        written = self.text[node.col_offset : node.end_col_offset]
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self.refuse(node, "this is no number; write one")
        value = float(written)  # not float(node.value): that of a huge integer raises
        if not math.isfinite(value):
            self.refuse(node, "no float64 is that large; write a number below 1.8e308")
        if not value and any(digit in "123456789" for digit in written.lower().split("e")[0]):
            self.refuse(node, "no float64 but 0 is that small; write 0, or a number above 1e-307")
        return self.tape.add(Step("number", (), value))

    def name(self, node: ast.Name, _: int) -> int:
        if is_input(node.id):
            return self.tape.input(int(node.id[1:] or 1) - 1)
        if node.id not in CONSTANTS:
            refuse_name(node, self.n_inputs)
        return self.tape.add(Step(node.id))

    def chain(self, node: ast.BinOp, depth: int) -> int:
        """Follows left sides without recursion: x1 + x2 + x3 and so on may be long."""
        waiting: list[tuple[str, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            self.count(left, depth)
            waiting.append((self.operator(left, left.op), left.right))
            left = left.left
        index = self.value(left, depth + 1)
        for name, right in reversed(waiting):
            index = self.tape.add(Step(name, (index, self.value(right, depth + 1))))
        return index

    def operator(self, node: ast.expr, operator: ast.AST) -> str:
        if type(operator) not in _OPERATORS:
            self.refuse(node, "there is no such operator; write + - * / // % ** or a comparison")
        return _OPERATORS[type(operator)]

    def unary(self, node: ast.UnaryOp, depth: int) -> int:
        if isinstance(node.op, ast.Not):
            return self.tape.add(Step("not", (self.condition(node.operand, depth + 1),)))
        operand = self.value(node.operand, depth + 1)
        return self.tape.add(Step("negative", (operand,))) if isinstance(node.op, ast.USub) else operand

    def joined(self, node: ast.BoolOp, depth: int) -> int:
        self.nodes += len(node.values) - 1
        index = self.condition(node.values[0], depth + 1)
        for value in node.values[1:]:
            index = self.tape.add(Step(_OPERATORS[type(node.op)], (index, self.condition(value, depth + 1))))
        return index

    def condition(self, node: ast.expr, depth: int) -> int:
        index = self.value(node, depth)
        if self.tape.steps[index].name not in CONDITIONS:
            part = self.text[node.col_offset : node.end_col_offset]
            self.refuse(node, f"this is no condition; write a comparison, such as {part} != 0")
        return index

    def compared(self, node: ast.Compare, depth: int) -> int:
        self.nodes += len(node.ops)
        values = [self.value(value, depth + 1) for value in (node.left, *node.comparators)]
        names = [self.operator(node, operator) for operator in node.ops]
        steps = [self.tape.add(Step(*step)) for step in zip(names, pairwise(values), strict=True)]
        return steps[0] if len(steps) == 1 else self.tape.add(Step("chain", tuple(steps)))

    def call(self, node: ast.Call, depth: int) -> int:
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "only a function can be called; write * for a product")
        name = node.func.id
        if name not in FUNCTIONS:
            refuse_name(node.func, self.n_inputs, is_called=True)
        assert not node.keywords, "the text was checked"
        if self.n_inputs > 1 and means_all_inputs(node):
            self.nodes += self.n_inputs - 1
            self.count(node, depth)
            return self.tape.add(Step(name, tuple(map(self.tape.input, range(self.n_inputs)))))
        self.check_arguments(node, name)
        first = self.condition if name == "where" else self.value
        args = [first(node.args[0], depth + 1), *(self.value(arg, depth + 1) for arg in node.args[1:])]
        return self.tape.add(Step(name, tuple(args)))

    def check_arguments(self, node: ast.Call, name: str) -> None:
        most = OPERATIONS[name].most
        if (most is None and node.args) or len(node.args) == most:
            return
        takes = {None: "one or more arguments", 1: "one argument", 3: "three arguments"}[most]
        example = _OF_TWO.get(name, example_of(name)) if len(node.args) == 2 else example_of(name)
        self.refuse(node, f"{name} takes {takes}, not {len(node.args)}; write {example}")
