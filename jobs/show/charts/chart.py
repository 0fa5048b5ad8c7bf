"""A chart as a page shows it: SVG, the words that say what it shows, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["half", "wide", "beside"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A chart's numbers, for those who read rather than look."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The first column names the row."""
    left_out: int = 0
    """Rows that are not listed."""


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: a mark and what it stands for. Marks differ in shape or dashes, not in colour alone."""

    svg: str
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a page."""

    name: str
    """Part of its id in the page: lower-case letters, digits and hyphens, unique within a dataset."""
    title: str
    caption: str
    """What it shows and how to read it, in one or two sentences."""
    label: str
    """The chart in a sentence, for screen readers: what is lowest, where it ends. The markup contains it."""
    svg: str
    """One or several SVG elements, or a list whose items have one each; their text is selectable, their colours are
    classes of charts.css."""
    legend: Sequence[Key]
    numbers: Numbers
    layout: Layout = "half"
    """half: beside another one where the page is wide enough. wide: a row of its own. beside: the same, with its words
    at its right."""
