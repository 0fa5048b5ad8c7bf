"""What the report draws: the answers of the networks that were trained, the exact rule, and what packs store."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
from figures_world import NAMES, TEXT, world_of
from result_rows import by_column
from test_run import run

from sumsquares.datasets.rows import block
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.results.figures import networks
from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.figures.points import MOST
from sumsquares.jobs.results.number_rows import inputs_of_numbers
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.samples import ask
from sumsquares.jobs.results.stored import commit_pack, read_losses, read_trials, read_weights
from sumsquares.jobs.storage.store import Store

RULES = {
    "squares": lambda x: x * x,
    "unused": lambda x: x * x,
    "waves": lambda x: math.sin(3 * x) + math.floor(x),
    "roots": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "bits": lambda x: x % 3,
    "sums": lambda x1, x2: x1 + x2,
    "plane": lambda x1, x2: math.sqrt(x1) * x2 if x1 >= 0 else math.nan,
}
SPANS = {
    "squares": (0, 1, 1000, 2000),
    "unused": (0, 1, 30, 60),
    "waves": (-3, 1, 5, 9),
    "roots": (-4, 0, 4, 8),
    "bits": (0, 0, 20, 41),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The run; tests must not change its store."""
    store, code = run(tmp_path_factory.mktemp("figures"), TEXT)
    assert code == 0
    return world_of(store, "drawn")


@pytest.fixture(scope="module")
def figures(world):
    """What is drawn of it."""
    return world.figures()


def predicted(world, chosen, numbers_NK):
    """What `predict` answers, NaN where that is not finite."""
    trial = world.trial(chosen)
    inputs_NI = inputs_of_numbers(trial.variant.dataset, numbers_NK)
    found_N = answers(world.store, world.row(trial.id)["pack"], trial, inputs_NI)
    return np.where(np.isfinite(found_N), found_N, np.nan)


def test_each_dataset_has_the_figures_of_its_number_of_inputs(figures):
    """Curves of one, maps of two, residuals of three; digits are one, and unused inputs don't count."""
    assert tuple(figures) == NAMES
    for name, found in figures.items():
        inputs = {"sums": 2, "plane": 2, "three": 3}.get(name, 1)
        assert [found.curves is not None, bool(found.maps), bool(found.residuals)] == [inputs == n for n in (1, 2, 3)]
        assert found.losses
        assert found.samples


@pytest.mark.parametrize("name", SPANS)
def test_curves_are_what_predict_answers_and_what_the_rule_says(world, figures, name):
    """From below the range to as far above it as extrapolation goes; integers where the numbers are."""
    curves = figures[name].curves
    begin, low, high, end = SPANS[name]
    inputs_P = curves.inputs_P
    assert (inputs_P[0], curves.low, curves.high, inputs_P[-1]) == (begin, low, high, end)
    assert {low, high} <= set(inputs_P.tolist())
    assert np.all(np.diff(inputs_P) > 0)
    assert len(inputs_P) <= MOST
    assert name in ("waves", "roots") or np.array_equal(inputs_P, np.rint(inputs_P))
    np.testing.assert_allclose(curves.target_P, [RULES[name](x) for x in inputs_P.tolist()], rtol=1e-12, atol=1e-12)
    assert len(curves.answers) == len({chosen.row["variant_id"] for chosen, _ in curves.answers}) >= 3
    for chosen, answers_P in curves.answers:
        np.testing.assert_array_equal(answers_P, predicted(world, chosen, inputs_P[:, np.newaxis]))
    assert curves.rows is None


def test_every_variant_can_be_drawn(world):
    """Whatever its normalisation, readout and output are; one of logarithms has no answer where there is none."""
    for name in ("squares", "waves"):
        for variant in {t.variant.id for t in world.expected if t.variant.dataset.name == name}:
            summary = world.summary(lambda row, only=variant: (world.variant_of(row) == only) or None)
            curves = world.figures(summary)[name].curves
            [(chosen, answers_P)] = curves.answers
            assert chosen.row["variant_id"] == variant
            np.testing.assert_array_equal(answers_P, predicted(world, chosen, curves.inputs_P[:, np.newaxis]))
            has_logs = chosen.row["normalize"] == "log"
            np.testing.assert_array_equal(np.isnan(answers_P), has_logs & (curves.inputs_P <= 0))


