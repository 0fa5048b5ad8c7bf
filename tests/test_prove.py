"""`explain --prove`: what is trained for a proof, how it is judged, and what is said of it."""

from __future__ import annotations

import json
import math
import re
import shutil
import statistics
from itertools import islice

import numpy as np
import pytest
from command_line import calls
from hypothesis import given, settings
from hypothesis import strategies as st
from old_ids import OLD
from test_refusals import tree
from test_written import variants as drawn_variants

from sumsquares.datasets.rows import block
from sumsquares.jobs.pipeline.proving import experiment, proof_spec
from sumsquares.jobs.results.case import Cause, Change
from sumsquares.jobs.results.changed import changed, controls
from sumsquares.jobs.results.gate import Policy
from sumsquares.jobs.results.proof import Proof, best_of_each, compared
from sumsquares.jobs.results.proof_size import SEEDS
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.show.proof_text import lines_of
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import Trial, variants
from sumsquares.jobs.storage.store import Store

SPEC = """
name = "linear"
[[dataset]]
name = "squares"
task = "square"
largest = 50
rows = 60
test_rows = 40
unused = 1
[train]
epochs = 400
batch_size = 20
lr = 0.01
normalize = "symmetric"
[[grid]]
dataset = "squares"
hidden = [[6]]
activation = ["identity", "square"]
seeds = 3
"""
PLANTED = """
name = "linear"
[[dataset]]
name = "squares"
task = "square"
largest = 50
rows = 60
test_rows = 40
[train]
epochs = 300
batch_size = 20
lr = 0.01
normalize = "symmetric"
[[grid]]                        # no activation
dataset = "squares"
hidden = [[8]]
activation = "identity"
seeds = 5
[[grid]]                        # no hidden layer
dataset = "squares"
hidden = [[]]
seeds = 4
[[grid]]                        # a rate at which nothing is learnt
dataset = "squares"
hidden = [[7]]
activation = "tanh"
lr = 1e-6
seeds = 5
[[grid]]                        # fifteen steps
dataset = "squares"
hidden = [[6]]
activation = "relu"
epochs = 5
seeds = 5
[[grid]]                        # two units, whose knots are where one seed in some has put them well
dataset = "squares"
hidden = [[2]]
activation = "relu"
lr = 0.03
epochs = 1000
seeds = 5
"""
NAMED = {
    "[8]": {"no_activation"},
    "[]": {"no_activation"},
    "[7]": {"lr_too_low", "readout_not_trained"},
    "[6]": {"too_few_steps", "readout_not_trained", "knots_misplaced"},
    "[2]": {"seed_luck", "too_narrow", "knots_misplaced"},
}
"""By network: the causes that mend it."""
BETTER = Change("activation", "square")
"""Of the first variant."""
OTHERS = {
    "a hyperparameter": (Change("hidden", (8, 4)), {"hidden": (8, 4)}, {}),
    "rows": (Change("rows", 90), {}, {"rows": 90}),
    "unused inputs": (Change("unused", 0), {}, {"unused": 0}),
}


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """The command line in a folder with a run of the spec above."""
    (tmp_path / "spec.toml").write_text(SPEC)
    for call in calls(monkeypatch, capfd, tmp_path):
        assert call("run", "spec.toml", "--workers", "0", "--quiet").code == 0
        yield call


@pytest.fixture
def blame(monkeypatch):
    """Makes all variants have one cause, with this change."""

    def blamed(change, name="made_up"):
        cause = Cause(name, "It is made up.", {}, change, 2.0)
        monkeypatch.setattr("sumsquares.jobs.results.explanation.Explainer.causes_of", lambda *_: (cause,))

    return blamed


def proved(cli, *options, code=0):
    """What `explain --prove` says of the first variant, or of those that the options select."""
    ended = cli("explain", "linear", "--prove", "--workers", "0", "--quiet", "--json", "--seeds", "5", *options)
    assert ended.code == code, ended.err
    assert code or not ended.err  # no warning of another proof's spec, under --quiet
    return json.loads(ended.out, parse_constant=pytest.fail)["datasets"]["squares"]["explanations"]


