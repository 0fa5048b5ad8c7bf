"""The report's table of variants: a column per axis that varies, then the numbers, and why each variant ends there.

A page has some of the rows as markup, for those who have no script, and as compact data for the script that sorts and
filters. Both have the same texts. Of very many variants the best and the worst are in the page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sumsquares.jobs.results.case import Cause
from sumsquares.jobs.show.charts.numbers import column_text, rounded_down
from sumsquares.jobs.show.format import Row, named, number, plain, told_of
from sumsquares.jobs.show.headings import Heading, headings_of
from sumsquares.jobs.spec.axes import AXES

MARKED_UP = 200
"""Rows of a page that it has without its script: 80 kB."""
MARKED_UP_OF_SEVERAL = 120
"""The same of a page on several datasets, each of which has charts of its own."""
MOST = 10_000
"""Rows of a page that are in its data: 2 MB."""
_LEAST = 20  # rows of a dataset, however many datasets there are
_UNSEEN = "rmse_unseen_median"
_WORST = 0.1  # share of the rows that are the worst, where the middle is left out


class Why(NamedTuple):
    """Why a variant ends where it does."""

    cause: str
    sentence: str
    """What shows it."""
    remedy: str
    others: str
    """Further causes that its results show."""


class Column(NamedTuple):
    """A column of texts."""

    name: str
    lines: tuple[str, str]
    """Its heading."""
    cells: Sequence[str]
    order: Sequence[str] | None = None
    """Of a column with few values: these, from the first to the last; None for numbers."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The table of variants of a dataset: its rows are the best first."""

    columns: Sequence[Column]
    why: Sequence[Why]
    ranks: Sequence[int]
    tags: Mapping[int, str]
    """By rank: what is special about a variant."""
    constants: str
    """What is the same for all variants: axes and numbers, with their values."""
    unknown: str
    """Numbers that no variant has."""
    total: int
    """Variants of the dataset."""

    @property
    def left_out(self) -> int:
        """Variants that are not in the page, between the best and the worst."""
        return self.total - len(self.ranks)

    def ends(self, most: int) -> tuple[Sequence[int], Sequence[int]]:
        """Places of the best and of the worst rows that are marked up; all are the best if they are not many."""
        best, worst = _ends(len(self.ranks), most)
        return (range(best), range(len(self.ranks) - worst, len(self.ranks)))

    def lacks(self, most: int) -> int:
        """Variants between those."""
        best, worst = self.ends(most)
        return self.total - len(best) - len(worst)


def share_of(most: int, total: int, datasets: int) -> int:
    """Returns how many rows of each dataset a page has, where it has so many of all `total` ones."""
    return most if total <= most else max(_LEAST, most // datasets)


def listing(
    about: Row,
    rows: Sequence[Row],
    axes: Sequence[str],
    asked: Counter[str],
    causes: Mapping[str, Sequence[Cause]],
    tags: Mapping[str, str],
    most: int,
) -> Listing:
    """Returns the table of a dataset's variants, best first.

    They differ in these `axes`. `asked` has the trials of each variant by id where some are missing, `causes` why each
    ends where it does, `tags` what is special about some.
    """
    best, worst = _ends(len(rows), most)
    places = [*range(best), *range(len(rows) - worst, len(rows))]
    shown = [rows[place] for place in places]
    columns = [*_axes(axes, shown), _fates(shown, asked), *_numbers(about, rows, shown)]
    alike = [each for each in columns if len(rows) == len(shown) > 1 and len(set(each.cells)) == 1]
    return Listing(
        columns=[each for each in columns if each not in alike],
        why=[_why(row, causes.get(row["variant_id"], ())) for row in shown],
        ranks=[place + 1 for place in places],
        tags={place + 1: tags[rows[place]["variant_id"]] for place in places if rows[place]["variant_id"] in tags},
        constants=", ".join([*_constants(rows[0], axes), *_values(alike)]),
        unknown=", ".join(each.name for each in alike if each.cells[0] == "-"),
        total=len(rows),
    )


def _constants(row: Row, axes: Sequence[str]) -> list[str]:
    """The axes in which variants don't differ, with their values."""
    return [named(axis, row[axis]) for axis in told_of(row, AXES) if axis not in axes]


def _values(alike: Sequence[Column]) -> list[str]:
    """Columns whose cells are all the same, with their value."""
    return [f"{each.name} {each.cells[0]}" for each in alike if each.cells[0] != "-"]


def _ends(count: int, most: int) -> tuple[int, int]:
    """How many of the best and of the worst rows are shown: no single one is left out."""
    if count <= most + 1:
        return count, 0
    worst = max(1, int(most * _WORST))
    return most - worst, worst


def _axes(axes: Sequence[str], shown: Sequence[Row]) -> Iterator[Column]:
    for axis in axes:
        values = sorted({row[axis] for row in shown}, key=_by_value)
        words = axis.replace("_", " ")
        yield Column(words, (words, ""), [plain(row[axis]) for row in shown], [plain(value) for value in values])


def _by_value(value: Any) -> tuple[Any, ...]:
    """Numbers by their size, networks by their depth and widths, all else by its text."""
    if isinstance(value, str) and value.startswith("["):
        widths = json.loads(value)
        return len(widths), *widths
    return (value,)


def _fates(shown: Sequence[Row], asked: Counter[str]) -> Column:
    cells = [_fate(row, asked) for row in shown]
    return Column("trials", ("trials", ""), cells, sorted(set(cells), key=lambda cell: (int(cell.split()[0]), cell)))


def _fate(row: Row, asked: Counter[str]) -> str:
    """How many trials the numbers are of, and what became of the others."""
    total = max(asked[row["variant_id"]], row["n"] + row["n_diverged"])
    missing = total - row["n"] - row["n_diverged"]
    lost = [f"{count} {what}" for count, what in ((row["n_diverged"], "diverged"), (missing, "missing")) if count]
    return f"{row['n']} of {total}: {', '.join(lost)}" if lost else str(total)


def _numbers(about: Row, rows: Sequence[Row], shown: Sequence[Row]) -> Iterator[Column]:
    facts = about["facts"]
    differs = 0 < facts["unseen_rows"] < facts["measured_rows"]  # else unseen rows are all test rows, or none
    for heading in headings_of(about, rows):
        if heading.column != "cause" and (differs or heading.column != _UNSEEN):
            name = " ".join(filter(None, heading.report))
            yield Column(name, heading.report, _texts(heading, [row[heading.column] for row in shown]))


def _texts(heading: Heading, values: Sequence[float | None]) -> list[str]:
    if heading.column == "floor":  # rounded down: no network gets below it
        return column_text([*map(rounded_down, values)])
    return column_text(values) if heading.text is number else [heading.text(value) for value in values]


def _why(row: Row, causes: Sequence[Cause]) -> Why:
    if not causes:
        return Why((row.get("cause") or "-").replace("_", " "), "", "", "")
    first, *others = causes
    remedy = "" if first.change is None else str(first.change)
    return Why(_spaced(first), first.sentence, remedy, ", ".join(map(_spaced, others)))


def _spaced(cause: Cause) -> str:
    return cause.name.replace("_", " ")
