"""SweepRegressor: scikit-learn's own checks, and what it promises beyond them."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import sumsquares
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.spec.errors import SpecError

pytest.importorskip("sklearn", reason="scikit-learn is an extra: pip install sumsquares[trees]")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

GRID = {"hidden": [[16]], "activation": ["tanh"], "lr": [0.01], "weight_decay": [0.0]}
"""One variant, which is enough for the protocol."""


def quick(**changes):
    """A regressor that takes a tenth of a second."""
    return sumsquares.SweepRegressor(**{"grid": GRID, "epochs": 30, **changes})


@pytest.fixture(scope="module")
def rows():
    """Inputs and a target that no linear function fits."""
    x_NI = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    return x_NI, x_NI[:, 0] * x_NI[:, 1] + 0.1 * x_NI[:, 2]


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn's, about checks that it skips
def test_scikit_learn_finds_nothing_wrong():
    """None of its checks fails, and none is expected to fail; those that it skips need a setting of scipy's."""
    results = check_estimator(quick(), on_fail=None, on_skip=None)
    wrong = {each["check_name"]: str(each["exception"]) for each in results if each["status"] == "failed"}
    assert not wrong
    skipped = [each["check_name"] for each in results if each["status"] == "skipped"]
    assert skipped in ([], ["check_array_api_input"])
    assert len(results) > 40


def test_it_is_part_of_pipelines_and_searches(rows):
    """As any estimator."""
    x_NI, y_N = rows
    assert cross_val_score(make_pipeline(StandardScaler(), quick()), x_NI, y_N, cv=3).min() > 0.3
    search = GridSearchCV(quick(), {"epochs": np.array([1, 40])}, cv=2).fit(x_NI, y_N)
    assert search.best_params_ == {"epochs": 40}
    numbers = {"lr": np.array([0.01]), "hidden": np.array([[8]]), "weight_decay": np.float64(0)}
    assert quick(grid={**GRID, **numbers}, seeds=np.int64(2)).fit(x_NI, y_N).best_variant_["hidden"] == [8]
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()


def test_the_same_rows_give_the_same_bits(rows):
    """Whatever the state of other generators; another random_state gives other ones."""
    x_NI, y_N = rows
    first_N = quick().fit(x_NI, y_N).predict(x_NI)
    np.random.seed(5)  # noqa: NPY002
    np.testing.assert_array_equal(quick(random_state=0).fit(x_NI, y_N).predict(x_NI), first_N)
    others = [7, np.int64(7), np.random.RandomState(7)]
    seven, same, state = (quick(random_state=each).fit(x_NI, y_N).predict(x_NI) for each in others)
    assert not np.array_equal(seven, first_N)
    np.testing.assert_array_equal(same, seven)
    assert not np.array_equal(state, first_N)


def test_the_chosen_variant_has_the_lowest_median_on_validation_rows(rows):
    """And is trained again, on all rows; the table has all variants."""
    x_NI, y_N = rows
    regressor = quick(grid={**GRID, "hidden": [[], [16]], "lr": [0.0001, 0.01]}, seeds=2).fit(x_NI, y_N)
    results = regressor.results_.to_pandas()
    best = results.sort_values("rmse_median").iloc[0]
    assert len(results) == 4
    assert (best.hidden, best.lr) == (str(regressor.best_variant_["hidden"]), regressor.best_variant_["lr"])
    assert regressor.validation_rmse_ == best.rmse_median
    trained = regressor.model_._trial.variant.dataset
    assert (trained.rows, trained.table.test) == (300, 0)
    error_N = regressor.predict(x_NI) - y_N
    assert np.sqrt(np.mean(error_N**2)) == pytest.approx(regressor.model_.rmse, rel=1e-4)
    assert "RMSE on its training rows" in repr(regressor.model_)


def test_baselines_are_measured_on_the_same_rows(rows):
    """Least squares by hand: on the training rows of the draw, and its validation rows."""
    x_NI, y_N = rows
    line_N = x_NI @ [1.0, -2.0, 3.0] + 4
    baselines = quick(epochs=2).fit(x_NI, line_N).baselines_
    assert baselines["least squares"] == pytest.approx(0, abs=1e-12)
    assert 0.5 < baselines["mean"] / line_N.std() < 1.5
    assert list(quick(epochs=2).fit(x_NI, y_N).baselines_) == ["boosted trees", "least squares", "mean"]


def test_it_takes_its_weights_along(rows):
    """Pickled and copied it answers with the same bits, as its module does; nothing is left on the disk."""
    x_NI, y_N = rows
    regressor = quick().fit(x_NI, y_N)
    expected_N = regressor.predict(x_NI)
    for other in (pickle.loads(pickle.dumps(regressor)), copy.deepcopy(regressor)):  # noqa: S301  our own
        np.testing.assert_array_equal(other.predict(x_NI), expected_N)
    with torch.no_grad():
        found_N = regressor.model_.module(torch.from_numpy(x_NI)).numpy()
    np.testing.assert_allclose(found_N, expected_N, atol=1e-5)


