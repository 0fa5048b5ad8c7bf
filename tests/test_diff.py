"""diff: two runs by their specs and results; only what was measured on the same test rows is compared."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from old_ids import OLD
from result_rows import row_of
from store_world import run, shared, spec

from sumsquares.jobs import exits
from sumsquares.jobs.commands.diff import diff
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.gate import Policy, Scores, judge
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.run_difference import compare
from sumsquares.jobs.results.scale import unit_in
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import Store

SEEDS = 6
LRS = (0.01, 0.02, 0.03)


def told(store, before, after, capsys, other=None):
    """What --json says."""
    assert diff(before, after, other and other.root, False, shared(store)) == exits.OK
    return json.loads(capsys.readouterr().out)


def text_of(store, before, after, capsys):
    """What is printed."""
    assert diff(before, after, None, True, shared(store, json=False)) == exits.OK
    return capsys.readouterr().out


def made(each, rmse_of):
    """The summary of a spec whose trials were never trained, with these RMSEs; None for one that diverged."""
    wanted = trials(each)
    rows = []
    for trial in wanted:
        rmse = rmse_of(trial.variant.lr, trial.seed)
        rows.append(row_of(trial, rmse=rmse, status="ok" if rmse is not None else "diverged"))
    return summarize(wanted, pa.Table.from_pylist(rows, schema=SCHEMA))


RMSES = st.lists(
    st.lists(st.one_of(st.none(), st.floats(0.01, 50)), min_size=SEEDS, max_size=SEEDS), min_size=3, max_size=3
)


@settings(max_examples=40)
@given(RMSES, RMSES)
def test_the_change_of_each_variant_is_what_the_gate_finds(before, after):
    """On the same pairs of seeds, with one correction for all variants; the one that became worst comes first."""
    sides = []
    for values in (before, after):
        of = dict(zip(LRS, values, strict=True))
        sides.append(made(spec("a", LRS, seeds=SEEDS), lambda lr, seed, of=of: of[lr][seed]))
    found = compare(*sides, ("sums", "sums"))
    unit = unit_in(sides[0].datasets["sums"])
    scores = []
    for values in (before, after):
        names = [
            (f"{lr}-{seed}", str(lr), rmse)
            for lr, some in zip(LRS, values, strict=True)
            for seed, rmse in enumerate(some)
        ]
        trial, variant, rmse = zip(*names, strict=True)
        scores.append(
            Scores(
                np.array(trial),
                np.array(variant),
                np.array([math.inf if each is None else each / unit for each in rmse]),
            )
        )
    expected = {change.variant: change for change in judge(scores[1], scores[0], [], Policy()).changes}
    assert found.verdict == judge(scores[1], scores[0], [], Policy()).verdict
    for pair in found.pairs:
        wanted = expected[str(pair.before["lr"])]
        assert (pair.change.verdict, pair.change.effect, pair.change.p) == (wanted.verdict, wanted.effect, wanted.p)
    effects = [pair.change.effect for pair in found.pairs]
    assert effects == sorted(effects, reverse=True)


@settings(max_examples=20)
@given(RMSES)
def test_a_run_does_not_differ_from_itself(values):
    """No variant is better or worse, and all have the same trials."""
    of = dict(zip(LRS, values, strict=True))
    side = made(spec("a", LRS, seeds=SEEDS), lambda lr, seed: of[lr][seed])
    found = compare(side, side, ("sums", "sums"))
    assert found.verdict == "same"
    assert all(pair.is_same for pair in found.pairs)
    assert not found.only_before
    assert not found.only_after


def test_variants_of_one_run_alone_are_listed_for_that_run(tmp_path, capsys):
    """The others are compared; those of one store have the very same trials."""
    store = Store(str(tmp_path))
    run(store, spec("a", [0.01, 0.02]), spec("b", [0.02, 0.03]))
    facts = told(store, "a", "b", capsys)
    (dataset,) = facts["datasets"].values()
    assert [len(dataset[key]) for key in ("only_in_first", "only_in_second", "variants")] == [1, 1, 1]
    assert dataset["variants"][0]["same_trials"]
    assert facts["spec"] == describe_difference(spec("a", [0.01, 0.02]), spec("b", [0.02, 0.03]))
    back = told(store, "b", "a", capsys)["datasets"]["sums"]
    assert (back["only_in_first"], back["only_in_second"]) == (dataset["only_in_second"], dataset["only_in_first"])
    assert "1 variant with the same RMSE of every trial" in text_of(store, "a", "b", capsys)


def test_what_was_changed_in_all_variants_is_said_and_they_are_compared(tmp_path, capsys):
    """Epochs 40 -> 1 with an earlier run, which is worse: the night watcher's question."""
    store = Store(str(tmp_path))
    run(store, spec("a", [0.01, 0.02], epochs=40, seeds=8), spec("a", [0.01, 0.02], epochs=1, seeds=8))
    (folder,) = {path.split("/")[3] for path in store.list("runs/a/previous")}
    facts = told(store, f"a@{folder}", "a", capsys)
    dataset = facts["datasets"]["sums"]
    assert dataset["constants"] == {"epochs": [40, 1]}
    assert (facts["verdict"], len(dataset["variants"])) == ("worse", 2)
    assert dataset["variants"][0]["effect"] >= dataset["variants"][1]["effect"] > 0
    assert told(store, "a", f"a@{folder}", capsys)["verdict"] == "better"
    text = text_of(store, f"a@{folder}", "a", capsys)
    assert "train.epochs: 40 -> 1" in text
    assert "in all variants: epochs 40 -> epochs 1" in text
    assert "worse *" in text


