import io
import json
import math
import random
import statistics
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import SQUARES, SUMS, row_of, table_of, variant

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.spec.variants import Trial

COLUMNS = (
    "variant_id dataset dataset_digest task hidden activation optimizer lr schedule weight_decay batch_size epochs "
    "init normalize dtype shuffle_seed readout normalize_target output loss n n_diverged n_exact rmse_mean rmse_median "
    "rmse_std rmse_ci95_low rmse_ci95_high rmse_best rmse_train_median rmse_unseen_median rmse_solved_median "
    "mae_median rmse_rounded_best rmse_extrapolation_median exact_fraction_best dead_share_median "
    "saturated_share_median loss_slope_median loss_rise_median accuracy_median parameters train_seconds floor "
    "floor_range floor_kind exact_everywhere cause causes remedy n_splits r2_mean"
)
VARIANTS = [
    variant(dataset, hidden=hidden, lr=lr)
    for dataset in (SUMS, SQUARES)
    for hidden in ((), (8, 8))
    for lr in (0.01, 0.1)
]
NO_METRICS = dict.fromkeys(METRIC_NAMES)

outcomes = st.lists(
    st.lists(st.sampled_from(["ok", "diverged", "missing"]), min_size=1, max_size=4),
    min_size=len(VARIANTS),
    max_size=len(VARIANTS),
)


def run_of(fates: list[list[str]]) -> tuple[list[Trial], list[dict[str, Any]]]:
    """Trials, one per outcome, and their stored rows."""
    trials = [Trial(v, seed) for v, of_variant in zip(VARIANTS, fates, strict=True) for seed in range(len(of_variant))]
    flat = [fate for of_variant in fates for fate in of_variant]
    rows = [
        row_of(trial, status=fate, **(NO_METRICS if fate == "diverged" else {}))
        for trial, fate in zip(trials, flat, strict=True)
        if fate != "missing"
    ]
    return trials, rows


def to_dict(trials: list[Trial], rows: list[dict[str, Any]]) -> dict[str, Any]:
    summary = summarize(trials, table_of(rows))
    document: dict[str, Any] = json.loads(summary.to_json("r", "d", {}, {}))
    return {**document, "table": summary.table.to_pylist()}


@settings(max_examples=40, deadline=None)
@given(fates=outcomes)
def test_every_trial_is_ok_diverged_or_missing(fates: list[list[str]]) -> None:
    """No trial is dropped: the counts add up overall, for each dataset and for each variant."""
    trials, rows = run_of(fates)
    summary = summarize(trials, table_of(rows))
    flat = [fate for of_variant in fates for fate in of_variant]
    counts = summary.counts
    assert (counts.ok, counts.diverged, counts.missing) == tuple(map(flat.count, ("ok", "diverged", "missing")))
    assert counts.total == counts.ok + counts.diverged + counts.missing == len(trials)
    assert summary.missing == tuple(t.id for t, fate in zip(trials, flat, strict=True) if fate == "missing")
    parts = [dataset["trials"] for dataset in summary.datasets.values()]
    assert all(part["total"] == part["ok"] + part["diverged"] + part["missing"] for part in parts)
    assert [sum(part[key] for part in parts) for key in ("total", "ok")] == [counts.total, counts.ok]
    for row, of_variant in zip(summary.table.to_pylist(), fates, strict=True):
        assert (row["n"], row["n_diverged"]) == (of_variant.count("ok"), of_variant.count("diverged"))


