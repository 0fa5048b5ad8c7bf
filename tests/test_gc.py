"""gc: what no spec names goes when it is old, and nothing that one names ever does."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_world import age, contents, damage_in, run, shared, spec
from store_world import copied as copied
from store_world import filled as filled
from table_night_world import World, lines
from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.commands.gc import gc
from sumsquares.jobs.commands.rm import rm
from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import holding
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.job_spec import parse_stored
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.running import Running
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.garbage import plan_garbage

AREAS = ("datasets", "states", "tables", "trials")


class Killed(BaseException):
    """Stands for the end of the process."""


def folders(store):
    """The folders of all runs, earlier runs and nights."""
    return sorted({path.rpartition("/")[0] for area in ("runs", "nightly") for path in store.list(area)})


def specs_in(store):
    """All specs by path."""
    paths = [path for path in store.list() if path.endswith(".toml")]
    return {path: parse_stored(store.get(path), path) for path in paths}


def plans(store):
    """Of each spec in a store, how many trials and rows are still to be made."""
    found = {path: make_plan(each, store) for path, each in specs_in(store).items()}
    return {path: (plan.left, plan.rows_left, len(plan.begun)) for path, plan in found.items()}


def remove(store, folder):
    """Deletes the files of one run, or those of a night with its run."""
    night = folder.rpartition("/")[2].removeprefix("night-")
    for path in store.list():
        own = path.rpartition("/")[0]
        if own == folder or night in (own.rpartition("/")[2], own.rpartition("/")[2].removeprefix("night-")):
            store.delete(path)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_gc_deletes_what_is_old_and_that_no_spec_names_and_nothing_else(filled, tmp_path_factory, data):
    """Of any runs, earlier runs, nights and ages: plans stay as they were, and verify finds nothing new."""
    store = Store(str(shutil.copytree(filled.root, tmp_path_factory.mktemp("some") / "store")))
    for folder in data.draw(st.lists(st.sampled_from(folders(store)), unique=True)):
        remove(store, folder)
    files = [path for area in AREAS for path in store.list(area)]
    units = sorted({path.rpartition(".")[0] if "trials/" in path else path.split("/")[1] for path in files})
    old = set(data.draw(st.lists(st.sampled_from(units), unique=True)))
    age(store, [path for path in files if any(unit in path for unit in old)], 8)
    before, damaged, there = plans(store), damage_in(store), contents(store)
    named = {trial.id for each in specs_in(store).values() for trial in trials(each)}

    assert gc(True, 7, shared(store)) == exits.OK

    assert plans(store) == before
    assert damage_in(store) <= damaged
    after = contents(store)
    assert after.items() <= there.items()
    gone = there.keys() - after.keys()
    assert all(any(unit in path for unit in old) for path in gone)
    kept = read_results(store).table.select(["trial_id", "pack"]).to_pylist()
    needed = {row["pack"] for row in kept if row["trial_id"] in named}
    assert not {row["pack"] for row in kept if f"trials/{row['pack']}" in old} - needed


@pytest.mark.parametrize("others", [[spec("a")], [spec("a"), spec("a", [0.03])], [spec("c", seed=2)]])
def test_rm_then_gc_leaves_the_store_as_if_the_run_had_never_been(tmp_path, others):
    """But for what other runs need: files of the same names and bytes."""
    without, store = Store(str(tmp_path / "without")), Store(str(tmp_path / "with"))
    run(without, *others)
    run(store, *others, spec("b", [0.05]), spec("b", [0.06], seed=3))
    rm("b", True, shared(store))
    gc(True, 0, shared(store))
    assert contents(store).keys() == contents(without).keys()
    assert store.list("runs") == without.list("runs")
    rows = [path for path in store.list() if path.startswith("datasets/") and path.endswith(".parquet")]
    assert all(store.get(path) == without.get(path) for path in rows)
    assert not Path(store.root, "runs/b").exists()


def test_a_dry_run_deletes_nothing_and_tells_what_would_go(store, capsys):
    """Its files are those that --delete deletes."""
    for folder in folders(store):
        remove(store, folder)
    before = store.sizes()
    gc(False, 0, shared(store))
    told = json.loads(capsys.readouterr().out)
    assert store.sizes() == before
    gc(True, 0, shared(store))
    assert json.loads(capsys.readouterr().out)["files"] == told["files"]
    assert set(told["files"]) == {path for path in before if path.split("/")[0] in AREAS}
    assert sum(before[path] for path in told["files"]) == told["bytes"]


def test_a_gc_that_is_killed_at_any_deletion_leaves_a_clean_store_that_the_next_one_finishes(filled, tmp_path):
    """What is left of a pack or a dataset is no damage."""
    for killed_at in range(0, 30, 3):
        store = Store(str(shutil.copytree(filled.root, tmp_path / str(killed_at))))
        for folder in folders(store)[: killed_at % 7 + 2]:
            remove(store, folder)
        damaged = damage_in(store)
        left = [killed_at]

        def dying(self, path, real=Store.delete, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            real(self, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "delete", dying)
            patch.setattr(Running, "end", lambda self: self._done.set())
            with contextlib.suppress(Killed):
                gc(True, 0, shared(store))
        for path in store.list("running"):
            store.delete(path)
        assert damage_in(store) <= damaged
        gc(True, 0, shared(store))
        assert not plan_garbage(store, 0, 0.0).items


def test_with_a_spec_that_is_damaged_or_missing_only_temporary_files_go(store, capsys):
    """What it needs is unknown: it is named, and the exit code is 3."""
    for harm in (lambda path: store.put(path, b"name = "), store.delete):
        for path in [each for each in specs_in(store) if not each.startswith("runs/night-")]:
            before, text = store.sizes(), store.get(path)
            harm(path)
            assert gc(True, 0, shared(store)) == exits.DATA
            told = json.loads(capsys.readouterr().out)
            assert len(told["unknown"]) == 1
            assert told["files"] == []
            store.put(path, text)
            assert store.sizes().keys() == before.keys()


@pytest.mark.parametrize("leads_nowhere", [False, True])
def test_behind_a_link_in_the_place_of_a_folder_may_be_specs_so_nothing_goes(store, tmp_path, capsys, leads_nowhere):
    """Of a run, its earlier runs, a night, or all of them, as on a disk that is not mounted. Plans stay the same."""
    night = next(path.split("/")[1] for path in store.list("nightly") if path.count("/") == 2)
    for folder in ("runs/b", "runs/a/previous", f"runs/night-{night}", f"nightly/{night}", "runs", "nightly"):
        before, place, away = plans(store), Path(store.root, folder), tmp_path / "away"
        place.rename(away)
        place.symlink_to(tmp_path / "nowhere" if leads_nowhere else away)
        is_followed = "/" not in folder and not leads_nowhere
        assert gc(True, 0, shared(store)) == (exits.OK if is_followed else exits.DATA)
        told = json.loads(capsys.readouterr().out)
        assert told["files"] == []
        assert (folder in told["unknown"]) != is_followed
        place.unlink()
        away.rename(place)
        assert plans(store) == before


def test_what_is_not_ours_stays_and_is_named(store, capsys):
    """Files of other names, and such under our names."""
    for folder in folders(store):
        remove(store, folder)
    (weights, *_) = (path for path in store.list("trials") if path.endswith(".safetensors"))
    shard = next(path for path in store.list("datasets") if "train/part" in path)
    foreign = {weights: b"my only copy of it", shard: b"my only copy of it", "trials/notes.txt": b"mine"}
    for path, data in foreign.items():
        store.put(path, data)
    assert gc(True, 0, shared(store)) == exits.OK
    assert set(json.loads(capsys.readouterr().out)["stays"]) == set(foreign)
    assert {path: store.get(path) for path in foreign} == foreign


def test_rows_of_a_table_whose_file_is_gone_stay_as_they_are_the_only_copy(tmp_path, capsys):
    """With what is known of the table, so that a spec finds them. With the file back they are garbage."""
    world = World(tmp_path)
    world.write(lines(30))
    world.run()
    table = world.file.read_bytes()
    rm("houses", True, shared(world.store))
    world.file.unlink()
    capsys.readouterr()
    assert gc(True, 0, shared(world.store)) == exits.OK
    (kept,) = json.loads(capsys.readouterr().out)["only_copies"]
    assert {path.split("/")[0] for path in world.store.list()} == {"datasets", "tables"}
    world.run()
    assert json.loads(world.store.get("runs/houses/summary.json"))["trials"]["missing"] == 0
    rm("houses", True, shared(world.store))
    world.file.write_bytes(table)
    assert gc(True, 0, shared(world.store)) == exits.OK
    assert not world.store.list(kept)


def test_gc_refuses_while_a_command_works_in_the_store_or_a_night_holds_its_lock(store):
    """With exit code 6, and it leaves no trace. Looking is allowed."""
    at_work = Running(store, "run")
    at_work.begin("b")
    before = store.sizes()
    with pytest.raises(BusyError, match="run b on"):
        gc(True, 0, shared(store))
    assert gc(False, 0, shared(store)) == exits.OK
    assert store.sizes() == before
    at_work.end()
    with holding(store, "a-night", Clock()), pytest.raises(BusyError):
        gc(True, 0, shared(store))
    assert gc(True, 0, shared(store)) == exits.OK
    assert not Path(store.root, "running").exists()


def test_a_run_that_begins_while_gc_deletes_loses_nothing(store, monkeypatch):
    """gc stops at the next file, the run waits for that, then it finds what is left and trains the rest."""
    wanted = spec("late", [0.01, 0.02, 0.03])
    for folder in folders(store):
        if "night" not in folder:
            remove(store, folder)
    waits, threads, deleted = threading.Event(), [], []
    real_wait, real_delete = Running._wait_for_deletions, Store.delete

    def wait(self, say):
        waits.set()
        real_wait(self, say)

    def delete(self, path):
        real_delete(self, path)
        if path.startswith("trials/"):
            deleted.append(path)
            if not threads:
                threads.append(threading.Thread(target=run, args=(Store(store.root), wanted)))
                threads[0].start()
                assert waits.wait(60)

    monkeypatch.setattr(Running, "_wait_for_deletions", wait)
    monkeypatch.setattr(Store, "delete", delete)
    with pytest.raises(BusyError, match="run late on"):
        gc(True, 0, shared(store))
    threads[0].join()
    assert len(deleted) == 2  # the two files of one pack
    assert make_plan(wanted, store).left == 0
    assert json.loads(store.get("runs/late/summary.json"))["trials"]["missing"] == 0
    assert not [path for path, _ in damage_in(store) if path.startswith(("trials/", "runs/late"))]


def test_a_store_that_is_not_there_is_a_usage_error(tmp_path):
    """A mistyped address must not look like an empty store; nothing is made."""
    with pytest.raises(UsageError, match="there is no store"):
        gc(True, 0, shared(Store(str(tmp_path / "none"))))
    assert not (tmp_path / "none").exists()


def test_gc_in_a_bucket_is_gc_in_a_folder(filled, s3_root):
    """The same files go."""
    bucket = Store(s3_root)
    for path in filled.list():
        if path.startswith(("runs/a/", "trials/", "datasets/")):
            bucket.put(path, filled.get(path))
    needed = {trial.id for path, each in specs_in(bucket).items() for trial in trials(each)}
    assert gc(True, 0, shared(bucket)) == exits.OK
    assert set(read_results(bucket).table["trial_id"].to_pylist()) == needed
    assert not bucket.list("running")


def test_the_text_says_how_much_of_what_goes(store):
    """And what is too young; the command line takes the days."""
    for folder in folders(store):
        remove(store, folder)
    answer = CliRunner().invoke(app, ["gc", "--store", store.root])
    assert "kept: " in answer.stdout
    assert "younger than 7 days" in answer.stdout
    answer = CliRunner().invoke(app, ["gc", "--days", "0", "--store", store.root])
    assert "packs" in answer.stdout
    assert "dry run" in answer.stdout
    assert "gc --delete --days 0 --store" in answer.stdout
