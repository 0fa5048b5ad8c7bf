"""The check on every number of the range, against a plain loop in Python."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import commit, row_of, variant

from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.engines.state import state_dicts
from sumsquares.jobs.results import everywhere
from sumsquares.jobs.results.everywhere import check_everywhere, combinations
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

PLAIN = {
    "sum": sum,
    "product": math.prod,
    "square": lambda numbers: numbers[0] ** 2,
    "sum_of_squares": lambda numbers: sum(number**2 for number in numbers),
}
SUMS = NamedDataset(name="sums", task="sum", largest=9, rows=20)


def committed(store, dataset, models, **changes):
    """Trials of one variant with their pack: the first is the sum of its inputs, the others are that and an error."""
    trials = [
        Trial(variant(dataset, hidden=(), normalize="unit", dtype="float64", **changes), k) for k in range(models)
    ]
    program, scale = program_of(trials[0].variant), normalization(dataset, "unit")
    exact = scale.input_scale[0] / scale.target_scale
    wrong_MP = np.random.default_rng(models).normal(0, 0.05, (models, program.parameters))
    wrong_MP[0] = 0
    parameters_MP = np.array([*[exact] * dataset.inputs, 0.0]) + wrong_MP
    pack = commit(store, [row_of(trial) for trial in trials], state_dicts(program, parameters_MP))
    return [(trial, pack) for trial in trials]


def share(store, trial, pack):
    """The share of right answers, one combination at a time."""
    dataset = trial.variant.dataset
    every = [*itertools.product(range(1, dataset.largest + 1), repeat=dataset.n_numbers)]
    answer_N = answers(store, pack, trial, np.array(every)).tolist()
    right = sum(round(answer) == PLAIN[dataset.task](numbers) for answer, numbers in zip(answer_N, every, strict=True))
    return right / len(every)


@given(
    task=st.sampled_from([*PLAIN]),
    shape=st.sampled_from([(1, 1), (1, 7), (1, 64), (2, 1), (2, 9), (3, 5), (6, 2)]),
    block_rows=st.integers(3, 100),
)
@settings(max_examples=25, deadline=None)
def test_shares_are_those_of_a_plain_loop(tmp_path_factory, task, shape, block_rows):
    """For any task, number of inputs and size of the blocks."""
    n_numbers, largest = (1, shape[1]) if task == "square" else shape
    dataset = NamedDataset(name="any", task=task, n_numbers=n_numbers, largest=largest, rows=20)
    store = Store(str(tmp_path_factory.mktemp("store")))
    best = committed(store, dataset, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everywhere, "BLOCK_ROWS", block_rows)
        found = check_everywhere(store, best)
    assert found == {trial.id: share(store, trial, pack) for trial, pack in best}
    assert task != "sum" or found[best[0][0].id] == 1.0


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"formula": "x1 - x2", "low": (-4.0, 2.0), "high": (3.0, 6.0)}, 40),
        ({"formula": "abs(x)", "low": -30.0, "high": 9.0}, 40),
        ({"formula": "x // 3", "low": 0.0, "high": 20.0, "digits": 2}, 21),
        ({"formula": "x1 / 2 + x2", "low": 0.0, "high": 3.0}, None),
        ({"formula": "floor(x)", "low": 0.0, "high": 3.0, "numbers": "real"}, None),
        ({"formula": "x1 + x2", "low": 0.0, "high": 1000.0}, None),
    ],
)
def test_every_combination_of_the_integers_of_a_formula_is_checked(tmp_path, fields, count):
    """Whatever their ranges, and by their digits where those are the inputs; targets must be integers."""
    dataset = NamedDataset.model_validate({"name": "any", "rows": 20, "numbers": "integer", **fields})
    assert combinations(dataset) == count
    if count is None:
        return
    store, draw = Store(str(tmp_path)), np.random.default_rng(1)
    trial = Trial(variant(dataset, hidden=(), normalize="none", dtype="float64"), 0)
    program = program_of(trial.variant)
    parameters_MP = draw.normal(0, 0.5, (1, program.parameters))
    pack = commit(store, [row_of(trial)], state_dicts(program, parameters_MP))
    (ranges,) = dataset.source.parts("train")
    every = np.array([*itertools.product(*(range(int(low), int(high) + 1) for low, high in ranges))])
    assert len(every) == count
    answer_N = answers(store, pack, trial, dataset.inputs_of(every))
    right = sum(
        round(answer) == target for answer, target in zip(answer_N.tolist(), dataset.source.target(every), strict=True)
    )
    assert check_everywhere(store, [(trial, pack)]) == {trial.id: right / count}


def test_one_wrong_answer_of_a_million_is_not_exact(tmp_path):
    """Nor is an answer that is not finite."""
    dataset = NamedDataset(name="sums", task="sum", largest=1000, rows=20)
    store = Store(str(tmp_path))
    trials = [Trial(variant(dataset, hidden=(1,), activation="relu", dtype="float64"), seed) for seed in range(3)]
    program, scale = program_of(trials[0].variant), normalization(dataset, "unit")
    # The second is too high in proportion to the sum, and only by the largest, 2000, by more than a half.
    slope = scale.input_scale[0] / scale.target_scale
    [exact, wrong, infinite] = np.array([[slope, slope, 0.0, 1.0, 0.0]] * 3)
    wrong[3] = 1 + 0.50002 / 2000
    infinite[3] = np.inf
    pack = commit(store, [row_of(trial) for trial in trials], state_dicts(program, np.array([exact, wrong, infinite])))
    found = check_everywhere(store, [(trial, pack) for trial in trials])
    assert found == {trials[0].id: 1.0, trials[1].id: 1 - 1e-6, trials[2].id: 0.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"largest": 1000}, 1_000_000),
        ({"largest": 1001}, None),
        ({"largest": 2, "n_numbers": 16}, 65_536),
        ({"largest": 3, "unused": 1}, None),
        ({"largest": 2**31 - 1, "n_numbers": 1}, None),
    ],
)
def test_what_has_too_many_combinations_or_unused_inputs_is_not_checked(tmp_path, changes, expected):
    """A million is the most."""
    dataset = NamedDataset(name="any", task="sum", rows=20, **changes)
    assert combinations(dataset) == expected
    if expected is None:
        best = committed(Store(str(tmp_path)), dataset, 2)
        assert check_everywhere(Store(str(tmp_path)), best) == {}


@given(places=st.permutations(range(6)), trials=st.integers(0, 6))
@settings(max_examples=15, deadline=None)
def test_the_first_ones_that_fit_into_the_budget_are_checked(tmp_path_factory, places, trials):
    """Whatever their packs; one that doesn't fit doesn't keep cheaper ones after it from being checked."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    large = committed(store, SUMS.model_copy(update={"largest": 1000}), 1)
    best = [*committed(store, SUMS, 3), *committed(store, SUMS, 3, lr=0.5)]
    asked = [best[place] for place in places]
    cost = 81 * (2 * 3 * 2 + everywhere._ANSWER)
    packs = len({pack for _, pack in asked[:trials]})
    budget = trials * cost + packs * (everywhere._PACK + 81 * everywhere._ROW)
    found = check_everywhere(store, [*large, *asked], budget=budget + cost / 2)
    assert set(found) == {trial.id for trial, _ in asked[:trials]}


