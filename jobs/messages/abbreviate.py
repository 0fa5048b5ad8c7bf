"""Ten thousand problems are told as the first few and their number."""

from __future__ import annotations

import logging
from collections.abc import Sequence

SHOWN = 5
"""Of one kind."""


def few(lines: Sequence[str], what: str = "more of this kind") -> list[str]:
    """The first lines, and how many are left out."""
    left = len(lines) - SHOWN
    return [*lines] if left <= 1 else [*lines[:SHOWN], f"... and {left:,} {what}"]


def few_names(names: Sequence[str]) -> str:
    """Names in one line."""
    return ", ".join(few(names, "more")) or "none"


class Few:
    """A logger of a process that falls silent after a few warnings, and says so."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._told = log, 0

    def warning(self, text: str, *values: object) -> None:
        """Logs the first warnings, and then that there are more."""
        self._told += 1
        if self._told <= SHOWN:
            self._log.warning(text, *values)
        elif self._told == SHOWN + 1:
            self._log.warning("there are more warnings of this kind, which are not shown")
