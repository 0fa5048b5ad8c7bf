"""The public API on generated datasets: what it returns, what it refuses and how it says so."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from api_world import SPEC
from api_world import world as world

import sumsquares
from sumsquares._spec import spec_text
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.rows import block
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.stored import read_losses, read_trials
from sumsquares.jobs.spec.errors import SpecError
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.storage.store import Store

ROOT = Path(__file__).parent.parent
OLD = ROOT / "tests" / "old_store"


def test_four_lines_from_an_empty_notebook_to_a_right_prediction(world, monkeypatch):
    """Open, best, predict, module."""
    monkeypatch.chdir(world.folder)
    run = sumsquares.open("small")
    model = run.best("squares")
    assert model.predict([[12]]).round().tolist() == [144.0]
    assert model.module(torch.tensor([[12.0]])).round().tolist() == [144.0]


def test_tables_are_those_of_the_store(world):
    """The summary and the trials, as any tool reads them."""
    folder = world.folder / "store" / "runs" / "small"
    assert world.run.summary.equals(pq.read_table(folder / "summary.parquet"))
    assert world.run.trials.equals(pq.read_table(folder / "trials.parquet"))
    assert Path(world.run.report) == folder / "report.html"
    assert len(world.run.summary.to_pandas()) == 12


def test_a_run_prints_nothing(tmp_path, capfd):
    """To neither stream, unless progress is asked for; then to stderr alone."""
    sumsquares.run(SPEC, store=tmp_path / "store")
    assert capfd.readouterr() == ("", "")
    sumsquares.run(SPEC, store=tmp_path / "other", progress=True)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "24 of 24 trials" in printed.err


def test_a_run_of_a_mapping_is_that_of_its_file(world, tmp_path):
    """Whatever kinds of lists and numbers it has; a second run trains nothing."""
    path = tmp_path / "spec.toml"
    path.write_bytes(spec_text(SPEC))
    before = sorted((world.folder / "store").glob("trials/*"))
    again = sumsquares.run(str(path), store=world.folder / "store")
    assert sorted((world.folder / "store").glob("trials/*")) == before
    assert again.summary["rmse_median"].equals(world.run.summary["rmse_median"])
    grid = {"hidden": np.array([[16]]), "lr": np.float64(0.25), "seeds": (np.int64(3),)}
    spec = {"name": "a", "dataset": SPEC["dataset"], "grid": [grid], "train": {"epochs": np.int32(5)}}
    parsed = parse_spec(spec_text(spec), "spec")
    assert (parsed.grids[0].hidden, parsed.grids[0].lr, parsed.grids[0].seed_values) == (((16,),), (0.25,), (3,))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "name: NoneType None can't be a value"),
        ({"name": {1, 2}}, "name: set {1, 2} can't be"),
        ({5: 1}, "5: int 5 can't be"),
        ({"train": {"lr": float("nan")}}, "lr: float nan can't be"),
        ({"engine": "fast"}, "engine"),
        ({"colour": "red"}, "colour: unknown key"),
        ({"grid": []}, "grid"),
        ({"dataset": [{"name": "Ä\x7f\U0001f600"}]}, "dataset[0]"),
    ],
)
def test_a_mapping_that_is_no_spec_is_refused(tmp_path, changes, said):
    """As a file would be, with nothing created."""
    with pytest.raises(SpecError) as caught:
        sumsquares.run({**SPEC, **changes}, store=tmp_path / "store")
    assert said in str(caught.value)
    assert not [*tmp_path.iterdir()]


def test_what_is_not_there_is_named_with_what_is(world, tmp_path):
    """Runs, datasets, trials, conditions and their values; each is a ValueError."""
    run, store = world.run, world.folder / "store"
    cases = {
        "there is no run 'smal' in the folder": lambda: sumsquares.open("smal", store),
        "there are: small": lambda: sumsquares.open("smal", store),
        "there are: none": lambda: sumsquares.open("small", tmp_path / "no-store"),
        "has 2 datasets; name one: sums, squares": run.best,
        "has no dataset 'cubes'; it has: sums, squares": lambda: run.best("cubes"),
        "has no trial 'abc'": lambda: run.model("abc"),
        "has no trial 'x'": lambda: run.losses("x"),
        "there are: identity, tanh": lambda: run.models(where={"activation": "relu"}),
        "it takes dataset, variant_id, hidden, activation": lambda: run.models(where={"colour": "red"}),
        "where is 'lr=1'; write a dictionary": lambda: run.models(where="lr=1"),
        "there is no run 'None' in the folder": lambda: sumsquares.open(None, store),
        "store is None; write a folder": lambda: sumsquares.open("small", None),
        "store is 7; write a folder": lambda: sumsquares.run(SPEC, 7),
        "spec is of type list; write the path": lambda: sumsquares.run([SPEC], store),
        "workers 'many' is not a number of workers": lambda: sumsquares.run(SPEC, store, workers="many"),
    }
    for said, call in cases.items():
        with pytest.raises(ValueError, match=r".") as caught:
            call()
        assert said in str(caught.value)
        assert isinstance(caught.value, UsageError)
        assert "--" not in str(caught.value), "there are no options in Python"


def test_models_are_those_that_meet_all_conditions_the_best_first(world):
    """Values are those of a spec; the best of all is that of the summary."""
    rows = world.run.trials.to_pylist()
    for where in ({}, {"dataset": "squares"}, {"hidden": [16], "activation": "tanh"}, {"hidden": (), "seed": 1}):
        wanted = {name: str(list(value)) if name == "hidden" else value for name, value in where.items()}
        expected = {row["trial_id"] for row in rows if all(row[name] == value for name, value in wanted.items())}
        models = world.run.models(where)
        assert {model.trial_id for model in models} == expected
        for name in world.run.datasets:
            errors = [model.rmse for model in models if model.dataset == name]
            assert errors == sorted(errors)
    summary = json.loads((world.folder / "store/runs/small/summary.json").read_text())
    for name in world.run.datasets:
        assert world.run.best(name).trial_id == summary["best_trial"][name]["trial_id"]
        assert world.run.models({"dataset": name})[0].trial_id == world.run.best(name).trial_id


def test_a_model_says_what_it_is(world):
    """Its hyperparameters are those of its row, as a spec writes them."""
    model = world.run.best("squares")
    row = next(row for row in world.run.trials.to_pylist() if row["trial_id"] == model.trial_id)
    assert (model.rmse, model.seed, model.split, model.columns) == (row["rmse"], row["seed"], None, ("number_1",))
    assert {name: str(value) if name == "hidden" else value for name, value in model.variant.items()} == {
        name: row[name] for name in model.variant
    }
    assert repr(model).startswith("<Model squares: [16] tanh, adam lr 0.01, unit, 60 epochs")
    assert "[16] tanh" in world.run._repr_html_()


ROWS = {
    "list": [[1, 2], [3.5, 4]],
    "tuple": ((1, 2), (3.5, 4)),
    "float32": np.array([[1, 2], [3.5, 4]], np.float32),
    "objects": np.array([[1, np.float32(2)], [3.5, np.int8(4)]], object),
    "torch": torch.tensor([[1, 2], [3.5, 4]]),
    "pandas": pd.DataFrame({"number_2": [2, 4], "text": ["a", "b"], "number_1": [1, 3.5]}, index=[7, 3]),
    "pyarrow": pa.table({"number_2": [2, 4], "text": ["a", "b"], "number_1": [1, 3.5]}),
    "batch": pa.record_batch({"number_2": [2, 4], "number_1": [1, 3.5]}),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_are_taken_as_people_have_them(world, rows):
    """With the same answers; the columns of a table are found by their names."""
    model = world.run.best("sums")
    found_N = model.predict(rows)
    assert found_N.dtype == np.float64
    np.testing.assert_array_equal(found_N, model.predict(ROWS["list"]))
    np.testing.assert_allclose(found_N, [3, 7.5], atol=1e-3)


REFUSED = [
    ([12, 3], "rows have 1 dimension, not 2: write a list of rows, such as [[12], [1500]]"),
    ([], "rows have 1 dimension, not 2"),
    (7, "rows have 0 dimensions, not 2"),
    (None, "rows have 0 dimensions, not 2"),
    (pd.Series([1.0, 2.0]), "rows have 1 dimension, not 2"),
    (pa.array([1.0, 2.0]), "rows have 1 dimension, not 2"),
    ([[1]], "rows have 1 column, and sums has 2: number_1, number_2"),
    ([[1, 2, 3]], "rows have 3 columns, and sums has 2"),
    ([[1, 2], [3]], "rows must have the same number of values"),
    ([["1", "2"]], "row 0, column 0: '1' is not a number"),
    ([[1, 2], [1, None]], "row 1, column 1: 'None' is not a number"),
    ([[1, 2j]], "is not a number"),
    (np.array([["2020-01-01", "2020-01-02"]], "M8[D]"), "is not a number"),
    ([[1, float("nan")]], "row 0, column 1: nan is not a finite number"),
    ([[1, 2], [float("inf"), 1]], "row 1, column 0: inf is not a finite number"),
    (pd.DataFrame({"number_1": [1.0]}), "number_2"),
    (pd.DataFrame({"number_1": [1.0], "number_2": ["two"]}), "number_2"),
    (pd.DataFrame({"number_1": [1.0, 2.0], "number_2": [3.0, None]}), "number_2"),
    (pa.table({"number_1": [1.0, 2.0], "number_2": [3.0, float("nan")]}), "number_2"),
]


@pytest.mark.parametrize(("rows", "said"), REFUSED)
def test_rows_that_are_no_inputs_are_refused_with_their_place(world, rows, said):
    """Text is not read as a number, and what is missing is not guessed."""
    with pytest.raises(UsageError) as caught:
        world.run.best("sums").predict(rows)
    assert said in str(caught.value)


def test_no_rows_have_no_answers(world):
    """An empty array with the right columns is fine."""
    assert world.run.best("sums").predict(np.empty((0, 2))).shape == (0,)


def test_digits_and_unused_columns_may_be_left_out(tmp_path):
    """The numbers alone are enough: digits are computed, and unused columns have the middle of their range."""
    datasets = [
        {"name": "digits", "task": "square", "largest": 20, "rows": 100, "digits": 2},
        {"name": "unused", "task": "sum", "largest": 20, "rows": 100, "unused": 2},
    ]
    run = sumsquares.run(
        {"name": "a", "dataset": datasets, "grid": [{"hidden": [[4]], "epochs": 2}]}, store=tmp_path / "store"
    )
    digits, unused = run.best("digits"), run.best("unused")
    bits = [[int(bit) for bit in f"{number:0{len(digits.columns)}b}"[::-1]] for number in (5, 19)]
    np.testing.assert_array_equal(digits.predict([[5], [19]]), digits.predict(bits))
    np.testing.assert_array_equal(unused.predict([[5, 19]]), unused.predict([[5, 19, 10, 10]]))
    for number in (2.5, -1, 10**6):
        with pytest.raises(UsageError, match=f"row 1: {number} is"):
            digits.predict([[5], [number]])
    assert len(unused.columns) == 4


def test_losses_are_the_stored_ones(world):
    """With their epochs, counted from 1."""
    packs = {row["trial_id"]: row["pack"] for row in read_trials(world.store).table.to_pylist()}
    for trial in world.run.trials["trial_id"].to_pylist():
        epochs_E, loss_E = world.run.losses(trial)
        losses_ME, ids = read_losses(world.store, packs[trial])
        np.testing.assert_array_equal(loss_E, losses_ME[ids.index(trial)])
        np.testing.assert_array_equal(epochs_E, curve_epochs(60))


def test_causes_are_those_of_the_summary(world):
    """The first one of each variant, and all in their order."""
    causes = world.run.causes()
    for row in world.run.summary.to_pylist():
        own = [each for each in causes.to_pylist() if each["variant_id"] == row["variant_id"]]
        assert ", ".join(each["cause"] for each in own) == row["causes"]
        assert (own[0]["cause"], own[0]["remedy"], own[0]["dataset"]) == (row["cause"], row["remedy"], row["dataset"])
        assert all(each["sentence"].strip() for each in own)


def test_a_pickled_model_needs_no_store(world, tmp_path):
    """It takes its weights along, and no module."""
    store = shutil.copytree(world.folder / "store", tmp_path / "store")
    model = sumsquares.open("small", store).best("squares")
    assert model.module is model.module
    data = pickle.dumps(model)
    shutil.rmtree(store)
    copy = pickle.loads(data)  # noqa: S301  our own
    np.testing.assert_array_equal(copy.predict([[12], [30]]), model.predict([[12], [30]]))
    assert copy.variant == model.variant


def test_training_a_module_further_leaves_predictions_alone(world):
    """They are those of the stored weights."""
    model = sumsquares.open("small", world.folder / "store").best("squares")
    before = model.predict([[12]])
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(model.predict([[12]]), before)


def test_an_onnx_file_says_what_it_is(world, tmp_path):
    """Its metadata name the trial, the columns and the target."""
    model = world.run.best("sums")
    assert model.to_onnx(str(tmp_path / "model.onnx")) == tmp_path / "model.onnx"
    about = {each.key: each.value for each in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert (about["trial_id"], about["dataset"], about["target"]) == (model.trial_id, "sums", "target")
    assert json.loads(about["columns"]) == ["number_1", "number_2"]
    assert json.loads(about["variant"]) == model.variant
    assert json.loads(about["rmse"]) == model.rmse


def test_without_the_package_onnx_the_command_that_installs_it_is_named(world, tmp_path, monkeypatch):
    """And no file is written."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "sumsquares.jobs.engines.onnx_graph")
    with pytest.raises(UsageError, match=r'pip install "sumsquares\[onnx\]"'):
        world.run.best("sums").to_onnx(tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]


