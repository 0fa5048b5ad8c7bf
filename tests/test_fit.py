"""`sumsquares fit`: a table without a spec, from the command line to a network that predicts."""

from __future__ import annotations

import io
import json
import re
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import calls
from own_tables import houses, put, small_grid, tree
from pages import Page

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.commands.table_asked import in_options, name_of
from sumsquares.jobs.pipeline.summarizing import files_of_run
from sumsquares.jobs.results.student_t import student_t975
from sumsquares.jobs.spec.default_grid import MOST_ROWS_IN_FOLDS, default_grid, held_out
from sumsquares.jobs.stages.run_files import stored_spec
from sumsquares.jobs.storage.store import Store

FIT = ("fit", "houses.csv", "--target", "price", "--workers", "0", "--epochs", "2", "--folds", "3")


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in a folder with a table of houses."""
    put(tmp_path / "houses.csv", houses())
    small_grid(monkeypatch)
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The folder of a finished fit, and what it printed as JSON."""
    folder = tmp_path_factory.mktemp("fitted")
    put(folder / "houses.csv", houses())
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        small_grid(patch)
        app([*FIT, "--json", "--quiet"], standalone_mode=False)
    return folder, json.loads(out.getvalue())


@pytest.fixture
def ran(cli, fitted, tmp_path):
    """The command line after a fit."""
    shutil.copytree(fitted[0] / "store", tmp_path / "store")
    return cli


def trials_of(folder, run):
    return pq.read_table(folder / f"store/runs/{run}/trials.parquet").to_pandas()


def test_the_choice_is_the_lowest_mean_rmse_on_validation_rows(fitted):
    """Of all variants; what is reported of the chosen one is its mean on the test rows of the splits, with pandas."""
    folder, printed = fitted
    validated, tested = trials_of(folder, "houses-validation"), trials_of(folder, "houses")
    axes = [name for name in printed["chosen"]["hyperparameters"] if name in validated]
    means = validated.groupby(axes).rmse.mean()
    assert printed["chosen"]["validation_rmse_mean"] == pytest.approx(means.min())
    mine = tested[tested.variant_id == printed["chosen"]["variant_id"]]
    assert printed["chosen"]["test"]["rmse_mean"] == pytest.approx(mine.rmse.mean())
    half = student_t975(np.array([2]))[0] * mine.rmse.std() / 3**0.5
    assert printed["chosen"]["test"]["ci95"][1] == pytest.approx(mine.rmse.mean() + half)
    best = dict(zip(axes, means.idxmin(), strict=True))
    assert {axis: str(value) for axis, value in best.items()} == {
        axis: str(printed["chosen"]["hyperparameters"][axis]) for axis in axes
    }


def test_chosen_anew_each_split_has_the_variant_of_its_own_validation_rows(fitted):
    """With pandas, split by split."""
    folder, printed = fitted
    validated, tested = trials_of(folder, "houses-validation"), trials_of(folder, "houses")
    axes = [name for name in printed["chosen"]["hyperparameters"] if name in validated]
    expected = []
    for split in printed["chosen"]["splits"]:
        on = validated[validated.split == split].set_index(axes)
        expected.append(tested[tested.split == split].set_index(axes).loc[on.rmse.idxmin()].rmse)
    assert printed["chosen"]["test_chosen_anew_in_each_split"]["rmse"] == pytest.approx(expected)


def test_test_rows_have_no_say_in_the_choice(cli, tmp_path):
    """With other targets in the test rows of its only split the choice is the same; what it is worth differs."""
    table = houses()
    is_test = np.arange(60) % 4 == 0
    found = []
    for shift in (0.0, 1000.0):
        price = table["price"].to_numpy() + shift * is_test * (np.arange(60) % 8 - 4)
        other = table.set_column(3, "price", pa.array(price)).append_column("held", pa.array(is_test))
        put(tmp_path / "two.parquet", other)
        arguments = ("fit", "two.parquet", "--target", "price", "--test", "held", "--epochs", "2", "--workers", "0")
        found.append(json.loads(cli(*arguments, "--json").out))
    first, second = (each["chosen"] for each in found)
    assert first["hyperparameters"] == second["hyperparameters"]
    assert first["validation_rmse_mean"] == second["validation_rmse_mean"]
    assert first["test"]["rmse_mean"] < second["test"]["rmse_mean"] / 10


