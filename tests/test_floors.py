"""No network gets below its floor, and floors are what exact and exhaustive references find."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from result_rows import SQUARES, SUMS, variant
from typer.testing import CliRunner

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.results import pieces as pieces_module
from sumsquares.jobs.results.floors import floors
from sumsquares.jobs.results.pieces import ROUNDING, Points, errors
from sumsquares.jobs.results.range_floors import (
    line_on_squares,
    linear_on_range,
    pieces_on_range,
    units_on_range,
)

SPREAD = """
name = "spread"
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 10_000
test_rows = 10_000
[train]
epochs = 1
[[grid]]
dataset = "squares"
hidden = [[4], [16]]
activation = "relu"
init = "spread_knots"
readout = "solved"
seeds = 3
"""
TASKS = ("sum", "product", "square", "sum_of_squares")


def points_of(x, y, weights=None):
    """Points with weights, 1 each by default."""
    weights = [1] * len(x) if weights is None else weights
    return Points(np.array(x, np.int64), np.array(y, np.int64), np.array(weights, float))


def squares_of(numbers):
    """The points of the squares of these numbers, ascending and distinct."""
    x_N = np.unique(np.asarray(numbers, np.int64))
    return Points(x_N, x_N * x_N, np.ones(len(x_N)))


def drawn(seed, count, largest=40):
    """Random points with random weights, on any curve."""
    draw = np.random.default_rng(seed)
    x = np.sort(draw.choice(np.arange(-largest, largest), count, replace=False))
    return points_of(x, draw.integers(-1000, 1000, count), draw.integers(1, 5, count))


def convex(seed, count):
    """Random convex points: a random sum of bends, falling, rising or both."""
    draw = np.random.default_rng(seed)
    x = np.sort(draw.choice(40, count, replace=False))
    slopes = draw.integers(-300, 100) + np.cumsum(draw.integers(0, 80, count - 1))
    y = np.append(0, np.cumsum(np.diff(x) * slopes))
    return points_of(x, y, draw.integers(1, 5, count))


def exact_line(points, first, last):
    """The squared error of the best line through points first..last, in fractions."""
    rows = [
        (Fraction(int(w)), int(x), int(y))
        for x, y, w in zip(*(each[first : last + 1] for each in (points.x_N, points.y_N, points.weight_N)), strict=True)
    ]
    total = sum(w for w, _, _ in rows)
    mean_x, mean_y = (sum(row[0] * row[at] for row in rows) / total for at in (1, 2))
    sxx = sum(w * (x - mean_x) ** 2 for w, x, _ in rows)
    sxy = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in rows)
    return sum(w * (y - mean_y) ** 2 for w, _, y in rows) - (sxy * sxy / sxx if sxx else 0)


def exact_pieces(points, most):
    """The least squared errors of 1..most lines, in fractions, by the plain dynamic program."""
    count = len(points.x_N)
    cost = {(i, j): exact_line(points, i, j) for j in range(count) for i in range(j + 1)}
    best = [[cost[0, j] for j in range(count)]]
    for _ in range(most - 1):
        before = best[-1]
        best.append([min([before[j], *(before[i] + cost[i + 1, j] for i in range(j))]) for j in range(count)])
    return [layer[-1] for layer in best]


def least_squares(columns_NK, points):
    """The weighted squared error of the best combination of columns."""
    root_N = np.sqrt(points.weight_N)
    target_N = root_N * points.y_N
    weights_K, *_ = np.linalg.lstsq(columns_NK * root_N[:, None], target_N)
    return float(np.square(columns_NK * root_N[:, None] @ weights_K - target_N).sum())


@given(st.integers(0, 10**6), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_pieces_are_the_best_of_all_ways_to_cut_the_points(seed, count):
    """Their errors are those of the plain dynamic program in fractions, for any weights and gaps."""
    points = drawn(seed, count)
    found, exact = errors(points, 6), exact_pieces(points, 6)
    for k in range(1, 7):
        assert found.of_pieces(k) <= exact[k - 1]
        assert found.of_pieces(k) == pytest.approx(float(exact[k - 1]), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("count", "largest"), [(20, 10**3), (20, 10**6), (20, 10**9), (30, 3 * 10**9)])
def test_rounding_never_lifts_a_bound_above_the_exact_error(count, largest):
    """With targets up to 9e18 the errors stay below those in fractions, by less than twice what is taken off."""
    points = squares_of(np.random.default_rng(largest).integers(1, largest, count))
    spread = float(points.y_N.max() - points.y_N.min())
    slack = 2 * ROUNDING * spread * math.sqrt(len(points.x_N))
    found, exact = errors(points, 6), exact_pieces(points, 6)
    for k in range(1, 7):
        assert Fraction(found.of_pieces(k)) <= exact[k - 1]
        assert math.sqrt(found.of_pieces(k)) >= math.sqrt(exact[k - 1]) - slack


def test_long_pieces_are_as_accurate_as_short_ones():
    """A line through 700 numbers up to a million has the error of exact arithmetic to 1e-11, and not more."""
    points = squares_of(np.random.default_rng(1).choice(10**6, 700, replace=False))
    exact = exact_line(points, 0, len(points.x_N) - 1)
    assert Fraction(errors(points, 1).of_pieces(1)) <= exact
    assert errors(points, 1).of_pieces(1) == pytest.approx(float(exact), rel=1e-11)


@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
@settings(max_examples=25, deadline=None)
def test_no_layer_of_relu_units_gets_below_its_floor(seed, units):
    """Of 8 convex points, with knots at and between all points, any facing, and the best weights."""
    points = convex(seed, 8)
    assert points.is_convex
    floor = errors(points, units + 1).of_units(units)
    knots = np.unique(np.concatenate([points.x_N[:-1] + share * np.diff(points.x_N) for share in (0, 0.25, 0.5, 0.75)]))
    best = math.inf
    for chosen in combinations(knots, units):
        for facing in product((1, -1), repeat=units):
            bends = [np.maximum(0, side * (points.x_N - knot)) for knot, side in zip(chosen, facing, strict=True)]
            best = min(best, least_squares(np.column_stack([np.ones(8), *bends]), points))
    assert floor <= best * (1 + 1e-9) + 1e-6


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]))
@settings(max_examples=40, deadline=None)
def test_no_layer_gets_below_its_floor_on_points_of_any_shape(seed, units):
    """Random units with the best weights, on points that are not convex."""
    points = drawn(seed, 12)
    draw = np.random.default_rng(seed)
    floor = errors(points, units + 1).of_units(units)
    for _ in range(20):
        sides, knots = draw.choice([-1, 1], units), draw.uniform(-45, 45, units)
        bends_NK = np.maximum(0, sides * (points.x_N[:, None] - knots))
        assert floor <= least_squares(np.column_stack([np.ones(12), bends_NK]), points) * (1 + 1e-9)


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_what_a_layer_answers_exactly_has_a_floor_of_0(seed, units):
    """Points on a random layer of that many units: convex, concave or neither."""
    draw = np.random.default_rng(seed)
    sides, knots, heights = draw.choice([-1, 1], units), draw.integers(0, 40, units), draw.integers(-9, 10, units)
    x_N = np.arange(40)
    points = points_of(x_N, np.maximum(0, sides * (x_N[:, None] - knots)) @ heights)
    assert errors(points, units + 1).of_units(units) == 0


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_floor_of_units_is_the_same_in_a_mirror(seed, units):
    """Left and right are alike."""
    points = convex(seed, 12)
    floor, mirrored = errors(points, 4).of_units(units), errors(points.mirrored, 4).of_units(units)
    assert mirrored == pytest.approx(floor, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("units", [1, 2, 4, 16, 40])
def test_the_floor_on_a_range_is_that_of_the_dynamic_program_on_all_its_integers(units):
    """The closed forms, with and without the flat piece, for ranges that don't divide evenly."""
    for largest in (3, 17, 100, 333):
        found = errors(squares_of(range(1, largest + 1)), units + 1)
        assert found.of_units(units) == pytest.approx(float(units_on_range(units, largest)), rel=1e-9, abs=1e-6)
        assert found.of_pieces(units) == pytest.approx(float(pieces_on_range(units, largest)), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("units", [1, 4, 16, 64, 16_384])
def test_on_a_long_range_the_floor_is_that_of_the_continuous_square(units):
    """L^2 / (6 sqrt 5 (H + 1/2)^2) for L = 2^31 - 1, where the integers are dense."""
    largest = 2**31 - 1
    expected = largest**2 / (6 * math.sqrt(5) * (units + 0.5) ** 2)
    assert math.sqrt(units_on_range(units, largest) / largest) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("units", [1, 4, 16, 64])
def test_knots_that_are_spread_evenly_reach_the_floor_of_the_square(units):
    """Units whose knots divide 1..1000, the first half as far away, are within 1 % of it with the best readout."""
    points = squares_of(range(1, 1001))
    knots = (np.arange(units) + 0.5) / (units + 0.5) * 1000
    bends_NK = np.maximum(0, points.x_N[:, None] - knots) / 1000
    best = least_squares(np.column_stack([np.ones(1000), bends_NK]), points)
    floor = float(units_on_range(units, 1000))
    assert floor <= best <= floor * 1.01**2


def test_subsets_give_a_lower_bound_that_is_close(monkeypatch):
    """Split into four, 400 numbers have errors that are at most those of the whole, and near 1 - 5 / m^2 of them."""
    points = squares_of(np.random.default_rng(0).choice(10**5, 400, replace=False))
    whole = errors(points, 20)
    monkeypatch.setattr(pieces_module, "SUBSET", 100)
    split = errors(points, 20)
    for k in (1, 2, 5, 10, 20):
        for ours, exact in ((split.of_pieces(k), whole.of_pieces(k)), (split.of_units(k), whole.of_units(k))):
            assert ours <= exact
            assert ours >= exact * (1 - 12 * (k / 100) ** 2) * 0.8


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("numbers", "unused"), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1)])
def test_the_floor_of_a_linear_model_is_least_squares_on_all_inputs(task, numbers, unused):
    """The closed form against a fit to every combination of the range."""
    for largest in (1, 2, 3, 7):
        count = 1 if task == "square" else numbers
        dataset = NamedDataset(name="d", task=task, n_numbers=count, largest=largest, rows=5, unused=unused)
        every = np.array([*product(range(1, largest + 1), repeat=count + unused)])
        target_N = every[:, :count].prod(1) if task == "product" else every[:, :count].sum(1)
        if "square" in task:
            target_N = np.square(every[:, :count]).sum(1)
        columns_NK = np.column_stack([every, np.ones(len(every))]).astype(float)
        weights_K, *_ = np.linalg.lstsq(columns_NK, target_N.astype(float))
        expected = float(np.square(columns_NK @ weights_K - target_N).mean())
        assert float(linear_on_range(dataset)) == pytest.approx(expected, abs=1e-9)