def test_no_more_packs_are_read_than_the_most(tmp_path, monkeypatch):
    """The first ones; trials that come later, but are in one of them, are checked as well."""
    store = Store(str(tmp_path))
    packs = [committed(store, SUMS, 2, lr=lr) for lr in (0.1, 0.2, 0.3)]
    best = [*(trials[0] for trials in packs), *(trials[1] for trials in packs)]
    monkeypatch.setattr(everywhere, "MOST_PACKS", 2)
    found = check_everywhere(store, best)
    assert set(found) == {trial.id for trials in packs[:2] for trial, _ in trials}


def test_each_pack_is_read_once(tmp_path, monkeypatch):
    """Also if its trials are not beside each other in the order of importance."""
    store, read = Store(str(tmp_path)), []
    one, two = committed(store, SUMS, 3), committed(store, SUMS, 3, lr=0.5)
    real = everywhere.errors_over
    monkeypatch.setattr(everywhere, "errors_over", lambda *asked: [read.append(asked[1]), real(*asked)][1])
    mixed = [*itertools.chain(*zip(one, two, strict=True))]
    found = check_everywhere(store, mixed)
    assert read == [one[0][1], two[0][1]]
    assert set(found) == {trial.id for trial, _ in mixed}


def test_trials_without_their_weights_are_left_out_and_the_others_are_checked(tmp_path, caplog):
    """Damaged and missing weights are named in the log."""
    store = Store(str(tmp_path))
    damaged, gone, intact = (committed(store, SUMS, 2, lr=lr) for lr in (0.1, 0.2, 0.3))
    path = Path(store.root) / f"trials/{damaged[0][1]}.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (Path(store.root) / f"trials/{gone[0][1]}.safetensors").unlink()
    with caplog.at_level("INFO"):
        found = check_everywhere(store, [*damaged, *gone, *intact])
    assert set(found) == {trial.id for trial, _ in intact}
    assert damaged[0][1] in caplog.text
    assert gone[0][1] in caplog.text
