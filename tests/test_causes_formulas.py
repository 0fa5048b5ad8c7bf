"""Causes of networks that learn formulas, or have another output, loss or scale; each is named where it shows."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache

import numpy as np
import pytest
from result_rows import variant
from test_causes import HEALTHY, SHOWS, about, case, found, named

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec, NamedDataset
from sumsquares.jobs.results.case import Case, Change
from sumsquares.jobs.results.causes import causes_of
from sumsquares.jobs.results.described import spread_of
from sumsquares.jobs.results.floors import floors
from sumsquares.jobs.results.proof import compared
from sumsquares.jobs.results.scale import unit_of
from sumsquares.jobs.results.spread_knots import spread_rmse

SINE = {"formula": "sin(x)", "low": -3.0, "high": 3.0}
NOISY = {**SINE, "noise": 0.1}
ROOTS = {"formula": "sqrt(x)", "low": 0.0, "high": 3000.0}
STEPS = {"formula": "x % 7", "low": -10.0, "high": 40.0, "numbers": "integer"}


@cache
def _described(fields):
    spec = DatasetSpec.model_validate({"rows": 500, "test_rows": 200, "seed": 1, **dict(fields)})
    facts = measure_facts(spec)
    kept = {name: value for name, value in vars(facts).items() if name != "seen_N"}
    kept |= {"measured_rows": len(facts.seen_N), "unseen_rows": facts.unseen, "moments": asdict(facts.moments)}
    return {**spec.model_dump(mode="json"), "digest": "", "facts": kept}


def formula(fields, rmse, **changes):
    """A case of a formula: healthy but for the changes, with RMSEs as shares of the target's standard deviation."""
    described = _described(tuple(fields.items()))
    row = {
        **HEALTHY,
        "n_exact": None,
        "rmse_median": rmse,
        "rmse_solved_median": 0.97 * rmse,
        "rmse_train_median": 0.97 * rmse,
        "rmse_unseen_median": None,
        "floor": None,
        "floor_kind": "none",
        **changes,
    }
    spread = Case(row, described, (), {}).spread
    shares = {name: row[name] * spread for name in row if name.startswith("rmse") and row[name] is not None}
    return Case({**row, **shares}, described, (), {})


def test_a_healthy_network_on_a_formula_has_no_cause():
    """Whatever the scale, if it suits."""
    for kind in ("symmetric", "zscore", "none"):
        assert named(formula(SINE, 0.05, normalize=kind)) == ["unknown"]


@pytest.mark.parametrize("name", [each for each in SHOWS if each not in ("inputs_not_scaled", "too_narrow")])
def test_causes_of_tasks_are_those_of_formulas_too(name):
    """With the same columns, as shares of the target's standard deviation."""
    spread = 298_000.0
    shown = {key: value / spread if key.startswith("rmse") and value else value for key, value in SHOWS[name].items()}
    if shown.get("floor"):
        shown |= {"floor": shown["floor"] / spread * formula(SINE, 1.0).spread, "floor_kind": "relu_pieces"}
    rmse = shown.pop("rmse_median", 0.01)
    assert name in named(formula(SINE, rmse, **shown))


def test_the_spread_is_that_of_the_test_rows_which_have_no_noise():
    """So an RMSE on them is compared with what a constant answer would have."""
    target_N = block(DatasetSpec.model_validate({"rows": 500, "test_rows": 200, "seed": 1, **NOISY}), "test", 0)[1]
    assert formula(NOISY, 0.1).spread == pytest.approx(float(np.std(target_N)))


@pytest.mark.parametrize(
    ("output", "kind", "is_out"),
    [
        ("sigmoid", "none", True),
        ("relu", "none", True),
        ("tanh", "none", False),
        ("sigmoid", "symmetric", True),
        ("tanh", "symmetric", False),
        ("sigmoid", "unit", False),
        ("tanh", "zscore", True),
        ("linear", "none", False),
    ],
)
def test_an_output_cannot_reach_what_lies_beyond_its_range(output, kind, is_out):
    """In the units of the target, after scaling."""
    given = formula(SINE, 0.8, output=output, normalize=kind, activation="tanh", rmse_solved_median=None)
    assert ("output_cannot_reach" in named(given)) == is_out
    if is_out:
        cause = found(given, "output_cannot_reach")
        assert cause.change == Change("output", "linear")
        assert cause.evidence["reach_rmse"] == given.reach_rmse > 0


def test_cross_entropy_goes_with_the_output():
    """A linear output has another loss."""
    given = formula(SINE, 0.8, output="sigmoid", loss="bce", normalize="none", rmse_solved_median=None)
    assert found(given, "output_cannot_reach").change == Change("output", "linear", Change("loss", "mse"))
    assert not any(cause.name == "target_not_scaled" for cause in causes_of(given))


