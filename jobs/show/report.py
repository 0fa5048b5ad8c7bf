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

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.results.described import beyond_words, is_of_integers, is_table, spec_of, splits_of
from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.samples import short
from sumsquares.jobs.results.scale import DIVERGED_FACTOR
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.results.validated import Choice, Measured
from sumsquares.jobs.show.about_text import about_words
from sumsquares.jobs.show.answer import Mine, answer_about
from sumsquares.jobs.show.baselines_text import baseline_sentences
from sumsquares.jobs.show.charts.chart import Chart
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.of_dataset import charts_of
from sumsquares.jobs.show.engine_text import by_pack_words
from sumsquares.jobs.show.findings import Finding, finding, seen_share
from sumsquares.jobs.show.fit_text import chosen_words, verdict
from sumsquares.jobs.show.format import Row, Variants, best_first, best_words, by_axes, number, varying
from sumsquares.jobs.show.headline import headline, outcome
from sumsquares.jobs.show.listing import MARKED_UP, MARKED_UP_OF_SEVERAL, MOST, Listing, listing, share_of
from sumsquares.jobs.show.packed import packed
from sumsquares.jobs.show.page.render import render
from sumsquares.jobs.show.reproduce import commands
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials

NO_FIGURES = Figures()
_TONES = {"exact": "good", "solved": "good", "at noise": "good", "no result": ""}
"""Of verdicts; all others are bad."""
_ROLES = {"first": "first network", "chosen": "chosen network", "best": "best variant"}
_INPUTS = 6  # values of a table's row that are shown


class Figure(NamedTuple):
    """A number of a dataset's card."""

    label: str
    value: str
    note: str = ""


class Answers(NamedTuple):
    """The question's own table of one network."""

    title: str
    caption: str
    rows: Sequence[tuple[str, str, str, str]]
    """Inputs, expected, predicted, and the error."""


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
    """Of `fit`."""
    most: int
    """Rows of a dataset's table that are in the page."""

    @property
    def chosen(self) -> Row | None:
        """The variant that `fit` has chosen."""
        return None if self.choice is None else self.choice.row


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
    rows = summary.table.to_pylist()
    asked = Counter(trial.variant.id for trial in trials(spec)) if summary.counts.missing else Counter[str]()
    count, markup = len(summary.datasets), MARKED_UP if len(summary.datasets) == 1 else MARKED_UP_OF_SEVERAL
    most, marked_up = (share_of(each, len(rows), count) for each in (MOST, markup))
    run = _Run(spec, summary, asked, figures, choice, most)
    of_dataset = {name: Variants(row for row in rows if row["dataset"] == name) for name in summary.datasets}
    mine = {name: Mine.of(summary, each, run.chosen) for name, each in of_dataset.items()}
    sections = [_section(run, name, each, mine[name]) for name, each in of_dataset.items()]
    return render(
        "report.html.jinja",
        spec=spec,
        headline=headline(mine),
        source=masked(spec.source_text.decode("utf-8-sig")),
        summary=summary,
        by_pack=by_pack_words(summary.by_pack),
        counts=asdict(summary.counts),
        seconds=sum(row["train_seconds"] for row in rows),
        environment=facts,
        outcome=_outcome(sections, run, mine) if len(rows) > len(sections) else "",
        sections=sections,
        commands=[*commands(spec, summary, store, choice is not None)],
        factor=DIVERGED_FACTOR,
        marked_up=marked_up,
    )


def _outcome(sections: Sequence[Section], run: _Run, mine: Mapping[str, Mine]) -> str:
    """What the best variants reach; where they are those of the headline, which has told that, that none is better."""
    best = run.summary.best
    if all(row is not None and row["variant_id"] == mine[name].row["variant_id"] for name, row in best.items()):
        return "No other variant is better."
    rmse = {each.name: middle(row) if (row := best[each.name]) is not None else None for each in sections}
    return outcome({each.name: each.finding.verdict for each in sections}, rmse)