def test_a_change_that_mends_it_is_proved_beside_a_control(cli, blame):
    """All three with the same five seeds, of which the run has three; the numbers are those of an ordinary run."""
    blame(BETTER)
    [told] = proved(cli)
    found = told["proof"]
    assert found["proved"] is True
    assert (found["cause"], found["seeds"], found["after"]["change"]["text"]) == ("made_up", [*range(5)], str(BETTER))
    assert found["after"]["test"]["p"] <= Policy().alpha
    assert found["after"]["rmse_median"] < found["before"]["rmse_median"] / 2
    assert found["control"]["change"]["field"] not in ("activation", None)
    spec = parse_spec(SPEC.replace("seeds = 3", "seeds = 5").encode(), "five seeds")
    own, other = variants(spec)
    rmse = {row["trial_id"]: row["rmse"] for row in read_results(Store("store")).table.to_pylist()}
    for variant, side in ((own, found["before"]), (other, found["after"])):
        assert side["variant_id"] == variant.id
        assert side["rmse"] == [rmse[Trial(variant, seed).id] for seed in range(5)]
        assert side["rmse_median"] == statistics.median(side["rmse"])


def test_proving_again_trains_nothing_and_another_seed_draws_another_control(cli, blame, tmp_path):
    """Packs stay as they are, and so does the answer."""
    blame(BETTER)
    first, packs = proved(cli), tree(tmp_path / "store/trials")
    assert proved(cli) == first
    assert tree(tmp_path / "store/trials") == packs
    drawn = {proved(cli, "--seed", str(seed))[0]["proof"]["control"]["change"]["text"] for seed in range(4)}
    assert len(drawn) > 1


def test_planted_faults_are_named_and_proved(monkeypatch, capfd, tmp_path):
    """By the causes that follow from the run's results, one after the other and all at once."""
    (tmp_path / "spec.toml").write_text(PLANTED)
    for cli in calls(monkeypatch, capfd, tmp_path):
        assert cli("run", "spec.toml", "--workers", "0", "--quiet").code == 0
        found = proved(cli, "--all-variants", "--seeds", str(SEEDS))
        assert {each["variant"]["hidden"] for each in found} == set(NAMED)
        for each in found:
            assert each["proof"]["cause"] in NAMED[each["variant"]["hidden"]]
            assert each["proof"]["proved"] is True
            assert [each] == proved(cli, "--seeds", str(SEEDS), "--variant", each["variant"]["variant_id"])


def test_a_change_that_makes_no_difference_or_makes_it_worse_is_not_proved(cli, blame):
    """The text says so, too."""
    for change, verdict, words in (
        (Change("shuffle_seed", 9), "same", "Not proved: the test finds no difference with shuffle_seed = 9."),
        (Change("epochs", 1), "worse", "Refuted: epochs = 1 makes the RMSE larger, by a factor of "),
    ):
        blame(change)
        [told] = proved(cli)
        assert (told["proof"]["proved"], told["proof"]["after"]["verdict"]) == (False, verdict)
        text = cli("explain", "linear", "--prove", "--workers", "0", "--quiet").out
        assert words in re.sub(r"\s+", " ", text)
        assert "Proved" not in text


def test_what_does_not_hold_beyond_the_range_is_compared_there(cli, blame):
    """On the extrapolation rows, as its text says."""
    blame(BETTER, "outside_range")
    [told] = proved(cli)
    rows = {row["trial_id"]: row for row in read_results(Store("store")).table.to_pylist()}
    own, _ = variants(parse_spec(SPEC.encode(), ""))
    expected = [rows[Trial(own, seed).id]["rmse_extrapolation"] for seed in range(5)]
    assert (told["proof"]["metric"], told["proof"]["before"]["rmse"]) == ("rmse_extrapolation", expected)
    text = cli("explain", "linear", "--prove", "--workers", "0", "--quiet", "--seeds", "5").out
    assert "measured on the numbers beyond the range" in re.sub(r"\s+", " ", text)