def test_a_neighbour_with_a_linear_output_decides():
    """If it is no better, the output isn't blamed."""
    given = formula(SINE, 0.8, output="sigmoid", normalize="none", rmse_solved_median=None)
    for rmse, is_named in ((0.01, True), (0.75, False)):
        other = {**given.row, "output": "linear", "rmse_median": rmse * given.spread}
        near = Case(given.row, given.about, (), {"output": [other]})
        assert ("output_cannot_reach" in named(near)) == is_named


def test_a_network_at_the_noise_has_no_fault():
    """Its training rows are as far off as the formula itself, and test rows, which have no noise, are close."""
    noise = formula(NOISY, 0.02).noise
    spread = formula(NOISY, 0.02).spread
    at = {"rmse_train_median": 1.02 * noise / spread, "loss_slope_median": -3.0, "rmse_solved_median": 1e-4}
    given = formula(NOISY, 0.02, **at)
    assert named(given) == ["at_noise"]
    assert causes_of(given)[0].change is None
    assert "at_noise" not in named(formula(SINE, 0.02, **at))
    assert "at_noise" not in named(formula(NOISY, 0.3, **at))
    assert "at_noise" not in named(formula(NOISY, 0.02, **{**at, "rmse_train_median": 1.5 * noise / spread}))
    assert "at_noise" not in named(formula({**NOISY, "noise": 5.0}, 0.9, rmse_train_median=7.1))


def test_noise_that_is_learnt_by_heart_is_memorised():
    """Training rows that are answered better than the formula itself answers them."""
    given = formula(NOISY, 0.06, rmse_train_median=0.04, rmse_unseen_median=0.06)
    assert found(given, "memorised").change == Change("rows", 2000)
    assert "whose targets have noise of" in found(given, "memorised").sentence
    assert "memorised" not in named(formula(SINE, 0.06, rmse_train_median=0.04, rmse_unseen_median=0.06))


def test_a_real_target_is_solved_below_a_thousandth_of_its_standard_deviation():
    """Where test rows weren't trained; what happens beyond the range is another matter."""
    assert named(formula(SINE, 0.0009)) == ["solved"]
    assert named(formula(SINE, 0.0011)) == ["unknown"]
    assert named(formula(SINE, 0.0009, rmse_extrapolation_median=2.0)) == ["solved", "outside_range"]
    told = causes_of(formula(SINE, 0.0009))[0]
    assert told.sentence == (
        "The RMSE is 0.09% of the target's standard deviation on 200 test rows, none of them in training."
    )


def test_an_integer_target_is_solved_when_it_is_right_after_rounding():
    """As one of a task is."""
    exact = {"n_exact": 5, "exact_everywhere": 1.0, "rmse_unseen_median": None}
    assert named(formula(STEPS, 0.01, **exact)) == ["solved"]
    assert "solved" not in named(formula(STEPS, 0.0001, n_exact=0))


def test_numbers_far_from_1_are_named_before_the_learning_rate():
    """Usual rates are for scaled numbers. What a solved readout gains is measured: if it is more, it comes first."""
    raw = {"normalize": "none", "rmse_solved_median": 0.2, "lr": 1e-5}
    first, *others = causes_of(formula(ROOTS, 0.9, **raw))
    assert (first.name, first.change) == ("inputs_not_scaled", Change("normalize", "symmetric"))
    assert causes_of(formula(ROOTS, 0.9, **{**raw, "rmse_solved_median": 0.01}))[0].name == "readout_not_trained"
    assert first.sentence == 'With normalize = "none" the inputs reach from 0 to 3,000, where -1 to 1 is usual.'
    assert {cause.name for cause in others} >= {"readout_not_trained", "target_not_scaled"}
    assert "inputs_not_scaled" not in named(formula(ROOTS, 0.9, **{**raw, "normalize": "symmetric"}))
    assert "inputs_not_scaled" not in named(formula(ROOTS, 0.01, **raw))
    diverged = formula(ROOTS, 0.9, normalize="none", lr=0.3, n_diverged=5, n=0)
    lost = Case({**diverged.row, "rmse_median": None, "rmse_solved_median": None}, diverged.about, (), {})
    assert named(lost)[0] == "inputs_not_scaled"


@pytest.mark.parametrize(
    ("output", "kind", "expected"),
    [
        ("linear", "none", Change("normalize_target", "zscore")),
        ("sigmoid", "none", Change("normalize_target", "unit")),
        ("tanh", "none", Change("normalize_target", "symmetric")),
    ],
)
def test_a_large_target_is_scaled_so_that_the_output_reaches_it(output, kind, expected):
    """By itself, whatever the inputs are scaled by."""
    squares = {"formula": "1000 * x**2", "low": -1.0, "high": 1.0}
    given = formula(squares, 0.9, normalize=kind, output=output, rmse_solved_median=None)
    assert found(given, "target_not_scaled").change == expected


