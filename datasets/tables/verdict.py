"""What the second pass speaks against: inputs that repeat the target or each other, and too few rows."""

from __future__ import annotations

from collections.abc import Iterator

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.leaks import LEAST_ROWS
from sumsquares.datasets.tables.measure import Measured
from sumsquares.datasets.tables.shown import plural, show


def problems_of_rows(keys: TableKeys, measured: Measured, read: int) -> Iterator[str]:
    """Yields what is wrong with the rows that are left of those that were read."""
    if measured.rows < 2:
        yield (
            f"{plural(measured.rows, 'row')} of {read:,} {'is' if measured.rows == 1 else 'are'} left after those "
            "without a value were dropped; fill them, or leave columns with many of them out of `inputs`"
        )
        return
    target_low, target_high = measured.ends[keys.target]
    if target_low == target_high:
        yield (
            f"target: column {show(keys.target)} is {target_low:g} in all rows that are left after those without a "
            "value were dropped; leave columns with many of them out of `inputs`"
        )
        return
    for each in measured.columns.inputs:
        low, high = measured.ends.get(each.name, (0.0, 0.0))
        if low == high and each.category is None:
            yield (
                f"column {show(each.name)} is {low:g} in all rows that are left after those without a value were "
                "dropped; leave it out of `inputs`"
            )
    yield from _leaks(keys, measured)


def _leaks(keys: TableKeys, measured: Measured) -> Iterator[str]:
    """Yields inputs that give the target away. A single input may be a linear function: that is a question to learn."""
    is_alone = len(measured.columns.inputs) == 1
    for each in measured.columns.inputs:
        leak = measured.leaks[each.name]
        if leak.is_equal and leak.rows >= min(LEAST_ROWS, measured.rows):
            found = "is equal to the target"
        elif leak.is_linear and leak.is_known and leak.rows >= LEAST_ROWS and not is_alone:
            found = "is a linear function of the target"
        else:
            continue
        rows = "every row" if leak.rows == measured.rows else f"the {leak.rows:,} rows in which it has a value"
        remedy = _without(keys, measured, each.column)
        yield f"column {show(each.name)} {found} in {rows}, which gives it away; {remedy}"


def _without(keys: TableKeys, measured: Measured, column: str) -> str:
    if keys.inputs is not None:
        return f"remove {show(column)} from `inputs`"
    others = [*dict.fromkeys(each.column for each in measured.columns.inputs if each.column != column)]
    if 0 < len(others) <= 8:
        return f"write inputs = [{', '.join(show(each) for each in others)}]"
    return "name the other columns in `inputs`"


def repeated(measured: Measured) -> dict[str, str]:
    """Returns the inputs that equal an earlier one in every row, with that one; categories are never among them."""
    first: dict[str, str] = {}
    found = {}
    for each in measured.columns.inputs:
        if each.category is None:
            digest = measured.digest.of_column(each.name)
            if digest in first:
                found[each.name] = first[digest]
            first.setdefault(digest, each.name)
    return found
