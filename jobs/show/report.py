"""The report of a run: one self-contained HTML file, for readers who have never seen this project.

Its content is chosen here, its look is in page/report.html.jinja. It computes no statistics and reads no file but its
template; the same summary gives the same page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import target_range
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.results.case import rmse_of
from sumsquares.jobs.results.described import (
    beyond_words,
    formula_words,
    is_table,
    measures_training,
    range_words,
    spec_of,
    table_of,
)
from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.middle import has_splits, middle
from sumsquares.jobs.results.scale import DIVERGED_FACTOR
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.answer import answer
from sumsquares.jobs.show.baselines_text import baseline_sentences
from sumsquares.jobs.show.charts.dots import Axis, Dot, axis_svg, dot_svg
from sumsquares.jobs.show.findings import Finding, finding, is_linear, seen_share
from sumsquares.jobs.show.format import (
    Row,
    best_first,
    best_words,
    constants,
    counted,
    describe_variant,
    named,
    number,
    plain,
    varying,
)
from sumsquares.jobs.show.headings import Heading, headings_of
from sumsquares.jobs.show.page.render import render
from sumsquares.jobs.show.table_words import left_out_words, rows_words
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials

IN_CHART = (20, 10)
"""How many of the best and worst variants of a dataset are drawn."""
IN_TABLE = (180, 20)
"""How many of the best and worst variants are listed; all are in summary.parquet."""


class Ends(NamedTuple):
    """A long list without its middle."""

    best: Sequence[Any]
    left_out: int
    worst: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """The variants that have an RMSE, as dots."""

    axis: str
    """SVG."""
    dots: Ends
    """Of (label, SVG, median, whether it is linear)."""
    baselines: Sequence[tuple[str, str, str, bool]]
    """The same of the baselines."""
    without_result: int
    """Variants that have no RMSE, so they are not drawn."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The table of variants."""

    axes: tuple[str, ...]
    """Those that vary: each is a column."""
    headings: Sequence[Heading]
    """Of the columns of numbers."""
    constants: str
    """The others, with their values."""
    rows: Ends
    """Of (rank, whether it is linear, values of the axes, fate of its trials, numbers)."""


@dataclass(frozen=True, slots=True)
class Section:
    """The report's section on one dataset."""

    name: str
    facts: Row
    about: str
    answer: Sequence[str]
    finding: Finding
    baselines: Sequence[Row]
    """The best first."""
    compared: Sequence[str]
    """Networks and baselines in sentences."""
    chart: Chart | None
    listing: Listing
    best: Row | None
    best_is: str
    """The best variant in words; empty if there is none."""
    samples: Sequence[Row]
    """Predictions of its best trial; empty if there are none."""
    beyond: str
    """On which numbers what is beyond the range was measured; empty for a table."""


def report(
    spec: JobSpec,
    summary: Summary,
    facts: Mapping[str, object],
    figures: Mapping[str, Figures] = MappingProxyType({}),  # noqa: ARG001  not drawn yet
) -> str:
    """Returns the page, from the spec, the summary, the environment of the run, and by dataset what is drawn of it."""
    rows = best_first(summary.table.to_pylist())
    asked = Counter(trial.variant.id for trial in trials(spec)) if summary.counts.missing else Counter[str]()
    sections = [
        _section(name, about, [row for row in rows if row["dataset"] == name], summary, spec.name, asked)
        for name, about in summary.datasets.items()
    ]
    return render(
        "report.html.jinja",
        spec=spec,
        source=masked(spec.source_text.decode("utf-8-sig")),
        summary=summary,
        counts=asdict(summary.counts),
        seconds=sum(row["train_seconds"] for row in rows),
        environment=facts,
        sections=sections,
        factor=DIVERGED_FACTOR,
    )


def _section(name: str, facts: Row, rows: Sequence[Row], summary: Summary, run: str, asked: Counter[str]) -> Section:
    best = summary.best[name]
    return Section(
        name=name,
        facts=facts,
        about=_about(facts),
        answer=answer(summary, name, run),
        finding=finding(facts, rows, summary.best_trial[name]),
        baselines=facts.get("baselines", ()),
        compared=baseline_sentences(summary, name),
        chart=_chart(rows, facts.get("baselines", ())),
        listing=_listing(facts, rows, asked),
        best=best,
        best_is=best_words(best) if best else "",
        samples=(best or {}).get("samples", ()),
        beyond="" if is_table(facts) else beyond_words(spec_of(facts)),
    )