def test_at_most_so_many_variants_are_proved_and_some_have_nothing_to_prove(cli, blame):
    """What isn't proved says why, and ends with exit code 0."""
    blame(BETTER)
    one, other = proved(cli, "--all-variants", "--max", "1")
    assert one["proof"]
    assert (other["proof"], other["unproved"]) == (None, "not among the first 1: --max 2 proves all of these")
    for change, words in ((None, "no cause names a change"), (Change("batch_size", 61), "makes no valid spec: ")):
        blame(change)
        [told] = proved(cli)
        assert told["proof"] is None
        assert words in told["unproved"]


def test_trials_that_failed_are_exit_7_and_those_that_diverged_are_not(cli, blame, monkeypatch):
    """What failed has no result, and the test goes without its seed."""
    blame(Change("lr", 1e30))
    [told] = proved(cli)
    assert told["proof"]["after"]["diverged"] == 5
    assert told["proof"]["after"]["verdict"] == "worse"

    def fails(*_):
        raise ValueError("a bug")

    monkeypatch.setattr("sumsquares.jobs.stages.train.train_pack", fails)
    blame(Change("epochs", 3))
    [told] = proved(cli, code=7)
    assert told["proof"]["after"]["verdict"] == "untested"
    assert told["proof"]["proved"] is False


@pytest.mark.parametrize("kind", OTHERS)
def test_a_change_changes_nothing_else(kind):
    """Of a dataset, the test rows keep their numbers; the first rows of training, too."""
    change, axes, fields = OTHERS[kind]
    [before, _] = variants(parse_spec(SPEC.encode(), ""))
    after = changed(before, change)
    assert {axis for axis in AXES if getattr(after, axis) != getattr(before, axis)} == set(axes)
    assert all(getattr(after, axis) == value for axis, value in axes.items())
    values, kept = after.dataset.model_dump(), before.dataset.model_dump(exclude={"name", *fields})
    assert values == values | kept | fields
    for split in ("test", "train"):
        ours, theirs = (block(each.dataset, split, 0)[0][:40, 0] for each in (before, after))
        assert np.array_equal(ours, theirs)


@settings(max_examples=30)
@given(drawn_variants(), st.sampled_from(AXES), st.integers(0, 2**63 - 1))
def test_a_control_changes_one_other_hyperparameter_to_another_value(variant, besides, seed):
    """The same one at each call; the planned one is part of a valid spec, and not the remedy."""
    drawn = [*controls(variant, [besides], seed)]
    assert drawn == [*controls(variant, [besides], seed)]
    assert {each.field for each in drawn} == set(AXES) - {besides}
    assert all(each.value != getattr(variant, each.field) for each in drawn)
    remedy = Change("epochs", 7)
    planned = experiment(variant, Cause("made_up", "", {}, remedy, 2.0), (3, 1), 5, "auto", seed)
    assert planned.control in [*controls(variant, ["epochs"], seed)]
    assert planned.seeds[:2] == (3, 1)
    assert len(set(planned.seeds)) == 5
    assert len({each.digest for each, _ in planned.wanted}) == 3
    assert proof_spec("x" * 64, "auto", [planned]).name == "x" * 58 + "-proof"


def test_the_first_control_is_of_any_hyperparameter_with_the_same_chance():
    """Over 100 seeds for each, each of the others comes first 100 times, give or take five standard deviations."""
    [variant, _] = variants(parse_spec(SPEC.encode(), ""))
    firsts = [next(controls(variant, ["hidden"], seed)).field for seed in range(100 * (len(AXES) - 1))]
    counts = [firsts.count(axis) for axis in AXES if axis != "hidden"]
    assert all(abs(count - 100) < 50 for count in counts)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6)), min_size=2, max_size=8))
