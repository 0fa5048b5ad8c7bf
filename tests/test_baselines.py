"""Baselines: measured on all test rows, stored once, measured again if damaged, and joined by boosted trees."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from made_tables import noisy, put

from sumsquares.datasets.rows import blocks
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.results import baselines as measured_by
from sumsquares.jobs.results import stored_baselines as module
from sumsquares.jobs.results.baselines import LEAST_SQUARES, MEAN, TREES, measure_linear, measure_trees
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.stored_baselines import (
    baselines_of,
    baselines_path,
    damage_of_baselines,
    encode_baselines,
)
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.store import Store

SQUARES = DatasetSpec(task="square", largest=60, rows=40, test_rows=50)
SUMS = DatasetSpec(task="sum", n_numbers=3, largest=1000, rows=300, test_rows=200)
WAVES = DatasetSpec(formula="sin(x1) * x2", low=(-3.0, 0.1), high=3.0, noise=0.3, rows=70_000, test_rows=70_000)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def no_sklearn(monkeypatch):
    """As if scikit-learn were not installed."""
    monkeypatch.setattr(module, "sklearn_version", lambda: None)


def rows_of(spec):
    return lambda part: blocks(spec, part)


def whole(spec, part):
    """All inputs and targets of a part."""
    return [np.concatenate([block[index] for block in blocks(spec, part)]) for index in (0, 1)]


@pytest.mark.parametrize("spec", [SQUARES, WAVES], ids=["task", "formula"])
def test_the_mean_and_least_squares_are_what_numpy_computes(spec):
    """Fitted to the training rows, measured on the test rows."""
    (train_NI, train_N), (test_NI, test_N) = whole(spec, "train"), whole(spec, "test")
    weights, *_ = np.linalg.lstsq(np.column_stack([train_NI, np.ones(len(train_NI))]), train_N)
    predicted_N = np.column_stack([test_NI, np.ones(len(test_NI))]) @ weights
    mean, linear = measure_linear(spec, rows_of(spec))
    assert (mean.name, linear.name, mean.rows) == (MEAN, LEAST_SQUARES, spec.rows)
    assert mean.rmse == pytest.approx(np.sqrt(np.square(test_N - train_N.mean()).mean()), rel=1e-12)
    assert linear.rmse == pytest.approx(np.sqrt(np.square(test_N - predicted_N).mean()), rel=1e-9)


def test_a_sum_is_linear():
    """Least squares has no error on it, but for rounding."""
    assert measure_linear(SUMS, rows_of(SUMS))[1].rmse == 0


def test_trees_are_those_of_scikit_learn_with_its_defaults():
    """On all training rows, by the target's own units."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    (train_NI, train_N), (test_NI, test_N) = whole(SUMS, "train"), whole(SUMS, "test")
    trees = HistGradientBoostingRegressor(random_state=0).fit(train_NI, train_N)
    (found,) = measure_trees(SUMS, rows_of(SUMS), "1.0")
    assert (found.name, found.rows, found.version) == (TREES, 300, "1.0")
    assert found.rmse == pytest.approx(np.sqrt(np.square(test_N - trees.predict(test_NI)).mean()), rel=1e-3)


def test_of_more_numbers_than_the_limit_a_part_is_taken_and_told(monkeypatch):
    """Of generated rows the first ones."""
    monkeypatch.setitem(measured_by.MOST_NUMBERS, LEAST_SQUARES, 3 * 66_000)
    train_NI, train_N = (part[:66_000] for part in whole(WAVES, "train"))
    mean, linear = measure_linear(WAVES, rows_of(WAVES))
    assert mean.rows == linear.rows == 66_000
    assert mean.rmse == pytest.approx(np.sqrt(np.square(whole(WAVES, "test")[1] - train_N.mean()).mean()))
    assert len(train_NI) == 66_000


def test_of_a_large_table_rows_at_even_distances_are_taken(store, monkeypatch):
    """Its rows may be sorted, so that the first ones would be others; the blocks don't matter."""
    table = put(store, noisy(500))
    train_NI, train_N = (
        np.concatenate(parts) for parts in zip(*blocks_of(store, table.splits[0], "train"), strict=True)
    )
    monkeypatch.setitem(measured_by.MOST_NUMBERS, LEAST_SQUARES, 4 * 150)
    for size in (500, 7):
        cut = [slice(first, first + size) for first in range(0, 400, size)]
        parts = {"train": [(train_NI[part], train_N[part]) for part in cut], "test": [(train_NI, train_N)]}
        mean, _ = measure_linear(table.splits[0], parts.__getitem__)
        assert mean.rows == 134
        assert mean.rmse == pytest.approx(np.sqrt(np.square(train_N - train_N[::3].mean()).mean()))