def test_a_line_through_consecutive_squares_leaves_what_the_formula_says():
    """m (m^2 - 1) (m^2 - 4) / 180, wherever they start."""
    for m in range(1, 12):
        assert line_on_squares(m) == exact_line(squares_of(range(7, 7 + m)), 0, m - 1)


NETWORKS = [((4,), "relu"), ((2, 2), "relu"), ((3,), "leaky_relu"), ((), "identity"), ((5, 3), "identity")]


@given(
    st.sampled_from(TASKS),
    st.integers(1, 2),
    st.sampled_from([6, 12, 40, 1000]),
    st.integers(0, 1),
    st.sampled_from(NETWORKS),
    st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_no_network_gets_below_the_floor_of_its_kind(task, numbers, largest, unused, network, seed):
    """Random hidden layers with the best readout for the test rows, on any task, with unused inputs too."""
    count = 1 if task == "square" else numbers
    dataset = NamedDataset(
        name="d", task=task, n_numbers=count, largest=largest, rows=9, test_rows=150, unused=unused, seed=seed
    )
    hidden, activation = network
    (floor,) = floors([variant(dataset, hidden=hidden, activation=activation)], measure_facts)
    inputs_NI, target_N = block(dataset, "test", 0)
    draw = np.random.default_rng(seed)
    for _ in range(10):
        layer_NK = (inputs_NI - (largest + 1) / 2) / largest
        for units in hidden:
            layer_NK = layer_NK @ draw.normal(size=(layer_NK.shape[1], units)) + draw.normal(size=units) / 2
            leak = {"relu": 0.0, "leaky_relu": 0.01, "identity": 1.0}[activation]
            layer_NK = np.where(layer_NK > 0, layer_NK, leak * layer_NK)
        columns_NK = np.column_stack([layer_NK, np.ones(len(layer_NK))])
        weights_K, *_ = np.linalg.lstsq(columns_NK, target_N.astype(float))
        rmse = math.sqrt(float(np.square(columns_NK @ weights_K - target_N).mean()))
        assert (floor.rows or 0.0) <= rmse * (1 + 1e-9) + 1e-9 * float(target_N.max())


def kinds(dataset, *networks):
    """The floors of networks on a dataset."""
    return floors([variant(dataset, hidden=hidden, activation=name) for hidden, name in networks], measure_facts)


def test_the_question_has_the_floors_that_are_known():
    """Squares of 1..1000: least squares without activation, pieces with ReLU, nothing for tanh."""
    linear, relu, deep, large, tanh = kinds(
        SQUARES, ((), "relu"), ((16,), "relu"), ((4, 4), "relu"), ((64, 64), "relu"), ((16,), "tanh")
    )
    assert (linear.kind, linear.rows) == ("linear", measure_facts(SQUARES).linear_rmse)
    assert linear.range == pytest.approx(1000**2 / (6 * math.sqrt(5)), rel=1e-4)
    assert (relu.kind, relu.range) == ("relu_pieces", pytest.approx(273.93, abs=0.01))
    assert 200 < relu.rows < relu.range
    assert (deep.kind, deep.range) == ("bound", pytest.approx(float(pieces_on_range(25, 1000) / 1000) ** 0.5))
    assert (large.kind, large.rows, large.range) == ("rows", 0.0, 0.0)
    assert (tanh.kind, tanh.rows, tanh.range) == ("none", None, None)


def test_a_bound_of_nothing_is_none():
    """Sums are straight along each input, and rows with an unused input are alone on their lines."""
    assert kinds(SUMS, ((16,), "relu"))[0].kind == "none"
    unused = SQUARES.model_copy(update={"unused": 1})
    (floor,) = kinds(unused, ((16,), "relu"))
    assert (floor.kind, floor.rows, floor.range) == ("bound", None, pytest.approx(273.93, abs=0.01))
    one = SUMS.model_copy(update={"n_numbers": 1})
    (floor,) = kinds(one, ((16,), "relu"))
    assert (floor.kind, floor.rows, floor.range) == ("relu_pieces", 0.0, 0.0)


def test_constant_targets_have_a_floor_of_0():
    """Whatever the network."""
    dataset = SQUARES.model_copy(update={"largest": 1})
    found = kinds(dataset, ((), "relu"), ((16,), "relu"), ((16,), "tanh"))
    assert {(floor.kind, floor.rows, floor.range) for floor in found} == {("constant", 0.0, 0.0)}


def test_facts_are_asked_for_once_per_dataset():
    """Variants of a dataset share one dynamic program, and floors come in the order of the variants."""
    asked = []

    def facts_of(dataset):
        asked.append(dataset.name)
        return measure_facts(dataset)

    order = [(SQUARES, (4,)), (SUMS, ()), (SQUARES, (8,)), (SQUARES, (4,)), (SUMS, ())]
    variants = [variant(dataset, hidden=hidden) for dataset, hidden in order]
    found = floors(variants, facts_of)
    assert sorted(asked) == ["squares", "sums"]
    assert found == [floors([one], measure_facts)[0] for one in variants]


def test_spread_knots_and_a_solved_readout_come_near_the_floor(tmp_path):
    """Within 5 percent of it with 4 and with 16 units in all seeds, and never below."""
    spec, store = tmp_path / "spread.toml", tmp_path / "store"
    spec.write_text(SPREAD)
    found = CliRunner().invoke(app, ["run", str(spec), "--store", str(store), "--quiet"])
    assert found.exit_code == 0, found.output
    summary, rows = (pq.read_table(store / f"runs/spread/{name}.parquet").to_pylist() for name in ("summary", "trials"))
    floor = {row["variant_id"]: row["floor"] for row in summary}
    assert len(rows) == 6
    assert all(1 <= row["rmse"] / floor[row["variant_id"]] <= 1.05 for row in rows)


FORMULAS = (
    {"formula": "sin(3 * x)", "low": -2.0, "high": 2.0},
    {"formula": "sqrt(x)", "low": 0.01, "high": 9.0},
    {"formula": "x**2 - x", "low": -1.0, "high": 3.0},
    {"formula": "x % 5", "low": -20.0, "high": 20.0, "numbers": "integer"},
    {"formula": "x1 * x2", "low": 1.0, "high": 9.0, "numbers": "integer"},
    {"formula": "x1 / x2 + x2**2", "low": 0.5, "high": 4.0},
    {"formula": "-3 + 0 * x", "low": 0.0, "high": 1.0},
    {"formula": "x % 3", "low": 0.0, "high": 100.0, "numbers": "integer", "digits": 2},
)
OUTPUTS = {
    "linear": lambda z_N: z_N,
    "relu": lambda z_N: np.maximum(0, z_N),
    "sigmoid": lambda z_N: 1 / (1 + np.exp(-z_N)),
    "tanh": np.tanh,
}


def formula_of(fields, seed=0, **changes):
    """A small dataset of a formula."""
    return NamedDataset.model_validate({"name": "d", "rows": 60, "test_rows": 120, "seed": seed, **fields, **changes})


@given(
    st.sampled_from(FORMULAS),
    st.sampled_from([*NETWORKS, ((3,), "tanh")]),
    st.sampled_from([*OUTPUTS]),
    st.sampled_from(["unit", "symmetric", "zscore", "none", "log"]),
    st.sampled_from(["same", "none", "log"]),
    st.integers(0, 99),
)
@settings(max_examples=300, deadline=None)
def test_no_network_gets_below_the_floor_of_a_formula(fields, network, output, kind, target_kind, seed):
    """Random hidden layers, with the best readout where the output is linear, in any scale and with any output."""
    dataset = formula_of(fields, seed)
    facts = measure_facts(dataset)
    log_target = target_kind == "log" or (kind, target_kind) == ("log", "same")
    is_positive = block(dataset, "train", 0)[1].min() > 0 and block(dataset, "test", 0)[1].min() > 0
    assume(not (kind == "log" and (dataset.source.parts("train")[0][0].low <= 0 or dataset.digits)))
    assume(is_positive or not log_target)
    (hidden, activation), draw = network, np.random.default_rng(seed)
    one = variant(
        dataset, hidden=hidden, activation=activation, normalize=kind, normalize_target=target_kind, output=output
    )
    (floor,) = floors([one], lambda _: facts)
    assert floor.range is None
    scale = normalization(dataset, one.normalize, one.normalize_target, facts.moments)
    inputs_NI, target_N = block(dataset, "test", 0)
    for _ in range(10):
        layer_NK = scale.inputs(inputs_NI, np.float64)
        for units in hidden:
            layer_NK = layer_NK @ draw.normal(size=(layer_NK.shape[1], units)) + draw.normal(size=units) / 2
            act = {"relu": 0.0, "leaky_relu": 0.01, "identity": 1.0}.get(activation)
            layer_NK = np.tanh(layer_NK) if act is None else np.where(layer_NK > 0, layer_NK, act * layer_NK)
        columns_NK = np.column_stack([layer_NK, np.ones(len(layer_NK))])
        weights_K, *_ = np.linalg.lstsq(columns_NK, scale.target(target_N, np.float64))
        answer_N = scale.restore(OUTPUTS[output](np.clip(columns_NK @ weights_K, -300, 300)))
        with np.errstate(over="ignore"):
            rmse = math.sqrt(float(np.square(answer_N - target_N).mean()))
        assert (floor.rows or 0.0) <= rmse * (1 + 1e-9) + 1e-9 * float(np.abs(target_N).max())


def test_real_numbers_have_the_floors_of_their_own_points():
    """Of one input the same dynamic program; of several, of digits and of logarithms of the target nothing is known."""
    sine, product, bits = (formula_of(FORMULAS[place]) for place in (0, 5, 7))
    relu, deep, linear, tanh = kinds(sine, ((8,), "relu"), ((2, 2), "relu"), ((), "relu"), ((4,), "tanh"))
    assert (relu.kind, deep.kind, linear.kind, tanh.kind) == ("relu_pieces", "bound", "linear", "none")
    assert 0 < relu.rows <= deep.rows < linear.rows == measure_facts(sine).linear_rmse
    assert {each.kind for dataset in (product, bits) for each in kinds(dataset, ((4,), "relu"))} == {"none"}
    assert floors([variant(sine, hidden=(), output="relu", normalize="none")], measure_facts)[0].kind == "bound"


def test_the_floor_does_not_depend_on_the_size_of_the_inputs():
    """Not even where their squares are too small for float64."""
    tiny = formula_of({"formula": "(x * 1e300)**2", "low": 1e-300, "high": 2e-300})
    usual = formula_of({"formula": "x**2", "low": 1.0, "high": 2.0})
    [small], [near] = kinds(tiny, ((4,), "relu")), kinds(usual, ((4,), "relu"))
    assert small.rows == pytest.approx(near.rows, rel=1e-9)


def test_an_output_that_reaches_no_target_below_0_has_a_floor():
    """The root mean square of what is out of reach; scaled targets are all within it."""
    sine = formula_of(FORMULAS[0])
    target_N = block(sine, "test", 0)[1]
    beyond = math.sqrt(np.square(np.minimum(target_N, 0)).mean())
    for output in ("sigmoid", "relu"):
        (raw,) = floors([variant(sine, activation="tanh", normalize="none", output=output)], measure_facts)
        assert (raw.kind, raw.rows) == ("bound", pytest.approx(beyond))
    (tanh, unit) = floors(
        [
            variant(sine, activation="tanh", normalize="none", output="tanh"),
            variant(sine, activation="tanh", normalize="unit", output="sigmoid"),
        ],
        measure_facts,
    )
    assert (tanh.kind, tanh.rows) == ("none", None)
    assert (unit.rows or 0.0) < 1e-3


def test_a_linear_function_of_logarithms_has_its_own_floor():
    """ln(x) is none of x, and one of its logarithm: least squares on that."""
    dataset = formula_of({"formula": "log(x)", "low": 1.0, "high": 50.0})
    raw, logs, both = floors(
        [
            variant(dataset, hidden=(), normalize="unit"),
            variant(dataset, hidden=(), normalize="log", normalize_target="unit"),
            variant(dataset, hidden=(16,), normalize="log", normalize_target="unit"),
        ],
        measure_facts,
    )
    assert raw.rows == measure_facts(dataset).linear_rmse > 0.1
    assert (logs.kind, logs.rows) == ("linear", 0.0)
    assert both.rows == pytest.approx(0.0, abs=1e-9)


@given(st.integers(0, 10**6), st.sampled_from([1, 2]))
@settings(max_examples=25, deadline=None)
def test_rounded_targets_of_a_convex_curve_have_nearly_the_floor_of_exact_ones(seed, units):
    """Real numbers are hardly ever exactly convex: what rounding bends them is taken off, and so is a concave curve."""
    x_N = np.sort(np.random.default_rng(seed).uniform(0, 3, 40))
    one = np.ones(40)
    for y_N in (np.exp(x_N), -np.exp(x_N), np.sqrt(x_N)):
        points = Points(x_N, y_N, one)
        free, bound = errors(points, units + 1).of_pieces(units + 1), errors(points, units + 1).of_units(units)
        bent = Points(x_N, y_N + 1e-15 * np.random.default_rng(seed).normal(size=40), one)
        assert bound >= free
        assert errors(bent, units + 1).of_units(units) == pytest.approx(bound, rel=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([1e-3, 0.1, 3.0]), st.sampled_from([1, 2]))
@settings(max_examples=25, deadline=None)
def test_no_layer_gets_below_its_floor_on_points_that_are_bent(seed, bend, units):
    """Convex points with noise of any size: random units with the best weights stay above."""
    draw = np.random.default_rng(seed)
    x_N = np.sort(draw.uniform(-1, 3, 14))
    points = Points(x_N, 20 * x_N**2 + bend * draw.normal(size=14), np.ones(14))
    floor = errors(points, units + 1).of_units(units)
    for _ in range(60):
        bends_NK = np.maximum(0, draw.choice([-1, 1], units) * (x_N[:, None] - draw.uniform(-1, 3, units)))
        assert floor <= least_squares(np.column_stack([np.ones(14), bends_NK]), points) * (1 + 1e-9)


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_the_bend_of_points_is_their_largest_distance_from_the_hull(seed):
    """Against all lines that lie below all points, on integers and on the same numbers as fractions."""
    points = drawn(seed, 9)
    hull = [
        max(
            Fraction(int(y0)) + Fraction(int(y1 - y0), int(x1 - x0)) * int(x - x0)
            for (x0, y0), (x1, y1) in combinations(zip(points.x_N, points.y_N, strict=True), 2)
            if all(
                Fraction(int(y0)) + Fraction(int(y1 - y0), int(x1 - x0)) * int(a - x0) <= b
                for a, b in zip(points.x_N, points.y_N, strict=True)
            )
        )
        for x in points.x_N
    ]
    expected = max(float(int(y) - low) for y, low in zip(points.y_N, hull, strict=True))
    real = Points(points.x_N / 64, points.y_N / 64, points.weight_N)
    assert points.bend == pytest.approx(expected, rel=1e-12)
    assert real.bend == pytest.approx(expected / 64, rel=1e-12)