@settings(max_examples=40, deadline=None)
@given(fates=outcomes)
def test_a_variants_row_is_what_plain_python_computes(fates: list[list[str]]) -> None:
    """Mean, median, deviation, best and seconds over its seeds; null where too few of them are ok."""
    trials, rows = run_of(fates)
    for row, of_variant in zip(summarize(trials, table_of(rows)).table.to_pylist(), VARIANTS, strict=True):
        mine = [r for r in rows if r["variant_id"] == of_variant.id]
        known = [r for r in mine if r["status"] == "ok"]
        rmse = [r["rmse"] for r in known]
        expected = {
            "rmse_mean": statistics.fmean(rmse) if rmse else None,
            "rmse_median": statistics.median(rmse) if rmse else None,
            "rmse_std": statistics.stdev(rmse) if len(rmse) > 1 else None,
            "rmse_best": min(rmse, default=None),
            "rmse_train_median": statistics.median(r["rmse_train"] for r in known) if known else None,
            "rmse_unseen_median": statistics.median(r["rmse_unseen"] for r in known) if known else None,
            "mae_median": statistics.median(r["mae"] for r in known) if known else None,
            "n_exact": sum(r["exact_fraction"] == 1 for r in known),
            "rmse_rounded_best": min((r["rmse_rounded"] for r in known), default=None),
            "rmse_extrapolation_median": statistics.median(r["rmse_extrapolation"] for r in known) if known else None,
            "exact_fraction_best": max((r["exact_fraction"] for r in known), default=None),
            "train_seconds": sum(r["train_seconds"] for r in mine),
        }
        assert {name: row[name] for name in expected} == {name: pytest.approx(v) for name, v in expected.items()}
        assert (row["variant_id"], row["parameters"]) == (of_variant.id, of_variant.parameters)
        assert (row["rmse_ci95_low"] is None) == (row["rmse_ci95_high"] is None) == (len(rmse) < 2)


def test_the_confidence_interval_is_students() -> None:
    """Five seeds: the mean plus and minus 2.776 standard deviations by the root of five, and never below 0."""
    trials = [Trial(VARIANTS[0], seed) for seed in range(5)]
    for offset in (0.0, 5.0):
        rows = [row_of(trial, rmse=offset + trial.seed) for trial in trials]
        [row] = summarize(trials, table_of(rows)).table.to_pylist()
        half = 2.776445105 * math.sqrt(2.5) / math.sqrt(5)
        low, high = 2 + offset - half, 2 + offset + half
        assert (row["rmse_ci95_low"], row["rmse_ci95_high"]) == (pytest.approx(max(0, low)), pytest.approx(high))


def test_an_rmse_beyond_the_targets_own_scale_counts_as_diverged() -> None:
    """Above ten times the largest target of the test rows a trial is diverged, and has no metric; stored rows stay."""
    largest = measure_facts(SUMS).largest_target
    trials = [Trial(VARIANTS[0], seed) for seed in range(3)]
    values = [10.0 * largest, 10.0 * largest * (1 + 1e-12), 1.0]
    results = table_of([row_of(trial, rmse=rmse) for trial, rmse in zip(trials, values, strict=True)])
    summary = summarize(trials, results)
    assert (summary.counts.ok, summary.counts.diverged) == (2, 1)
    [row] = summary.table.to_pylist()
    assert (row["n"], row["n_diverged"], row["rmse_best"]) == (2, 1, 1.0)
    assert summary.trials["status"].to_pylist() == ["ok", "diverged", "ok"]
    assert {summary.trials[name].to_pylist()[1] for name in METRIC_NAMES} == {None}
    assert results["rmse"].to_pylist() == values


def test_the_best_trial_may_be_of_another_variant_than_the_best() -> None:
    """The best variant has the lowest median, the best trial the lowest RMSE of all."""
    steady, lucky = variant(lr=0.1), variant(lr=0.2)
    values = {steady: [5.0, 6.0, 7.0], lucky: [0.5, 50.0, 60.0]}
    trials = [Trial(v, seed) for v in values for seed in range(3)]
    rows = [row_of(trial, rmse=values[trial.variant][trial.seed]) for trial in trials]
    summary = summarize(trials, table_of(rows))
    assert summary.best["sums"]["variant_id"] == steady.id
    assert summary.best["sums"]["trial"]["rmse"] == 5.0
    assert (summary.best_trial["sums"]["variant_id"], summary.best_trial["sums"]["rmse"]) == (lucky.id, 0.5)


def test_the_runs_own_trials_are_a_table_with_all_columns() -> None:
    """It has the spec's order and names, whatever the order in the store; missing trials are not in it."""
    trials, rows = run_of([["ok", "missing"], ["diverged"], *[["ok"]] * (len(VARIANTS) - 2)])
    summary = summarize(trials, table_of(rows[::-1]))
    assert summary.trials.schema.equals(SCHEMA)
    assert summary.trials.to_pylist() == table_of(rows).to_pylist()
    assert pq.read_table(io.BytesIO(summary.trials_to_parquet())).to_pylist() == summary.trials.to_pylist()


