"""Reports on made-up results, for tests: of any number of variants, with any fate."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
from pages import Page
from result_rows import row_of
from specs import SMALL

from sumsquares.jobs.results.case import Cause, Change
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.show.report import report
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

RATES = [round(0.001 + 0.0001 * i, 6) for i in range(80)]
WIDE = SMALL.replace("lr = [0.001, 0.01]", f"lr = {RATES}")
EVIL = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'


def made(text, changes=lambda _index, _trial: {}):
    """A spec and made-up results; `changes` gives columns to set, or None for a trial without a result."""
    spec = parse_spec(text.encode(), "spec.toml")
    expected = trials(spec)
    changed = [(trial, changes(index, trial)) for index, trial in enumerate(expected)]
    rows = [row_of(trial, **change) for trial, change in changed if change is not None]
    return spec, summarize(expected, pa.Table.from_pylist(rows, schema=SCHEMA))


def page_of(text, changes=lambda _index, _trial: {}):
    """The report on made-up results, parsed, and their summary."""
    spec, summary = made(text, changes)
    return Page(report(spec, summary, {"python": "3.11", "git_commit": None})), summary


def with_causes(summary, sentence="With lr = 0.01 and everything else equal the RMSE is {n:,}."):
    """The summary with a made-up cause for each variant."""
    ids = summary.table["variant_id"].to_pylist()
    causes = {
        each: (Cause("unknown", sentence.format(n=n * 37), {}, Change("lr", 0.01)),) for n, each in enumerate(ids)
    }
    return replace(summary, causes=causes)


def many(variants, datasets=("sums", "squares")):
    """The page of so many variants with one trial each."""
    rates = [round(0.0001 * (i + 1), 6) for i in range(variants // len(datasets))]
    grid = f'[[grid]]\ndataset = {list(datasets)}\nhidden = [[16]]\nactivation = ["relu"]\nlr = {rates}\n'
    spec, summary = made(SMALL[: SMALL.index("[[grid]]")] + grid.replace("'", '"'))
    assert len(summary.table) == variants
    return Page(report(spec, with_causes(summary), {}))
