"""Errors of a user's table: what she has to change (exit code 2), what is damaged (3), what can't be reached (4)."""

from __future__ import annotations

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.problems import Problems

MAX_PROBLEMS = 20
"""The most problems that are listed."""


class TableError(Problems):
    """A table that can't be used as it is. The message lists all problems, each with its place and a remedy."""

    most = MAX_PROBLEMS


class TableMissing(TableError):  # noqa: N818  its base says that it is an error
    """There is no such file, or no file in the folder: rows that the store has can still be used."""


class DamagedTable(DataError):  # noqa: N818  the same
    """A file whose bytes are no whole Parquet or compressed file."""


class TableUnreachable(RuntimeError):  # noqa: N818  the same
    """An object store that didn't answer, or refused to."""

    exit_code = 4
    """Of a command that this error ends."""