def test_baselines_are_those_of_the_same_splits(fitted):
    """The mean of the training rows and least squares, by numpy; boosted trees where scikit-learn is installed."""
    _, printed = fitted
    assert {*printed["baselines"]} == {"mean", "least squares", "boosted trees"}
    means = [each["rmse_mean"] for each in printed["baselines"].values()]
    assert means == sorted(means), "the best first"
    for each in printed["baselines"].values():
        assert len(each["rmse"]) == 3
        assert each["rmse_mean"] == pytest.approx(fmean(each["rmse"]))
    assert printed["baselines"]["least squares"]["rmse_mean"] < printed["baselines"]["mean"]["rmse_mean"] / 2


def test_the_verdict_names_the_lower_rmse_first_and_a_winner_only_if_the_interval_excludes_zero(fitted):
    """Its numbers are those of the splits."""
    _, printed = fitted
    found = re.fullmatch(
        r"(No winner|Winner): (.*) with [\d.]+ against (.*) with .*95% interval (\S+) to (\S+)\.", printed["verdict"]
    )
    assert found
    best = min(printed["baselines"], key=lambda name: printed["baselines"][name]["rmse_mean"])
    network = printed["chosen"]["test_chosen_anew_in_each_split"]["rmse_mean"]
    is_network_first = network < printed["baselines"][best]["rmse_mean"]
    assert (best in found[3]) == is_network_first
    assert (best in found[2]) != is_network_first
    assert (float(found[4]) > 0) == (found[1] == "Winner")


def test_the_text_has_the_table_the_choice_the_baselines_and_what_comes_next(ran):
    """On lines of at most 100 columns, but for paths."""
    ended = ran(*FIT)
    assert ended.code == 0, ended.err
    for words in (
        "houses: 60 rows, target price, 2 inputs: area, rooms",
        "1 column left out: place (is text; write --one-hot",
        "Chosen by validation rows",
        "least squares",
        "boosted trees",
        "The chosen network, ",
        "next:    sumsquares predict houses --input new.parquet --output out.parquet",
    ):
        assert words in " ".join(ended.out.split()) or words in ended.out
    lines = [line for line in ended.out.splitlines() if not line.startswith(("summary:", "report:", "next:"))]
    assert max(map(len, lines)) <= 100


def test_each_run_is_announced_with_what_it_is_for(ran):
    """On stderr, in the order in which they are trained."""
    told = [line for line in ran(*FIT).err.splitlines() if line.startswith("run ")]
    assert [line.partition(":")[0] for line in told] == ["run houses-validation", "run houses", "run houses-final"]


def test_baselines_are_measured_for_the_run_on_test_rows_alone(fitted):
    """One for each of its splits: nobody compares them with what is measured on validation rows, or on all rows."""
    folder, printed = fitted
    names = [path.name for path in (folder / "store/datasets").rglob("baselines*.json")]
    assert len(names) == 3
    for run, has in (("houses", True), ("houses-validation", False), ("houses-final", False)):
        summary = json.loads((folder / f"store/runs/{run}/summary.json").read_text())
        assert bool(summary["datasets"]["houses"]["baselines"]) == has
    assert len(printed["baselines"]) == 3


def test_what_is_measured_on_its_training_rows_does_not_say_that_they_occur_in_training(ran, fitted):
    """Neither in the report nor in the table of the run on all rows; that on test rows says it of those."""
    for run, has in (("houses", True), ("houses-final", False)):
        report = (fitted[0] / f"store/runs/{run}/report.html").read_text()
        printed = ran("summarize", f"store/runs/{run}/job.toml").out
        assert ("occur in training" in report, "occur in training" in " ".join(printed.split())) == (has, has)


def test_the_mean_has_its_article_in_the_sentence_on_who_wins(cli, tmp_path):
    """Where nothing is better than it: boosted trees with default settings need more than 24 rows."""
    noise = np.random.default_rng(0).normal(size=30)
    put(tmp_path / "noise.csv", pa.table({"a": np.arange(30) % 7, "y": noise}))
    out = cli("fit", "noise.csv", "--target", "y", "--workers", "0", "--epochs", "2", "--test", "0.2").out
    assert "Ahead on these test rows: the mean with" in out or "against the mean with" in out, out


def test_one_split_says_on_how_many_rows_it_is_measured(cli):
    """Without an interval, and with no means over splits."""
    out = cli("fit", "houses.csv", "--target", "price", "--workers", "0", "--epochs", "2", "--test", "0.2").out
    assert "\nRMSE on 12 test rows:\n" in out
    assert "95% interval" not in out


