"""Summaries over the splits and seeds of a table, against pandas on the same rows."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import row_of, table_of
from scipy import stats
from table_specs import table_of as told

from sumsquares.datasets.facts import Facts
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.jobs.results.over_splits import over_lowest, without_splits
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.format import best_first
from sumsquares.jobs.spec.variants import Trial, Variant

FOLDS, SEEDS = 4, 3
NO_METRICS = dict.fromkeys(METRIC_NAMES)
LARGEST = {f"fold_{index + 1}": 10.0**index for index in range(FOLDS)}
"""Of the targets, which limit RMSEs."""


def table(name="houses", folds=FOLDS):
    return told(TableKeys(name=name, file="houses.csv", target="price", folds=folds))


def facts_of(split):
    moments = Moments((0.0,) * 3, (1.0,) * 3, (0.5,) * 3, (0.25,) * 3, -1.0, 1.0, 0.0, 2.0)
    largest = LARGEST.get(split.split, 1.0)
    seen_N = np.arange(split.test_rows) % 5 == 0
    unseen = int((~seen_N).sum())
    return Facts(
        seen_N=seen_N,
        unseen_numbers=unseen,
        distinct=split.test_rows,
        covers_range=False,
        constant=False,
        largest_target=largest,
        linear_rmse=largest / 4,
        linear_exact=False,
        moments=replace(moments, target_max=largest),
        test_target_mean=0.0,
        test_target_std=largest / 2,
    )


def trials_of(dataset, rates=(0.1, 0.01, 0.001), seeds=SEEDS):
    return [
        Trial(Variant(dataset=split, hidden=(8,), lr=lr), seed)
        for lr in rates
        for split in dataset.splits
        for seed in range(seeds)
    ]


def frame_of(summary):
    return summary.trials.to_pandas()


fates = st.lists(
    st.sampled_from(["ok", "ok", "ok", "diverged", "missing", "far"]),
    min_size=3 * FOLDS * SEEDS,
    max_size=3 * FOLDS * SEEDS,
)


def rows_of(trials, fates):
    rows = []
    for trial, fate in zip(trials, fates, strict=True):
        scale = LARGEST[trial.variant.dataset.split]
        draw = random.Random(trial.id).random  # noqa: S311  no secret
        rmse = scale * (draw() if fate == "ok" else 10.5)
        more = NO_METRICS if fate == "diverged" else {"rmse": rmse}
        if fate != "missing":
            rows.append(row_of(trial, status="diverged" if fate == "diverged" else "ok", **more))
    random.Random(1).shuffle(rows)  # noqa: S311  no secret
    return rows


@settings(max_examples=40, deadline=None)
@given(fates=fates)
def test_a_variants_row_is_over_all_trials_of_its_splits_and_seeds(fates):
    """As pandas computes it, whatever diverged or is missing; the limit of an RMSE is that of its own split."""
    trials = trials_of(table())
    summary = summarize(trials, table_of(rows_of(trials, fates)), facts_of)
    found = summary.table.to_pandas().set_index("variant_id")
    assert list(found.index) == list(dict.fromkeys(trial.variant.group for trial in trials))
    expected = pd.DataFrame(
        [
            {"variant_id": trial.variant.group, "split": trial.variant.dataset.split, "fate": fate, "id": trial.id}
            for trial, fate in zip(trials, fates, strict=True)
        ]
    ).set_index("variant_id")
    known = frame_of(summary)
    ok = known[known["status"] == "ok"]
    assert set(ok["trial_id"]) == set(expected[expected["fate"] == "ok"]["id"])
    for variant, row in found.iterrows():
        mine, its = ok[ok["variant_id"] == variant], expected.loc[variant]
        assert (row["n"], row["n_diverged"]) == (
            (its["fate"] == "ok").sum(),
            its["fate"].isin(["diverged", "far"]).sum(),
        )
        assert row["n_splits"] == FOLDS
        for column, value in {
            "rmse_mean": mine["rmse"].mean(),
            "rmse_median": mine["rmse"].median(),
            "rmse_std": mine["rmse"].std(),
            "rmse_best": mine["rmse"].min(),
            "r2_mean": mine["r2"].mean(),
            "rmse_train_median": mine["rmse_train"].median(),
        }.items():
            np.testing.assert_allclose(row[column], value, rtol=1e-12)
    counts = summary.counts
    assert (counts.total, counts.ok) == (len(trials), fates.count("ok"))
    assert counts.total == counts.ok + counts.diverged + counts.missing
    assert summary.datasets["houses"]["trials"]["missing"] == counts.missing == fates.count("missing")


@settings(max_examples=40, deadline=None)
@given(fates=fates)
def test_the_interval_is_students_of_the_splits_means(fates):
    """Around the mean of those, which is the mean of all trials where every split has as many; cut off at 0."""
    trials = trials_of(table())
    summary = summarize(trials, table_of(rows_of(trials, fates)), facts_of)
    known = frame_of(summary)
    for row in summary.table.to_pylist():
        mine = known[(known["variant_id"] == row["variant_id"]) & (known["status"] == "ok")]
        means = mine.groupby("split")["rmse"].mean()
        if len(means) < 2:
            assert row["rmse_ci95_low"] is row["rmse_ci95_high"] is None
            continue
        low, high = stats.t.interval(0.95, len(means) - 1, means.mean(), means.std() / len(means) ** 0.5)
        np.testing.assert_allclose([row["rmse_ci95_low"], row["rmse_ci95_high"]], [max(0.0, low), high], rtol=1e-9)
        if set(mine.groupby("split").size()) == {SEEDS} and len(means) == FOLDS:
            np.testing.assert_allclose((low + high) / 2, row["rmse_mean"], rtol=1e-12)


def test_where_a_split_lacks_a_seed_the_mean_is_that_of_the_trials():
    """The interval is around the mean of the splits' means, which is another then."""
    dataset = table(folds=2)
    trials = trials_of(dataset, rates=(0.1,), seeds=2)
    rmse = dict(zip((trial.id for trial in trials), (1.0, 3.0, 5.0, 5.0), strict=True))
    rows = [row_of(trial, rmse=rmse[trial.id]) for trial in trials[:3]]
    (row,) = summarize(trials, table_of(rows), facts_of).table.to_pylist()
    assert row["rmse_mean"] == 3.0
    assert (row["rmse_ci95_low"], row["rmse_ci95_high"]) == (0.0, pytest.approx(3.5 + 1.5 * stats.t.ppf(0.975, 1)))


