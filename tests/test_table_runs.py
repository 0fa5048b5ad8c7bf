"""Runs of specs with a table, as a user starts them: what is told and stored, and what is done if the file is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import calls
from table_specs import HOUSES

from sumsquares.jobs.stages import tables as table_stages
from sumsquares.jobs.stages.run_files import stored_spec
from sumsquares.jobs.storage.store import Store

ROWS = [(30 + 7 * i % 120, i % 5 + 1, "true" if i % 4 else "false", "" if i == 8 else 3 * i) for i in range(61)]
CSV = "area,rooms,old,street,price\n" + "".join(f"{a},{r},{old},s{a},{price}\n" for a, r, old, price in ROWS)
SPEC = HOUSES.replace("[train]", 'folds = 3\nmissing = "drop"\n[train]').replace("batch_size = 20", "batch_size = 10")


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in this process, in a folder with a table and its spec."""
    (tmp_path / "houses.csv").write_text(CSV)
    (tmp_path / "spec.toml").write_text(SPEC)
    yield from calls(monkeypatch, capfd, tmp_path)


def ended(run):
    """The exit code of a command and what it says."""
    return run.code, run.err


def facts(run):
    """The JSON that a command prints."""
    assert run.code in (0, 7), run.err
    return json.loads(run.out)


def test_a_run_tells_what_the_table_holds_and_what_is_left_out(cli):
    """Rows and splits, rows and columns with the reasons, and networks with more parameters than training rows."""
    code, err = ended(cli("run", "spec.toml"))
    assert code == 0, err
    assert "dataset houses: price of houses.csv, 60 rows of 2 inputs, 3 splits of 40 to train on and 20 to test" in err
    assert "dataset houses: 1 row left out, in which values are missing" in err
    assert "dataset houses: 2 columns left out: old (" in err
    assert "street (is text" in err
    assert "warning" not in err
    Path("spec.toml").write_text(SPEC.replace("[4]", "[14]"))
    assert (
        "the largest network of the spec has 57 parameters, more than the 40 training rows"
        in cli("plan", "spec.toml").err
    )


def test_plan_writes_nothing_and_says_the_same(cli):
    """With what is still to be read."""
    found = cli("plan", "spec.toml")
    assert (found.code, found.err) == (0, "")
    assert (
        "houses: price of houses.csv, 60 rows of 2 inputs, 3 splits of 40 to train on and 20 to test; 60 rows to read"
        in found.out
    )
    assert "1 row left out" in found.out
    assert "24 of 4 variants; 24 to train" in found.out
    assert not Path("store").exists()


