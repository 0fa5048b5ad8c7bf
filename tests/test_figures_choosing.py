"""Which variants are drawn: the first, the best, and the best of each other activation and readout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from result_rows import SQUARES, row_of, table_of, variant

from sumsquares.jobs.results.figures.choosing import MOST, chosen_of, ranked
from sumsquares.jobs.results.figures.data import Chosen
from sumsquares.jobs.results.figures.losses import drawn_seeds
from sumsquares.jobs.results.figures.seeds import MOST_BEST, MOST_TRIALS, MOST_WORST, rmse_of, shown
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.spec.variants import Trial

ACTIVATIONS = ("identity", "relu", "tanh", "sigmoid", "elu", "square")
points = st.tuples(st.sampled_from(ACTIVATIONS), st.sampled_from(["trained", "solved"]), st.sampled_from([0.1, 0.2]))
results = st.lists(st.sampled_from([None, 0.0, 1.0, 2.0, 3.0]), min_size=2, max_size=2)
worlds = st.dictionaries(points, results, min_size=1, max_size=12)


def summary_of(world):
    """The summary of variants with these RMSEs; None diverged."""
    expected, rows = [], []
    for (activation, readout, lr), rmses in world.items():
        own = variant(SQUARES, activation=activation, readout=readout, lr=lr)
        for seed, rmse in enumerate(rmses):
            expected.append(Trial(own, seed))
            fate = {"status": "diverged"} if rmse is None else {"rmse": rmse}
            rows.append(row_of(expected[-1], **fate))
            rows[-1]["rmse"] = rmse
    return summarize(expected, table_of(rows))


@given(worlds)
def test_the_first_the_best_and_the_best_of_each_kind_are_drawn(world):
    """Compared with a search over all variants; the trial that is asked is the variant's best."""
    summary = summary_of(world)
    rows = summary.table.to_pylist()
    chosen = chosen_of(summary.table, summary.trials, ranked(summary.table))
    drawn = [each.row for each in chosen]
    assert len({row["variant_id"] for row in drawn}) == len(drawn) <= MOST
    assert drawn[0] == rows[0]
    best = [each.row["variant_id"] for each in chosen if "best" in each.roles]
    assert best == ([summary.best["squares"]["variant_id"]] if summary.best["squares"] else [])
    known = [row for row in rows if row["rmse_median"] is not None]
    for column in ("activation", "readout"):
        for value in {row[column] for row in known}:
            of_value = [row for row in drawn if row[column] == value]
            assert of_value or len(drawn) == MOST
    for each in chosen:
        own = [row for row in summary.trials.to_pylist() if row["variant_id"] == each.row["variant_id"]]
        ok = [row for row in own if row["rmse"] is not None]
        expected = min(ok, key=lambda row: (row["rmse"], row["seed"])) if ok else {"trial_id": None, "seed": None}
        assert (each.trial, each.seed) == (expected["trial_id"], expected["seed"])
        if each.roles == ("other",):
            alike = [[row for row in known if row[column] == each.row[column]] for column in ("activation", "readout")]
            assert each.row["rmse_median"] in [min(row["rmse_median"] for row in found) for found in alike]


@given(worlds)
def test_the_order_is_that_of_the_lowest_rmse(world):
    """Variants without one are left out."""
    summary = summary_of(world)
    rows = summary.table.to_pylist()
    found = [rows[place] for place in ranked(summary.table)]
    keys = [
        (row["rmse_median"], row["parameters"], row["variant_id"]) for row in rows if row["rmse_median"] is not None
    ]
    assert [(row["rmse_median"], row["parameters"], row["variant_id"]) for row in found] == sorted(keys)


def test_of_many_variants_the_best_and_the_worst_are_kept_and_of_many_trials_the_first():
    """All where there are few."""
    assert shown(range(10)) == [*range(10)]
    assert shown(range(MOST_BEST + MOST_WORST)) == [*range(MOST_BEST + MOST_WORST)]
    many = shown(range(10_000))
    assert many == [*range(MOST_BEST), *range(10_000 - MOST_WORST, 10_000)]
    summary = summary_of({("relu", "trained", 0.1): [float(seed) for seed in range(MOST_TRIALS + 5)]})
    [own] = summary.table["variant_id"].to_pylist()
    assert rmse_of(summary.trials, [own]) == {own: tuple(float(seed) for seed in range(MOST_TRIALS))}


def test_of_many_seeds_the_losses_of_the_first_are_drawn_and_that_of_the_asked_trial():
    """In the order of seeds, at most ten."""
    own = [Trial(variant(SQUARES), seed) for seed in range(30)]
    for asked in (0, 9, 10, 29, None):
        chosen = Chosen({}, ("first",), None if asked is None else own[asked].id, asked, None)
        found = [trial.seed for trial in drawn_seeds(chosen, own)]
        assert found == ([*range(9), asked] if asked in (10, 29) else [*range(10)])