def test_diverged_trials_are_no_models(tmp_path):
    """They have losses, and are left out of the models; a run of nothing else says so."""
    spec = {**SPEC, "grid": [{"hidden": [[16]], "activation": ["square"], "optimizer": "sgd", "lr": [1e6]}]}
    run = sumsquares.run(spec, store=tmp_path / "store")
    (trial, *_) = run.trials["trial_id"].to_pylist()
    assert not np.isfinite(run.losses(trial)[1]).all()
    assert "none gave a result" in run._repr_html_()
    for call in (lambda: run.model(trial), run.models, lambda: run.best("sums")):
        with pytest.raises(UsageError, match=r"diverged at step|gave a result"):
            call()


def test_damage_is_named_with_its_remedy(world, tmp_path):
    """Of the tables, the weights and the results; nothing else takes their place."""
    store = shutil.copytree(world.folder / "store", tmp_path / "store")
    run = sumsquares.open("small", store)
    (store / "runs/small/trials.parquet").write_bytes(b"odd")
    with pytest.raises(DataError, match=r"trials.parquet: damaged, .* summarize"):
        run.trials  # noqa: B018
    (store / "runs/small/trials.parquet").unlink()
    with pytest.raises(DataError, match=r"trials.parquet: damaged"):
        run.trials  # noqa: B018
    run = sumsquares.open("small", shutil.copytree(world.folder / "store", tmp_path / "other"))
    model = run.best("squares")
    for path in (tmp_path / "other" / "trials").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(DataError, match="missing, it has the weights of trial"):
        model.predict([[12]])
    with pytest.raises(DataError, match="missing; run the spec again"):
        run.losses(model.trial_id)
    for path in (tmp_path / "other" / "trials").glob("*.parquet"):
        path.unlink()
    with pytest.raises(DataError, match="is gone, or damaged: run the spec again"):
        sumsquares.open("small", tmp_path / "other").best("squares")