def test_one_input_of_several_may_be_the_one_that_is_not_scaled():
    """It is named."""
    uneven = {"formula": "x1 + x2", "low": (0.0, 0.0), "high": (1.0, 5000.0)}
    told = found(formula(uneven, 0.9, normalize="none"), "inputs_not_scaled").sentence
    assert told == 'With normalize = "none" the input x2 reaches from 0 to 5,000, where -1 to 1 is usual.'


def test_a_solved_readout_needs_the_squared_error():
    """So the change of another loss comes with it."""
    given = formula(SINE, 0.3, loss="mae", rmse_solved_median=0.001)
    assert found(given, "readout_not_trained").change == Change("readout", "solved", Change("loss", "mse"))


def test_the_slope_of_an_absolute_error_counts_twice():
    """It falls as the RMSE does, the squared error as its square."""
    falls = {"rmse_solved_median": 0.29, "loss_slope_median": -0.9, "loss_rise_median": 0.0}
    assert "too_few_steps" in named(formula(SINE, 0.3, loss="mae", **falls))
    assert "too_few_steps" not in named(formula(SINE, 0.3, **falls))


def test_beyond_the_range_no_remedy_is_named_for_a_formula():
    """None is known; the numbers are."""
    given = formula(SINE, 0.01, rmse_extrapolation_median=2.0)
    cause = found(given, "outside_range")
    assert cause.change is None
    assert "On numbers from -9 to -3 and from 3 to 9, which were not trained" in cause.sentence


def test_without_an_activation_an_output_activation_is_all_there_is():
    """Few functions are the sigmoid of a linear one."""
    xor = {"formula": "(x1 + x2) % 2", "low": 0.0, "high": 1.0, "numbers": "integer"}
    flat = {"activation": "identity", "output": "sigmoid", "loss": "bce", "normalize": "none", "n_exact": 0}
    flat["rmse_solved_median"] = None
    assert found(formula(xor, 1.0, **flat), "no_activation").change == Change("activation", "relu")
    assert "no_activation" not in named(formula(xor, 1.0, **{**flat, "activation": "tanh"}))
    few = {**flat, "activation": "tanh", "hidden": "[2]"}
    assert "too_narrow" in named(formula(xor, 0.8, **few))
    assert "too_narrow" not in named(formula(xor, 0.8, **{**few, "hidden": "[16]"}))


def test_logarithms_make_a_linear_network_one_of_other_numbers():
    """Of the logarithms of inputs least squares are known, of that of the target nothing."""
    dataset = about()
    flat = {"activation": "identity", "normalize": "log", "rmse_median": 90_000.0, "rmse_solved_median": 89_000.0}
    logs = case(dataset=dataset, **flat, normalize_target="unit", floor=85_000.0, floor_kind="linear")
    assert "of its inputs' logarithms" in found(logs, "no_activation").sentence
    assert "no_activation" not in named(case(dataset=dataset, **flat, floor=None, floor_kind="none"))


def test_spread_knots_are_the_best_of_a_parabola_and_of_little_else():
    """From its lowest point on; where they lie as badly as any, they are no remedy."""
    for units in (4, 16):
        parabola = {"formula": "x**2", "low": 0.0, "high": 9.0, "rows": 2000, "test_rows": 2000}
        dataset = NamedDataset.model_validate({"name": "d", **parabola})
        (floor,) = floors([variant(dataset, hidden=(units,))], measure_facts)
        assert floor.rows <= spread_rmse(dataset, units, is_log=False) <= 1.05 * floor.rows
    bowl = {"formula": "(x - 0.5)**2", "low": 0.0, "high": 1.0}
    known = formula(bowl, 0.03, hidden="[12]")
    (floor,) = floors(
        [variant(NamedDataset(name="d", rows=500, test_rows=200, seed=1, **bowl), hidden=(12,))], measure_facts
    )
    given = formula(bowl, 0.03, hidden="[12]", floor=floor.rows, floor_kind="relu_pieces")
    assert 4 * floor.rows < given.rmse
    assert spread_rmse(known.spec, 12, is_log=False) > given.rmse / 3
    assert found(given, "knots_misplaced").change is None
    assert spread_rmse(formula({"formula": "x1 * x2", "low": 0.0, "high": 1.0}, 0.1).spec, 12, is_log=False) is None


def test_small_errors_of_real_targets_are_told_apart_in_their_own_unit():
    """An RMSE of 0.001 is none of integers, and may be a large one of a real target."""
    before, after = [0.010, 0.011, 0.012, 0.010, 0.011], [0.001, 0.0011, 0.0012, 0.001, 0.0011]
    dataset = DatasetSpec.model_validate({"rows": 500, **SINE})
    unit = unit_of(dataset)
    assert unit == pytest.approx(0.01 * spread_of(dataset))
    assert unit_of(DatasetSpec.model_validate({"rows": 500, **STEPS})) == 1
    change = Change("epochs", 1000)
    assert compared(before, change, "", after).verdict == "same"
    assert compared(before, change, "", after, unit).verdict == "better"