def test_an_unchanged_file_is_not_read_again(cli, monkeypatch):
    """By a plan, or by a run, which has nothing to train."""
    assert cli("run", "spec.toml").code == 0

    def fails(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(table_stages, "resolve", fails)
    monkeypatch.setattr(table_stages, "batches", fails)
    assert "; complete" in cli("plan", "spec.toml").out
    code, err = ended(cli("run", "spec.toml"))
    assert (code, "24 trained before, 0 to train" in err) == (0, True)


def test_each_trial_names_its_split_and_a_variant_counts_all_of_them(cli):
    """In trials.parquet and summary.parquet."""
    assert facts(cli("run", "spec.toml", "--json"))["trials"]["total"] == 24
    trials = pq.read_table("store/runs/houses/trials.parquet").to_pylist()
    assert {(row["split"], row["seed"]) for row in trials} == {
        (f"fold_{i}", seed) for i in (1, 2, 3) for seed in (0, 1)
    }
    summary = pq.read_table("store/runs/houses/summary.parquet").to_pylist()
    assert [row["n"] for row in summary] == [6] * 4
    assert {row["variant_id"] for row in summary} == {row["variant_id"] for row in trials}


def test_the_stages_one_at_a_time_are_the_run(cli):
    """With the same results."""
    assert "60 rows missing" in cli("train", "spec.toml").err
    for stage in ("generate", "train", "summarize"):
        code, err = ended(cli(stage, "spec.toml"))
        assert code == 0, err
    one = facts(cli("summarize", "spec.toml", "--json"))
    other = facts(cli("run", "spec.toml", "--json", "--store", "other"))
    rmse = [each["best"]["houses"]["rmse_mean"] for each in (one, other)]
    assert rmse[0] == rmse[1]


def test_a_run_is_repeated_when_the_file_is_gone(cli):
    """From the rows in the store, which is told; a longer spec too, and a copy of the stored one."""
    assert cli("run", "spec.toml").code == 0
    Path("houses.csv").unlink()
    code, err = ended(cli("summarize", "spec.toml"))
    assert (code, "houses.csv is not there" in err) == (0, True)
    Path("spec.toml").write_text(SPEC.replace("seeds = 2", "seeds = 3"))
    code, err = ended(cli("run", "spec.toml"))
    assert (code, "24 trained before, 12 to train" in err) == (0, True)
    Path("copies").mkdir()
    Path("copies/job.toml").write_bytes(Path("store/runs/houses/job.toml").read_bytes())
    code, err = ended(cli("run", "copies/job.toml"))
    assert (code, "36 trained before, 0 to train" in err) == (0, True)
    assert "warning: dataset houses: houses.csv is not there; what it held is known from the spec" in err


def test_a_store_without_the_rows_can_not_do_without_the_file(cli):
    """Exit code 3, and nothing is created."""
    assert cli("run", "spec.toml").code == 0
    Path("houses.csv").unlink()
    code, err = ended(cli("run", "store/runs/houses/job.toml", "--store", "other"))
    assert (code, "rows of it are missing or damaged" in err) == (3, True)
    code, err = ended(cli("run", "spec.toml", "--store", "other"))
    assert (code, 'dataset[0] "houses"' in err) == (2, True)
    assert not Path("other").exists()


def test_a_changed_file_is_another_run(cli):
    """The difference is told, and the earlier run is kept."""
    assert cli("run", "spec.toml").code == 0
    before = stored_spec(Store("store"), "houses")
    Path("houses.csv").write_text(CSV + "77,3,true,s77,500\n")
    code, err = ended(cli("run", "spec.toml"))
    assert code == 0
    assert 'the spec of run houses has changed: dataset "houses": other rows than before, 60 -> 61 rows' in err
    assert f"previous/{before.digest[:12]}" in err
    kept = stored_spec(Store("store"), "houses")
    assert kept.datasets[0].rows == 61
    assert kept.digest != before.digest


@pytest.mark.parametrize("command", ["run", "plan", "generate", "train", "summarize"])
def test_a_bad_table_is_refused_by_every_command_and_leaves_no_trace(cli, command):
    """With the dataset, the column and the remedy; other problems of the spec come first."""
    Path("spec.toml").write_text(SPEC.replace('"price"', '"prise"'))
    code, err = ended(cli(command, "spec.toml"))
    assert code == 2
    assert 'dataset[0] "houses"' in err
    assert "price" in err
    Path("spec.toml").write_text(SPEC.replace('"price"', '"prise"').replace("seeds = 2", "seeds = 0"))
    code, err = ended(cli(command, "spec.toml"))
    assert (code, "prise" in err, "grid[0].seeds" in err) == (2, False, True)
    assert not Path("store").exists()


def test_a_batch_of_more_than_the_training_rows_is_refused_when_they_are_known(cli):
    """40 of 60 in each of three folds."""
    Path("spec.toml").write_text(SPEC.replace("batch_size = 10", "batch_size = 41"))
    code, err = ended(cli("run", "spec.toml"))
    assert code == 2
    assert (
        'train.batch_size: 41 is more than the 40 training rows of dataset "houses"; write a whole number from 1 to 40'
        in err
    )


def test_a_table_beside_generated_rows_is_trained_as_well(cli):
    """In one spec, with the extrapolation of the latter alone."""
    sums = '[[dataset]]\nname = "sums"\ntask = "sum"\nlargest = 9\nrows = 50\n[train]'
    Path("spec.toml").write_text(SPEC.replace("[train]", sums))
    found = facts(cli("run", "spec.toml", "--json"))
    assert found["trials"]["total"] == 4 * 2 * (3 + 1)
    rows = pq.read_table("store/runs/houses/trials.parquet").to_pylist()
    assert {row["dataset"] for row in rows if row["split"] is None} == {"sums"}
    assert {row["dataset"] for row in rows if row["rmse_extrapolation"] is not None} == {"sums"}
