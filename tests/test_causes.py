"""Causes: each is named for a variant that shows it and for none that doesn't, and says what was measured."""

from __future__ import annotations

import math
import re
import tomllib
from itertools import product

import pytest

from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.results.causes import CAUSES, NAMES, Case, Change, cases, causes_of
from sumsquares.jobs.spec.axes import DEFAULTS

SQUARES = DatasetSpec(task="square", largest=1000, rows=1000, test_rows=1000, seed=1)
FACTS = {
    "measured_rows": 1000,
    "unseen_rows": 357,
    "unseen_numbers": 357,
    "distinct": 630,
    "covers_range": False,
    "constant": False,
    "largest_target": 999_000,
    "linear_rmse": 72_948.0,
    "linear_exact": False,
}
HEALTHY = {
    **DEFAULTS,
    "variant_id": "ours",
    "hidden": "[64]",
    "activation": "relu",
    "normalize": "symmetric",
    "n": 5,
    "n_diverged": 0,
    "n_exact": 0,
    "rmse_median": 300.0,
    "rmse_solved_median": 290.0,
    "rmse_train_median": 290.0,
    "rmse_unseen_median": 310.0,
    "rmse_extrapolation_median": None,
    "dead_share_median": 0.1,
    "saturated_share_median": None,
    "loss_slope_median": -0.1,
    "loss_rise_median": 0.1,
    "floor": 150.0,
    "floor_kind": "relu_pieces",
    "exact_everywhere": None,
}
SEEDS = (280.0, 290.0, 300.0, 310.0, 330.0)
SHOWS = {
    "no_activation": {"activation": "identity", "rmse_median": 73_000.0, "rmse_solved_median": 72_960.0},
    "readout_not_trained": {
        "rmse_solved_median": 0.0002,
        "activation": "tanh",
        "dead_share_median": None,
        "floor": None,
    },
    "too_few_steps": {
        "loss_slope_median": -1.8,
        "loss_rise_median": 0.0,
        "rmse_median": 20_000.0,
        "rmse_solved_median": 19_000.0,
    },
    "lr_too_high": {"lr": 0.3, "rmse_median": 100_000.0, "rmse_solved_median": 90_000.0, "loss_rise_median": 2.0},
    "lr_too_low": {"lr": 1e-5, "rmse_median": 100_000.0, "rmse_solved_median": 90_000.0},
    "dead_units": {"dead_share_median": 1.0, "rmse_median": 298_000.0, "rmse_solved_median": 298_000.0},
    "saturated": {"saturated_share_median": 0.75, "activation": "tanh", "dead_share_median": None, "lr": 0.3},
    "inputs_not_scaled": {"normalize": "question", "rmse_median": 9_000.0, "rmse_solved_median": 8_000.0},
    "too_narrow": {"rmse_median": 200.0, "rmse_solved_median": 190.0},
    "knots_misplaced": {"floor": 20.0},
    "memorised": {"rmse_unseen_median": 4_000.0, "rmse_train_median": 120.0},
}
"""What a row has to show, by the cause, the decisive column first; what isn't given is as in a healthy one."""


def about(dataset=SQUARES, **facts):
    """The summary's entry of a dataset."""
    return {**dataset.model_dump(), "digest": "", "facts": {**FACTS, **facts}}


def case(seeds=SEEDS, dataset=None, neighbours=None, **changes):
    """A case that is healthy but for the changes."""
    return Case({**HEALTHY, **changes}, dataset or about(), seeds, neighbours or {})


def named(given):
    """The names of a case's causes."""
    return [cause.name for cause in causes_of(given)]


def found(given, name):
    """The cause of that name."""
    (cause,) = [cause for cause in causes_of(given) if cause.name == name]
    return cause


def test_a_healthy_variant_has_no_cause_that_is_known():
    """It is neither at its floor nor solved, and nothing is seen that would mend it."""
    assert named(case()) == ["unknown"]
    assert named(case(n=0, rmse_median=None)) == ["unknown"]


@pytest.mark.parametrize("name", SHOWS)
def test_a_cause_is_named_where_it_shows(name):
    """And it isn't, if the decisive column is as in a healthy row."""
    assert name in named(case(**SHOWS[name]))
    decisive = next(iter(SHOWS[name]))
    assert name not in named(case(**{**SHOWS[name], decisive: HEALTHY[decisive]}))


