"""runs: every run of a store in a line, with what is stored of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from old_ids import OLD
from store_world import age, run, shared, spec
from store_world import copied as copied
from store_world import filled as filled
from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.commands.runs import runs
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.numbers import size
from sumsquares.jobs.stages.run_files import begin_run
from sumsquares.jobs.stages.running import Running
from sumsquares.jobs.storage.store import Store


def told(store, capsys):
    """What --json says, by name."""
    assert runs(True, True, shared(store)) == exits.OK
    facts = json.loads(capsys.readouterr().out)
    return {each["name"]: each for each in facts["runs"]}, facts


def test_it_says_what_the_summaries_say(filled, capsys):
    """Of each run: trials, variants, the best RMSE by dataset, and when it finished."""
    found, _ = told(filled, capsys)
    for path in filled.list("runs"):
        if path.endswith("/summary.json") and "night" not in path:
            parts = path.split("/")
            entry = found[parts[1] if len(parts) == 3 else f"{parts[1]}@{parts[3]}"]
            summary = json.loads(filled.get(path))
            assert (entry["state"], entry["finished"]) == ("finished", summary["finished"])
            assert entry["trials"] == {key: summary["trials"][key] for key in entry["trials"]}
            assert entry["best_rmse"] == {name: best["rmse_median"] for name, best in summary["best"].items()}
            assert entry["finished_is_recorded"]
    assert found["a"]["earlier"] == 2


def test_bytes_by_area_are_those_of_the_files(filled, capsys):
    """Each file counts once."""
    _, facts = told(filled, capsys)
    assert sum(facts["bytes"].values()) == sum(filled.sizes().values())
    assert facts["gc_bytes"] == 0


def test_the_newest_comes_first_and_each_has_a_line(filled, monkeypatch):
    """At 60 columns too: no line is longer, and what is left out is said."""
    for width in (60, 100, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = CliRunner().invoke(app, ["runs", "--all", "--nights", "--store", filled.root]).stdout.splitlines()
        names = [line.split()[0] for line in lines[1:8]]
        assert sorted(names) == sorted({*names})
        assert len([name for name in names if name.partition("@")[0] in ("a", "b", "c")]) == 5
        assert max(map(len, lines)) <= width
        assert ("not shown for want of width" in "\n".join(lines)) == (width < 200)


def test_nights_and_earlier_runs_are_counted_and_listed_on_request(filled):
    """A line says how to see them."""
    text = CliRunner().invoke(app, ["runs", "--store", filled.root]).stdout
    assert "2 runs of nights, the newest night-2026-11-02" in text
    assert "2 earlier runs kept" in text
    assert "@" not in text


def test_the_kinds_of_runs_are_told_apart(tmp_path, capsys):
    """Proofs, and the three runs of a fit; a name alone does not make a run a part of a fit."""
    store = Store(str(tmp_path))
    names = ("a", "a-proof", "fitted", "fitted-validation", "fitted-final", "my-final", "b")
    for name in names:
        begin_run(store, spec(name))
    found, _ = told(store, capsys)
    kinds = ("run", "proof", "fit", "validation", "final", "run", "run")
    assert {name: found[name]["kind"] for name in names} == dict(zip(names, kinds, strict=True))


def test_states_are_finished_unfinished_damaged_and_running(store, capsys):
    """As a listing and the heads of the files show them."""
    begin_run(store, spec("new"))
    store.put("runs/b/summary.json", store.get("runs/b/summary.json")[:-30])
    store.delete("runs/c/report.html")
    store.put("runs/odd/job.toml", b"name = ")
    at_work = Running(store, "run")
    at_work.begin("a")
    found, _ = told(store, capsys)
    at_work.end()
    states = {name: found[name]["state"] for name in ("a", "b", "c", "new", "odd")}
    assert states == {"a": "running", "b": "damaged", "c": "damaged", "new": "unfinished", "odd": "damaged"}
    assert found["new"]["trials"] == {"total": 4}
    assert found["new"]["finished"] is None


def test_an_old_store_is_listed_by_the_times_of_its_files(tmp_path, capsys):
    """Nights by what their records say; that a time is a file's is said."""
    store = Store(str(shutil.copytree(OLD / "files", tmp_path / "old")))
    age(store, ["runs/old/summary.json"], 365)
    found, _ = told(store, capsys)
    assert [*found][-1] == "old"
    recorded = {name: entry["finished_is_recorded"] for name, entry in found.items()}
    assert {name for name, is_so in recorded.items() if is_so} == {name for name in found if "night" in name}
    assert all(entry["state"] == "finished" for entry in found.values())
    assert "~ when its file was written" in CliRunner().invoke(app, ["runs", "--store", store.root]).stdout


def test_what_gc_could_free_is_told_if_it_is_known(store, capsys):
    """Not while a damaged spec hides what it needs."""
    for path in store.list("runs/b"):
        store.delete(path)
    age(store, store.list(), 8)
    _, facts = told(store, capsys)
    assert facts["gc_bytes"] > 0
    store.put("runs/odd/job.toml", b"name = ")
    _, facts = told(store, capsys)
    assert facts["gc_bytes"] is None


def test_a_store_without_runs_says_so_and_none_is_a_usage_error(tmp_path):
    """The first is not the second."""
    (tmp_path / "store").mkdir()
    assert "no run yet" in CliRunner().invoke(app, ["runs", "--store", str(tmp_path / "store")]).stdout
    with pytest.raises(UsageError, match="there is no store"):
        runs(False, False, shared(Store(str(tmp_path / "none"))))
    assert not Path(tmp_path, "none").exists()


def test_sizes_have_two_digits_at_least():
    """And the unit that makes them readable."""
    told = {0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1.0 kB", 9_949: "9.9 kB", 9_960: "10 kB"}
    told |= {999_499: "999 kB", 999_500: "1.0 MB", 123_456_789: "123 MB", 5 * 10**15: "5.0 PB"}
    assert {count: size(count) for count in told} == told


def test_runs_of_a_bucket_are_those_of_a_folder(filled, s3_root, capsys):
    """The same facts but for the times of files."""
    bucket = Store(s3_root)
    for path in filled.list():
        bucket.put(path, filled.get(path))
    here, _ = told(filled, capsys)
    there, _ = told(bucket, capsys)
    assert here == there
    run(bucket, spec("b", [0.03, 0.04]))
    assert bucket.list("running") == []
