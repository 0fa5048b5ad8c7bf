"""Old ids and an old store: what an earlier version wrote keeps its ids and can be read by every later one.

`old_store/` was written by the version before result files got format 2, at TRAINING_VERSION 3: `ids.json` has the ids
of the specs in `specs/`; `files` is a store with the runs old (an earlier run of that name beside it) and torch, and
two nights.
Nothing in it is ever rewritten: a change that would require it breaks the stores of users.
"""

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRIC_NAMES
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.spec.variants import trials, variants
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.storage.store import Store

OLD = Path(__file__).parent / "old_store"
IDS = json.loads((OLD / "ids.json").read_text())


def ids_of(path):
    """All ids that follow from a spec; of long lists the first ones, the count, and the digest of all."""
    spec = load_spec(path)
    night = Night(date(2026, 11, 1), spec, fresh=True)
    lists = {
        "variants": [variant.id for variant in variants(spec)],
        "trials": [trial.id for trial in trials(spec)],
    }
    return {
        "spec": spec.digest,
        "datasets": {dataset.name: dataset.digest for dataset in spec.datasets},
        "night": night.id,
        "night_spec": night.trained.digest,
        "pack": pack_id_of(lists["trials"]),
        **{
            name: {
                "count": len(ids),
                "first": ids[:5],
                "sha256": hashlib.sha256("".join(ids).encode()).hexdigest(),
            }
            for name, ids in lists.items()
        },
    }


@pytest.fixture(name="old_store")
def copy_of_the_old_store(tmp_path):
    """A copy of the old store that a test may change."""
    return Path(shutil.copytree(OLD / "files", tmp_path / "old"))


def test_every_old_spec_is_listed():
    """The file of ids has each of the specs, and no other."""
    assert sorted(IDS) == sorted(path.name for path in (OLD / "specs").glob("*.toml"))


@pytest.mark.parametrize("name", IDS)
def test_ids_stay(name):
    """The ids of specs, datasets, variants, trials, packs and nights are those of the earlier version."""
    assert ids_of(OLD / "specs" / name) == IDS[name]


def test_an_old_run_is_summarised_to_the_numbers_that_it_had(old_store):
    """Nothing is trained again; all statistics are those of the old summary, and what its files lack is computed."""
    before = pq.read_table(old_store / "runs/old/summary.parquet").to_pylist()
    assert make_plan(load_spec(OLD / "specs/old.toml"), Store(str(old_store))).left == 0
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
    """It is computed from stored weights, and differs in the last digits at most."""
    spec, new = load_spec(OLD / "specs/old.toml"), tmp_path / "new"
    for store in (old_store, new):
        run = ["run", str(OLD / "specs/old.toml"), "--store", str(store), "--workers", "0", "--quiet"]
        assert CliRunner().invoke(app, run).exit_code == exits.INCOMPLETE
    names = ["trial_id", "status", "steps", *METRIC_NAMES]
    old, trained = (
        pq.read_table(store / f"runs/{spec.name}/trials.parquet").select(names).to_pylist()
        for store in (old_store, new)
    )
    for computed, measured in zip(old, trained, strict=True):
        known = {name: pytest.approx(measured[name], rel=1e-3) for name in EVIDENCE if measured[name] is not None}
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