def test_unused_inputs_and_targets_that_vary_little_are_seen_in_the_dataset():
    """The same row is healthy on another dataset."""
    unused = about(SQUARES.model_copy(update={"unused": 4}))
    gap = {"rmse_train_median": 200.0, "rmse_unseen_median": 300.0}
    assert "unused_input" in named(case(dataset=unused, **gap))
    assert "unused_input" not in named(case(**gap))
    many = DatasetSpec(task="product", n_numbers=6, largest=20, rows=1000)
    far = {"normalize": "unit", "rmse_median": 4e6, "rmse_solved_median": 4e6, "floor": None}
    assert "target_not_scaled" in named(case(dataset=about(many), **far))
    assert "target_not_scaled" not in named(case(dataset=about(many), **{**far, "normalize": "zscore"}))


def test_knots_that_start_at_the_end_of_the_range_are_misplaced():
    """That needs inputs from 0 on, biases that start at 0, and a last layer that can't do better."""
    at_end = {"normalize": "unit", "floor_kind": "bound", "rmse_median": 20_000.0, "rmse_solved_median": 19_000.0}
    assert named(case(**at_end)) == ["knots_misplaced"]
    for change in ({"normalize": "symmetric"}, {"init": "pytorch"}, {"rmse_solved_median": 900.0}):
        assert "knots_misplaced" not in named(case(**{**at_end, **change}))
    assert "knots_misplaced" not in named(case(dataset=about(linear_exact=True), **at_end))


def test_the_best_last_layer_puts_the_blame_on_what_is_before_it():
    """Smooth units are too few, or are spent on unused inputs; that the loss still fell says nothing."""
    best = {"readout": "solved", "activation": "tanh", "dead_share_median": None, "floor": None}
    falls = {"loss_slope_median": -3.0, "loss_rise_median": 0.0, "rmse_median": 20_000.0}
    assert named(case(**best, **falls)) == ["too_narrow"]
    unused = about(SQUARES.model_copy(update={"unused": 1}))
    assert named(case(dataset=unused, **best, **falls)) == ["too_narrow", "unused_input"]


def test_seeds_that_fall_into_two_groups_are_luck():
    """A wide but even spread is none, and neither is it where most seeds are in the better group."""
    assert "seed_luck" in named(case(seeds=(1.0, 1.1, 290.0, 300.0, 310.0)))
    assert found(case(seeds=(1.0, 290.0, 300.0)), "seed_luck").sentence == (
        "1 of 3 seeds has an RMSE of 1, the others of at least 290."
    )
    assert "seed_luck" not in named(case(seeds=(100.0, 190.0, 300.0, 500.0, 900.0)))
    assert "seed_luck" not in named(case(seeds=(1.0, 1.1, 1.2, 1.3, 310.0)))


def test_a_solved_variant_has_no_fault_but_may_fail_beyond_the_range():
    """It needs test rows that were not trained, or every number of the range."""
    exact = {"n_exact": 5, "rmse_median": 0.01, "rmse_solved_median": 1e-6, "loss_slope_median": -3.0}
    assert named(case(**exact)) == ["solved"]
    assert named(case(**exact, rmse_extrapolation_median=1e6)) == ["solved", "outside_range"]
    seen = about(unseen_numbers=0)
    assert "solved" not in named(case(dataset=seen, **exact))
    assert named(case(dataset=about(unseen_numbers=0, covers_range=True), **exact)) == ["solved"]
    assert named(case(dataset=seen, **exact, exact_everywhere=1.0)) == ["solved"]
    assert "solved" not in named(case(**{**exact, "n_exact": 2}))
    assert causes_of(case(**exact))[0].change is None


def test_what_holds_inside_the_range_alone_is_said_where_it_is_good_inside():
    """A bad answer inside isn't blamed on the range."""
    beyond = {"rmse_extrapolation_median": 1.2e6}
    assert named(case(**beyond)) == ["outside_range"]
    assert "outside_range" not in named(case(**beyond, rmse_median=100_000.0))
    assert "outside_range" not in named(case(rmse_extrapolation_median=900.0))
    assert str(found(case(**beyond), "outside_range").change) == 'activation = "square"'


