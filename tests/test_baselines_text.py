"""Networks and baselines: the sentences, the tables and the report say what the numbers say, and claim no more."""

from __future__ import annotations

import io
import re
import statistics
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from result_rows import row_of
from rich.console import Console
from specs import SMALL

from sumsquares.jobs.results.baselines import Baseline
from sumsquares.jobs.results.beside import with_baselines
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.student_t import t_tail
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.show.baselines_text import baseline_sentences, difference
from sumsquares.jobs.show.report import report
from sumsquares.jobs.show.tables import result_tables
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

ROWS = {"mean": 100.0, "least squares": 10.0, "boosted trees": 5.0}


def over_splits(network, baselines, seeds=2, variants=3, train=80, test=20):
    """A summary of a table: the best variant's RMSE by split, the same for all seeds, and the baselines' likewise."""
    names = [f"fold_{index}" for index in range(len(network))]
    found = [
        {
            "name": name,
            "rmse_of_splits": list(rmse),
            "rmse_mean": statistics.fmean(rmse),
            "rmse_median": statistics.median(rmse),
            "rows": train,
            "version": None,
        }
        for name, rmse in baselines.items()
    ]
    about = {
        "file": "own.parquet",
        "split_rows": [{"name": name, "train": train, "test": test} for name in names],
        "variants": variants,
        "baselines": found,
    }
    columns = {
        "variant_id": ["v"] * seeds * len(names),
        "split": names * seeds,
        "rmse": list(network) * seeds,
    }
    best = {"variant_id": "v", "n_splits": len(network), "rmse_mean": statistics.fmean(network)}
    best["rmse_median"] = best["rmse_mean"]
    table = pa.Table.from_pylist([best])
    return SimpleNamespace(datasets={"own": about}, best={"own": best}, trials=pa.table(columns), table=table)


def test_a_difference_that_is_shown_is_one_with_a_p_value_below_a_twentieth():
    """By the corrected t statistic of the paired differences."""
    draw = np.random.default_rng(0)
    for _ in range(200):
        network_S, baseline_S = draw.normal(size=(2, 12)) + np.array([[draw.uniform(0, 2)], [0.0]])
        found = difference(network_S, baseline_S, 0.25)
        d = network_S - baseline_S
        t = abs(d.mean()) / np.sqrt(d.var(ddof=1) * (1 / 12 + 0.25))
        assert found.mean == pytest.approx(d.mean())
        assert found.is_shown == (2 * t_tail(t, 11) < 0.05)


def test_over_five_splits_differences_are_told_with_their_intervals():
    """A clear one as lower or higher, and one that is not clear as not shown."""
    network = [4.0, 4.1, 3.9, 4.2, 4.0, 3.8]
    baselines = {
        "boosted trees": [4.2, 3.8, 4.0, 4.1, 3.9, 4.1],
        "least squares": [value + 5 for value in network],
        "mean": [16.0] * 6,
        "lucky": [1.0, 1.1, 0.9, 1.2, 1.0, 0.8],
    }
    reached, compared = baseline_sentences(over_splits(network, baselines), "own")
    assert reached.startswith("RMSE without a network: boosted trees 4.017, least squares 9, the mean 16")
    assert "has a mean of 4 over 6 splits: no difference from boosted trees is shown (-" in compared
    assert re.search(
        r"; 5 lower than least squares \(5 to 5\); 12 lower than the mean \(11.\d+ to 12.\d+\); ", compared
    )
    assert "3 higher than lucky (3 to 3)" in compared
    assert "chosen by these test rows" in compared
    assert "flatters" in compared


def test_with_fewer_splits_or_lost_trials_nothing_is_said_of_significance():
    """Plain numbers are compared."""
    few = over_splits([4.0, 4.1, 3.9, 4.2], {"mean": [16.0] * 4, "least squares": [3.0] * 4})
    assert (
        "has 4.05: less than the mean (its choice flatters it), but no less than" in baseline_sentences(few, "own")[1]
    )
    lost = over_splits([4.0] * 6, {"mean": [16.0] * 6})
    column = pa.array([None if name == "fold_3" else 4.0 for name in lost.trials["split"].to_pylist()])
    lost.trials = lost.trials.set_column(2, "rmse", column)
    assert "interval" not in baseline_sentences(lost, "own")[1]


@pytest.mark.parametrize("splits", [2, 6])
def test_a_single_variant_is_not_called_flattered(splits):
    """Only the best of several by the test rows is."""
    for variants, is_flattered in ((1, False), (3, True)):
        summary = over_splits([4.0] * splits, {"mean": [16.0] * splits}, variants=variants)
        assert ("flatters" in " ".join(baseline_sentences(summary, "own"))) == is_flattered


def test_a_part_of_the_training_rows_is_told():
    """Of those that were fitted to fewer; every few rows give the same mean, nearly."""
    summary = over_splits([4.0], {"mean": [16.0], "least squares": [3.0]}, train=1_000_000)
    for row in summary.datasets["own"]["baselines"]:
        row["rows"] = 5_000
    assert "least squares (fitted to 5,000 rows) 3" in baseline_sentences(summary, "own")[0]


def small():
    """The spec, and its summary with made-up results and baselines."""
    spec = parse_spec(SMALL.encode(), "spec.toml")
    expected = trials(spec)
    rows = [row_of(trial) for trial in expected]
    summary = summarize(expected, pa.Table.from_pylist(rows, schema=SCHEMA))
    found = [Baseline(name, rmse, 1000, "1.9" if "trees" in name else None) for name, rmse in ROWS.items()]
    return spec, with_baselines(summary, expected, lambda _: found)


@pytest.mark.parametrize("width", [60, 100])
def test_the_table_lists_them_below_the_networks_best_first(width):
    """Each with its RMSE, below a title that says what they are; without them nothing is added."""
    spec, summary = small()
    lines = printed(summary, spec, width)
    for name in summary.datasets:
        first = next(index for index, line in enumerate(lines) if line.startswith(f"{name}: "))
        title = next(index for index in range(first, len(lines)) if lines[index].startswith("no network:"))
        below = [re.match(r" (\D+?) +([\d.]+)", line) for line in lines[title + 1 : title + 4]]
        assert [(match[1], float(match[2])) for match in below] == sorted(ROWS.items(), key=lambda item: item[1])
    without = replace(summary, datasets={name: {**about, "baselines": []} for name, about in summary.datasets.items()})
    assert "no network" not in "".join(printed(without, spec, width))


def printed(summary, spec, width):
    """The lines of the tables."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    for table in result_tables(summary, width, spec.name):
        console.print(table)
    lines = console.file.getvalue().split("\n")
    assert max(map(len, lines)) <= width
    return lines


def test_the_report_has_them_in_its_table_and_its_chart():
    """With the version of scikit-learn, and a mark of their own."""
    spec, summary = small()
    page = report(spec, summary, {})
    for words in ("boosted trees (scikit-learn 1.9)", "least squares, no network", "baseline, no network"):
        assert page.count(words) >= len(summary.datasets)
    without = replace(summary, datasets={name: {**about, "baselines": []} for name, about in summary.datasets.items()})
    assert ", no network" not in report(spec, without, {})
