"""The tables that a run prints, fitted to the width of the terminal. Nothing is computed here."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from sumsquares.jobs.results.described import measures_training
from sumsquares.jobs.results.samples import ROWS, sample_words
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.answer import answer
from sumsquares.jobs.show.baselines_text import baseline_sentences
from sumsquares.jobs.show.engine_text import by_pack_words
from sumsquares.jobs.show.findings import finding, seen_share
from sumsquares.jobs.show.format import (
    Row,
    best_first,
    best_words,
    constants,
    counted,
    describe_task,
    named,
    network_words,
    number,
    plain,
    told_of,
    varying,
)
from sumsquares.jobs.show.headings import HEADINGS, Heading, headings_of

BEST, WORST = 12, 3
"""Variants shown per dataset unless all are asked for; all are in summary.parquet."""
WORDS_WIDTH = 36
"""Columns that a variant's description gets at least, if it needs them; less important numbers give way."""
_UNSEEN = "rmse_unseen_median"  # shown where some test rows are in training and some are not
_RMSES = ("rmse_median", "rmse_mean")
_BASELINES = "no network:"  # the rows below it
_GIVING = sorted((each for each in HEADINGS if each.gives_way is not None), key=lambda each: each.gives_way or 0)
_GIVE_WAY = [heading.terminal for heading in _GIVING]  # the first one first
_FIRST_TO_GO = _GIVE_WAY[:-4]  # these make room for axes in columns
_GAP = 2  # between two columns
_SPACE = "\N{NO-BREAK SPACE}"


class Column(NamedTuple):
    """A column of the table of variants."""

    header: str
    cells: list[str]

    @property
    def width(self) -> int:
        """Of its longest line."""
        return max(len(line) for text in (self.header, *self.cells) for line in text.split("\n"))


def result_tables(
    summary: Summary, width: int, run: str, all_variants: bool = False, with_samples: bool = False
) -> Iterator[Table | Text]:
    """Yields the answers with the findings; then for each dataset its variants, best first, and samples of the best.

    `run` is the run's name.
    """
    rows = best_first(summary.table.to_pylist())
    of_dataset = {name: [row for row in rows if row["dataset"] == name] for name in summary.datasets}
    for name, about in summary.datasets.items():
        known = finding(about, of_dataset[name], summary.best_trial[name])
        first, *others = (*answer(summary, name, run), *known.sentences, *baseline_sentences(summary, name))
        yield Text(wrapped(f"{name} ({describe_task(about)}): {first}", width), style="bold")
        yield from (Text(wrapped(f"  {sentence}", width)) for sentence in (*others, *known.caveats))
    if summary.by_pack:
        yield Text(wrapped(by_pack_words(summary.by_pack), width))
    yield Text()
    for name, about in summary.datasets.items():
        yield from _variants(name, about, of_dataset[name], width, all_variants)
        best = summary.best[name]
        if best is not None and with_samples:
            seed = best["trial"]["seed"]
            yield Text(f"{name}: the best variant is {best_words(best)}; its best trial, seed {seed}:", style="bold")
            for sample in best["samples"][:ROWS]:
                yield Text(f"  {sample_words(sample['expected'], sample['predicted'], sample['error'])}")
        yield Text()