def test_a_variant_of_which_all_trials_diverged_learns_too_fast():
    """The remedy is a rate that is usual for the optimizer, and a tenth at most."""
    lost = case((), n=0, n_diverged=5, optimizer="sgd", lr=100.0, rmse_median=None, rmse_solved_median=None)
    assert named(lost) == ["lr_too_high"]
    assert found(lost, "lr_too_high").change == Change("lr", 0.1)
    assert found(lost, "lr_too_high").sentence.startswith("All 5 trials diverged, at a learning rate of 100 with sgd")
    alone = case((), n=0, n_diverged=1, lr=0.001, rmse_median=None, rmse_solved_median=None)
    assert found(alone, "lr_too_high").sentence.startswith("The only trial diverged, at")
    assert found(alone, "lr_too_high").change == Change("lr", 0.0001)
    lower = {**lost.row, "lr": 1.0}
    settled = {**lower, "n": 5, "n_diverged": 0, "rmse_median": 50.0}
    assert found(Case(lost.row, lost.about, (), {"lr": [settled]}), "lr_too_high").change == Change("lr", 1.0)


def test_where_all_lower_rates_of_the_grid_diverged_as_well_a_still_lower_one_is_named():
    """That all trials diverged is never of unknown cause."""
    columns = {"n": 0, "n_diverged": 5, "optimizer": "sgd", "rmse_median": None, "rmse_solved_median": None}
    near = [{**HEALTHY, **columns, "lr": rate} for rate in (3.0, 0.3)]
    assert found(case((), **columns, lr=30.0, neighbours={"lr": near}), "lr_too_high").change == Change("lr", 0.03)


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.1), ("sgd", 0.03), ("adamw", 3.0)])
def test_a_weight_decay_that_is_too_high_is_one_where_the_answer_is_far_off(optimizer, decay):
    """That of adamw is multiplied by the learning rate, so it may be larger."""
    far = {"optimizer": optimizer, "weight_decay": decay, "rmse_median": 90_000.0, "rmse_solved_median": 80_000.0}
    assert found(case(**far), "weight_decay_too_high").change == Change("weight_decay", 0.0)
    assert "weight_decay_too_high" not in named(case(**{**far, "rmse_median": 9_000.0}))
    assert "weight_decay_too_high" not in named(case(**{**far, "weight_decay": decay / 100}))
    # An answer that is farther off than the weight decay explains has another cause.
    least = 1.0 if optimizer == "adamw" else 0.01
    assert "weight_decay_too_high" not in named(case(**{**far, "weight_decay": least, "rmse_median": 298_000.0}))
    worse = {**HEALTHY, **far, "weight_decay": 0.0, "rmse_median": 95_000.0}
    assert "weight_decay_too_high" not in named(case(**far, neighbours={"weight_decay": [worse]}))


def test_knots_are_not_blamed_for_what_they_cannot_explain():
    """Where all units are dead, their places don't matter."""
    dead = {"floor": 20.0, "rmse_median": 298_000.0, "rmse_solved_median": 298_000.0, "dead_share_median": 1.0}
    assert named(case(**dead)) == ["dead_units"]


def test_a_learning_rate_that_kills_or_saturates_units_is_the_cause_that_comes_first():
    """And the change of what follows from it is the rate, too."""
    bad = {"lr": 1.0, "rmse_median": 298_000.0, "rmse_solved_median": 298_000.0}
    for column in ("dead_share_median", "saturated_share_median"):
        first, second = causes_of(case(**bad, **{column: 1.0}))
        assert first.name == "lr_too_high"
        assert first.change == second.change == Change("lr", 0.01)


def test_the_last_layer_is_not_blamed_for_what_holds_it_or_lies_before_it():
    """Weight decay holds it away from the least error; where the best one gives a constant, the others are at fault."""
    free = {"rmse_median": 90_000.0, "rmse_solved_median": 20.0, "floor": None}
    assert named(case(**free))[0] == "readout_not_trained"
    assert named(case(**free, weight_decay=0.1)) == ["weight_decay_too_high"]
    assert "readout_not_trained" not in named(case(**{**free, "rmse_median": 9e6, "rmse_solved_median": 298_000.0}))