def _section(run: _Run, name: str, in_order: Sequence[dict[str, Any]], mine: Mine) -> Section:
    """The section on a dataset, from its variants in the order of the spec."""
    summary, facts = run.summary, run.summary.datasets[name]
    rows = Variants(best_first(in_order))
    axes = varying(rows)
    found = finding(facts, rows, summary.best_trial[name], _tells_limit(mine))
    told = [*_choice(run), *answer_about(summary, mine, in_order, run.spec.name)]
    shown = listing(facts, rows, axes, run.asked, summary.causes, _tags(rows, mine), run.most)
    return Section(
        name=name,
        facts=facts,
        about=about_words(facts, any(each.startswith(seen_share(facts)) for each in found.sentences)),
        card=[*_card(rows, mine, axes)],
        answer=[*told, *found.sentences, *baseline_sentences(summary, name)[1:]],
        finding=found,
        tone=_TONES.get(found.verdict, "bad"),
        baselines=_baselines(facts),
        splits=splits_of(facts),
        charts=charts_of(name, facts, rows, run.figures.get(name, NO_FIGURES), summary.importance.get(name)),
        answers=[*_answers(run, name, axes)],
        listing=shown,
        data=packed(shown),
        beyond="" if is_table(facts) else beyond_words(spec_of(facts)),
    )


def _tells_limit(mine: Mine) -> bool:
    """Whether the answer says below which RMSE no linear function gets."""
    has_logs = "log" in (mine.row["normalize"], mine.row["normalize_target"])
    is_told = bool(mine.causes) and mine.causes[0].name == "no_activation" and mine.row["floor_kind"] == "linear"
    return is_told and not has_logs


def _choice(run: _Run) -> list[str]:
    """What chose the network of `fit`, and whether it is better than what needs none."""
    (table, *_), choice = run.spec.datasets, run.choice
    if choice is None or not isinstance(table, TableDataset):
        return []
    rows = run.summary.datasets[table.name].get("baselines", ())
    baselines = {row["name"]: Measured(tuple(row["rmse_of_splits"])) for row in rows}
    return [verdict(choice, baselines, table), chosen_words(choice)]


def _card(rows: Sequence[Row], mine: Mine, axes: Sequence[str]) -> Iterator[Figure]:
    """The numbers that matter most: the asker's network, the best one, and the best without a network."""
    yield Figure(mine.called.removesuffix(" of the spec"), number(middle(mine.row)), by_axes(mine.row, axes))
    best = rows[0]
    if best["variant_id"] != mine.row["variant_id"] and middle(best) is not None:
        yield Figure("Best variant", number(middle(best)), by_axes(best, axes))
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


def _answers(run: _Run, name: str, axes: Sequence[str]) -> Iterator[Answers]:
    """The question's table for the first network and for the best; without their weights there is none."""
    found, facts = run.figures.get(name, NO_FIGURES).samples, run.summary.datasets[name]
    for chosen, samples in found:
        words = [_ROLES.get(role, role) for role in chosen.roles]
        caption = _of_trial(by_axes(chosen.row, axes), chosen.seed, chosen.split, facts)
        yield Answers(f"Answers of the {' and '.join(words)}", caption, _rows([asdict(each) for each in samples]))
    best = run.summary.best[name]
    if not found and best is not None and best.get("samples"):
        trial = best["trial"]
        caption = _of_trial(best_words(best), trial["seed"], trial.get("split"), facts)
        yield Answers("Answers of the best variant", caption, _rows(best["samples"]))


def _of_trial(variant: str, seed: int | None, split: str | None, facts: Row) -> str:
    """Of which trial answers are, and how they are written."""
    where = f" of split {split}" if split is not None else ""
    rounded = "; predictions are rounded to whole numbers" if is_of_integers(facts) else ""
    return (
        f"{variant}: its best trial, seed {seed}, on the first test rows{where}. "
        f"err is expected minus predicted{rounded}."
    )


def _rows(samples: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """Samples in words, the error as the question's: expected minus predicted."""
    expected, predicted = ([sample[key] for sample in samples] for key in ("expected", "predicted"))
    pairs = zip(expected, predicted, strict=True)
    errors = [None if value is None else value - answer for value, answer in pairs]
    inputs = [_inputs(sample["numbers"]) for sample in samples]
    return list(zip(inputs, *map(column_text, (expected, predicted, errors)), strict=True))


def _inputs(numbers: Sequence[float]) -> str:
    more = ", ..." if len(numbers) > _INPUTS else ""
    return f"{', '.join(map(short, numbers[:_INPUTS]))}{more}"
