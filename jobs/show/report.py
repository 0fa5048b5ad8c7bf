"""The report of a run: one self-contained HTML file, for readers who have never seen this project.

Its content is chosen here, its look is in page/report.html.jinja. It computes no statistics and reads no file but its
templates; the same summary gives the same page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow.compute as pc

from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.results.described import beyond_words, is_table, spec_of, splits_of
from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.scale import DIVERGED_FACTOR
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.results.validated import Choice
from sumsquares.jobs.show.about_text import about_words
from sumsquares.jobs.show.answer import Mine, answer
from sumsquares.jobs.show.baselines_text import baseline_sentences
from sumsquares.jobs.show.charts.chart import Chart
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.of_dataset import charts_of
from sumsquares.jobs.show.findings import Finding, finding
from sumsquares.jobs.show.format import Row, best_first, best_words, distinguish, number
from sumsquares.jobs.show.headline import headline
from sumsquares.jobs.show.listing import MARKED_UP, MOST, Listing, listing
from sumsquares.jobs.show.packed import packed
from sumsquares.jobs.show.page.render import render
from sumsquares.jobs.show.reproduce import commands
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials

NO_FIGURES = Figures()
_TONES = {"exact": "good", "solved": "good", "at noise": "good", "no result": ""}
"""Of verdicts; all others are bad."""


class Figure(NamedTuple):
    """A number of a dataset's card."""

    label: str
    value: str
    note: str = ""


class Answers(NamedTuple):
    """The question's own table of one network."""

    title: str
    caption: str
    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Section:
    """The report's section on one dataset."""

    name: str
    facts: Row
    about: str
    card: Sequence[Figure]
    answer: Sequence[str]
    """The most important sentence first."""
    finding: Finding
    tone: str
    """Of the verdict: `good`, `bad` or neither."""
    baselines: Sequence[tuple[Row, str]]
    """With their RMSE in words, the best first."""
    splits: int
    """Of a table, else 1."""
    charts: Sequence[Chart]
    answers: Sequence[Answers]
    listing: Listing
    data: Mapping[str, Any]
    """The listing for the script."""
    beyond: str
    """On which numbers what is beyond the range was measured; empty for a table."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What all sections need."""

    spec: JobSpec
    summary: Summary
    asked: Counter[str]
    """Trials of each variant by id, where some are missing."""
    figures: Mapping[str, Figures]
    choice: Choice | None
    most: int
    """Rows of a dataset's table that are in the page."""


def report(
    spec: JobSpec,
    summary: Summary,
    facts: Mapping[str, object],
    figures: Mapping[str, Figures] = MappingProxyType({}),
    choice: Choice | None = None,
    store: str = "",
) -> str:
    """Returns the page, from the spec, the summary, and the environment of the run.

    `figures` has what is drawn of each dataset, `choice` the variant that validation rows have chosen, `store` the
    address for the commands that the page names.
    """
    rows = best_first(summary.table.to_pylist())
    asked = Counter(trial.variant.id for trial in trials(spec)) if summary.counts.missing else Counter[str]()
    most = MOST if len(rows) <= MOST else MOST // len(summary.datasets)
    run = _Run(spec, summary, asked, figures, choice, most)
    of_dataset = {name: [row for row in rows if row["dataset"] == name] for name in summary.datasets}
    mine = {name: _mine(run, name) for name in summary.datasets}
    return render(
        "report.html.jinja",
        spec=spec,
        headline=headline(mine),
        source=masked(spec.source_text.decode("utf-8-sig")),
        summary=summary,
        counts=asdict(summary.counts),
        seconds=sum(row["train_seconds"] for row in rows),
        environment=facts,
        sections=[_section(run, name, each, mine[name]) for name, each in of_dataset.items()],
        commands=[*commands(spec, summary, store)],
        factor=DIVERGED_FACTOR,
        marked_up=MARKED_UP,
    )


def _mine(run: _Run, name: str) -> Mine:
    rows = run.summary.table.filter(pc.equal(run.summary.table["dataset"], name)).to_pylist()
    return Mine.of(run.summary, rows, run.choice and run.choice.row)


def _section(run: _Run, name: str, rows: Sequence[Row], mine: Mine) -> Section:
    summary, facts = run.summary, run.summary.datasets[name]
    found = finding(facts, rows, summary.best_trial[name])
    told = answer(summary, name, run.spec.name, run.choice and run.choice.row)
    shown = listing(facts, rows, run.asked, summary.causes, _tags(rows, mine), run.most)
    return Section(
        name=name,
        facts=facts,
        about=about_words(facts),
        card=[*_card(rows, mine)],
        answer=[*told, *found.sentences, *baseline_sentences(summary, name)],
        finding=found,
        tone=_TONES.get(found.verdict, "bad"),
        baselines=_baselines(facts),
        splits=splits_of(facts),
        charts=charts_of(name, facts, rows, run.figures.get(name, NO_FIGURES), summary.importance.get(name)),
        answers=[*_answers(run, name, rows)],
        listing=shown,
        data=packed(shown),
        beyond="" if is_table(facts) else beyond_words(spec_of(facts)),
    )


def _card(rows: Sequence[Row], mine: Mine) -> Iterator[Figure]:
    """The numbers that matter most: the asker's network, the best one, and the best without a network."""
    yield Figure(mine.called, number(middle(mine.row)), distinguish(mine.row, rows))
    best = rows[0]
    if best["variant_id"] != mine.row["variant_id"] and middle(best) is not None:
        yield Figure("Best variant", number(middle(best)), distinguish(best, rows))
    for row in list(mine.about.get("baselines", ()))[:1]:
        yield Figure("Best without a network", number(row["rmse_mean"]), row["name"])


def _baselines(facts: Row) -> list[tuple[Row, str]]:
    rows = facts.get("baselines", ())
    return list(zip(rows, column_text([row["rmse_mean"] for row in rows]), strict=True))


def _tags(rows: Sequence[Row], mine: Mine) -> dict[str, str]:
    """By id: which variant is the best, and which the asker's."""
    tags = {rows[0]["variant_id"]: ["best"]} if middle(rows[0]) is not None else {}
    tags.setdefault(mine.row["variant_id"], []).append("chosen" if "chosen" in mine.called else "first")
    return {variant: ", ".join(words) for variant, words in tags.items()}


def _answers(run: _Run, name: str, rows: Sequence[Row]) -> Iterator[Answers]:
    """The question's table for the first network and for the best; without their weights there is none."""
    found = run.figures.get(name, NO_FIGURES).samples
    for chosen, samples in found:
        which = " and ".join({"first": "first of the spec", "best": "best variant"}.get(r, r) for r in chosen.roles)
        yield Answers(f"The {which}", f"{distinguish(chosen.row, rows)}, seed {chosen.seed}", samples)
    best = run.summary.best[name]
    if not found and best is not None and best.get("samples"):
        yield Answers("The best variant", f"{best_words(best)}, seed {best['trial']['seed']}", best["samples"])