def test_what_was_learnt_by_heart_is_not_blamed_on_knots_or_dead_units():
    """No change of the units makes up for rows that are missing."""
    heart = {"rmse_median": 90_000.0, "rmse_train_median": 300.0, "rmse_unseen_median": 91_000.0, "floor": 9.0}
    assert named(case(**heart, rmse_solved_median=80_000.0))[:2] == ["memorised", "knots_misplaced"]
    assert named(case(**heart, rmse_solved_median=89_000.0, dead_share_median=1.0))[0] == "memorised"


def test_more_units_are_not_named_where_unused_inputs_are_fitted():
    """They would fit them all the more."""
    unused = about(SQUARES.model_copy(update={"unused": 4}))
    fitted = {"activation": "tanh", "readout": "solved", "rmse_train_median": 200.0, "rmse_unseen_median": 300.0}
    assert named(case(dataset=unused, **fitted, floor=None)) == ["unused_input"]


def test_after_a_handful_of_steps_the_remedy_is_many_more():
    """Four times as many would still be a handful."""
    few = case(epochs=2, batch_size=1000, rmse_median=200_000.0, rmse_solved_median=190_000.0, floor=None)
    assert found(few, "too_few_steps").change == Change("epochs", 500)
    assert found(case(**SHOWS["too_few_steps"]), "too_few_steps").change == Change("epochs", 2000)


def test_an_answer_that_is_worse_than_a_constant_is_blamed_on_the_learning_rate():
    """The further off it is, the more."""
    wild = {"n": 4, "n_diverged": 1, "lr": 0.03, "rmse_solved_median": 90_000.0, "floor": None}
    assert named(case(**wild, rmse_median=9e6))[0] == "lr_too_high"
    assert named(case(**wild, rmse_median=300_000.0 * 3))[0] == "lr_too_high"


def test_few_units_are_not_blamed_where_one_would_suffice():
    """A linear function needs but one, so that the units are at fault and not their number."""
    few = {"hidden": "[4]", "rmse_median": 90_000.0, "rmse_solved_median": 80_000.0, "floor": None}
    assert "too_narrow" in named(case(**few))
    assert "too_narrow" not in named(case(**few, dataset=about(linear_exact=True, linear_rmse=0.0)))


def test_where_most_trials_diverged_the_learning_rate_comes_first():
    """Whatever would help the others."""
    some = {"rmse_median": 90_000.0, "rmse_solved_median": 20.0, "floor": None}
    assert named(case(**some, n=2, n_diverged=3))[0] == "lr_too_high"
    assert named(case(**some, n=4, n_diverged=1))[0] == "readout_not_trained"


def test_beyond_the_range_one_layer_of_squares_is_named():
    """More than one makes a polynomial of a higher degree, which is worse there."""
    for hidden, activation, expected in (
        ("[8, 16]", "relu", 'activation = "square", hidden = [[16]]'),
        ("[8, 16]", "square", "hidden = [[16]]"),
        ("[8]", "relu", 'activation = "square"'),
    ):
        far = case(hidden=hidden, activation=activation, rmse_extrapolation_median=1.2e6)
        assert str(found(far, "outside_range").change) == expected


def test_what_was_learnt_by_heart_is_not_blamed_on_the_scale_of_the_target():
    """More rows come before another scale."""
    many = about(DatasetSpec(task="sum", n_numbers=16, largest=100, rows=50), linear_exact=True, linear_rmse=0.0)
    heart = {"rmse_median": 9.0, "rmse_train_median": 3.0, "rmse_unseen_median": 9.0, "rmse_solved_median": 8.0}
    assert named(case(**heart, normalize="unit", dataset=many, floor=None))[:2] == ["memorised", "target_not_scaled"]