def test_an_unfinished_run_is_not_opened(world, tmp_path):
    """It has no summary yet."""
    store = shutil.copytree(world.folder / "store", tmp_path / "store")
    (store / "runs/small/summary.json").unlink()
    with pytest.raises(UsageError, match="has no summary yet"):
        sumsquares.open("small", store)


@pytest.mark.parametrize("name", sorted(path.name for path in (OLD / "files" / "runs").iterdir()))
def test_runs_of_earlier_versions_are_opened(name, tmp_path):
    """Where they have files of today's kinds; nothing is written."""
    store = shutil.copytree(OLD / "files", tmp_path / "store")
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    run = sumsquares.open(name, store)
    model = run.best(run.datasets[0])
    inputs_NI, target_N = block(run._asked.spec.datasets[0], "test", 0)
    error_N = model.predict(inputs_NI) - target_N
    assert np.sqrt(np.mean(error_N**2)) == pytest.approx(model.rmse, rel=1e-4)
    assert len(run.causes())
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_a_wrong_attribute_is_refused_with_the_public_names():
    """As of any module."""
    with pytest.raises(AttributeError, match="it has Model, Run, SweepRegressor"):
        sumsquares.nothing  # noqa: B018


def test_the_expected_time_decides_without_a_number_of_workers(world, tmp_path):
    """A short run stays in the process, of a plain script too, and has the same bits."""
    program = f"import sumsquares; sumsquares.run({SPEC!r}, store={str(tmp_path / 'store')!r}, workers=None)"
    (tmp_path / "script.py").write_text(program)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, tmp_path / "script.py"], check=True, env=environment, cwd=tmp_path)
    assert sumsquares.open("small", Store(str(tmp_path / "store")).root).trials["rmse"].equals(world.run.trials["rmse"])