def test_nothing_is_left_and_nothing_is_printed(rows, tmp_path, monkeypatch, capfd):
    """Neither in the current folder nor in that of temporary files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    quick().fit(*rows)
    assert not [*tmp_path.iterdir()]
    assert capfd.readouterr() == ("", "")


def test_a_store_keeps_both_runs(rows, tmp_path):
    """They are opened as any other, and fitting again trains nothing."""
    x_NI, y_N = rows
    regressor = quick(store=tmp_path / "store").fit(x_NI, y_N)
    packs = sorted((tmp_path / "store" / "trials").iterdir())
    again = quick(store=str(tmp_path / "store")).fit(x_NI, y_N)
    assert sorted((tmp_path / "store" / "trials").iterdir()) == packs
    np.testing.assert_array_equal(again.predict(x_NI), regressor.predict(x_NI))
    run = sumsquares.open("sweep", tmp_path / "store")
    assert run.summary.equals(regressor.results_)
    final = sumsquares.open("sweep-final", tmp_path / "store").best()
    np.testing.assert_array_equal(final.predict(x_NI), regressor.predict(x_NI))


def test_names_of_columns_are_kept(rows):
    """Those of a DataFrame, strange ones too; rows are found by them in the model."""
    x_NI, y_N = rows
    frame = pd.DataFrame(x_NI, columns=["target", "größe in m²", "x=1"])
    regressor = quick().fit(frame, pd.Series(y_N, name="price"))
    assert regressor.model_.columns == ("target", "größe in m²", "x=1")
    assert [*regressor.feature_names_in_] == [*frame.columns]
    shuffled = frame[["x=1", "target", "größe in m²"]]
    np.testing.assert_array_equal(regressor.model_.predict(shuffled), regressor.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        regressor.predict(shuffled)
    assert quick().fit(x_NI, y_N).model_.columns == ("x1", "x2", "x3")


def test_any_columns_are_taken(rows):
    """Constant ones, those that repeat another, and the target itself: a search meets them in parts of a table."""
    x_NI, y_N = rows
    odd_NI = np.column_stack([x_NI, np.ones(300), x_NI[:, 0], y_N, 2 * y_N])
    assert quick().fit(odd_NI, y_N).score(odd_NI, y_N) > 0.9
    constant = quick().fit(x_NI, np.full(300, 3.0))
    np.testing.assert_allclose(constant.predict(x_NI), 3, atol=0.2)
    assert quick(epochs=2).fit([[1.0], [2.0]], [1, 2]).predict([[1.0]]).shape == (1,)


def test_what_cannot_be_fitted_is_refused(rows):
    """With what to write instead."""
    x_NI, y_N = rows
    cases = [
        (quick(validation_fraction=0.0), x_NI, "validation_fraction"),
        (quick(validation_fraction=1.5), x_NI, "validation_fraction"),
        (quick(seeds=0), x_NI, "seeds"),
        (quick(epochs=0), x_NI, "epochs"),
        (quick(grid={"colour": ["red"]}), x_NI, "colour"),
        (quick(grid={"hidden": [16]}), x_NI, "hidden"),
        (quick(grid={**GRID, "seeds": 3}), x_NI, "write seeds=3 beside the grid"),
        (quick(grid={**GRID, "dataset": "rows"}), x_NI, "'dataset' is no hyperparameter"),
        (quick(grid=[GRID]), x_NI, "grid is a list; write a dictionary"),
        (quick(random_state=-1), x_NI, "random_state"),
        (quick(random_state="a"), x_NI, "'a' cannot be used to seed"),
        (quick(), np.hstack([x_NI] * 400), "1,024 at most"),
        (quick(), x_NI * 1e120, "its square is not finite"),
        (quick(grid={**GRID, "activation": "square", "lr": 1e30, "optimizer": "sgd"}), x_NI, "diverged"),
    ]
    for regressor, each_NI, said in cases:
        with pytest.raises(ValueError, match=r".") as caught:
            regressor.fit(each_NI, y_N)
        assert said in str(caught.value)
    with pytest.raises(ValueError, match="y: row 1 has no finite number"):
        quick().fit(x_NI, [1.0, None, *y_N[2:]])
    with pytest.raises(NotFittedError):
        quick().predict(x_NI)
    assert issubclass(SpecError, ValueError)


def test_without_scikit_learn_the_command_that_installs_it_is_named(monkeypatch):
    """And the rest of the API is there."""
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "sumsquares._regressor")
    monkeypatch.delitem(vars(sumsquares), "SweepRegressor", raising=False)
    with pytest.raises(UsageError, match=r'pip install "sumsquares\[trees\]"'):
        sumsquares.SweepRegressor  # noqa: B018
    assert sumsquares.run