def _about(facts: Row) -> str:
    """A dataset in words."""
    if is_table(facts):
        table = table_of(facts)
        seen = [] if measures_training(facts) else [seen_share(facts)]
        return " ".join(map(_sentence, (rows_words(table), *left_out_words(table), *seen)))
    return f"{_of_generated(facts)}. {_sentence(seen_share(facts))} {_rows(facts)}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _rows(facts: Row) -> str:
    return f"{counted(facts['rows'], 'row')} to train on, {facts['test_rows']:,} to test."


def _of_generated(facts: Row) -> str:
    spec = spec_of(facts)
    if spec.task is None:
        return _of_formula(spec)
    n, largest = facts["n_numbers"], facts["largest"]
    numbers = "a number" if n == 1 else f"{n} numbers"
    task = "sum of the squares" if facts["task"] == "sum_of_squares" else facts["task"]
    _, top = target_range(spec.task, n, 1, largest)
    count = facts["unused"]
    unused = f", beside {count} unused input{'s' if count > 1 else ''}" if count else ""
    return f"The {task} of {numbers} from 1 to {largest:,}{unused}; answers go up to {top:,}"


def _of_formula(spec: DatasetSpec) -> str:
    """A formula's dataset in words."""
    kind = "real numbers" if spec.is_real else "integers"
    words = f"{formula_words(spec)} of {kind}: {range_words(spec)}"
    if spec.digits:
        words += f", each by its {spec.n_digits} binary digits"
    if spec.unused:
        words += f", beside {counted(spec.unused, 'unused input')}"
    return words + (
        f"; the training targets have noise of standard deviation {plain(spec.noise)}" if spec.noise else ""
    )


def _ends(items: Sequence[Any], best: int, worst: int) -> Ends:
    if len(items) <= best + worst + 1:
        return Ends(items, 0, ())
    return Ends(items[:best], len(items) - best - worst, items[-worst:])


def _chart(rows: Sequence[Row], baselines: Sequence[Row]) -> Chart | None:
    measured = [row for row in rows if middle(row) is not None]
    if not measured:
        return None
    best, left_out, worst = _ends(measured, *IN_CHART)
    known = [value for row in (*best, *worst) for value in (rmse_of(row), row["rmse_best"])]
    axis = Axis.of([*known, *(row["rmse_mean"] for row in baselines)])
    axes = varying(rows)
    dots = Ends([_dot(axis, row, axes) for row in best], left_out, [_dot(axis, row, axes) for row in worst])
    return Chart(axis_svg(axis), dots, [_mark(axis, row) for row in baselines], len(rows) - len(measured))


def _mark(axis: Axis, row: Row) -> tuple[str, str, str, bool]:
    """A baseline's row in the chart."""
    rmse = row["rmse_mean"]
    return f"{row['name']}, no network", dot_svg(axis, Dot(rmse, rmse, is_baseline=True)), number(rmse), False


def _dot(axis: Axis, row: Row, axes: Sequence[str]) -> tuple[str, str, str, bool]:
    label = ", ".join(named(name, row[name]) for name in axes) or describe_variant(row)
    rmse = rmse_of(row)
    dot = Dot(rmse, row["rmse_best"], is_linear(row), is_mean=has_splits(row))
    return label, dot_svg(axis, dot), number(rmse), dot.linear


def _listing(facts: Row, rows: Sequence[Row], asked: Counter[str]) -> Listing:
    axes, headings = varying(rows), headings_of(facts, rows)
    best, left_out, worst = _ends(list(enumerate(rows, 1)), *IN_TABLE)
    shown = Ends(
        [_line(rank, row, axes, headings, asked) for rank, row in best],
        left_out,
        [_line(rank, row, axes, headings, asked) for rank, row in worst],
    )
    return Listing(axes, headings, constants(rows), shown)


def _line(
    rank: int, row: Row, axes: Sequence[str], headings: Sequence[Heading], asked: Counter[str]
) -> tuple[Any, ...]:
    numbers = [heading.text(row[heading.column]) for heading in headings]
    return rank, is_linear(row), [plain(row[axis]) for axis in axes], _fate(row, asked), numbers


def _fate(row: Row, asked: Counter[str]) -> str:
    """How many trials the numbers are of, and what became of the others."""
    total = max(asked[row["variant_id"]], row["n"] + row["n_diverged"])
    missing = total - row["n"] - row["n_diverged"]
    lost = [f"{count} {what}" for count, what in ((row["n_diverged"], "diverged"), (missing, "missing")) if count]
    return f"{row['n']} of {total}: {', '.join(lost)}" if lost else str(total)
