"""`sumsquares predict` on tables: rows streamed from a file to a file, values on the command line, conditions."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from command_line import calls
from own_tables import houses, put, small_grid, tree
from specs import SMALL

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.run_files import stored_spec
from sumsquares.jobs.storage.store import Store

FIT = ("--target", "price", "--workers", "0", "--epochs", "2", "--folds", "2", "--quiet")
FILE = ("--input", "new.parquet", "--output", "out.parquet")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A store with a fitted table of houses, one with categories, one with nulls, and a run of generated rows."""
    folder = tmp_path_factory.mktemp("fitted")
    put(folder / "houses.parquet", houses())
    area = houses()["area"].to_pylist()
    put(folder / "gaps.parquet", houses().set_column(0, "area", pa.array([None, *area[1:]])))
    (folder / "spec.toml").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.chdir(folder)
        small_grid(patch)
        for line in (
            ("fit", "houses.parquet", *FIT),
            ("fit", "houses.parquet", "--one-hot", "--name", "places", *FIT),
            ("fit", "gaps.parquet", "--missing", "mean", *FIT),
            ("run", "spec.toml", "--workers", "0", "--quiet"),
        ):
            app(line, standalone_mode=False)
    return folder / "store"


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path, fitted):
    """The command line in a folder with that store and a table of new rows."""
    shutil.copytree(fitted, tmp_path / "store")
    put(tmp_path / "new.parquet", houses(50, seed=1))
    yield from calls(monkeypatch, capfd, tmp_path)


def reference(table, run="houses-final"):
    """Predictions by the plain path: the only trial of the run on an array of raw inputs."""
    store = Store("store")
    [trial] = trials(stored_spec(store, run))
    rows = {row["trial_id"]: row for row in read_results(store).table.select(["trial_id", "pack"]).to_pylist()}
    inputs_NI = np.column_stack([table[name].to_numpy() for name in ("area", "rooms")]).astype(float)
    return answers(store, rows[trial.id]["pack"], trial, inputs_NI)


def test_all_columns_come_back_with_the_prediction_of_the_model_of_all_rows(cli):
    """In their order and types; the predictions are those of the plain path."""
    ended = cli("predict", "houses", *FILE)
    assert ended.code == 0, ended.err
    assert "chosen network" in ended.out
    assert "trained on all 60 rows" in ended.out
    new, out = pq.read_table("new.parquet"), pq.read_table("out.parquet")
    assert out.select(new.column_names).equals(new)
    assert out.schema.field("prediction").type == pa.float64()
    assert out.column_names[-1] == "prediction"
    np.testing.assert_array_equal(out["prediction"], reference(new))


def test_the_bits_do_not_depend_on_format_order_other_types_or_batches(cli, monkeypatch):
    """CSV and Parquet, columns in any order, integers as decimals or text, rows one by one."""
    new = pq.read_table("new.parquet")
    expected = reference(new)
    variations = {
        "order.parquet": new.select(["place", "rooms", "area"]),
        "types.parquet": new.set_column(1, "rooms", pc.cast(new["rooms"], pa.decimal128(21, 2))),
        "text.parquet": new.set_column(1, "rooms", pc.cast(new["rooms"], pa.string())),
        "small.parquet": new.set_column(1, "rooms", pc.cast(new["rooms"], pa.int8())),
        "words.parquet": new.set_column(2, "place", new["place"].dictionary_encode()),
        "same.csv": new,
    }
    for name, table in variations.items():
        put(Path(name), table)
        for output in ("out.parquet", "out.csv"):
            ended = cli("predict", "houses", "--input", name, "--output", output)
            assert ended.code == 0, ended.err
            out = pq.read_table(output) if output.endswith("parquet") else pa_csv.read_csv(output)
            np.testing.assert_array_equal(out["prediction"], expected)
    monkeypatch.setattr("sumsquares.jobs.stages.new_rows._MOST_ROWS", 7)
    assert cli("predict", "houses", *FILE).code == 0
    np.testing.assert_array_equal(pq.read_table("out.parquet")["prediction"], expected)


