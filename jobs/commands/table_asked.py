"""A table on the command line, for fit and init: the name of its run, and messages that speak of options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.shown import listing
from sumsquares.datasets.tables.source import Source
from sumsquares.jobs import exits
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.pipeline.fitting import LONGEST_NAME

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_KEY = re.compile(
    r"""\b(target|inputs|folds|test|missing|categories|separator|decimal|encoding) = ("[^"\n]*"|[0-9.]+|\[[^]\n]*\])"""
)


def name_of(file: str) -> str:
    """Returns a run's name made from that of a file, a folder or a glob."""
    stems = [part.lstrip(".").partition(".")[0] for part in re.split(r"[/\\]", file)]
    stem = next((stem for stem in reversed(stems) if re.search(r"[A-Za-z0-9]", stem)), "")
    return re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:LONGEST_NAME].rstrip("-_") or "table"


def check_name(name: str) -> None:
    """Raises a UsageError if no run of `fit` can have this name."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        rule = f"write 1 to {LONGEST_NAME} of a-z, 0-9, _ and -, the first a letter or digit"
        raise UsageError(f"--name {shown(name)} is not valid: {rule}")


def with_target(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the keys of a table if they are valid and name its target.

    Raises:
        UsageError: they aren't, or don't; then it names the columns that there are.
        TableError: the file can't be read.

    """
    try:
        keys = TableKeys.model_validate({"name": "table", "target": "none", **table})
    except ValidationError as error:
        raise UsageError("; ".join(map(_problem, error.errors()))) from error
    if "target" not in table:
        names = [name for name, _ in Source(keys, ".").columns()]
        raise UsageError(f"--target: write which column is to be predicted; {table['file']} has {listing(names)}")
    return table


def _problem(error: Mapping[str, Any]) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return text.replace("test and folds", "--test and --folds")
    return f"--{error['loc'][0]} {shown(str(error['input']))} is not valid: {text[:1].lower()}{text[1:]}"


@contextmanager
def as_options() -> Iterator[None]:
    """Words the remedies of errors of a table as options: `--missing drop` in place of `missing = "drop"`."""
    try:
        yield
    except ValueError as error:
        if exits.code_of(error) != exits.USAGE:
            raise
        raise UsageError(in_options(str(error))) from error


def in_options(message: str) -> str:
    """Returns a message with the keys of a spec as options of the command line."""
    told = _KEY.sub(lambda found: _option(found[1], found[2]), message)
    told = told.replace("`inputs`", "--inputs")
    return told.replace("a path is relative to the spec", "a path is relative to this folder")


def _option(key: str, value: str) -> str:
    if key == "categories":
        return "--one-hot"
    if value.startswith("["):
        names = re.findall(r'"([^"]*)"', value)
        return (
            f"--{key} {shlex.quote(','.join(names))}"
            if key == "inputs"
            else " ".join(f"--{key} {shlex.quote(name)}" for name in names)
        )
    return f"--{key} {shlex.quote(value.strip(chr(34)))}"
