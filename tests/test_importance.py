"""Shares of variance and effects of axes against plain references: analysis of variance by hand, and least squares."""

from __future__ import annotations

import math
import random
import statistics
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.results.axis_effects import Effect, sentence
from sumsquares.jobs.results.importance import importance
from sumsquares.jobs.results.scale import limit_of
from sumsquares.jobs.results.student_t import student_t975
from sumsquares.jobs.show.format import named
from sumsquares.jobs.spec.axes import AXES, DEFAULTS

VALUES = {
    "hidden": ["[4]", "[16]", "[16, 16]"],
    "activation": ["relu", "tanh"],
    "lr": [0.001, 0.01, 0.1],
    "normalize": ["question", "zscore"],
}
LOST = 10_000.0


def row_of(point, diverged=0):
    """A row of the summary with these values, and defaults for the others."""
    return {**DEFAULTS, "hidden": "[8]", "n_diverged": diverged, **dict(zip(VALUES, point, strict=False))}


def grid_of(axes):
    """Every combination of the values of the first so many axes."""
    return list(product(*list(VALUES.values())[:axes]))


def drawn(seed, axes, seeds, share=1.0):
    """Some rows of a grid, and RMSEs that depend on everything a little."""
    draw = random.Random(seed)  # noqa: S311  no secret
    effects = {value: draw.uniform(-1, 1) for values in VALUES.values() for value in values}
    points = [point for point in grid_of(axes) if draw.random() < share] or grid_of(axes)[:1]
    draw.shuffle(points)
    rmse_VS = []
    for point in points:
        centre = sum(effects[value] for value in point) + draw.gauss(0, 0.3)
        count = seeds if share == 1 else draw.randint(1, seeds)
        rmse_VS.append([math.exp(centre + draw.gauss(0, 0.2) + 3) for _ in range(count)])
    return [row_of(point) for point in points], rmse_VS


def logs(rmse_VS):
    """The compared quantity of each seed."""
    return [[math.log(math.hypot(rmse, 0.1)) for rmse in rmse_S] for rmse_S in rmse_VS]


def by_axis(found):
    """Shares by the name of the axis."""
    return {each.axis: each.share for each in found.axes}


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_shares_of_a_full_grid_add_up_to_1(seed, axes, seeds):
    """Those of the axes, of their interactions, and of the seeds."""
    found = importance(*drawn(seed, axes, seeds), LOST)
    assert found.method == "full grid"
    assert found.shared == 0
    assert (found.seeds is None) == (seeds == 1)
    total = sum(each.share for each in found.axes) + found.interactions + (found.seeds or 0)
    assert total == pytest.approx(1)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_with_what_axes_share_the_shares_of_any_grid_add_up_to_1(seed, axes, seeds):
    """Also of a union of grids, with different numbers of seeds."""
    rows, rmse_VS = drawn(seed, axes, seeds, share=0.6)
    found = importance(rows, rmse_VS, LOST)
    total = sum(each.share for each in found.axes) + found.interactions + found.shared + (found.seeds or 0)
    assert total == pytest.approx(1 if sum(map(len, rmse_VS)) > 1 else 0)


def test_a_two_way_analysis_of_variance_by_hand():
    """Three networks and two activations, four seeds each: the sums of squares of the textbook."""
    rows, rmse_VS = drawn(1, 2, 4)
    found = importance(rows, rmse_VS, LOST)
    log = {(row["hidden"], row["activation"]): log_S for row, log_S in zip(rows, logs(rmse_VS), strict=True)}
    every = [value for log_S in log.values() for value in log_S]
    grand = statistics.fmean(every)
    total = sum((value - grand) ** 2 for value in every)
    means = [
        {
            value: statistics.fmean(x for key, log_S in log.items() if key[at] == value for x in log_S)
            for value in values
        }
        for at, values in enumerate((VALUES["hidden"], VALUES["activation"]))
    ]
    hidden = 8 * sum((mean - grand) ** 2 for mean in means[0].values())
    activation = 12 * sum((mean - grand) ** 2 for mean in means[1].values())
    both = 4 * sum((statistics.fmean(s) - means[0][h] - means[1][a] + grand) ** 2 for (h, a), s in log.items())
    error = sum((x - statistics.fmean(log_S)) ** 2 for log_S in log.values() for x in log_S)
    assert by_axis(found) == pytest.approx({"hidden": hidden / total, "activation": activation / total})
    assert (found.interactions, found.seeds) == pytest.approx((both / total, error / total))


