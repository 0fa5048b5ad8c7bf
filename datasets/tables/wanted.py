"""Which columns of a file a spec asks for, by its header: before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.kinds import NUMBERS, READ, WORDS, Kind
from sumsquares.datasets.tables.shown import listing, show, similar

Header = Sequence[tuple[str, Kind | None]]
"""Names and kinds of a file's columns; the kinds of CSV aren't known before its rows are read."""


class Wanted(NamedTuple):
    """Columns by their position in the header."""

    target: int
    inputs: tuple[int, ...]
    """Those named, or all that may be inputs by what is known."""
    held_out: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]
    """Columns that are no inputs by their name or kind, with the reason."""

    @property
    def all(self) -> frozenset[int]:
        """All of them."""
        return frozenset((self.target, *self.inputs, *self.held_out))


def wanted(keys: TableKeys, header: Header) -> tuple[Wanted | None, list[str]]:
    """Returns the columns to be read, or None, and the problems with them."""
    names = [name for name, _ in header]
    problems = [*_missing(keys, names), *_twice(keys, names), *_roles(keys)]
    if problems:
        return None, problems
    at = {name: position for position, name in enumerate(names)}
    target, held_out = at[keys.target], tuple(at[name] for name in test_columns(keys))
    kind_problem = _target_problem(keys.target, header[target][1])
    problems = [] if kind_problem is None else [kind_problem]
    problems += [
        f"test: column {show(header[position][0])} {WORDS[kind]}; name a column that is true in the test rows"
        for position in held_out
        if (kind := header[position][1]) is not None and kind not in READ
    ]
    if keys.inputs is not None:
        for name in keys.inputs:
            if (reason := unfit(header[at[name]][1], keys, is_named=True)) is not None:
                problems.append(f"inputs: column {show(name)} {reason}")
        return Wanted(target, tuple(at[name] for name in keys.inputs), held_out, ()), problems
    inputs, left_out = [], []
    for position, (name, kind) in enumerate(header):
        if position in (target, *held_out):
            continue
        reason = "it has no name" if not name else unfit(kind, keys, is_named=False)
        if reason is None:
            inputs.append(position)
        else:
            left_out.append((name, reason))
    return Wanted(target, tuple(inputs), held_out, tuple(left_out)), problems


def test_columns(keys: TableKeys) -> tuple[str, ...]:
    """Returns the columns that name test rows."""
    return (keys.test,) if isinstance(keys.test, str) else keys.test if isinstance(keys.test, tuple) else ()


def unfit(kind: Kind | None, keys: TableKeys, *, is_named: bool) -> str | None:
    """Returns why a column of some kind is no input, and what to write; None if it can be one or isn't known."""
    remedy = ", or remove it from `inputs`" if is_named else ""
    match kind:
        case "date":
            return (
                f"has dates or times{remedy or ''}; write them as numbers, such as days since a first one, to use them"
            )
        case "nested":
            return f"has lists or records; write their values as columns to use them{remedy}"
        case "binary":
            return f"has values that are no numbers; write numbers to use them{remedy}"
        case "text" if keys.categories is None:
            return f'is text; write categories = "one_hot" to use its values as categories{remedy}'
        case "bool" if not is_named:
            return "is boolean; name it in `inputs` to use it as 0 and 1"
    return None


def _missing(keys: TableKeys, names: Sequence[str]) -> Iterator[str]:
    asked = [("target", keys.target), *(("inputs", name) for name in keys.inputs or ())]
    for key, name in (*asked, *(("test", name) for name in test_columns(keys))):
        if name not in names:
            yield f"{key}: there is no column {show(name)}; {similar(name, names)}the columns are {listing(names)}"


def _twice(keys: TableKeys, names: Sequence[str]) -> Iterator[str]:
    used = (keys.target, *(keys.inputs or names), *test_columns(keys))
    for name, count in Counter(names).items():
        if count > 1 and name and name in used:
            places = " and ".join(str(at + 1) for at, each in enumerate(names) if each == name)
            remedy = "rename all but one" + ("" if keys.inputs else ", or name other columns in `inputs`")
            yield f"columns {places} are both called {show(name)}; {remedy}"
    for key, listed in (("inputs", keys.inputs or ()), ("test", test_columns(keys))):
        for name, count in Counter(listed).items():
            if count > 1:
                yield f"{key}: {show(name)} is named {count} times; write it once"


def _roles(keys: TableKeys) -> Iterator[str]:
    tests, inputs = test_columns(keys), keys.inputs or ()
    if keys.target in inputs:
        yield f"inputs: {show(keys.target)} is the target; remove it from `inputs`"
    if keys.target in tests:
        yield f"test: {show(keys.target)} is the target; name a boolean column that is true in the test rows"
    for name in tests:
        if name in inputs:
            yield f"inputs: {show(name)} names the test rows; remove it from `inputs`"


def _target_problem(name: str, kind: Kind | None) -> str | None:
    if kind is None or kind in (*NUMBERS, "bool", "wide", "empty"):
        return None
    if kind == "text":
        return f"target: column {show(name)} is text; write its values as numbers, or name a column of numbers"
    return f"target: column {show(name)} has no numbers; name a column of numbers"
