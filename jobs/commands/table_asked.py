"""A table on the command line, for fit and init: the name of its run, and messages that speak of options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
    parts = [part for part in re.split(r"[/\\]", file) if re.search(r"[A-Za-z0-9]", part)]
    stem = parts[-1].lstrip(".").partition(".")[0] if parts else ""
    return re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:LONGEST_NAME].rstrip("-_") or "table"


def check_name(name: str) -> None:
    """Raises a UsageError if no run of `fit` can have this name."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        rule = f"write 1 to {LONGEST_NAME} of a-z, 0-9, _ and -, the first a letter or digit"
        raise UsageError(f"--name {shown(name)} is not valid: {rule}")


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
    return _KEY.sub(lambda found: _option(found[1], found[2]), message)


def _option(key: str, value: str) -> str:
    if key == "categories":
        return "--one-hot"
    if value.startswith("["):
        names = re.findall(r'"([^"]*)"', value)
        return f"--{key} {shlex.quote(','.join(names))}" if key == "inputs" else " ".join(f"--{key} {shlex.quote(name)}" for name in names)
    return f"--{key} {shlex.quote(value.strip(chr(34)))}"
