"""Which columns are inputs, after the first pass: those that can be, each other one with the reason why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sumsquares.datasets.source import LARGEST_REAL, MOST_INPUTS
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.kinds import NUMBERS
from sumsquares.datasets.tables.scan import LONGEST_CATEGORY, Column
from sumsquares.datasets.tables.shown import plural, show
from sumsquares.datasets.tables.table import InputColumn
from sumsquares.datasets.tables.wanted import Wanted, unfit

_SMALLEST = 1 / LARGEST_REAL
"""Least difference between the ends of a target, whose square is far from the smallest float64."""
_NARROWEST = 1e-10
"""Least difference between them as a part of the larger one: least squares on 1,024 inputs keep a tenth of it."""
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}([,' .]\d{3})+([.,]\d+)?\s*")


class Choice(NamedTuple):
    """The columns that are used."""

    inputs: tuple[InputColumn, ...]
    left_out: tuple[tuple[str, str], ...]


def choose(keys: TableKeys, wanted: Wanted, scanned: Mapping[int, Column]) -> tuple[Choice, list[str]]:
    """Returns the inputs and what is left out, and the problems."""
    target = scanned[wanted.target]
    problems = [f"target: {each}" for each in _target_problems(target, keys)]
    inputs: list[InputColumn] = []
    left_out = [*wanted.left_out]
    for position in wanted.inputs:
        column = scanned[position]
        reason = _reason(column, keys)
        if reason is not None and keys.inputs is None:
            left_out.append((column.name, reason))
        elif reason is not None:
            problems.append(f"inputs: column {show(column.name)} {reason}")
        else:
            problems += _value_problems(column, keys)
            inputs += _inputs(column)
    problems += [f"test: {each}" for position in wanted.held_out for each in _held_out_problems(scanned[position])]
    others = [target.name, *(scanned[position].name for position in wanted.held_out)]
    problems += _count_problems(
        inputs, left_out, [scanned[position] for position in wanted.inputs], others, bool(problems)
    )
    return Choice(tuple(inputs), tuple(left_out)), problems


def _reason(column: Column, keys: TableKeys) -> str | None:
    """Returns why a column can be no input."""
    is_named = keys.inputs is not None
    remove = "; remove it from `inputs`" if is_named else ""
    if column.kind == "empty":
        return f"has no values{remove}"
    if column.kind == "text" and keys.categories is None and column.spoilt:
        return f"is text: {_mended(column, keys)}"
    if (reason := unfit(column.kind, keys, is_named=is_named)) is not None:
        return reason
    if column.kind == "text" and column.is_all_different and not is_named:
        return "has a different text in every row, so its categories say nothing about other rows"
    if column.kind != "wide" and column.is_constant:
        rows = "every row with a value" if column.missing[0] else "every row"
        return f"is {column.the_one} in {rows}{remove}"
    return None


def _mended(column: Column, keys: TableKeys) -> str:
    """Returns the bad cell of a column that should be numbers, and what to write instead."""
    assert column.first_bad is not None
    text = column.first_bad[1]
    if _THOUSANDS.fullmatch(text):
        return f"{column.spoilt or _first_bad(column)}; write numbers without thousands separators"
    if _DECIMAL_COMMA.fullmatch(text) and column.decimal == "." and keys.separator != ",":
        return f'{column.spoilt or _first_bad(column)}; write decimal = ","'
    if _DECIMAL_COMMA.fullmatch(text) and column.decimal == ".":
        return f"{column.spoilt or _first_bad(column)}; write numbers with a decimal point"
    return f"{column.spoilt or _first_bad(column)}; write a number there, or leave the cell empty"


def _first_bad(column: Column) -> str:
    assert column.first_bad is not None
    place, text = column.first_bad
    return f"{place} has {show(text)}"


def _target_problems(column: Column, keys: TableKeys) -> Iterator[str]:
    name = f"column {show(column.name)}"
    if column.kind == "empty":
        yield f"{name} has no values; name a column of numbers"
    elif column.kind == "text":
        found = f"is text: {_mended(column, keys)}" if column.first_bad else "is text; write its values as numbers"
        yield f"{name} {found}, or name a column of numbers"
    elif column.kind != "wide" and column.is_constant:
        yield f"{name} is {column.the_one} in every row: there is nothing to learn; name a column that varies"
    elif column.kind in NUMBERS and not column.beyond:
        yield from _narrow(column)
    yield from _value_problems(column, keys, is_target=True)


def _narrow(column: Column) -> Iterator[str]:
    """Yields what is wrong with a target whose values are nearly one: its errors would be rounding errors."""
    low, high = float(column.low), float(column.high)
    found = f"column {show(column.name)} has values from {low:.17g} to {high:.17g}"
    if high - low < _SMALLEST:
        yield f"{found}: the squares of their differences are 0 in float64; write it in another unit"
    elif high - low < _NARROWEST * max(-low, high):
        yield f"{found}, which differ in their last digits alone; subtract {low:.17g} from all of them"


def _value_problems(column: Column, keys: TableKeys, *, is_target: bool = False) -> Iterator[str]:
    """Yields what is wrong with values of a column that is used."""
    name = f"column {show(column.name)}"
    leave = "" if is_target else ", or leave the column out of `inputs`"
    if column.kind == "wide" and column.wide:
        place, text = column.wide
        yield f"{name}: {place} has {show(text)}, beyond integers of 64 bits; write it with a decimal point{leave}"
    if column.kind == "double" and column.beyond:
        place, value = column.beyond
        bound = f"beyond {LARGEST_REAL:g}: its square is not finite; write it in another unit"
        found = "not finite; write a finite number, or leave the cell empty" if abs(value) == float("inf") else bound
        yield f"{name}: {place} has {value:g}, which is {found}{leave}"
    count, place_ = column.missing
    if count and keys.missing is None and column.kind in (*NUMBERS, "bool", "text"):
        found = f"{plural(count, 'row')} of {column.rows:,} without a value, the first is {place_}"
        fill = "" if is_target else ', missing = "mean" to fill them'
        yield f'{name}: {found}; write missing = "drop" to leave such rows out{fill}{leave}'
    if column.kind == "text" and column.categories:
        longest = max(column.categories, key=len)
        if len(longest) > LONGEST_CATEGORY:
            yield f"{name} has {show(longest)}, too long for a category; leave it out of `inputs`"


def _inputs(column: Column) -> list[InputColumn]:
    if column.kind != "text":
        return [InputColumn(name=column.name, column=column.name, type=column.stored)]
    texts = sorted(column.categories or ())
    return [InputColumn(name=f"{column.name}={text}", column=column.name, category=text, type="bool") for text in texts]


def _held_out_problems(column: Column) -> Iterator[str]:
    name, remedy = f"column {show(column.name)}", "write true in the test rows and false in the others"
    is_whole = column.kind in NUMBERS and column.stored == "int64"
    is_flag = column.kind == "bool" or (is_whole and column.low >= 0 and column.high <= 1)
    if not is_flag:
        is_bad = column.first_bad is not None and column.first_bad[1].lower() not in ("true", "false")
        found = f": {_first_bad(column)}" if is_bad else ""
        yield f"{name} is not boolean{found}; {remedy}"
    elif column.nulls and column.first_null:
        yield f"{name}: {plural(column.nulls, 'row')} without a value, the first is {column.first_null}; {remedy}"
    elif column.is_constant:
        yield f"{name} is {'true' if column.high else 'false'} in every row; {remedy}"


def _count_problems(
    inputs: Sequence[InputColumn],
    left_out: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    others: Sequence[str],
    has_problems: bool,
) -> Iterator[str]:
    many = next((each for each in columns if each.kind == "text" and each.categories is None), None)
    if many is not None:
        found = f"; {many.spoilt}" if many.spoilt else ""
        yield f"column {show(many.name)} has more than {MOST_INPUTS:,} categories{found}; leave it out of `inputs`"
    elif len(inputs) > MOST_INPUTS:
        most = max(columns, key=lambda each: len(each.categories or ()) if each.kind == "text" else 0)
        count = len(most.categories or ()) if most.kind == "text" else 0
        which = f", of which column {show(most.name)} has {count:,} categories" if count else ""
        yield f"{len(inputs):,} inputs{which}, and there may be {MOST_INPUTS:,}; name fewer columns in `inputs`"
    elif not inputs and not has_problems:
        reasons = "".join(f"; {show(name)} {reason}" for name, reason in left_out[:5])
        yield f"no input is left beside the target {show(others[0])}{reasons}; add a column of numbers"
    for name, count in Counter([*(each.name for each in inputs), *others]).items():
        if count > 1:
            yield f"two columns would be called {show(name)}, one of them a category; rename the other one"