def residual(rows, rmse_VS, axes):
    """The sum of squares that indicators of these axes leave, by least squares over the trials."""
    log_T = np.array([value for log_S in logs(rmse_VS) for value in log_S])
    trials = [row for row, rmse_S in zip(rows, rmse_VS, strict=True) for _ in rmse_S]
    columns = [[row[axis] == value for row in trials] for axis in axes for value in {row[axis] for row in rows}]
    design = np.array([[True] * len(trials), *columns], float).T
    weights, *_ = np.linalg.lstsq(design, log_T)
    return float(np.square(log_T - design @ weights).sum())


@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.6, 0.9]))
@settings(max_examples=60, deadline=None)
def test_partial_shares_are_those_of_least_squares(seed, share):
    """What an axis explains beyond all others, also where some are confounded."""
    rows, rmse_VS = drawn(seed, 4, 3, share)
    found = importance(rows, rmse_VS, LOST)
    axes = [axis for axis in AXES if len({row[axis] for row in rows}) > 1]
    total, rest = residual(rows, rmse_VS, []), residual(rows, rmse_VS, axes)
    within = sum((x - statistics.fmean(log_S)) ** 2 for log_S in logs(rmse_VS) for x in log_S)
    expected = {axis: residual(rows, rmse_VS, [other for other in axes if other != axis]) - rest for axis in axes}
    if found.method == "least squares":
        assert by_axis(found) == pytest.approx({axis: each / total for axis, each in expected.items()}, abs=1e-6)
        assert found.interactions == pytest.approx((rest - within) / total, abs=1e-6)


def test_an_axis_that_another_one_gives_away_explains_nothing_beyond_it():
    """Linear models have no activation: what both say counts as shared, and nothing fails."""
    points = [("[]", "identity"), *product(["[4]", "[16]"], ["relu", "tanh"])]
    rmse_VS = [[900.0, 901.0], [50.0, 51.0], [40.0, 42.0], [20.0, 21.0], [10.0, 11.0]]
    found = importance([row_of(point) for point in points], rmse_VS, LOST)
    assert found.method == "least squares"
    assert found.shared > 0.8
    assert all(0 < each.share < 0.2 for each in found.axes)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.6]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed, share):
    """All numbers but the last digits stay, with the values that they are about."""
    rows, rmse_VS = drawn(seed, 4, 3, share)
    order = random.Random(seed).sample(range(len(rows)), len(rows))  # noqa: S311  no secret
    found = importance(rows, rmse_VS, LOST)
    again = importance([rows[v] for v in order], [rmse_VS[v] for v in order], LOST)
    assert by_axis(again) == pytest.approx(by_axis(found), abs=1e-7)
    assert (again.interactions, again.seeds) == pytest.approx((found.interactions, found.seeds), abs=1e-7)
    effects = [{each.axis: each.effect for each in one.axes} for one in (found, again)]
    for axis, effect in effects[0].items():
        other = effects[1][axis]
        assert (effect is None) == (other is None)
        if effect and effect.pairs > 2:
            assert (effect.better, effect.worse, effect.wins) == (other.better, other.worse, other.wins)
            assert (effect.factor, effect.low) == pytest.approx((other.factor, other.low))


def test_an_axis_that_does_nothing_has_the_share_of_noise():
    """Over 200 grids of pure noise its mean share is its degrees of freedom over those of all trials."""
    draw = np.random.default_rng(0)
    rows = [row_of(point) for point in grid_of(3)]
    shares = {"hidden": [], "activation": [], "lr": []}
    for _ in range(200):
        found = importance(rows, np.exp(draw.normal(size=(len(rows), 5)) + 5).tolist(), LOST)
        for axis, share in by_axis(found).items():
            shares[axis].append(share)
    expected = {"hidden": 2 / 89, "activation": 1 / 89, "lr": 2 / 89}
    assert {axis: statistics.fmean(each) for axis, each in shares.items()} == pytest.approx(expected, rel=0.3)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.6]))
@settings(max_examples=60, deadline=None)
def test_an_effect_is_that_of_its_pairs(seed, share):
    """Its factor, interval and wins are those of all pairs that differ in nothing else, and no other two values differ
    more over theirs."""
    rows, rmse_VS = drawn(seed, 4, 3, share)
    mean = {
        tuple(row[axis] for axis in VALUES): statistics.fmean(s) for row, s in zip(rows, logs(rmse_VS), strict=True)
    }
    names = list(VALUES)
    for each in importance(rows, rmse_VS, LOST).axes:
        at, differences = names.index(each.axis), {}
        for one, other in product(mean, repeat=2):
            if one[at] != other[at] and one[:at] + one[at + 1 :] == other[:at] + other[at + 1 :]:
                differences.setdefault((one[at], other[at]), []).append(mean[other] - mean[one])
        assert (each.effect is None) == (not differences)
        if each.effect is None:
            continue
        effect, found = each.effect, differences[each.effect.better, each.effect.worse]
        assert effect.factor == pytest.approx(math.exp(statistics.fmean(found)))
        assert (effect.pairs, effect.wins) == (len(found), sum(value > 0 for value in found))
        assert effect.is_always == all(value > 0 for value in found)
        weighed = {pair: sum(values) / math.sqrt(len(values)) for pair, values in differences.items()}
        assert weighed[effect.better, effect.worse] == pytest.approx(max(weighed.values()))
        if len(found) == 1:
            assert (effect.low, effect.high) == (None, None)
        else:
            half = student_t975(np.array([len(found) - 1]))[0] * statistics.stdev(found) / math.sqrt(len(found))
            assert (effect.low, effect.high) == pytest.approx(
                (effect.factor / math.exp(half), effect.factor * math.exp(half))
            )