def test_cells_of_a_csv_come_back_as_they_are_written(cli, tmp_path):
    """Leading zeros, quotes, separators, line ends, blanks and other columns; a header with a comma."""
    text = 'id,"a, b",area,rooms\n007,"x ""y"" z",50.50,2\n08,"two\nlines",1e2,3\n,,60,4\n'
    (tmp_path / "odd.csv").write_text(text)
    assert cli("predict", "houses", "--input", "odd.csv", "--output", "out.csv").code == 0
    read = pa_csv.ConvertOptions(column_types=dict.fromkeys(("id", "a, b", "area", "rooms"), pa.string()))
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    before = pa_csv.read_csv("odd.csv", parse_options=parse, convert_options=read)
    after = pa_csv.read_csv("out.csv", parse_options=parse, convert_options=read)
    assert after.select(before.column_names).equals(before)


def test_a_csv_with_other_marks_is_read_and_written_with_them(cli, tmp_path):
    """Separator, decimal point and encoding, by options."""
    (tmp_path / "semi.csv").write_bytes("Straße;area;rooms\nA\xf6;50,5;2\n".encode("latin-1"))
    marks = ("--separator", ";", "--decimal", ",", "--encoding", "latin-1")
    ended = cli("predict", "houses", "--input", "semi.csv", "--output", "out.csv", *marks)
    assert ended.code == 0, ended.err
    header, row = Path("out.csv").read_text(encoding="utf-8").splitlines()
    assert header == "Straße;area;rooms;prediction"
    assert row.startswith("Aö;50,5;2;")
    value = float(row.rpartition(";")[2].replace(",", "."))
    assert value == reference(pa.table({"area": [50.5], "rooms": [2]}))[0]


def test_several_files_are_read_as_one_table(cli, tmp_path):
    """In the order of their names."""
    new = pq.read_table("new.parquet")
    (tmp_path / "parts").mkdir()
    for index in range(3):
        put(tmp_path / f"parts/{index}.parquet", new.slice(index * 20, 20))
    assert cli("predict", "houses", "--input", "parts", "--output", "out.parquet").code == 0
    assert pq.read_table("out.parquet").drop(["prediction"]).equals(new)


def test_values_are_those_of_the_columns_in_their_order(cli):
    """Of one row or of several; they are the predictions for a table of these rows."""
    ended = cli("predict", "houses", "50.5", "2", "100", "6", "--json")
    found = json.loads(ended.out)["answers"][0]
    expected = reference(pa.table({"area": [50.5, 100], "rooms": [2, 6]}))
    assert [sample["predicted"] for sample in found["samples"]] == expected.tolist()
    assert found["samples"][0]["inputs"] == {"area": "50.5", "rooms": "2"}
    assert "area=50.5, rooms=2: price = " in cli("predict", "houses", "50.5", "2").out
    assert "place=south: price = " in cli("predict", "places", "50.5", "2", "south").out


def test_a_category_is_its_text(cli):
    """The answers of a row in a file and on the command line are one."""
    assert cli("predict", "places", *FILE).code == 0
    out = pq.read_table("out.parquet").slice(0, 2).to_pylist()
    values = [str(row[name]) for row in out for name in ("area", "rooms", "place")]
    found = json.loads(cli("predict", "places", *values, "--json").out)["answers"][0]["samples"]
    assert [each["predicted"] for each in found] == [row["prediction"] for row in out]


def test_a_null_is_filled_as_in_training_where_the_column_had_nulls_there(cli, tmp_path):
    """By the mean of the training rows; in another column it is refused."""
    put(tmp_path / "gap.parquet", pa.table({"area": pa.array([None], pa.float64()), "rooms": [2]}))
    assert cli("predict", "gaps", "--input", "gap.parquet", "--output", "out.parquet").code == 0
    (table,) = stored_spec(Store("store"), "gaps-final").datasets
    mean = dict(table.split_rows[0].means)["area"]
    assert mean == pytest.approx(np.mean(houses()["area"].to_pylist()[1:]))
    put(tmp_path / "full.parquet", pa.table({"area": [mean], "rooms": [2]}))
    first = pq.read_table("out.parquet")["prediction"]
    assert cli("predict", "gaps", "--input", "full.parquet", "--output", "out.parquet").code == 0
    assert pq.read_table("out.parquet")["prediction"].equals(first)
    put(tmp_path / "gap.parquet", pa.table({"area": [50.0], "rooms": pa.array([None], pa.int64())}))
    assert cli("predict", "gaps", "--input", "gap.parquet", "--output", "out.parquet").code == 2