@pytest.mark.parametrize("name", ["sums", "plane"])
def test_maps_are_answers_minus_the_rule(world, figures, name):
    """On a lattice that holds the range and what is beyond it; NaN where there is no value."""
    maps = figures[name].maps
    assert {role for each in maps for role in each.chosen.roles} == {"first", "best"}
    for each in maps:
        shape = len(each.inputs_A), len(each.inputs_B)
        assert max(shape) <= 48
        numbers_NK = np.array([*itertools.product(each.inputs_A.tolist(), each.inputs_B.tolist())])
        expected_N = np.array([RULES[name](*numbers) for numbers in numbers_NK.tolist()])
        error_AB = (predicted(world, each.chosen, numbers_NK) - expected_N).reshape(shape)
        np.testing.assert_allclose(each.error_AB, error_AB, rtol=1e-9, atol=1e-9)
        ends = [(inputs[0], inputs[-1]) for inputs in (each.inputs_A, each.inputs_B)]
        assert ends == ([(0, 200), (0, 200)] if name == "sums" else [(-4, 8), (-6, 6)])
        assert (each.low, each.high) == (((1, 1), (100, 100)) if name == "sums" else ((0, -2), (4, 2)))
        assert np.isnan(each.error_AB).any() == (name == "plane")


def test_residuals_of_all_rows_have_the_rmse_of_the_trial(world, figures):
    """Of the first and the best."""
    residuals = figures["three"].residuals
    assert {role for each in residuals for role in each.chosen.roles} == {"first", "best"}
    for each in residuals:
        assert len(each.expected_R) == len(each.predicted_R) == each.of == 40
        rmse = np.sqrt(np.mean((each.predicted_R - each.expected_R) ** 2))
        assert rmse == pytest.approx(world.row(each.chosen.trial)["rmse"], rel=1e-5)


def test_losses_are_those_of_the_pack(world, figures):
    """Of every seed of each chosen variant, at the epochs of its curve."""
    for found in figures.values():
        assert {each.chosen.row["variant_id"] for each in found.losses} >= {
            chosen.row["variant_id"] for chosen, _ in found.samples
        }
        for each in found.losses:
            assert each.seeds == (0, 1)
            np.testing.assert_array_equal(each.epochs_E, curve_epochs(4))
            for seed, loss_E in zip(each.seeds, each.loss_SE, strict=True):
                [trial] = [t for t in world.expected if (t.variant.id, t.seed) == (each.chosen.row["variant_id"], seed)]
                losses_ME, ids = read_losses(world.store, world.row(trial.id)["pack"])
                np.testing.assert_array_equal(loss_E, losses_ME[ids.index(trial.id)].astype(np.float64))


def test_samples_are_what_predict_answers_for_the_first_test_rows(world, figures):
    """Of the first and the best; those of the best are in summary.json."""
    best = json.loads(world.store.get("runs/drawn/summary.json"))["best"]
    for name, found in figures.items():
        assert {role for chosen, _ in found.samples for role in chosen.roles} == {"first", "best"}
        for chosen, lines in found.samples:
            trial = world.trial(chosen)
            inputs_NI, _ = block(trial.variant.dataset, "test", 0)
            assert list(lines) == ask(world.store, world.row(trial.id)["pack"], trial, inputs_NI[:10])
            if "best" in chosen.roles:
                told = [(each["expected"], each["predicted"]) for each in best[name]["samples"]]
                assert told == [(line.expected, line.predicted) for line in lines]


def test_each_pack_is_read_once(world):
    """However many of its trials are drawn."""
    read = Counter()

    def counting(store, pack, whole=networks.read_tensors):
        read[pack] += 1
        return whole(store, pack)

    with patch.object(networks, "read_tensors", counting):
        world.figures()
    assert set(read.values()) == {1}