def test_each_split_of_a_table_has_its_own(store):
    """In files of their own beside the table's rows, by what numpy computes on the split's rows."""
    table = put(store, noisy(200), folds=4)
    for split in table.splits:
        train, test = (
            [np.concatenate(parts) for parts in zip(*blocks_of(store, split, part), strict=True)]
            for part in ("train", "test")
        )
        mean, linear, trees = baselines_of(store, split)
        assert mean.rmse == pytest.approx(np.sqrt(np.square(test[1] - train[1].mean()).mean()))
        assert linear.rmse < 0.2
        assert trees.rows == split.rows
        assert store.exists(f"datasets/{table.content}/baselines-{split.digest[:16]}.json")
        assert unit_of(baselines_path(split)) == ("dataset", table.content)


@pytest.mark.usefixtures("no_sklearn")
def test_they_are_measured_once(store, monkeypatch):
    """The second call reads what the first stored."""
    found = baselines_of(store, SQUARES)
    assert [each.name for each in found] == [MEAN, LEAST_SQUARES]
    monkeypatch.setattr(module, "measure_linear", lambda *_: pytest.fail("measured twice"))
    assert baselines_of(store, SQUARES) == found


def test_trees_join_the_others_once_scikit_learn_is_there_and_stay(store, monkeypatch):
    """The file has them afterwards, and they are trained once."""
    with monkeypatch.context() as without:
        without.setattr(module, "sklearn_version", lambda: None)
        few = baselines_of(store, SQUARES)
    found = baselines_of(store, SQUARES)
    assert found[:2] == few
    assert [each.name for each in found] == [MEAN, LEAST_SQUARES, TREES]
    monkeypatch.setattr(module, "measure_trees", lambda *_: pytest.fail("trained twice"))
    assert baselines_of(store, SQUARES) == found
    monkeypatch.setattr(module, "sklearn_version", lambda: None)
    assert baselines_of(store, SQUARES) == found


def test_a_broken_scikit_learn_costs_the_trees_alone(store, monkeypatch):
    """What can't be imported is as if it weren't there."""
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert [each.name for each in baselines_of(store, SQUARES)] == [MEAN, LEAST_SQUARES]


@pytest.mark.usefixtures("no_sklearn")
@pytest.mark.parametrize("harm", ["empty", "text", "cut off", "of another dataset", "another shape", "negative"])
def test_damaged_ones_are_measured_again(store, harm):
    """The file then holds what it held."""
    found = baselines_of(store, SQUARES)
    path, good = baselines_path(SQUARES), encode_baselines(SQUARES, found)
    bad = {
        "empty": b"",
        "text": b'{\n "format": 1}',
        "cut off": good[: len(good) // 2],
        "of another dataset": encode_baselines(SUMS, found),
        "another shape": seal({"format": 1, "dataset": SQUARES.digest}),
        "negative": good.replace(b'"rmse": ', b'"rmse": -'),
    }[harm]
    assert damage_of_baselines(good, SQUARES) is None
    assert damage_of_baselines(bad, SQUARES)
    store.put(path, bad)
    assert baselines_of(store, SQUARES) == found
    assert store.get(path) == good


@pytest.mark.usefixtures("no_sklearn")
def test_a_foreign_file_in_their_place_stays(store):
    """They are measured each time."""
    store.put(baselines_path(SQUARES), b"my only copy")
    assert len(baselines_of(store, SQUARES)) == 2
    assert store.get(baselines_path(SQUARES)) == b"my only copy"


def test_nothing_is_stored_where_nothing_may_be(store):
    """As `explain` and `verify` ask for them."""
    assert baselines_of(store, SQUARES, keeps=False)
    assert store.list() == []


@pytest.mark.parametrize("most", [2, 3])
def test_a_table_of_many_splits_gets_no_trees(store, monkeypatch, most):
    """They would take longer than the networks."""
    table = put(store, noisy(60), folds=3)
    monkeypatch.setattr(module, "TREES_SPLITS", most)
    assert [each.name for each in baselines_of(store, table.splits[0])] == [MEAN, LEAST_SQUARES, TREES][:most]
