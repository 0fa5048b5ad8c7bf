"""Shortens long lists in messages: the first few items, and how many more."""

from __future__ import annotations

import logging
from collections.abc import Sequence

SHOWN = 5
"""Items of one kind that are shown."""


def few(lines: Sequence[str], what: str = "more of this kind") -> list[str]:
    """Returns the first lines, and a last line with the number of those left out."""
    left = len(lines) - SHOWN
    return [*lines] if left <= 1 else [*lines[:SHOWN], f"... and {left:,} {what}"]


def few_names(names: Sequence[str]) -> str:
    """Returns names in one line."""
    return ", ".join(few(names, "more")) or "none"


class Few:
    """Wraps a logger: after a few warnings it says that there are more, and then nothing."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._logged = log, 0

    def warning(self, text: str, *values: object) -> None:
        """Logs the warning, if it is one of the first."""
        self._logged += 1
        if self._logged <= SHOWN:
            self._log.warning(text, *values)
        elif self._logged == SHOWN + 1:
            self._log.warning("there are more warnings of this kind, which are not shown")