def _variants(
    name: str, about: dict[str, Any], rows: Sequence[Row], width: int, all_variants: bool
) -> Iterator[Table | Text]:
    """Yields the best and worst variants: a column for each varying axis or, if that's too wide, a description.

    Constant axes are then in the title.
    """
    # The rows: with many variants their middle becomes one line, unless that would save none.
    middle = [] if all_variants else rows[BEST:-WORST]
    shown = [*rows[:BEST], None, *rows[-WORST:]] if len(middle) > 1 else rows
    more = f"... {len(middle):,} more"
    axes = varying(rows)
    baselines = about.get("baselines", ())
    names = [_BASELINES, *(f" {row['name']}" for row in baselines)] if baselines else []
    columns = [
        Column(
            axis.replace("_", "\n"),
            [
                *_cells(shown, _value_of(axis), more if axis == axes[0] else ""),
                *(names if axis == axes[0] else _blank(names)),
            ],
        )
        for axis in axes
    ]
    # An RMSE on unseen rows says something new only where some test rows are in training and some aren't.
    differs = 0 < about["facts"]["unseen_rows"] < about["facts"]["measured_rows"]
    numbers = [
        Column("n", [*_cells(shown, _seeds, ""), *_blank(names)]),
        *(
            Column(heading.terminal, [*_cells(shown, _text_of(heading), ""), *_below(heading, baselines)])
            for heading in headings_of(about, rows)
            if differs or heading.column != _UNSEEN
        ),
    ]
    # A column per axis if that costs no more than the least important numbers, and else one description.
    title, left_out = _title(name, about, rows), ""
    beside, gone = fitting(numbers, width - _width(columns) - _GAP, _FIRST_TO_GO)
    if axes and _width([*columns, *beside]) <= width:
        numbers, left_out = beside, gone
    elif axes:
        words = [*_cells(shown, lambda row: _words(row, axes), more), *names]
        numbers, left_out = fitting(numbers, width - min(WORDS_WIDTH, max(map(len, words))) - _GAP, _GIVE_WAY)
        columns = [Column("variant", [wrapped(text, width - _width(numbers) - _GAP) for text in words])]
        title += f"; all with {constants(rows)}"
    else:
        columns = [Column("", [*_cells(shown, network_words, more), *names])] if names else []
        numbers, left_out = fitting(numbers, width - _width(columns) - _GAP, _GIVE_WAY)
    yield Text(title, style="bold")
    yield table_of(columns, numbers)
    if len(middle) > 1:
        yield Text(f"{len(middle):,} variants are not shown: --all-variants shows them", style="dim")
    if left_out:
        yield Text(f"not shown for want of width: {left_out}", style="dim")


def _cells(rows: Sequence[Row | None], text: Callable[[Row], str], gap: str) -> list[str]:
    return [gap if row is None else text(row) for row in rows]


def _blank(names: Sequence[str]) -> list[str]:
    return [""] * len(names)


def _below(heading: Heading, baselines: Sequence[Row]) -> list[str]:
    """The cells of the baselines, the first of them that of their title: they have an RMSE alone."""
    known = [number(row[heading.column]) if heading.column in _RMSES else "" for row in baselines]
    return ["", *known] if known else []


def _value_of(axis: str) -> Callable[[Row], str]:
    return lambda row: plain(row[axis])


def _text_of(heading: Heading) -> Callable[[Row], str]:
    return lambda row: heading.text(row[heading.column])


def _seeds(row: Row) -> str:
    """How many seeds the numbers are of."""
    return f"{row['n']} of {row['n'] + row['n_diverged']}" if row["n_diverged"] else str(row["n"])


def _title(name: str, about: dict[str, Any], rows: Sequence[Row]) -> str:
    trials = about["trials"]
    fates = [f"{trials[key]:,} {key}" for key in ("ok", "diverged", "missing") if trials[key]]
    fate = f" ({', '.join(fates)})" if trials["ok"] < trials["total"] else ""
    counts = f"{counted(len(rows), 'variant')}, {counted(trials['total'], 'trial')}{fate}"
    seen = "" if measures_training(about) else f"; {seen_share(about)}"
    return f"{name}: {describe_task(about)}; {counts}{seen}"


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def fitting(columns: list[Column], width: int, give_way: Sequence[str]) -> tuple[list[Column], str]:
    """Returns the columns that fit, dropping as few as needed in the order of `give_way`, and the dropped headings."""
    gone: list[str] = []
    for header in give_way:
        if _width(columns) > width and any(column.header == header for column in columns):
            columns = [column for column in columns if column.header != header]
            gone.append(header.replace("\n", " "))
    return columns, ", ".join(gone)


def _words(row: Row, axes: Sequence[str]) -> str:
    """A variant's description; a name and its value stay on one line, except for networks of very many layers."""
    words = [named(axis, row[axis]) for axis in told_of(row, axes)]
    return ", ".join(text.replace(" ", _SPACE) if len(text) < WORDS_WIDTH else text for text in words)


def wrapped(text: str, width: int) -> str:
    """Returns the text in lines of this width, those after the first indented."""
    lines = textwrap.wrap(text, max(width, 10), subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines).replace(_SPACE, " ")


def table_of(axes: Sequence[Column], numbers: Sequence[Column]) -> Table:
    """Returns the table of these columns, numbers to the right."""
    table = Table(pad_edge=False, box=None)
    for column in axes:
        table.add_column(column.header, no_wrap=True)
    for column in numbers:
        table.add_column(column.header, justify="right", no_wrap=True)
    for cells in zip(*(column.cells for column in (*axes, *numbers)), strict=True):
        table.add_row(*cells, style="dim" if cells[0].startswith("... ") else None)
    return table
