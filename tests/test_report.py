"""The report is one self-contained page; it drops no variant silently and runs nothing from a spec."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from result_rows import row_of
from specs import SMALL

from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.charts.dots import Axis
from sumsquares.jobs.show.findings import finding, seen_share
from sumsquares.jobs.show.format import best_first
from sumsquares.jobs.show.report import report
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

WIDE = SMALL.replace("lr = [0.001, 0.01]", f"lr = {[round(0.001 + 0.0001 * i, 6) for i in range(80)]}")


def page_of(text, changes=lambda _index, _trial: {}):
    """The report on made-up results; `changes` gives columns to set, or None for a trial without a result."""
    spec = parse_spec(text.encode(), "spec.toml")
    expected = trials(spec)
    changed = [(trial, changes(index, trial)) for index, trial in enumerate(expected)]
    rows = [row_of(trial, **change) for trial, change in changed if change is not None]
    summary = summarize(expected, pa.Table.from_pylist(rows, schema=SCHEMA))
    return report(spec, summary, {"python": "3.11", "git_commit": None}), summary


def test_markup_in_a_spec_is_text_in_the_page():
    """A comment in the TOML file is shown as text; the page has no script at all."""
    page, _ = page_of("# <script>alert(1)</script> & more\n" + SMALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<script" not in page


def test_the_page_loads_nothing_from_anywhere():
    """It has no address of anything outside the page."""
    page, _ = page_of(SMALL)
    assert not re.search(r'(src|href)=(?!"#)', page)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)


def numbers(pattern, page):
    """The sum of the numbers that a pattern finds."""
    return sum(int(found.replace(",", "")) for found in re.findall(pattern, page))


def test_every_variant_is_shown_or_counted_as_left_out():
    """This holds for the table and the chart, also with many variants."""
    for text in (SMALL, WIDE):
        page, summary = page_of(text)
        shown = len(re.findall(r'<th scope="row" class="rank">', page))
        left_out = numbers(r"⋮\s+([\d,]+) variants between these are left", page)
        drawn = len(re.findall(r'<span class="label">', page))
        not_drawn = numbers(r"⋮ ([\d,]+) variants between these are not", page)
        assert shown + left_out == drawn + not_drawn == len(summary.table)


def test_charts_are_valid_and_dots_lie_inside():
    """Each SVG is XML; a zero has its own place on the logarithmic axis."""
    page, _ = page_of(SMALL, lambda index, _trial: {"rmse": 0.0} if index % 5 == 0 else {})
    found = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(found) > 10
    for svg in found:
        ElementTree.fromstring(svg)  # noqa: S314  our own
    axis = Axis.of([0.0, 0.02, 3000.0])
    places = [axis.percent(value) for value in (0.0, 0.02, 1.0, 3000.0)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 100


def test_the_findings_of_every_dataset_are_at_the_head():
    """Each sentence is there, with the number of test rows that occur in training."""
    page, summary = page_of(SMALL, lambda _index, trial: {"exact_fraction": 1.0 if trial.seed else 0.5})
    head = html.unescape(" ".join(page.partition('id="words"')[0].split()))
    for name, about in summary.datasets.items():
        mine = [row for row in best_first(summary.table.to_pylist()) if row["dataset"] == name]
        known = finding(about, mine, summary.best_trial[name])
        assert known.verdict == "exact"
        for text in (*known.sentences, *known.caveats, f"{seen_share(about)}."):
            assert text in head, text
    assert "not trained on" not in page


@pytest.mark.parametrize("fate", [{"status": "diverged", **dict.fromkeys(METRIC_NAMES)}, None])
def test_without_a_result_the_page_says_so(fate):
    """Where all trials diverged, or none is trained yet, there is no best and no chart."""
    page, summary = page_of(SMALL, lambda _index, _trial: fate)
    assert summary.best == {"sums": None, "squares": None}
    assert "No trial gave a result" in page
    assert ("diverged" if fate else "have no result yet") in page


def test_samples_are_the_questions_table():
    """Numbers, expected, predicted and err of the best trial."""
    spec = parse_spec(SMALL.encode(), "spec.toml")
    expected = trials(spec)
    table = pa.Table.from_pylist([row_of(trial) for trial in expected], schema=SCHEMA)
    summary = summarize(expected, table)
    sample = {"numbers": (3, 4), "expected": 7, "predicted": 9, "error": -2}
    best = {name: {**found, "samples": [sample]} for name, found in summary.best.items()}
    page = report(spec, replace(summary, best=best), {})
    plain = re.sub(r"<[^>]*>|\s+", " ", page)
    assert re.search("3, 4 +7 +9 +-2", plain)


def test_the_same_run_gives_the_same_page():
    """The bytes are the same."""
    assert page_of(SMALL)[0] == page_of(SMALL)[0]
