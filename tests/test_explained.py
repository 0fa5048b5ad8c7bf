"""The explanation of a summary: each column is what its own function says of the variant, and nothing else changes.

The functions themselves have their own tests; here it is that each gets what it needs, and that its answer lands in the
right row. One store has really trained networks, the other results are drawn at random.
"""

from __future__ import annotations

import itertools
import math
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import by_column, table_of
from specs import small
from test_answer import world_of
from test_run import run

from sumsquares.datasets.facts import measure_facts
from sumsquares.jobs.results import explained
from sumsquares.jobs.results.causes import Case, causes_of
from sumsquares.jobs.results.explained import ROUNDING, explain
from sumsquares.jobs.results.floors import floors
from sumsquares.jobs.results.importance import importance
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import commit_pack, read_losses, read_results, read_weights
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import Store

ADDED = ("floor", "floor_range", "floor_kind", "exact_everywhere", "cause", "causes", "remedy")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The store of a run of the small spec; tests must not change it."""
    store, code = run(tmp_path_factory.mktemp("finished"))
    assert code == 0
    return store


@pytest.fixture(scope="module")
def told(finished):
    """The explained summary of that run."""
    expected, results = trials(small()), read_results(finished).table
    return explain(summarize(expected, results), expected, results, finished, measure_facts, raises)


def raises(pack, error):
    """No weights are lost."""
    raise AssertionError(pack) from error


def made_up(world, checked=lambda _store, _best, _on_lost: {}):
    """The explained summary of a random world, whose trials have no weights."""
    results = table_of(world.rows).append_column("pack", pa.array(["pack"] * len(world.rows), pa.string()))
    plain = summarize(world.trials, results, measure_facts)
    with patch.object(explained, "check_everywhere", checked):
        return plain, explain(plain, world.trials, results, None, measure_facts, raises)


def variants_of(expected):
    """In the order of the spec."""
    return list({trial.variant.id: trial.variant for trial in expected}.values())


def test_floors_are_those_of_the_variants_in_the_order_of_the_spec(told):
    """Of each variant by itself."""
    rows = told.table.to_pylist()
    for row, variant in zip(rows, variants_of(trials(small())), strict=True):
        assert row["variant_id"] == variant.id
        [floor] = floors([variant], measure_facts)
        assert (row["floor"], row["floor_range"], row["floor_kind"]) == (floor.rows, floor.range, floor.kind)
    assert len({row["floor_kind"] for row in rows}) > 1


def test_the_best_trial_of_each_variant_is_checked_on_every_number(finished, told):
    """By the lowest RMSE; where there are unused inputs, nothing can be checked. Its share is also in its own row."""
    packs = {row["trial_id"]: row["pack"] for row in read_results(finished).table.to_pylist()}
    rows = told.trials.to_pylist()
    everything_NI = np.array(list(itertools.product(range(1, 51), repeat=2)))
    shares = {}
    for variant in variants_of(trials(small())):
        if not variant.dataset.unused:
            best = min((row for row in rows if row["variant_id"] == variant.id), key=lambda row: row["rmse"])
            [trial] = [each for each in trials(small()) if each.id == best["trial_id"]]
            found_N = answers(finished, packs[trial.id], trial, everything_NI)
            shares[trial.id] = float((np.rint(found_N) == everything_NI.sum(axis=1)).mean())
    assert {row["trial_id"]: row["exact_everywhere"] for row in rows if row["exact_everywhere"] is not None} == shares
    of_variant = {row["variant_id"]: shares[row["trial_id"]] for row in rows if row["trial_id"] in shares}
    assert {
        row["variant_id"]: row["exact_everywhere"] for row in told.table.to_pylist() if row["dataset"] == "sums"
    } == of_variant


def causes_by_hand(summary):
    """The causes of each variant, from its final row and a search over all pairs for its neighbours."""
    rows = summary.table.to_pylist()
    trials_of = summary.trials.to_pylist()
    for row in rows:
        near = {axis: [] for axis in AXES}
        for other in rows:
            differing = [axis for axis in AXES if other[axis] != row[axis]]
            if other["dataset"] == row["dataset"] and len(differing) == 1:
                near[differing[0]].append(other)
        for others in near.values():
            others.sort(key=lambda other: math.inf if other["rmse_median"] is None else other["rmse_median"])
        rmse = [
            each["rmse"] for each in trials_of if each["variant_id"] == row["variant_id"] and each["status"] == "ok"
        ]
        yield row, causes_of(Case(row, summary.datasets[row["dataset"]], tuple(sorted(rmse)), near))


def check_causes(summary):
    """Columns and lists are those of the rows with all other columns."""
    for row, causes in causes_by_hand(summary):
        assert summary.causes[row["variant_id"]] == causes
        assert row["cause"] == causes[0].name
        assert row["causes"] == ", ".join(cause.name for cause in causes)
        assert row["remedy"] == (str(causes[0].change) if causes[0].change else None)


def test_causes_are_found_with_all_other_columns(told):
    """Also with the floor and the check, on which some of them depend."""
    check_causes(told)


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_whatever_is_missing_or_diverged_each_variant_is_explained(seed):
    """The other columns, counts and rows stay; the best variants have all columns of the table."""
    world = world_of(seed)
    plain, found = made_up(world)
    check_causes(found)
    assert found.table.schema == plain.table.schema
    assert found.table.drop_columns(list(ADDED)) == plain.table.drop_columns(list(ADDED))
    assert found.trials.drop_columns(["exact_everywhere"]) == plain.trials
    assert (found.counts, found.missing, found.best_trial) == (plain.counts, plain.missing, plain.best_trial)
    for name, best in found.best.items():
        if best is None:
            assert plain.best[name] is None
            continue
        [row] = [row for row in found.table.to_pylist() if row["variant_id"] == best["variant_id"]]
        assert {key: value for key, value in best.items() if key != "trial"} == row
        assert best["trial"] == plain.best[name]["trial"]
    rows = found.table.to_pylist()
    rmse_VS = [[rmse / world.unit for rmse in world.of(row["variant_id"])] for row in rows]
    expected = importance(rows, rmse_VS, 10 * (world.largest or 1) / world.unit)
    assert found.importance == {"data": expected}


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_most_promising_trials_are_checked_first(seed):
    """The best trial of each variant with a result: first those of variants with the most exact trial."""
    world, asked = world_of(seed), []
    made_up(world, lambda _store, best, _on_lost: asked.extend(best) or {})
    ok, is_integer = [row for row in world.rows if world.is_ok(row)], world.dataset.source.has_integer_target
    best = {}
    for row in sorted(ok, key=lambda row: (row["rmse"], row["seed"])):
        best.setdefault(row["variant_id"], row["trial_id"])
    assert {trial.variant.id: trial.id for trial, _ in asked} == best
    assert {pack for _, pack in asked} <= {"pack"}
    ranks = []
    for trial, _ in asked:
        mine = [row for row in ok if row["variant_id"] == trial.variant.id]
        ranks.append(min((-row["exact_fraction"] if is_integer else 0, row["rmse"]) for row in mine))
    assert ranks == sorted(ranks)


def test_a_run_without_any_result_is_explained():
    """Nothing is known but the floors."""
    expected = trials(small())
    results = SCHEMA.empty_table().append_column("pack", pa.array([], pa.string()))
    found = explain(summarize(expected, results), expected, results, None, measure_facts, raises)
    assert set(found.table["cause"].to_pylist()) == {"unknown"}
    assert set(found.table["remedy"].to_pylist()) == {None}
    assert set(found.best.values()) == {None}
    assert found.below_floor == ()
    assert None not in found.table["floor_kind"].to_pylist()


def plant(store, row, rmse):
    """Gives a stored result another RMSE."""
    tensors, ids = read_weights(store, row["pack"])
    losses, _ = read_losses(store, row["pack"])
    rows = {each["trial_id"]: each for each in read_results(store).table.to_pylist()}
    changed = [{**rows[key], **({"rmse": rmse} if key == row["trial_id"] else {})} for key in ids]
    columns = by_column([{name: each[name] for name in SCHEMA.names} for each in changed])
    commit_pack(store, row["pack"], columns, tensors, losses)


@pytest.mark.parametrize(("share", "is_told"), [(0.999, True), (1.0, False)])
def test_a_trial_below_its_floor_is_reported(tmp_path, capfd, share, is_told):
    """As an error of ours, unless rounding errors explain it."""
    store, _ = run(tmp_path)
    [row, *_] = [
        each
        for each in read_results(store).table.to_pylist()
        if each["dataset"] == "squares" and each["activation"] == "identity" and each["hidden"] == "[6]"
    ]
    facts = measure_facts(small().datasets[1])
    rmse = share * facts.linear_rmse - (0 if is_told else 0.5 * ROUNDING * facts.largest_target)
    assert rmse < facts.linear_rmse < row["rmse"]
    plant(store, row, rmse)
    capfd.readouterr()
    assert run(tmp_path, quiet=False)[1] == 0
    printed = capfd.readouterr().err
    said = f"1 trial with an RMSE below what its network can reach at all, such as {row['trial_id']}: an error in"
    assert (said in " ".join(printed.split())) == is_told
    assert ("at all" in printed) == is_told


def test_weights_that_are_gone_are_told_and_their_trials_are_not_checked(finished, tmp_path):
    """The others are."""
    expected, results = trials(small()), read_results(finished).table
    store, lost = Store(str(tmp_path)), []
    for path in finished.list("trials"):
        store.put(path, finished.get(path))
    sums = {trial.id for trial in expected if trial.variant.dataset.name == "sums"}
    packs = {row["pack"] for row in results.to_pylist() if row["trial_id"] in sums}
    gone = min(packs)
    store.delete(f"trials/{gone}.safetensors")
    whole = explain(summarize(expected, results), expected, results, finished, measure_facts, raises)
    found = explain(
        summarize(expected, results), expected, results, store, measure_facts, lambda pack, _: lost.append(pack)
    )
    assert lost == [gone]
    of_pack = {row["trial_id"] for row in results.to_pylist() if row["pack"] == gone}
    for ours, theirs in zip(found.trials.to_pylist(), whole.trials.to_pylist(), strict=True):
        assert ours["exact_everywhere"] == (None if ours["trial_id"] in of_pack else theirs["exact_everywhere"])