def test_fitting_again_trains_nothing_and_prints_the_same(ran, fitted):
    """Also when the file is gone: the store has its rows."""
    again = ran(*FIT, "--json")
    assert json.loads(again.out) == fitted[1] | {key: json.loads(again.out)[key] for key in ("summary", "report")}
    assert "0 to train" in again.err
    assert "to train" in again.err
    assert not re.search(r"[1-9]\d* to train", again.err)
    Path("houses.csv").unlink()
    assert json.loads(ran(*FIT, "--json", "--quiet").out)["chosen"] == fitted[1]["chosen"]


def test_the_final_run_is_the_chosen_variant_on_all_rows(fitted):
    """One trial, trained on and measured on every row."""
    folder, printed = fitted
    summary = json.loads((folder / "store/runs/houses-final/summary.json").read_text())
    trial = summary["best_trial"]["houses"]
    for axis, value in printed["chosen"]["hyperparameters"].items():
        assert str(trial[axis]) == str(value)
    assert summary["trials"]["total"] == 1
    assert summary["datasets"]["houses"]["split_rows"] == [{"name": None, "train": 60, "test": 60, "means": []}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fit", "houses.csv"), ["--target", '"area", "rooms"', "price"]),
        (("fit", "houses.csv", "--target", "prize"), ['"prize"', 'did you mean "price"']),
        (("fit", "house.csv", "--target", "price"), ["house.csv", 'did you mean "houses.csv"']),
        (("fit", "houses.csv", "--target", "place"), ["place", "text"]),
        (("fit", "nulls.csv", "--target", "price"), ["area", "row 2", "--missing drop"]),
        (("fit", "houses.csv", "--target", "price", "--missing", "zero"), ["--missing", "drop or mean"]),
        (("fit", "houses.csv", "--target", "price", "--test", "1.5"), ["--test", "0.2"]),
        (("fit", "houses.csv", "--target", "price", "--test", "0.2", "--folds", "3"), ["--test", "--folds"]),
        (("fit", "houses.csv", "--target", "price", "--folds", "1"), ["--folds", "from 2"]),
        (("fit", "houses.csv", "--target", "price", "--test", "rooms"), ["rooms", "boolean"]),
        (("fit", "houses.csv", "--target", "price", "--name", "My Houses"), ["--name", "a-z"]),
        (("fit", "houses.csv", "--target", "price", "--name", "x" * 54), ["--name", "1 to 53"]),
        (("fit", "houses.csv", "--target", "price", "--inputs", "area,size"), ['"size"', "inputs"]),
        (("fit", "semicolons.csv", "--target", "price"), ["--separator ';'"]),
        (("fit", "houses.csv", "--target", "price", "--max-trials", "10"), ["10"]),
        (("fit", "four.csv", "--target", "price"), ["rows"]),
    ],
)
def test_a_refusal_is_exit_2_with_a_remedy_and_leaves_no_trace(cli, tmp_path, arguments, words):
    """Remedies are options, as there is no spec."""
    (tmp_path / "nulls.csv").write_text("area,price\n1,2\n,3\n5,7\n")
    (tmp_path / "semicolons.csv").write_text("area;price\n1;2\n3;4\n5;7\n")
    put(tmp_path / "four.csv", houses(3))
    before = tree(tmp_path)
    ended = cli(*arguments, "--workers", "0")
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert "Traceback" not in ended.err
    assert tree(tmp_path) == before


def test_a_foreign_file_in_a_runs_place_is_refused_before_anything_is_written(cli, tmp_path):
    """Also where it is in the way of the last of the three runs."""
    foreign = tmp_path / "store/runs/houses-final/summary.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    before = tree(tmp_path)
    ended = cli(*FIT)
    assert ended.code == 3
    assert "houses-final/summary.json" in ended.err
    assert tree(tmp_path) == before