def test_swapping_the_sides_swaps_the_verdict(pairs):
    """And the effect becomes its inverse."""
    change = Change("lr", 0.1)
    before_S, after_S = zip(*pairs, strict=True)
    one, other = compared(before_S, change, "", after_S), compared(after_S, change, "", before_S)
    swapped = {"better": "worse", "worse": "better", "same": "same"}
    assert one.verdict == swapped[other.verdict]
    assert (1 + one.judged.effect) * (1 + other.judged.effect) == pytest.approx(1)


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_of_each_group_of_starts_the_best_in_training_is_kept(groups, starts, data):
    """As plain Python picks it; a start without a result is left out."""
    seeds = [*range(groups * starts)]
    values = st.one_of(st.none(), st.floats(0, 9), st.just(math.inf))
    tested = {seed: data.draw(values) for seed in seeds}
    fitted = {seed: data.draw(st.floats(0, 9)) for seed in seeds}
    found = best_of_each(seeds, groups, tested, fitted)
    assert len(found) == groups
    for group, rmse in enumerate(found):
        mates = [seed for seed in islice(seeds, group, None, groups) if tested[seed] is not None]
        assert rmse == (tested[min(mates, key=lambda seed: fitted[seed])] if mates else None)


def test_more_seeds_are_groups_of_starts(cli, blame):
    """Each seed of the variant is in a group of its own, with new ones."""
    blame(Change("seeds", 6))
    [told] = proved(cli)
    assert (told["proof"]["starts"], len(told["proof"]["after"]["rmse"])) == (6, 5)
    text = cli("explain", "linear", "--prove", "--workers", "0", "--quiet").out
    assert "after seeds = 6 (the best of 6 starts, by training RMSE)" in re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("after", "control", "words"),
    [
        ((1.0, 1.1, 1.2), (9.0, 9.1, 9.2), "Proved: lr = 0.1 alone lowers the RMSE, by a factor of "),
        ((1.0, 1.1, 1.2), (1.0, 1.1, 1.2), "The control, epochs = 9, lowers it too."),
        ((90.0, 91.0, 92.0), None, "Refuted: lr = 0.1 makes the RMSE larger, by a factor of "),
        ((9.0, 9.0, 10.0), (90.0, 91.0, 92.0), "The control, epochs = 9, makes it larger."),
        ((None, None, 1.0), (None, None, None), "Not tested: fewer than two seeds"),
        (
            (math.inf, math.inf, math.inf),
            (1.0, None, None),
            "after lr = 0.1: most seeds diverged, 3 of 3 seeds diverge",
        ),
        ((math.inf,) * 3, None, "Refuted: with lr = 0.1 3 of 3 seeds diverge instead of 0."),
        ((9.0, 9.2, 9.0), (9.0, 9.2, 9.1), "The control, epochs = 9, shows no difference that is more than chance."),
        ((1.0, 1.1, 1.2), (math.inf,) * 3, "With the control, epochs = 9, 3 of 3 seeds diverge instead of 0."),
    ],
)
def test_the_words_are_those_of_the_verdict(after, control, words):
    """Whatever is missing."""
    before_S, change, other = (9.0, 9.2, 9.1), Change("lr", 0.1), Change("epochs", 9)
    cause = Cause("lr_too_low", "It is slow.", {}, change, 2.0)
    beside = control and compared(before_S, other, "c", control)
    proof = Proof("a", cause, (0, 1, 2), 1, "rmse", before_S, compared(before_S, change, "b", after), beside)
    assert words in "\n".join(lines_of(proof))
    assert not re.search(r"inf|p = 0:|e\+", "\n".join(lines_of(proof)))
    json.dumps(proof.facts, allow_nan=False)


@pytest.mark.parametrize("run", ["old", "champion"])
def test_what_an_earlier_version_or_a_night_has_trained_is_proved_too(monkeypatch, capfd, tmp_path, blame, run):
    """Its own trials are trained again where this version's numbers are others; what it has stays as it is."""
    store = tmp_path / "store"
    shutil.copytree(OLD / "files", store)
    blame(Change("epochs", 50))
    before = tree(store)
    for cli in calls(monkeypatch, capfd, tmp_path):
        ended = cli("explain", run, "--prove", "--workers", "0", "--json")
        assert ended.code == 0, ended.err
        assert "an earlier version trained this run" in ended.err
        datasets = json.loads(ended.out)["datasets"].values()
        assert all(
            each["proof"]["after"]["test"]["seeds"] == SEEDS for about in datasets for each in about["explanations"]
        )
        after = tree(store)
        assert {name: after[name] for name, file in before.items() if file} == {
            name: file for name, file in before.items() if file
        }
        assert cli("verify").code == 0
