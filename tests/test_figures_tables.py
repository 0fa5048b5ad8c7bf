"""What the report draws of tables: answers beside some rows, and residuals on the test rows of the trial's split."""

from __future__ import annotations

import numpy as np
import pytest
from figures_world import world_of
from test_run import run

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.results import rows_of
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.scaling import ranges_in_training
from sumsquares.jobs.storage.store import Store

SPEC = """
name = "tables"
[[dataset]]
name = "line"
inputs = ["x"]
folds = 3
missing = "mean"
[[dataset]]
name = "count"
inputs = ["n"]
[[dataset]]
name = "flag"
inputs = ["old"]
[[dataset]]
name = "both"
inputs = ["x", "n"]
folds = 2
missing = "drop"
[[dataset]]
name = "many"
inputs = ["x", "n", "old"]
missing = "drop"
test = 0.5
[train]
epochs = 2
batch_size = 20
[[grid]]
hidden = [[], [4]]
activation = "tanh"
normalize = "zscore"
seeds = 2
""".replace("[[dataset]]", '[[dataset]]\nfile = "own.csv"\ntarget = "y"')
ROWS = 1_000


def write(folder):
    """A table that is sorted by its target."""
    draw = np.random.default_rng(0)
    y_N = np.sort(draw.normal(size=ROWS))
    x_N, n_N = 2 * y_N + draw.normal(size=ROWS), np.rint(10 * y_N).astype(int)
    cells = zip(["", *x_N[1:].tolist()], n_N.tolist(), (n_N > 0).tolist(), y_N.tolist(), strict=True)
    lines = [",".join(map(str, row)).replace("True", "true").replace("False", "false") for row in cells]
    (folder / "own.csv").write_text("\n".join(["x,n,old,y", *lines]) + "\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A run on that table; tests must not change its store."""
    folder = tmp_path_factory.mktemp("tables")
    write(folder)
    store, code = run(folder, SPEC)
    assert code == 0
    return world_of(store, "tables")


@pytest.fixture(scope="module")
def figures(world):
    """What is drawn of it."""
    return world.figures()


def test_each_table_has_the_figures_of_its_number_of_columns(world, figures):
    """One input column is a curve, without a rule; there are residuals always, and no map."""
    for name, found in figures.items():
        assert (found.curves is not None) == (name in ("line", "count", "flag"))
        assert found.maps == ()
        assert {role for each in found.residuals for role in each.chosen.roles} == {"first", "best"}
        assert {chosen.trial for chosen, _ in found.samples} == {each.chosen.trial for each in found.residuals}


@pytest.mark.parametrize("name", ["line", "count", "flag"])
def test_curves_are_what_predict_answers_in_the_range_and_a_little_beyond(world, figures, name):
    """Integers of a column of integers; a boolean is 0 or 1."""
    curves = figures[name].curves
    assert (curves.name, curves.target_P) == ({"line": "x", "count": "n", "flag": "old"}[name], None)
    trained = [ranges_in_training(world.store, world.trial(chosen).variant)[0] for chosen, _ in curves.answers]
    assert (curves.low, curves.high) == (min(low for low, _ in trained), max(high for _, high in trained))
    beyond = {"line": 0.25 * (curves.high - curves.low), "count": -(-(curves.high - curves.low) // 4), "flag": 0}[name]
    assert (curves.inputs_P[0], curves.inputs_P[-1]) == (curves.low - beyond, curves.high + beyond)
    assert name == "line" or np.all(np.diff(curves.inputs_P) == 1)
    for chosen, answers_P in curves.answers:
        pack = world.row(chosen.trial)["pack"]
        expected_P = answers(world.store, pack, world.trial(chosen), curves.inputs_P[:, np.newaxis])
        np.testing.assert_array_equal(answers_P, expected_P)


def all_rows(world, chosen):
    """All test rows of the split of a trial."""
    dataset = world.trial(chosen).variant.dataset
    inputs, targets = zip(*blocks_of(world.store, dataset, "test"), strict=True)
    return np.concatenate(inputs), np.concatenate(targets)


def test_residuals_are_those_of_the_test_rows_of_the_own_split(world, figures):
    """All rows give the RMSE of the trial; of many rows there are some from the first to the last."""
    for name, found in figures.items():
        for each in found.residuals:
            inputs_NI, target_N = all_rows(world, each.chosen)
            assert each.chosen.split == world.row(each.chosen.trial)["split"]
            assert each.of == len(target_N)
            predicted_N = answers(
                world.store, world.row(each.chosen.trial)["pack"], world.trial(each.chosen), inputs_NI
            )
            places = [np.flatnonzero(target_N == target)[0] for target in each.expected_R]
            assert (places[0], places[-1]) == (0, each.of - 1)
            assert np.ptp(np.diff(places)) <= 1
            np.testing.assert_array_equal(each.predicted_R, predicted_N[places])
            assert len(each.expected_R) == min(each.of, 400)
            if each.of <= 400:
                rmse = np.sqrt(np.mean((each.predicted_R - each.expected_R) ** 2))
                assert rmse == pytest.approx(world.row(each.chosen.trial)["rmse"], rel=1e-5)
        assert {each.of > 400 for each in found.residuals} == {name in ("both", "many")}


def test_the_rows_beside_a_curve_are_test_rows_of_the_best(world, figures):
    """Of a fold, those that were held out from its best trial."""
    for name in ("line", "count"):
        curves = figures[name].curves
        [best] = [chosen for chosen, _ in curves.answers if "best" in chosen.roles]
        inputs_NI, target_N = all_rows(world, best)
        held_out = set(zip(inputs_NI[:, 0].tolist(), target_N.tolist(), strict=True))
        assert set(zip(*(values.tolist() for values in curves.rows), strict=True)) <= held_out
        assert len(curves.rows[0]) == min(400, len(target_N))


def test_losses_of_folds_are_those_of_the_asked_split(world, figures):
    """One curve per seed."""
    for found in figures.values():
        for each in found.losses:
            assert each.seeds == (0, 1)
            assert len(each.loss_SE) == 2


def test_lost_rows_are_told_and_leave_out_what_needs_them(world, figures, tmp_path):
    """Once per dataset; no weights are lost."""
    store = Store(str(tmp_path))
    for path in world.store.list(""):
        if "/rows/" not in path:
            store.put(path, world.store.get(path))
    told = []
    found = world._replace(store=store).figures(world.summary(), on_rows=told.append)
    assert len(told) == len(figures)
    for name, error in zip(figures, told, strict=True):
        assert isinstance(error, DataError)
        assert f"dataset {name}: some of its rows are not in the store" in str(error)
        assert (found[name].curves, found[name].residuals, found[name].samples) == (None, (), ())
        assert len(found[name].losses) == len(figures[name].losses) > 0


def test_a_summary_without_the_rows_keeps_the_weights(tmp_path, capfd):
    """They are intact; a run reads the table again."""
    write(tmp_path)
    store, code = run(tmp_path, SPEC)
    assert code == 0
    before, report = store.list("trials"), store.get("runs/tables/report.html")
    for path in store.list("datasets"):
        if "/rows/" in path:
            store.delete(path)
    rows_of._tables.cache_clear()  # as in another process
    capfd.readouterr()
    assert commands.summarize(tmp_path / "spec.toml", 10**6, Shared(store.root, json=True, quiet=True)) == 0
    assert capfd.readouterr().err.count("are not in the store") == 5
    assert store.list("trials") == before
    assert run(tmp_path, SPEC)[1] == 0
    assert store.get("runs/tables/report.html") == report
