"""Errors of a user's table: what she has to change (exit code 2), what is damaged (3), what can't be reached (4)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sumsquares.datasets.errors import DataError

MAX_PROBLEMS = 20
"""The most problems that are listed."""


class TableError(ValueError):
    """A table that can't be used as it is. The message lists all problems, each with its place and a remedy."""

    exit_code = 2
    """Of a command that this error ends: the spec or the file is to be changed."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        super().__init__(source, tuple(islice(problems, MAX_PROBLEMS + 1)))

    @property
    def problems(self) -> tuple[str, ...]:
        """One line per problem, at most 20 of them."""
        problems: tuple[str, ...] = self.args[1]
        return problems[:MAX_PROBLEMS]

    def __str__(self) -> str:
        source, problems = self.args
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        if len(problems) > MAX_PROBLEMS:
            count = f"more than {MAX_PROBLEMS} problems, these are the first"
        return "\n  ".join([f"{source}: {count}", *self.problems])


class TableMissing(TableError):  # noqa: N818  its base says that it is an error
    """There is no such file, or no file in the folder: rows that the store has can still be used."""


class DamagedTable(DataError):  # noqa: N818  the same
    """A file whose bytes are no whole Parquet or compressed file."""


class TableUnreachable(RuntimeError):  # noqa: N818  the same
    """An object store that didn't answer, or refused to."""

    exit_code = 4
    """Of a command that this error ends."""
