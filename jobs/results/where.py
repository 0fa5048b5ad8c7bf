"""Selects variants by their hyperparameters as a spec writes them: `activation=relu`, `hidden=[64, 64]`, or by an id.

Trials may be selected by the split of their table as well: `split=fold_1`. Several conditions must all hold.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.results.case import Row
from sumsquares.jobs.spec.axes import AXES

_NAMES = (*AXES, "split")
_ID = re.compile(r"[0-9a-f]{16}")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_LONGEST = 1_000  # characters: 64 hidden layers of 16,384 units


@dataclass(frozen=True, slots=True)
class Where:
    """One condition."""

    column: str
    """A hyperparameter, split, or variant_id."""
    value: Any
    """As a row of the summary has it."""

    def holds(self, row: Row) -> bool:
        """Whether a row of the summary, or of a trial, meets it; one of the summary has no split."""
        return bool(row.get(self.column) == self.value)


def read_where(text: str, option: str = "--variant") -> Where:
    """Parses a condition: a value is TOML as in a spec, or a word without quotes. `option` is what messages call it.

    Raises:
        UsageError: it is no condition, or names no hyperparameter.

    """
    name, equals, given = (part.strip() for part in text.partition("="))
    if not equals and _ID.fullmatch(name):
        return Where("variant_id", name)
    if not equals or name not in _NAMES:
        remedy = f"write NAME=VALUE with one of {', '.join(_NAMES)}; or the id of a variant"
        raise UsageError(f"{option} {shown(text)} names no hyperparameter: {remedy}")
    value = _value(given)
    if value is None or isinstance(value, bool | dict):
        raise UsageError(
            f"{option} {shown(text)} has no valid value: write it as in a spec: activation=relu, hidden=[64, 64]"
        )
    return Where(name, str(value) if isinstance(value, list) else value)


def _value(text: str) -> Any:
    """Returns the value of a TOML key, a bare word as a string; None if it is neither."""
    if _BARE.fullmatch(text):
        return text
    if len(text) > _LONGEST or not text.isprintable():
        return None
    try:
        return tomllib.loads(f"value = {text}").get("value")
    except (ValueError, RecursionError):
        return None


def matching(rows: Sequence[Row], conditions: Sequence[Where], option: str = "--variant") -> list[Row]:
    """Returns the rows that meet all conditions.

    Raises:
        UsageError: none does; the values there are are named.

    """
    found = list(rows)
    for index, condition in enumerate(conditions):
        there = sorted({str(value) for row in found if (value := row.get(condition.column)) is not None})
        found = [row for row in found if condition.holds(row)]
        if not found:
            among = " among those of the conditions before it" if index else ""
            given = f"{condition.column} = {shown(str(condition.value))}"
            raise UsageError(f"{option}: no variant has {given}{among}; there are: {few_names(there)}")
    return found