def odd_tables():
    """Tables that are refused, with the words of the message."""
    new = houses(5, seed=2)

    def instead(name, values, type_=None):
        return new.set_column(new.column_names.index(name), name, pa.array(values, type_))

    return {
        "a missing column": (new.drop(["area"]), ["area", "which the model takes", "rooms"]),
        "a misspelt column": (new.rename_columns(["Area", "rooms", "place", "price"]), ['did you mean "Area"']),
        "a null": (instead("area", [1.0, 2.0, None, 4.0, 5.0]), ['"area"', "row 3", "no value"]),
        "NaN": (instead("area", [1.0, 2.0, 3.0, float("nan"), 5.0]), ['"area"', "row 4", "no value"]),
        "infinity": (instead("area", [1.0, float("inf"), 3.0, 4.0, 5.0]), ['"area"', "row 2", "inf"]),
        "a text": (instead("area", ["1", "2", "big", "4", "5"]), ['"area"', "row 3", '"big"']),
        "dates": (instead("area", [0, 1, 2, 3, 4], pa.date32()), ['"area"', "dates"]),
        "lists": (instead("area", [[1.0]] * 5), ['"area"', "lists"]),
        "a prediction": (new.append_column("prediction", new["price"]), ['"prediction"', "rename it"]),
        "an unknown category": (
            instead("place", ["north", "west"] * 2 + ["south"]),
            ['"west"', "row 2", '"north", "south"'],
        ),
        "no category": (instead("place", ["north", None] * 2 + ["south"]), ['"place"', "row 2", "no value"]),
        "numbers as categories": (instead("place", [1, 2, 3, 4, 5]), ['"place"', '"north", "south"']),
        "an integer of 65 bits": (instead("rooms", [2**64 - 1] * 5, pa.uint64()), ['"rooms"', "beyond 64 bits"]),
    }


@pytest.mark.parametrize("case", odd_tables())
def test_a_table_that_can_not_be_predicted_for_is_refused_with_column_row_and_remedy(cli, tmp_path, case):
    """Exit code 2; nothing is written, and an earlier output stays."""
    table, words = odd_tables()[case]
    put(tmp_path / "new.parquet", table)
    (tmp_path / "out.parquet").write_text("mine")
    before = tree(tmp_path)
    ended = cli("predict", "places", *FILE)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert "new.parquet" in ended.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("houses", "--input", "new.parquet"), ["--input", "--output"]),
        (("houses", "--output", "out.parquet"), ["--input", "--output"]),
        (("houses", *FILE, "3"), ["numbers", "--input"]),
        (("houses",), ["--input"]),
        (("houses", "--input", "no.parquet", "--output", "out.parquet"), ["no.parquet", "relative to this folder"]),
        (("houses", "--input", "new.parquet", "--output", "new.parquet"), ["is the input", "another name"]),
        (("houses", "--input", "new.parquet", "--output", "out.txt"), [".parquet or .csv"]),
        (("houses", "--input", "new.parquet", "--output", "no/out.csv"), ["no folder"]),
        (("houses", "--input", "new.parquet", "--output", "s3://b/out.csv"), ["address"]),
        (("houses", "--input", "new.parquet", "--output", "store"), [".parquet or .csv"]),
        (("houses", "1"), ["2 values per row, of area, rooms", "multiple of 2"]),
        (("houses", "1", "many"), ["rooms", "many"]),
        (("houses", "1", "2", "--where", "activation=sinus"), ["--where", "gelu, identity, relu, tanh"]),
        (("houses", "1", "2", "--where", "colour=red"), ["--where", "names no hyperparameter"]),
        (("places", "1", "2", "west"), ['"west"', '"north", "south"']),
        (("small", *FILE), ["number_1", "which the model takes"]),
    ],
)
def test_a_wrong_request_is_exit_2_with_a_remedy_and_writes_nothing(cli, tmp_path, arguments, words):
    """Before any row is read."""
    before = tree(tmp_path)
    ended = cli("predict", *arguments)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert tree(tmp_path) == before


def test_remedies_of_a_csv_are_options(cli, tmp_path):
    """The command line has no keys of a spec."""
    (tmp_path / "new.csv").write_text("area;rooms\n1,5;2\n2;3\n")
    ended = cli("predict", "houses", "--input", "new.csv", "--output", "out.csv")
    assert ended.code == 2
    assert "--separator ';' and --decimal ," in ended.err
    assert (
        cli("predict", "houses", "--input", "new.csv", "--output", "out.csv", "--separator", ";", "--decimal", ",").code
        == 0
    )