def test_a_variant_that_diverges_is_no_failure_and_is_not_chosen(cli, monkeypatch):
    """The exit code is 0; where all diverge, it is 7 and no network is chosen."""
    small_grid(monkeypatch, hidden=((4,),), optimizer="sgd", lr=(0.01, 1e30), weight_decay=(0.0,))
    ended = cli(*FIT, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["chosen"]["hyperparameters"]["lr"] == 0.01
    small_grid(monkeypatch, hidden=((4,),), optimizer="sgd", lr=(1e30, 1e31), weight_decay=(0.0,))
    ended = cli(*FIT, "--json")
    assert ended.code == 7, ended.err
    assert json.loads(ended.out)["chosen"] is None


def test_a_text_column_becomes_inputs_with_one_hot(cli):
    """One for each of its values."""
    ended = cli(*FIT, "--one-hot", "--json")
    assert json.loads(ended.out)["table"]["inputs"] == ["area", "rooms", "place=north", "place=south"]


def test_the_default_grid_depends_on_rows_and_inputs_alone():
    """More rows have fewer epochs and larger steps, few rows smaller networks; a step has at most half of the rows."""
    grids = [default_grid(rows, 8) for rows in (2, 100, 600, 16_000, 80_000, 10**7)]
    assert [grid.batch_size for grid in grids] == [1, 32, 32, 128, 128, 512]
    assert [grid.epochs for grid in grids] == [50, 50, 100, 13, 3, 1]
    assert grids[1].hidden == ((), (64,), (32, 32))
    assert (64, 64) in grids[2].hidden
    assert default_grid(100, 8, seeds=3, epochs=7).values["seeds"] == 3
    assert default_grid(100, 8, seeds=3, epochs=7).epochs == 7
    assert grids[1].variants == 16 * (1 + 2 * 3)
    assert held_out(MOST_ROWS_IN_FOLDS) == {"folds": 5}
    assert held_out(MOST_ROWS_IN_FOLDS + 1) == {"test": 0.2}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("houses.csv", "houses"),
        ("/data/My Houses 2024.parquet", "my-houses-2024"),
        ("s3://bucket/prices/*.parquet", "prices"),
        ("folder/", "folder"),
        ("Häuser.csv.gz", "h-user"),
        ("../.hidden.csv", "hidden"),
        ("*", "table"),
        ("x" * 100 + ".csv", "x" * 53),
    ],
)
def test_a_run_is_named_after_its_file(file, name):
    """By characters that a run's name may have."""
    assert name_of(file) == name


def test_remedies_of_a_spec_become_options():
    """All keys of a table; what is no key stays."""
    assert in_options('write missing = "drop" or "mean"') == 'write --missing drop or "mean"'
    assert in_options('write separator = ";" and decimal = ","') == "write --separator ';' and --decimal ,"
    assert in_options('write categories = "one_hot" to use') == "write --one-hot to use"
    assert in_options('inputs = ["a b", "c"]') == "--inputs 'a b,c'"
    assert in_options("lr = 0.1") == "lr = 0.1"
    assert in_options("leave the column out of `inputs`") == "leave the column out of --inputs"


def test_the_page_on_tables_shows_what_is_printed(cli, tmp_path):
    """Its table and its baselines, with scikit-learn's diabetes table; networks are left out, which take seconds."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True).frame.rename(columns={"target": "progression"})
    frame.to_csv(tmp_path / "diabetes.csv", index=False)
    out = cli("fit", "diabetes.csv", "--target", "progression", "--epochs", "1", "--workers", "0").out
    page = (Path(__file__).parents[1] / "docs/tables.md").read_text()
    told = [line for line in out.splitlines() if line.startswith(("diabetes: ", "  mean ", "  least ", "  boosted "))]
    assert len(told) == 4
    assert [line for line in told if line not in page] == []


def test_the_report_tells_of_the_chosen_network(fitted):
    """What chose it and who wins, as printed; the first variant of the default grid is nobody's question."""
    folder, printed = fitted
    page = Page((folder / "store/runs/houses/report.html").read_text())
    for sentence in (printed["verdict"], *printed["answer"]):
        assert sentence.replace("`", "") in page.words  # commands are set as code there
    assert "Chosen by validation rows" in page.words
    assert "The chosen network has an RMSE of" in page.words.partition("Run houses")[0]
    assert "first network" not in page.words
    assert printed["answer"][0].startswith("The chosen network, ")


def test_the_report_that_verify_makes_again_has_the_same_choice(fitted):
    """It is found in the store: the report is the same byte for byte."""
    folder, _ = fitted
    store = Store(str(folder / "store"))
    spec = stored_spec(store, "houses")
    assert files_of_run(spec, store)["report.html"] == (folder / "store/runs/houses/report.html").read_bytes()