@pytest.mark.parametrize(
    ("name", "axis", "ours", "theirs"),
    [
        ("too_few_steps", "epochs", 500, 2000),
        ("lr_too_high", "lr", 0.3, 0.01),
        ("lr_too_low", "lr", 1e-5, 0.001),
        ("too_narrow", "hidden", "[64]", "[128]"),
        ("no_activation", "activation", "identity", "gelu"),
        ("inputs_not_scaled", "normalize", "question", "zscore"),
        ("knots_misplaced", "init", "glorot_uniform", "spread_knots"),
    ],
)
def test_a_neighbour_in_the_grid_decides(name, axis, ours, theirs):
    """If the variant with the change is better, its value is the remedy; if not, the cause isn't named."""
    row = {**SHOWS[name], axis: ours}
    better = {**HEALTHY, **row, axis: theirs, "rmse_median": 10.0}
    cause = found(case(**row, neighbours={axis: [better]}), name)
    assert cause.gain == {**HEALTHY, **row}["rmse_median"] / 10
    assert cause.change == Change(axis, (128,) if axis == "hidden" else theirs)
    assert "10" in cause.sentence
    worse = case(**row, neighbours={axis: [{**better, "rmse_median": 1e6}]})
    # That a linear network is at its limit is true, whatever an activation alone gains.
    assert (name in named(worse)) == (name == "no_activation")
    assert str(found(worse, name).change if name in named(worse) else None) == "None"


def test_a_neighbour_of_which_trials_diverged_decides_nothing():
    """Its median is that of the others alone."""
    better = {**HEALTHY, "epochs": 2000, "rmse_median": 10.0}
    assert named(case(neighbours={"epochs": [better]})) == ["too_few_steps"]
    assert named(case(neighbours={"epochs": [{**better, "n": 3, "n_diverged": 2}]})) == ["unknown"]
    assert named(case(neighbours={"epochs": [{**better, "n": 0}]})) == ["unknown"]


def test_a_neighbour_with_another_scale_or_output_decides():
    """Also where nothing is wrong with the size of the inputs, or with what the output reaches."""
    better = {**HEALTHY, "rmse_median": 100.0}
    logs = found(case(neighbours={"normalize": [{**better, "normalize": "log"}]}), "inputs_not_scaled")
    assert (logs.change, logs.gain) == (Change("normalize", "log"), 3.0)
    target = found(case(neighbours={"normalize_target": [{**better, "normalize_target": "log"}]}), "target_not_scaled")
    assert target.change == Change("normalize_target", "log")
    tanh = {"output": "tanh", "floor": None}
    assert named(case(**tanh)) == ["unknown"]
    linear = found(case(**tanh, neighbours={"output": [{**better, "output": "linear"}]}), "output_cannot_reach")
    assert linear.change == Change("output", "linear")


def test_an_unknown_cause_names_the_best_variant_that_differs_in_one_axis():
    """If that is far better; whatever the axis is."""
    good, best = ({**HEALTHY, "rmse_median": rmse} for rmse in (150.0, 100.0))
    neighbours = {"schedule": [{**good, "schedule": "cosine"}], "optimizer": [{**best, "optimizer": "rmsprop"}]}
    (cause,) = causes_of(case(neighbours=neighbours))
    assert (cause.name, cause.change, cause.gain) == ("unknown", Change("optimizer", "rmsprop"), 3.0)
    assert 'With optimizer = "rmsprop" and everything else equal the RMSE is 100.' in cause.sentence
    (cause,) = causes_of(case(neighbours={"schedule": [{**good, "schedule": "cosine", "rmse_median": 250.0}]}))
    assert (cause.name, cause.change) == ("unknown", None)


def every_case():
    """Many cases, of which each shows several causes at once."""
    for one, other in product(SHOWS, repeat=2):
        yield case(**{**SHOWS[one], **SHOWS[other]})
    yield case(seeds=(1.0, 1.1, 290.0, 300.0, 310.0), rmse_extrapolation_median=1e6)
    yield case((), n=0, n_diverged=5, rmse_median=None)
    yield case(hidden="[]", activation="identity", rmse_median=73_000.0)


def test_the_cause_whose_remedy_gains_most_is_first():
    """There is always one, each has a name of the list, and none is named twice."""
    for given in every_case():
        causes = causes_of(given)
        gains = [cause.gain for cause in causes]
        assert gains == sorted(gains, reverse=True)
        assert len({cause.name for cause in causes}) == len(causes) > 0
        assert {cause.name for cause in causes} <= set(NAMES)