def test_with_one_split_the_interval_is_that_of_the_seeds():
    """As it is for generated rows."""
    dataset = told(TableKeys(name="houses", file="houses.csv", target="price"))
    trials = trials_of(dataset, rates=(0.1,))
    rows = [row_of(trial, rmse=0.5 + trial.seed) for trial in trials]
    summary = summarize(trials, table_of(rows), facts_of)
    (row,) = summary.table.to_pylist()
    low, high = stats.t.interval(0.95, 2, 1.5, 1 / 3**0.5)
    assert (row["rmse_ci95_low"], row["rmse_ci95_high"]) == pytest.approx((max(0.0, low), high))
    assert (row["n_splits"], row["rmse_median"], set(summary.trials["split"].to_pylist())) == (1, 1.5, {None})


def test_of_several_splits_the_lowest_mean_is_the_best():
    """A variant with a lower median is not, if its mean is higher; tables are ordered in the same way."""
    dataset = table(folds=3)
    trials = trials_of(dataset, rates=(0.1, 0.01), seeds=1)
    rows = [row_of(trial, rmse=rmse) for trial, rmse in zip(trials, (1.0, 1.0, 9.0, 2.0, 2.0, 2.0), strict=True)]
    summary = summarize(trials, table_of(rows), lambda split: replace(facts_of(split), largest_target=100.0))
    assert summary.best["houses"]["lr"] == 0.01
    assert [row["lr"] for row in best_first(summary.table.to_pylist())] == [0.01, 0.1]
    assert summary.best["houses"]["trial"]["split"] == "fold_1"
    assert summary.best_trial["houses"]["rmse"] == 1.0


def test_a_tables_entry_has_its_fields_and_its_facts_over_the_splits():
    """Strict JSON from which the table follows; rows are counted over all splits, spreads and floors averaged."""
    dataset = table()
    trials = trials_of(dataset)
    summary = summarize(trials, table_of([row_of(trial) for trial in trials]), facts_of)
    document = json.loads(summary.to_json("r", "d", {}, {}))
    about = document["datasets"]["houses"]
    assert about["digest"] == dataset.digest
    assert {name: about[name] for name in ("file", "target", "rows", "dropped", "folds")} == {
        "file": "houses.csv",
        "target": "price",
        "rows": 100,
        "dropped": 3,
        "folds": FOLDS,
    }
    assert [each["name"] for each in about["split_rows"]] == [*LARGEST]
    assert about["left_out"] == [["street", "text"]]
    assert (about["variants"], about["trials"]["total"]) == (3, 3 * FOLDS * SEEDS)
    facts = about["facts"]
    assert (facts["measured_rows"], facts["unseen_rows"]) == (FOLDS * 20, FOLDS * 16)
    assert facts["largest_target"] == 1000.0
    assert facts["linear_rmse"] == pytest.approx(sum(LARGEST.values()) / 4 / FOLDS)
    assert facts["test_target_std"] == pytest.approx(sum(LARGEST.values()) / 2 / FOLDS)
    assert (facts["moments"]["target_min"], facts["moments"]["target_max"]) == (-1.0, 1000.0)
    assert (facts["moments"]["input_max"], facts["moments"]["target_std"]) == ([1.0] * 3, 2.0)


def test_rmses_of_splits_are_made_comparable():
    """Over the lowest of its split, or with the geometric mean of its split taken out, nothing is left of the split."""
    trials = trials_of(table())
    rows = rows_of(trials, ["ok"] * len(trials))
    summary = summarize(trials, table_of(rows), facts_of)
    frame = frame_of(summary)
    lowest = frame["rmse"] / frame.groupby(["variant_id", "split"])["rmse"].transform("min")
    logs = np.log(frame["rmse"])
    centred = np.exp(logs - logs.groupby(frame["split"]).transform("mean") + logs.groupby(frame["split"]).mean().mean())
    for plain, found in ((lowest, over_lowest), (centred, without_splits)):
        of_variant = found(summary.trials, ["houses"])
        assert found(summary.trials, ["others"]) == {}
        for variant, rmse in of_variant.items():
            np.testing.assert_allclose(sorted(rmse), sorted(plain[frame["variant_id"] == variant]), rtol=1e-12)