@settings(max_examples=30, deadline=None)
@given(fates=outcomes, seed=st.integers(0, 2**32))
def test_the_order_of_the_stored_rows_changes_nothing(fates: list[list[str]], seed: int) -> None:
    """Neither their order nor results of other specs in the same store change a byte of a summary."""
    trials, rows = run_of(fates)
    others = [row_of(Trial(variant(epochs=7), number)) for number in range(3)]
    shuffled = [*rows, *others]
    random.Random(seed).shuffle(shuffled)  # noqa: S311  no secret
    one, other = summarize(trials, table_of(rows)), summarize(trials, table_of(shuffled))
    assert one.table.equals(other.table)
    assert one.to_json("r", "d", {}, {}) == other.to_json("r", "d", {}, {})
    assert one.to_parquet() == other.to_parquet()


@settings(max_examples=40, deadline=None)
@given(fates=outcomes)
def test_the_best_variant_has_the_lowest_median(fates: list[list[str]]) -> None:
    """This holds per dataset, among variants with a trial that is ok; its best trial has its lowest RMSE."""
    trials, rows = run_of(fates)
    document = to_dict(trials, rows)
    assert list(document["best"]) == ["sums", "squares"]
    for name, best in document["best"].items():
        candidates = [row for row in document["table"] if row["dataset"] == name and row["n"] > 0]
        if not candidates:
            assert best is None
            continue
        trial = best.pop("trial")
        assert best == min(candidates, key=lambda row: row["rmse_median"])
        known = [row for row in rows if row["variant_id"] == best["variant_id"] and row["status"] == "ok"]
        winner = min(known, key=lambda row: row["rmse"])
        assert trial == {name: winner[name] for name in trial}
        assert {"trial_id", "seed", "rmse", "exact_fraction"} <= trial.keys()


def test_a_tie_goes_to_the_smaller_network_then_to_the_lower_id() -> None:
    """Equal medians: fewer parameters win, then the lower id, whatever the order of the trials."""
    small, twin, large = variant(hidden=(2,)), variant(hidden=(2,), lr=0.5), variant(hidden=(9,))
    trials = [Trial(v, seed) for v in (large, twin, small) for seed in range(2)]
    rows = table_of([row_of(trial, rmse=1.0) for trial in trials])
    for order in (trials, trials[::-1]):
        best = summarize(order, rows).best["sums"]
        assert best is not None
        assert best["variant_id"] == min(small.id, twin.id)
        assert best["trial"]["seed"] == 0


def test_when_all_diverge_there_is_no_best() -> None:
    """A run without a single usable trial names no winner and has no statistics."""
    trials, rows = run_of([["diverged"]] * len(VARIANTS))
    document = to_dict(trials, rows)
    assert document["best"] == {"sums": None, "squares": None}
    assert all(row["rmse_median"] is None and row["n"] == 0 for row in document["table"])


@pytest.mark.parametrize("rows", [[], [row_of(Trial(variant(epochs=3), 0))]])
def test_a_run_that_has_nothing_yet_is_summarised(rows: list[dict[str, Any]]) -> None:
    """Without results, or with those of other specs only, every trial is missing and is named."""
    trials, _ = run_of([["ok"] * 2] * len(VARIANTS))
    document = to_dict(trials, rows)
    assert document["trials"] == {
        "total": 16,
        "ok": 0,
        "diverged": 0,
        "missing": 16,
        "missing_ids": [t.id for t in trials],
    }
    assert (document["engines"], document["mixed"]) == ({}, False)


def test_a_dataset_has_the_name_that_this_spec_gives_it() -> None:
    """Rows trained under another name of the same data count, and appear under today's name."""
    renamed = NamedDataset(**{**SUMS.model_dump(), "name": "additions"})
    stored = table_of([row_of(Trial(variant(SUMS), 0))])
    summary = summarize([Trial(variant(renamed), 0)], stored)
    assert summary.counts.ok == 1
    assert summary.table["dataset"].to_pylist() == ["additions"]
    assert list(summary.datasets) == list(summary.best) == ["additions"]
    assert summary.best["additions"] is not None