def test_of_many_values_the_best_and_the_worst_are_found():
    """Of 60 learning rates, each better than the one before."""
    rows = [{**row_of(()), "lr": 0.1 / 2**k, "epochs": epochs} for k in range(60) for epochs in (1, 2)]
    rmse_VS = [[1e9 / 1.2**k * (1 + row["epochs"] / 100)] for row, k in zip(rows, np.repeat(range(60), 2), strict=True)]
    effect = next(each.effect for each in importance(rows, rmse_VS, LOST).axes if each.axis == "lr")
    assert (effect.better, effect.worse, effect.pairs) == (0.1 / 2**59, 0.1, 2)


def test_twins_are_found_among_more_combinations_than_int64_counts():
    """Each of 60 variants differs from all others in every axis but from its twin in the learning rate alone."""
    others = [axis for axis in AXES if axis != "lr"]
    assert 60 ** len(others) > 2**63
    rows = [
        {**dict.fromkeys(others, k), "lr": lr, "n_diverged": 0}
        for k in np.random.default_rng(0).permutation(60)
        for lr in (1.0, 2.0)
    ]
    found = importance(rows, [[50.0], [100.0]] * 60, LOST)
    effects = {each.axis: each.effect for each in found.axes}
    assert (effects["lr"].better, effects["lr"].pairs, effects["lr"].wins) == (1.0, 60, 60)
    assert all(effects[axis] is None for axis in others)


def test_a_diverged_seed_counts_at_the_rmse_of_a_lost_one():
    """As if it had that RMSE; variants without any result are left out."""
    points = grid_of(2)
    rmse_VS = [[10.0 + k, 20.0] for k in range(len(points))]
    rows = [row_of(point) for point in points]
    expected = importance(rows, [[*rmse_VS[0], LOST], *([*each, 5.0] for each in rmse_VS[1:])], LOST)
    lost = [row_of(points[0], diverged=1), *rows[1:], row_of(("[64]", "relu"))]
    found = importance(lost, [rmse_VS[0], *([*each, 5.0] for each in rmse_VS[1:]), []], LOST)
    assert by_axis(found) == pytest.approx(by_axis(expected))
    assert found.seeds == pytest.approx(expected.seeds)


def test_from_ten_times_the_largest_target_on_a_trial_counts_as_diverged():
    """It may be any of int64; where all targets are 0 it is as if it were 1."""
    assert [limit_of(largest) for largest in (0, 3, 2**63 - 1)] == [10.0, 30.0, 10 * 2.0**63]


def test_where_nothing_varies_nothing_is_explained():
    """No rows, one variant, or the same RMSE everywhere."""
    assert importance([], [], LOST).axes == ()
    one = importance([row_of(())], [[3.0]], LOST)
    assert (one.axes, one.interactions, one.seeds) == ((), 0.0, None)
    same = importance([row_of(point) for point in grid_of(2)], [[7.0, 7.0]] * 6, LOST)
    assert {*by_axis(same).values(), same.interactions, same.seeds} == {0.0}


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (
            Effect("normalize", "zscore", "question", 4.98, 12, 12, 3.1, 8.0),
            "with zscore the error is about 5 times smaller than with question (12 pairs, 95% interval 3.1 to 8.0)",
        ),
        (
            Effect("lr", 2.0, 1.0, 3.0, 3, 2, 0.4, 9.1),
            "with lr 2 the error is about 3 times smaller than with lr 1 (3 pairs, 95% interval 0.4 to 9.1, less in 2)",
        ),
        (
            Effect("activation", "relu", "tanh", 1.01, 1, 1, None, None),
            "with relu the error is about the same as with tanh (1 pair)",
        ),
    ],
)
def test_an_effect_is_a_sentence(effect, expected):
    """With both values, the factor, and what it rests on."""
    assert sentence(effect, named) == expected
