"""A refused command leaves no trace: an earlier run stays, no store is created, no file is moved or left behind."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from specs import SMALL
from test_run import run, summary_of

from sumsquares.jobs import exits
from sumsquares.jobs.commands import nightly as night_commands
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.predict import ask_run
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.night.context import NightContext
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.retention import RetentionPolicy
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.stages import train as training
from sumsquares.jobs.stages.placement import IN_PROCESS, PlacementOptions
from sumsquares.jobs.storage.store import Store

LARGER = SMALL.replace("lr = [0.001, 0.01]", "lr = [0.001, 0.01, 0.02]")
REFUSALS = {
    "more workers than there are": (LARGER, PlacementOptions(workers="3000"), None, exits.CLUSTER),
    "more GPUs than there are": (LARGER, PlacementOptions(workers="1", gpu_workers=64), None, exits.CLUSTER),
    "an unreachable cluster": (LARGER, PlacementOptions(), "127.0.0.1:1", exits.CLUSTER),
    "no room": (LARGER.replace("rows = 60", "rows = 70"), PlacementOptions("0"), None, exits.STORAGE),
    "no kernel": ('engine = "lanes"\n' + LARGER, PlacementOptions("0"), None, exits.USAGE),
    "a wrong spec": (LARGER.replace("epochs = 8", "epochs = 0"), PlacementOptions("0"), None, exits.USAGE),
}
FORMULA = 'formula = "1 / (x - 25)"\nlow = 1\nhigh = 50\nnumbers = "integer"\n'
REFUSALS["a formula without a value"] = (
    LARGER.replace('task = "sum"\nlargest = 50\n', FORMULA),
    PlacementOptions("0"),
    None,
    exits.USAGE,
)
RUNS = [(command, refusal) for command in ("run", "train", "night") for refusal in REFUSALS]
RUNS += [("generate", "no room"), ("generate", "a wrong spec"), ("summarize", "a wrong spec")]
RUNS += [("generate", "a formula without a value")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests must not change it."""
    store, code = run(tmp_path_factory.mktemp("finished"))
    assert code == 0
    return store


def tree(folder):
    """Every folder, and every file with its content and modification time."""
    paths = {path.relative_to(folder): path for path in Path(folder).rglob("*")}
    return {name: path.is_file() and (path.stat().st_mtime_ns, path.read_bytes()) for name, path in paths.items()}


@pytest.mark.parametrize(("command", "refusal"), RUNS)
def test_a_refusal_changes_neither_a_finished_store_nor_makes_a_fresh_one(
    finished, tmp_path, monkeypatch, command, refusal
):
    """For every stage and for nights: no file or folder is created or changed, and the earlier run still answers."""
    text, options, address, code = REFUSALS[refusal]
    (tmp_path / "spec.toml").write_text(text)
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.available", lambda: "it was not built")
    if refusal == "no room":
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1000))
    for store in (Store(str(tmp_path / "fresh")), Store(str(shutil.copytree(finished.root, tmp_path / "store")))):
        before = tree(tmp_path)
        missing_rows = command == "train" and (not Path(store.root).exists() or refusal == "no room")
        assert code_of(command, tmp_path / "spec.toml", store, options.placement(address)) == (
            exits.USAGE if missing_rows else code
        )
        assert tree(tmp_path) == before
    assert ask_run(store, "small", [3, 4])


def code_of(command, path, store, place):
    """The exit code of the error that ends the command."""
    try:
        start(command, path, store, place)
    except (RuntimeError, ValueError) as error:
        return exits.code_of(error)
    return None


def start(command, path, store, place):
    shared = Shared(store.root, json=True, quiet=True)
    if command == "night":
        night = Night(date(2026, 11, 1), load_spec(path))
        run_night(NightContext(night, store, place, Progress(quiet=True)))
    elif command == "summarize":
        commands.summarize(path, 10**6, shared)
    else:
        getattr(commands, command)(path, 10**6, place, shared)


def test_commands_about_nights_make_no_store(tmp_path):
    """A mistyped --store is not filled with lock files."""
    shared = Shared(str(tmp_path / "store"), json=True, quiet=True)
    night_commands.prune_nights(RetentionPolicy(), dry_run=False, shared=shared)
    night_commands.free(shared)
    night_commands.status(14, None, shared)
    with pytest.raises(exits.UsageError):
        night_commands.roll_back(None, shared)
    assert not list(tmp_path.iterdir())


def test_an_earlier_run_stays_until_the_new_one_has_its_results(finished, tmp_path, monkeypatch):
    """It answers while the new run trains and after that was interrupted; then it is kept in `previous`."""
    store, _ = run(tmp_path)
    earlier = {path: store.get(path) for path in store.list("runs")}
    seen = []
    real = training.train_pack

    def watched(*arguments):
        seen.append({path: store.get(path) for path in store.list("runs")})
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr("sumsquares.jobs.stages.train.train_pack", watched)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, LARGER)
    assert seen == [earlier, earlier]
    assert summary_of(store) == summary_of(finished)
    assert run(tmp_path, LARGER)[1] == 0
    assert len(summary_of(store)[1]) > len(summary_of(finished)[1])
    kept = {path.split("/", 4)[4]: store.get(path) for path in store.list("runs/small/previous")}
    assert kept == {path.removeprefix("runs/small/"): data for path, data in earlier.items()}


def test_a_run_that_trained_nothing_does_not_replace_an_earlier_one(finished, tmp_path, monkeypatch, capfd):
    """All its packs fail: exit code 7, and the earlier run stays."""
    store, _ = run(tmp_path)
    before = {path: store.get(path) for path in store.list("runs")}
    monkeypatch.setattr("sumsquares.jobs.stages.train.train_pack", None)
    assert run(tmp_path, SMALL.replace("lr = [0.001, 0.01]", "lr = [0.5]"))[1] == exits.INCOMPLETE
    assert {path: store.get(path) for path in store.list("runs")} == before
    assert "stays in its place" in capfd.readouterr().err


def test_a_summary_of_nothing_is_written_where_nothing_is_in_its_place(tmp_path, capfd):
    """It says that all trials are missing."""
    (tmp_path / "spec.toml").write_text(SMALL)
    shared = Shared(str(tmp_path / "store"), json=True, quiet=True)
    assert commands.summarize(tmp_path / "spec.toml", 10**6, shared) == exits.INCOMPLETE
    assert Store(shared.store).exists("runs/small/summary.json")
    assert run(tmp_path, place=IN_PROCESS)[1] == 0