def test_a_change_is_written_as_a_spec_writes_it():
    """It is TOML with the same value, where a list of networks holds the network."""
    for cause in (cause for given in every_case() for cause in causes_of(given) if cause.change):
        change = cause.change
        written = tomllib.loads("\n".join(re.split(r", (?=\w+ =)", str(change))))
        assert written[change.field] == ([list(change.value)] if change.field == "hidden" else change.value)
        assert change.also is None or written[change.also.field] == change.also.value
    assert str(Change("epochs", 2000)) == "epochs = 2_000"
    assert str(Change("hidden", (64, 64))) == "hidden = [[64, 64]]"
    assert str(Change("hidden", (16,), Change("activation", "relu"))) == 'hidden = [[16]], activation = "relu"'


def test_sentences_hold_their_evidence():
    """Every number of the evidence that is one of the row's is in the sentence, and sentences end as such."""
    for cause in (cause for given in every_case() for cause in causes_of(given)):
        assert cause.sentence.endswith(".")
        assert cause.sentence[0].isupper() or cause.sentence[0].isdigit()
        for name in ("rmse", "rmse_solved", "rmse_train", "rmse_extrapolation"):
            if name in cause.evidence:
                digits = (
                    f"{cause.evidence[name]:.4g}" if cause.evidence[name] < 1000 else f"{cause.evidence[name]:,.0f}"
                )
                assert digits in cause.sentence
        assert all(math.isfinite(value) for value in cause.evidence.values())


def test_every_name_is_one_of_the_design():
    """In its order."""
    design = (
        "no_activation, readout_not_trained, too_few_steps, lr_too_high, lr_too_low, weight_decay_too_high, "
        "dead_units, saturated, inputs_not_scaled, target_not_scaled, too_narrow, knots_misplaced, memorised, "
        "unused_input, output_cannot_reach, seed_luck, outside_range, at_noise, solved, unknown"
    )
    assert list(NAMES) == design.split(", ")
    assert len(CAUSES) == len(NAMES) - 1


@pytest.mark.parametrize("kind", ["question", "unit", "symmetric", "zscore"])
def test_the_spread_of_normalised_columns_is_that_of_the_rows(kind):
    """In closed form, for every task."""
    for task, n_numbers in (("sum", 3), ("product", 2), ("square", 1), ("sum_of_squares", 2)):
        spec = DatasetSpec(task=task, n_numbers=n_numbers, largest=50, rows=20_000)
        given = Case({**HEALTHY, "normalize": kind}, about(spec), (), {})
        inputs, target = block(spec, "train", 0)
        scale = normalization(spec, kind)
        x, y = scale.inputs(inputs, "float64"), scale.target(target, "float64")
        for column, values in ((given.scale.narrowest, x), (given.scale.target, y)):
            assert (column.low, column.high) == pytest.approx((values.min(), values.max()), rel=0.1, abs=0.1)
            assert column.std == pytest.approx(values.std(), rel=0.05, abs=0.02)
        assert given.spread == pytest.approx(target.std(), rel=0.05)


def test_neighbours_are_the_variants_that_differ_in_one_axis_alone():
    """The best ones first, compared with a search over all pairs."""
    grid = product((0.001, 0.01, 0.1), ("relu", "tanh"), ("[8]", "[16]"))
    rows = [
        {**HEALTHY, "variant_id": str(i), "lr": lr, "activation": act, "hidden": hidden, "rmse_median": 7.0 * i % 11}
        for i, (lr, act, hidden) in enumerate(grid)
    ]
    for given in cases(rows, about(), {"3": [2.0, 1.0]}):
        assert given.rmse_S == ((1.0, 2.0) if given.row["variant_id"] == "3" else ())
        for axis in ("lr", "activation", "hidden"):
            others = [row for row in rows if all(row[a] == given.row[a] for a in DEFAULTS if a != axis)]
            expected = sorted((row for row in others if row is not given.row), key=lambda row: row["rmse_median"])
            assert list(given.neighbours[axis]) == expected
        assert not given.neighbours.get("epochs")