def test_when_there_are_many_packs_the_first_and_the_best_are_still_drawn(world, monkeypatch):
    """Those of the others are not read."""
    monkeypatch.setattr(networks, "MOST_PACKS", 0)
    for found in world.figures().values():
        assert {role for chosen, _ in found.samples for role in chosen.roles} == {"first", "best"}
        assert found.curves is None or {role for each, _ in found.curves.answers for role in each.roles} >= {
            "first",
            "best",
        }


def test_lost_weights_are_told_and_leave_their_figures_out(world, figures, tmp_path):
    """Each pack once; everything else is drawn as before."""
    [(first, best)] = [(curves[0][0], curves[1][0]) for curves in [figures["squares"].curves.answers]]
    assert (first.roles, best.roles) == (("first",), ("best",))
    store, lost = Store(str(tmp_path)), world.row(first.trial)["pack"]
    for path in world.store.list("trials"):
        if path != f"trials/{lost}.safetensors":
            store.put(path, world.store.get(path))
    told = []
    found = world._replace(store=store).figures(on_lost=lambda pack, error: told.append((pack, type(error))))
    assert told == [(lost, FileNotFoundError)]
    gone = {row["trial_id"] for row in world.results.to_pylist() if row["pack"] == lost}
    for name in NAMES:
        drawn = [chosen.trial for chosen, _ in found[name].samples]
        assert drawn == [c.trial for c, _ in figures[name].samples if c.trial not in gone]
    kept = [(c, a) for c, a in figures["squares"].curves.answers if c.trial not in gone]
    for (chosen, answers_P), (same, same_P) in zip(found["squares"].curves.answers, kept, strict=True):
        assert chosen == same
        np.testing.assert_array_equal(answers_P, same_P)


def test_a_first_variant_that_diverged_has_losses_alone(world):
    """They show where."""
    first = next(t.variant.id for t in world.expected if t.variant.dataset.name == "squares")
    found = world.figures(world.summary(lambda row: world.variant_of(row) != first))["squares"]
    assert first not in {chosen.row["variant_id"] for chosen, _ in (*found.curves.answers, *found.samples)}
    assert first not in found.rmse
    [losses] = [each for each in found.losses if each.chosen.row["variant_id"] == first]
    assert (losses.chosen.trial, losses.chosen.roles, losses.seeds) == (None, ("first",), (0, 1))


def test_where_all_diverged_only_the_losses_of_the_first_are_drawn(world):
    """Nothing is asked, and nothing fails."""
    for found in world.figures(world.summary(lambda _row: False)).values():
        assert (found.curves, found.maps, found.residuals, found.samples, found.rmse) == (None, (), (), (), {})
        assert [each.chosen.roles for each in found.losses] == [("first",)]


def test_without_results_nothing_is_drawn(world):
    """Of no dataset."""
    empty = world._replace(results=world.results.slice(0, 0))
    assert set(map(str, empty.figures(empty.summary()).values())) == {str(Figures())}


def test_the_loss_is_nan_where_it_was_not_finite_and_packs_without_losses_have_none(world, tmp_path):
    """As those that diverged, and those of earlier versions."""
    store, trial = Store(str(tmp_path)), world.expected[0]
    tensors, ids = read_weights(world.store, world.row(trial.id)["pack"])
    stored = world.full_rows(ids)
    losses_ME = np.full((len(ids), 4), np.inf)
    losses_ME[:, 0] = 2.0
    for losses, drawn in ((losses_ME, [[2.0, np.nan, np.nan, np.nan]] * 2), (None, None)):
        commit_pack(store, world.row(trial.id)["pack"], by_column(stored), tensors, losses)
        own = world._replace(store=store, results=read_trials(store).table)
        found = own.figures(own.summary(), on_lost=lambda *_: None)["squares"].losses
        first = [each.loss_SE for each in found if "first" in each.chosen.roles]
        np.testing.assert_array_equal(first, [] if drawn is None else [drawn])


def test_every_ok_trial_has_its_rmse_in_the_order_of_seeds(world, figures):
    """By variant."""
    for name, found in figures.items():
        by_hand = {}
        for trial in world.expected:
            if trial.variant.dataset.name == name:
                by_hand.setdefault(trial.variant.id, []).append(world.row(trial.id)["rmse"])
        assert {variant: list(rmse) for variant, rmse in found.rmse.items()} == by_hand
