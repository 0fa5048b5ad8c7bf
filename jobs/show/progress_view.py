"""What is shown of long work, and how it is laid out: pure functions of a width, no terminal and no clock.

Nothing is cut in the middle of a word or a number. What doesn't fit is left out whole, the least important first, and
of names that are left out their number is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sumsquares.jobs.messages.numbers import counted, listed

GAP = "  "
BAR_CELLS = 8
"""The shortest bar worth its room."""
FEW = 5
"""Names in a line of a log."""
_WORD_ENDS = re.compile(r"(?<=[-_.])(?=.)")


class Item(NamedTuple):
    """One thing to tell."""

    text: str
    rank: int
    """Items of the highest rank are left out first."""


@dataclass(frozen=True)
class View:
    """Long work at one moment."""

    title: str
    """What is being done."""
    items: tuple[Item, ...] = ()
    """Beside the bar, from left to right."""
    share: float | None = None
    """Of the bar, 0..1; None for no bar."""
    names: tuple[tuple[str, str], ...] = ()
    """Names with their values, in a line of their own."""
    names_title: str = ""
    """Before that line's names."""
    words: str = ""
    """The whole in one line of a log, without the names."""

    @property
    def line(self) -> str:
        """The whole in one line of a log."""
        return ", ".join(part for part in (self.words, self._named) if part)

    @property
    def _named(self) -> str:
        pairs = [f"{name} {value}" for name, value in self.names]
        left = len(pairs) - FEW
        shown = [*pairs[:FEW], f"{left:,} more"] if left > 1 else pairs
        return f"{self.names_title}: {listed(shown)}" if pairs else ""


@dataclass(frozen=True)
class Head:
    """The first line on a terminal: title, bar, items."""

    title: str
    bar: int
    """Cells of the bar; 0 for none."""
    items: str


def head(view: View, width: int) -> Head:
    """Lays out the first line: the bar takes what the others leave, and goes before those of rank 2 and above."""
    title = _whole_words(view.title, width)
    bar = BAR_CELLS + len(GAP) if view.share is not None else 0
    has_bar = bar > 0 and len(title) + bar + sum(_cells(item) for item in view.items if item.rank < 2) <= width
    room = width - len(title) - (bar if has_bar else 0)
    kept: list[Item] = []
    for item in sorted(view.items, key=lambda item: item.rank):
        if _cells(item) > room:
            break
        kept.append(item)
        room -= _cells(item)
    texts = [item.text for item in view.items if item in kept]
    return Head(title, BAR_CELLS + room if has_bar else 0, GAP.join(texts))


def names_line(view: View, width: int) -> str:
    """Returns as many names with their values as fit, and how many more there are; empty if none fits."""
    pairs = [f"{name} {value}" for name, value in view.names]
    for count in range(len(pairs), 0, -1):
        line = _joined(view.names_title, pairs[:count], len(pairs) - count)
        if len(line) <= width:
            return line
    return _shortened(view, width)


def _shortened(view: View, width: int) -> str:
    """Returns the line with the first name by the first of its words."""
    for name, value in view.names[:1]:
        words = _WORD_ENDS.split(name)
        for count in range(len(words) - 1, 0, -1):
            line = _joined(view.names_title, [f"{''.join(words[:count])}… {value}"], len(view.names) - 1)
            if len(line) <= width:
                return line
    return ""


def _joined(title: str, pairs: Sequence[str], left: int) -> str:
    more = [f"{left:,} more"] if left else []
    return GAP.join([f"{title}:", *pairs, *more])


def _cells(item: Item) -> int:
    return len(GAP) + len(item.text)


def _whole_words(text: str, width: int) -> str:
    """Returns the first words that fit."""
    words = text.split(" ")
    while len(words) > 1 and len(" ".join(words)) > width:
        words.pop()
    return " ".join(words) if len(" ".join(words)) <= width else ""


def count_item(done: int, total: int) -> str:
    """`412/1,080`."""
    return f"{done:,}/{total:,}"


def count_words(done: int, total: int, unit: str) -> str:
    """`412 of 1,080 trials`."""
    return f"{done:,} of {counted(total, unit)}"
