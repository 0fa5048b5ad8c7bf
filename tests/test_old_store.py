"""Old ids and an old store: what an earlier version wrote keeps its ids and can be read by every later one.

`old_store/files` was written by the version before result files got format 2, at training version 3: a store with the
runs old (an earlier run of that name beside it) and torch, and two nights. `ids.json` has the ids of the specs in
`specs/` at each training version, see old_ids.py.
Nothing in it is ever rewritten: a change that would require it breaks the stores of users.
"""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from old_ids import OLD, SPECS, ids_of, stored_ids
from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.spec.training_version import UNRECORDED, VERSIONS
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.storage.store import Store

IDS = stored_ids()
NOT_KEPT = ("rmse_rounded", "exact_fraction", "loss_slope", "loss_rise")
NOT_ROUNDED = [name for name in METRIC_NAMES if name not in NOT_KEPT]


@pytest.fixture(name="old_store")
def copy_of_the_old_store(tmp_path):
    """A copy of the old store that a test may change."""
    return Path(shutil.copytree(OLD / "files", tmp_path / "old"))


def test_every_old_spec_is_listed():
    """The file of ids has each training version with each of the specs, and no other."""
    names = {path.name for path in SPECS}
    assert {int(version): set(ids) for version, ids in IDS.items()} == dict.fromkeys(VERSIONS, names)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_ids_stay(path, version):
    """The ids of specs, datasets, variants, trials, packs and nights are those of that training version."""
    assert ids_of(path, version) == IDS[str(version)][path.name]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_training_versions_share_no_id_of_a_trial(path):
    """Those of specs, datasets and nights are the same at each of them."""
    ids = [ids_of(path, version) for version in VERSIONS]
    for name in ("spec", "datasets", "night", "night_spec"):
        assert all(each[name] == ids[0][name] for each in ids)
    for name in ("variants", "trials"):
        assert len({each[name]["sha256"] for each in ids}) == len(VERSIONS)


def test_an_old_run_is_summarised_to_the_numbers_that_it_had(old_store):
    """Nothing is trained again; all statistics are those of the old summary, and what its files lack is computed."""
    before = pq.read_table(old_store / "runs/old/summary.parquet").to_pylist()
    spec = load_spec(OLD / "specs/old.toml").trained_by(UNRECORDED)
    assert make_plan(spec, Store(str(old_store))).left == 0
    command = ["summarize", str(OLD / "specs/old.toml"), "--store", str(old_store), "--quiet"]
    assert CliRunner().invoke(app, command).exit_code == exits.INCOMPLETE  # one trial has diverged
    after = pq.read_table(old_store / "runs/old/summary.parquet").to_pylist()
    assert [{name: row[name] for name in old} for old, row in zip(before, after, strict=True)] == [
        {**old, "rmse_ci95_low": old["rmse_ci95_low"] and max(0, old["rmse_ci95_low"])} for old in before
    ]
    rows = pq.read_table(old_store / "runs/old/trials.parquet").to_pylist()
    assert len(rows) == 37
    assert {row["status"] == "ok" for row in rows if row["mae"] is not None} == {True}
    assert sum(row["mae"] is None for row in rows) == sum(row["status"] != "ok" for row in rows) == 1


def test_evidence_of_an_old_run_is_what_a_new_one_measures(old_store, tmp_path):
    """It is computed from stored weights. After a short training, versions differ by rounding alone, in all numbers."""
    spec, new = load_spec(OLD / "specs/old.toml"), tmp_path / "new"
    for verb, store, *options in (("summarize", old_store), ("run", new, "--workers", "0")):
        command = [verb, str(OLD / "specs/old.toml"), "--store", str(store), *options, "--quiet"]
        assert CliRunner().invoke(app, command).exit_code == exits.INCOMPLETE
    names = ["seed", "status", "steps", *NOT_ROUNDED]
    old, trained = (
        pq.read_table(store / f"runs/{spec.name}/trials.parquet").select(names).to_pylist()
        for store in (old_store, new)
    )
    for computed, measured in zip(old, trained, strict=True):
        known = {name: pytest.approx(measured[name], rel=1e-3) for name in NOT_ROUNDED if measured[name] is not None}
        assert computed == {**measured, **known}


def test_old_models_answer(old_store):
    """`predict` works with old runs and old nights as with new ones."""
    for asked in (["torch", "3", "4"], ["old", "7"], ["champion", "8"]):
        found = CliRunner().invoke(app, ["predict", *asked, "--store", str(old_store)])
        assert found.exit_code == exits.OK, found.output
        assert "Expected=" in found.output
    assert not list(Path(old_store).glob("**/facts.json"))


def test_an_old_champion_is_compared_with_a_new_night(old_store):
    """The third night of an old store is judged against its champion."""
    night = ["nightly", str(OLD / "specs/night.toml"), "--store", str(old_store), "--date", "2026-11-03"]
    found = CliRunner().invoke(app, [*night, "--fresh-data", "--workers", "0"])
    assert found.exit_code == exits.OK, found.output
    assert "no significant difference from champion 2026-11-01" in found.output