def test_an_error_in_the_last_rows_writes_nothing(cli, tmp_path, monkeypatch):
    """Also when batches before it were written to the temporary file, which goes."""
    monkeypatch.setattr("sumsquares.jobs.stages.new_rows._MOST_ROWS", 5)
    table = houses(50)
    put(tmp_path / "new.parquet", table.set_column(0, "area", pa.array([*table["area"].to_pylist()[:-1], None])))
    before = tree(tmp_path)
    ended = cli("predict", "houses", *FILE)
    assert ended.code == 2
    assert "row 50" in ended.err
    assert tree(tmp_path) == before


def test_a_condition_asks_the_best_trial_among_those_that_meet_it(cli):
    """With its split and its RMSE on test rows; several conditions must all hold, and an id chooses one trial."""
    ended = cli("predict", "houses", "50", "2", "--where", "activation=tanh", "--where", "hidden=[4]", "--json")
    (found,) = json.loads(ended.out)["answers"]
    rows = pq.read_table("store/runs/houses/trials.parquet").to_pandas()
    best = rows[(rows.activation == "tanh") & (rows.hidden == "[4]")].sort_values("rmse").iloc[0]
    assert (found["trial_id"], found["split"]) == (best.trial_id, best.split)
    assert f"split {best.split}, test RMSE" in found["title"]
    named = json.loads(cli("predict", "houses", "50", "2", "--trial", best.trial_id, "--json").out)["answers"][0]
    assert named["samples"] == found["samples"]


@pytest.mark.parametrize("split", ["fold_1", "fold_2"])
def test_a_split_is_a_condition_of_trials(cli, split):
    """A variant has trials on every split; the best one on that split answers."""
    ended = cli("predict", "houses", "50", "2", "--where", f"split={split}", "--json")
    (found,) = json.loads(ended.out)["answers"]
    rows = pq.read_table("store/runs/houses/trials.parquet").to_pandas()
    best = rows[rows.split == split].sort_values("rmse").iloc[0]
    assert (found["trial_id"], found["split"]) == (best.trial_id, split)


def test_conditions_hold_for_generated_rows_too(cli):
    """For each dataset of the run, or for one."""
    found = json.loads(cli("predict", "small", "3", "4", "--where", "hidden=[6]", "--json").out)["answers"]
    assert {each["dataset"] for each in found} == {"sums", "squares"}
    rows = pq.read_table("store/runs/small/trials.parquet").to_pandas().set_index("trial_id")
    assert {rows.loc[each["trial_id"]].hidden for each in found} == {"[6]"}


def test_a_run_of_generated_rows_answers_for_a_table_by_the_names_of_its_numbers(cli, tmp_path):
    """As on the command line; numbers that it doesn't take are refused with their row."""
    put(tmp_path / "new.parquet", pa.table({"number_2": [4, 6], "number_1": [3.0, 5.0], "note": ["a", "b"]}))
    assert cli("predict", "small", "--dataset", "sums", *FILE).code == 0
    out = pq.read_table("out.parquet")["prediction"].to_pylist()
    found = json.loads(cli("predict", "small", "3", "4", "5", "6", "--dataset", "sums", "--json").out)["answers"][0]
    assert [round(each) for each in out] == [sample["predicted"] for sample in found["samples"]]
    put(tmp_path / "new.parquet", pa.table({"number_2": [4, 6], "number_1": [3.0, 5.5]}))
    refused = cli("predict", "small", "--dataset", "sums", *FILE)
    assert refused.code == 2
    assert "row 2" in refused.err
    assert "5.5 is not an integer" in refused.err


def test_a_fitted_model_of_other_rows_is_not_asked(cli, tmp_path):
    """Once the table has other rows and is run again under its name, the best trial of that run answers."""
    assert cli("init", "--from", "new.parquet", "--target", "price", "--name", "houses", "--folds", "2").code == 0
    text = Path("houses.toml").read_text().replace("epochs = 50", "epochs = 1")
    Path("houses.toml").write_text(text)
    assert cli("run", "houses.toml", "--workers", "0", "--quiet").code == 0
    ended = cli("predict", "houses", "50", "2")
    assert ended.code == 0
    assert "best trial" in ended.out
    assert "split fold_" in ended.out


def test_pandas_reads_its_index_back(cli, tmp_path):
    """The metadata that pandas writes into Parquet stays."""
    frame = houses(5, seed=3).to_pandas().set_index("place")
    frame.to_parquet("new.parquet")
    assert cli("predict", "houses", *FILE).code == 0
    found = pd.read_parquet("out.parquet")
    pd.testing.assert_frame_equal(found.drop(columns="prediction"), frame)