def test_mixed_engines_and_devices_are_reported() -> None:
    """A summary counts trials by engine and device, and says whether these are mixed."""
    trials = [Trial(VARIANTS[0], seed) for seed in range(3)]
    rows = [row_of(trials[0]), row_of(trials[1], engine="lanes"), row_of(trials[2])]
    mixed, uniform = to_dict(trials, rows), to_dict(trials, rows[:1])
    assert (mixed["mixed"], mixed["engines"], mixed["devices"]) == (True, {"lanes": 1, "torch": 2}, {"cpu": 3})
    assert (uniform["mixed"], uniform["engines"]) == (False, {"torch": 1})


def test_trials_of_torch_on_a_gpu_are_counted() -> None:
    """Their last digits depend on their pack; earlier versions called that engine just torch."""
    trials = [Trial(VARIANTS[0], seed) for seed in range(5)]
    kinds = [
        ("torch", "cpu"),
        ("torch", "cuda"),
        ("torch-by-pack", "cuda"),
        ("torch-by-pack, readout by lanes", "cuda"),
        ("cuda-sm_90", "cuda"),
    ]
    rows = [row_of(trial, engine=name, device=device) for trial, (name, device) in zip(trials, kinds, strict=True)]
    assert to_dict(trials, rows)["last_digits_depend_on_pack"] == 3
    assert to_dict(trials, rows[:1])["last_digits_depend_on_pack"] == 0


def test_the_table_has_the_columns_of_the_design_in_the_order_of_the_spec() -> None:
    """One row per variant, as the spec orders them, and it reads back from its Parquet file."""
    trials, rows = run_of([["ok"]] * len(VARIANTS))
    summary = summarize(trials, table_of(rows))
    assert " ".join(summary.table.column_names) == COLUMNS
    assert summary.table["variant_id"].to_pylist() == [v.id for v in VARIANTS]
    assert summary.table["hidden"].to_pylist()[:3:2] == ["[]", "[8, 8]"]
    assert pq.read_table(io.BytesIO(summary.to_parquet())).equals(summary.table)


def test_the_json_is_strict_and_has_the_keys_of_the_design() -> None:
    """Keys as documented; numbers too large to be squared are null; a NaN handed in is refused."""
    trials = [Trial(VARIANTS[0], seed) for seed in range(2)]
    rows = table_of([row_of(trial, rmse=1.0, rmse_train=1e300, rmse_rounded=None) for trial in trials[:1]])
    summary = summarize(trials, rows)
    text = summary.to_json("question", "abc", {"python": "3.11"}, {"seconds": 1.5})
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert {"format", "run", "spec_digest", "trials", "datasets", "best", "environment", "timing"} <= document.keys()
    assert (document["format"], document["run"], document["spec_digest"]) == (2, "question", "abc")
    assert (document["environment"], document["timing"]) == ({"python": "3.11"}, {"seconds": 1.5})
    assert document["best"]["sums"]["rmse_std"] is document["best"]["sums"]["rmse_rounded_best"] is None
    assert document["datasets"]["sums"]["digest"] == SUMS.digest
    with pytest.raises(ValueError, match="not JSON compliant"):
        summary.to_json("question", "abc", {}, {"seconds": math.nan})


def test_100000_trials_are_summarised_in_seconds() -> None:
    """20,000 variants of 5 seeds each are summarised quickly (measured: 0.7 s)."""
    trials = [Trial(variant(hidden=(8,), lr=1e-6 * number), seed) for number in range(1, 20_001) for seed in range(5)]
    one = row_of(trials[0])
    ids = pa.array([trial.id for trial in trials])
    results = table_of([one]).take(pa.array([0] * len(trials))).set_column(0, "trial_id", ids)
    start = time.perf_counter()
    summary = summarize(trials, results)
    summary.to_json("r", "d", {}, {})
    assert time.perf_counter() - start < 10
    assert (summary.counts.ok, summary.table.num_rows) == (100_000, 20_000)