def test_other_test_rows_are_not_compared_and_it_says_why(tmp_path, capsys):
    """By the digests of the dataset."""
    store = Store(str(tmp_path))
    run(store, spec("a"), spec("b", seed=2))
    facts = told(store, "a", "b", capsys)
    assert (facts["verdict"], facts["datasets"]) == ("apart", {})
    assert facts["not_comparable"]["sums"].startswith("other test rows: dataset ")
    assert "sums: not comparable: other test rows" in text_of(store, "a", "b", capsys)


def test_runs_of_two_stores_are_compared(tmp_path, capsys):
    """Of one spec they are the same, to the bit."""
    stores = [Store(str(tmp_path / name)) for name in "ab"]
    for store in stores:
        run(store, spec("a"))
    facts = told(stores[0], "a", "a", capsys, stores[1])
    assert (facts["verdict"], facts["spec"]) == ("same", [])
    assert all(pair["same_trials"] for pair in facts["datasets"]["sums"]["variants"])
    assert [facts[side]["store"] for side in ("before", "after")] == [store.root for store in stores]


def test_the_champion_and_earlier_runs_of_an_old_store_are_compared(tmp_path, capsys):
    """Nothing is written."""
    store = Store(str(shutil.copytree(OLD / "files", tmp_path / "old")))
    before = store.sizes()
    facts = told(store, "champion", "night-2026-11-02-8ad084a2c6ed", capsys)
    assert facts["before"]["run"].startswith("champion 2026-11-01")
    facts = told(store, "old@44be", "old", capsys)
    assert facts["datasets"].keys() == {"sums", "squares", "products"} - facts["not_comparable"].keys()
    assert store.sizes() == before


def test_a_damaged_file_gives_exit_3_and_an_unknown_run_2(tmp_path, capsys):
    """As in show."""
    store = Store(str(tmp_path))
    run(store, spec("a"))
    store.put("runs/a/trials.parquet", b"PAR1")
    assert diff("a", "a", None, False, shared(store)) == exits.DATA
    with pytest.raises(UsageError):
        diff("a", "b", None, False, shared(store))
    assert "verify" in capsys.readouterr().err
