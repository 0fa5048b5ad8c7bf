"""The public API on tables of one's own: columns by name, categories, gaps, splits, and the network of `fit`."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from command_line import calls

import sumsquares
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.spec.errors import SpecError

GRID = {"hidden": [[], [8]], "activation": "tanh", "normalize": "zscore", "batch_size": 32, "epochs": 10, "lr": 0.01}


def frame(rows=200):
    """Houses; one of them has no area."""
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"area": draw.uniform(50, 200, rows), "rooms": draw.integers(1, 7, rows)})
    table["town"] = np.where(draw.uniform(size=rows) < 0.4, "Æ", "B")
    table["price"] = 3 * table.area + 20 * table.rooms + np.where(table.town == "B", 50, 0)
    return table


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """A run of a table with folds and categories, and of one with gaps."""
    folder = tmp_path_factory.mktemp("houses")
    frame().to_csv(folder / "houses.csv", index=False)
    gaps = frame()
    gaps.loc[3, "area"] = np.nan
    gaps.to_parquet(folder / "gaps.parquet")
    table = {"target": "price", "file": str(folder / "houses.csv"), "folds": 3, "categories": "one_hot"}
    other = {"target": "price", "file": str(folder / "gaps.parquet"), "missing": "mean"}
    datasets = [{"name": "houses", **table}, {"name": "gaps", **other}]
    return sumsquares.run({"name": "houses", "dataset": datasets, "grid": [GRID]}, store=folder / "store")


def encoded(table, columns):
    """The columns of a network as numbers."""
    pairs = [name.partition("=") for name in columns]
    return np.column_stack([table[name] == text if equals else table[name] for name, equals, text in pairs]) * 1.0


def test_rows_are_found_by_name_or_in_the_order_of_the_columns(houses):
    """A table has the text of a category, an array zeros and ones; module and ONNX file take the array."""
    model, table = houses.best("houses"), frame()
    assert set(model.columns) == {"area", "rooms", "town=B", "town=Æ"}
    found_N = model.predict(table.sample(frac=1, random_state=0))
    x_NI = encoded(table, model.columns)
    np.testing.assert_array_equal(model.predict(x_NI), model.predict(table))
    assert sorted(found_N) == sorted(model.predict(table))
    with torch.no_grad():
        by_module_N = model.module(torch.from_numpy(x_NI)).numpy()
    np.testing.assert_allclose(by_module_N, model.predict(x_NI), rtol=1e-4)


def test_an_onnx_file_takes_the_columns_in_their_order(houses, tmp_path):
    """With the same answers."""
    model = houses.best("houses")
    session = onnxruntime.InferenceSession(model.to_onnx(tmp_path / "model.onnx"))
    x_NI = encoded(frame(), model.columns)
    np.testing.assert_allclose(session.run(None, {"inputs": x_NI})[0], model.predict(x_NI), rtol=1e-4)


def test_each_split_has_models_of_its_own(houses):
    """They say so, and are found by it; the summary has one row per variant."""
    for number in (1, 2, 3):
        models = houses.models(where={"dataset": "houses", "split": f"fold_{number}"})
        assert {model.split for model in models} == {f"fold_{number}"}
        assert len(models) == 2
        assert f"split fold_{number}" in repr(models[0])
    assert [len(houses.summary), len(houses.trials)] == [4, 8]
    assert {model.variant["variant_id"] for model in houses.models()} == {*houses.summary["variant_id"].to_pylist()}
    assert "test RMSE" in repr(houses.best("houses"))


def test_a_gap_becomes_the_mean_where_it_did_in_training(houses):
    """And is refused with its column and row elsewhere."""
    table = frame()
    table.loc[3, "area"] = np.nan
    model = houses.best("gaps")
    filled = table.fillna({"area": dict(model._trial.variant.dataset.table.split_rows[0].means)["area"]})
    np.testing.assert_array_equal(model.predict(table), model.predict(filled))
    with pytest.raises(UsageError, match='column "area": row 3 has no value'):
        houses.best("houses").predict(table)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(columns="rooms"), "the table has no column 'rooms'; it has area, town, price"),
        (lambda table: table.assign(town="C"), 'column "town": row 0 has "C"'),
        (lambda table: table.assign(town=1), 'column "town" is no text'),
        (lambda table: table.assign(area="large"), 'column "area": row 0 has "large"'),
        (lambda table: table[["area", "rooms"]].to_numpy(), "rows have 2 columns, and houses has 4: area, rooms"),
        (lambda table: table.to_numpy(), "is not a number"),
    ],
)
def test_rows_that_do_not_fit_are_refused(houses, change, said):
    """With column, row and value."""
    with pytest.raises(UsageError) as caught:
        houses.best("houses").predict(change(frame()))
    assert said in str(caught.value)


def test_a_run_opens_without_the_file_of_its_table(houses, tmp_path):
    """Its models need none, and its causes are there."""
    again = sumsquares.open("houses", houses._store.root)
    np.testing.assert_array_equal(again.best("gaps").predict(frame()), houses.best("gaps").predict(frame()))
    assert set(again.causes()["dataset"].to_pylist()) == {"houses", "gaps"}


def test_a_table_that_is_refused_leaves_nothing(tmp_path):
    """As by the command."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n,3\n")
    spec = {"name": "a", "dataset": [{"name": "a", "file": str(tmp_path / "a.csv"), "target": "z"}], "grid": [GRID]}
    with pytest.raises(SpecError, match="z"):
        sumsquares.run(spec, store=tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_best_of_a_fitted_table_is_the_network_of_all_rows(tmp_path, monkeypatch, capfd):
    """What `predict` asks, too."""
    frame().to_parquet(tmp_path / "houses.parquet")
    for cli in calls(monkeypatch, capfd, tmp_path):
        assert cli("fit", "houses.parquet", "--target", "price", "--epochs", "3").code == 0
        run = sumsquares.open("houses")
        model = run.best()
        assert repr(model).endswith(f"RMSE on its training rows {model.rmse:.4g}>")
        frame().to_csv(tmp_path / "new.csv", index=False)
        assert cli("predict", "houses", "--input", "new.csv", "--output", "out.csv").code == 0
        out = pd.read_csv(tmp_path / "out.csv")
        np.testing.assert_allclose(out.prediction, model.predict(frame()), rtol=1e-12)
        assert len(run.models()) > 100
