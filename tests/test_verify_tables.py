"""Damage to the files of tables: found, repaired from what it follows from, and never the only copy deleted."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil

import pytest
from table_night_world import FOLDS, World, lines
from test_cli import cli  # noqa: F401  the fixture
from test_verify import foreign_bytes
from verify_world import HARMS, checked, draw_for, files, flipped, found, mend

from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.verify.scan import scan

ROWS = lines(120)


@pytest.fixture(scope="module", name="trained")
def a_store_of_tables(tmp_path_factory):
    """Returns the folder of a run with folds, and of a night on a table that has grown since; no test changes it."""
    world = World(tmp_path_factory.mktemp("tables"))
    world.write(ROWS[:100])
    world.night(0)
    world.write(ROWS)
    (world.folder / "folds.toml").write_text(FOLDS)
    assert (
        commands.run(world.folder / "folds.toml", 10**6, IN_PROCESS, Shared(world.store.root, json=True, quiet=True))
        == 0
    )
    return world


@pytest.fixture
def world(trained, tmp_path, monkeypatch):
    """A copy of its store, beside a table at the same place."""
    shutil.copytree(trained.store.root, tmp_path / "store")
    copy = World(tmp_path)
    copy.file = trained.file
    monkeypatch.chdir(tmp_path)
    changed = trained.file.stat().st_mtime_ns
    yield copy
    trained.write(ROWS)
    os.utime(trained.file, ns=(changed, changed))


def part(store, kind, content=None):
    """The first file of the tables that has this in its name."""
    found = [path for path in store.list() if path.startswith(("datasets/", "tables/")) and kind in path]
    return next(path for path in found if content is None or content in path)


def of_run(world):
    """The content that the file has now."""
    return next(
        path.split("/")[1]
        for path in world.store.list("datasets")
        if path.count("facts-") and _rows(world, path) == 120
    )


def _rows(world, path):
    return json.loads(world.store.get(f"datasets/{path.split('/')[1]}/manifest.json"))["rows"]


def verify(cli, *words):  # noqa: F811
    """Runs the command: its exit code and its output."""
    ended = cli("verify", "--json", *words)
    return ended.code, json.loads(ended.out)


def test_a_store_of_tables_has_no_damage(cli, world):  # noqa: F811
    """Nothing is foreign, and there is nothing to note, with its file and without."""
    world.file.unlink()
    code, facts = verify(cli, "--store", world.store.root)
    assert (code, facts["damaged"], facts["foreign"], facts["notes"]) == (0, [], [], [])


@pytest.mark.parametrize("harm", [*HARMS, "foreign", "gone"])
def test_whatever_happens_to_a_file_is_named(world, trained, harm):
    """It is reported, and no other file is, for every file of the tables."""
    snapshot = scan(trained.store, lambda _: None).snapshot
    snapshot = type(snapshot)(world.store, snapshot.references, snapshot.stored, snapshot.meter)
    for path, whole in files(world.store).items():
        if not path.startswith(("datasets/", "tables/")):
            continue
        if harm == "gone":
            world.store.delete(path)
        else:
            data = foreign_bytes(path) if harm == "foreign" else HARMS[harm](whole, draw_for(harm, path))
            world.store.put(path, data)
        follows = any(word in path for word in ("facts", "baselines", "tables/"))
        assert [*checked(snapshot, unit_of(path))] == ([] if harm == "gone" and follows else [path])
        world.store.put(path, whole)


def test_what_follows_from_the_rows_is_repaired(cli, world):  # noqa: F811
    """Manifests are rebuilt, facts, baselines and records removed; a run makes them again."""
    harmed = [part(world.store, kind) for kind in ("manifest", "facts-", "baselines-")]
    records = [path for path in world.store.list("tables") if of_run(world).encode() in world.store.get(path)]
    harmed.append(records[0])
    before = files(world.store)
    for path in harmed:
        world.store.put(path, flipped(before[path], draw_for(path)))
    assert sorted(found(world.store)) == sorted(harmed)
    assert mend(world.store) == {}
    assert found(world.store) == {}
    assert world.store.get(harmed[0]) == before[harmed[0]]
    assert cli("run", str(world.file.parent / "folds.toml"), "--workers", "0", "--store", world.store.root).code == 0
    assert world.store.get(harmed[3]) == before[harmed[3]]


@pytest.mark.parametrize("harm", [*HARMS, "gone"])
def test_a_shard_is_read_again_from_a_file_that_has_not_changed(cli, world, harm):  # noqa: F811
    """The same bytes are there again."""
    shard = part(world.store, "rows/part-00000", of_run(world))
    whole = world.store.get(shard)
    world.store.delete(shard) if harm == "gone" else world.store.put(shard, HARMS[harm](whole, draw_for(harm)))
    code, facts = verify(cli, "--store", world.store.root)
    assert (code, [each["repair"] for each in facts["damaged"]]) == (3, ["rewrites it"])
    code, facts = verify(cli, "--repair", "--store", world.store.root)
    assert (code, facts["damaged"], world.store.get(shard)) == (0, [], whole)


@pytest.mark.parametrize("now", ["gone", "grown", "touched"])
def test_a_damaged_shard_whose_file_is_another_now_is_left_and_the_remedy_names_the_file(cli, world, now):  # noqa: F811
    """What is left of it may be all that there is. Once the file is back as it was, the printed command works."""
    shard = part(world.store, "rows/part-00000", of_run(world))
    harmed = flipped(world.store.get(shard), draw_for(shard))
    world.store.put(shard, harmed)
    world.write([*ROWS, *lines(3, seed=9)]) if now == "grown" else world.file.unlink()
    if now == "touched":
        world.write(ROWS)
    code, facts = verify(cli, "--repair", "--store", world.store.root)
    (left,) = facts["damaged"]
    assert (code, left["path"], left["repair"], world.store.get(shard)) == (3, shard, None, harmed)
    assert "put houses.csv back as it was" in left["remedy"]
    world.write(ROWS)
    world.store.delete(shard)
    command = re.search("then `sumsquares (.*?)` reads its rows again", left["remedy"])[1]
    ended = cli(*shlex.split(command), "--workers", "0")
    assert ended.code == 0, ended.err
    assert found(world.store) == {}


def test_a_manifest_without_all_its_rows_is_left(cli, world):  # noqa: F811
    """Neither it nor the rows are deleted."""
    content = of_run(world)
    shard, manifest = (f"datasets/{content}/{name}" for name in ("rows/part-00000.parquet", "manifest.json"))
    for path in (shard, manifest):
        world.store.put(path, flipped(world.store.get(path), draw_for(path)))
    before = files(world.store)
    world.file.unlink()
    code, facts = verify(cli, "--repair", "--store", world.store.root)
    assert (code, [each["path"] for each in facts["damaged"]]) == (3, [manifest])
    assert files(world.store) == before


def test_rows_that_no_spec_names_are_checked_by_their_manifest(cli, world):  # noqa: F811
    """The remedy is to delete the folder, or to put a copy back."""
    content = of_run(world)
    for path in world.store.list():
        if path.startswith(("runs/", "tables/")) and "night-" not in path:
            world.store.delete(path)
    shard = f"datasets/{content}/rows/part-00000.parquet"
    world.store.put(shard, flipped(world.store.get(shard), draw_for(shard)))
    (damage,) = found(world.store).values()
    assert (damage.path, damage.kind, damage.is_repairable) == (shard, "shard", False)
    assert "no spec of the store names this table" in damage.remedy


def test_foreign_files_beside_the_rows_are_named_and_left(cli, world):  # noqa: F811
    """Those in the place of ours are damage, others are listed."""
    content = of_run(world)
    extra = [f"datasets/{content}/rows/part-00007.parquet", f"datasets/{content}/rows/notes", "tables/notes.txt"]
    mine = [f"datasets/{content}/facts-0123456789abcdef.json", f"tables/{'0' * 64}.json"]
    for path in (*extra, *mine):
        world.store.put(path, b"somebody's")
    code, facts = verify(cli, "--repair", "--store", world.store.root)
    assert (code, sorted(facts["foreign"])) == (3, sorted(extra))
    assert sorted(each["path"] for each in facts["damaged"]) == sorted(mine)
    assert all(world.store.get(path) == b"somebody's" for path in (*extra, *mine))


def test_rows_that_are_missing_altogether_are_noted_with_the_command_that_reads_the_file(cli, world):  # noqa: F811
    """An import that was killed leaves the same."""
    content = of_run(world)
    for path in world.store.list(f"datasets/{content}"):
        world.store.delete(path)
    code, facts = verify(cli, "--store", world.store.root)
    (note,) = facts["notes"]
    assert code == 0
    assert f"datasets/{content}: missing or not finished" in note
    assert "reads houses.csv again, if it has the same rows" in note
    assert cli(*shlex.split(re.search("`sumsquares (.*?)`", note)[1]), "--workers", "0").code == 0
    assert found(world.store) == {}


def test_a_runs_files_are_checked_and_made_again_without_the_file(cli, world):  # noqa: F811
    """They follow from the stored rows."""
    world.file.unlink()
    for name in ("summary.json", "report.html"):
        path = f"runs/houses/{name}"
        world.store.put(path, flipped(world.store.get(path), draw_for(path)))
    code, facts = verify(cli, "--repair", "--store", world.store.root)
    remedies = {each["remedy"] for each in facts["repaired"]}
    command = re.search("`sumsquares (.*?)`", next(iter(remedies)))[1]
    assert (code, len(remedies)) == (0, 1)
    ended = cli(*shlex.split(command))
    assert ended.code == 0, ended.err
    assert found(world.store) == {}


def test_an_earlier_run_on_a_table_is_rewritten_without_the_file(cli, world):  # noqa: F811
    """It is rebuilt from the stored spec, which says what the file held."""
    spec = world.folder / "folds.toml"
    spec.write_text(FOLDS.replace("seeds = 2", "seeds = 3").replace('"houses.csv"', f'"{world.file}"'))
    assert cli("run", str(spec), "--workers", "0", "--store", world.store.root).code == 0
    world.file.unlink()
    path = next(path for path in world.store.list("runs/houses/previous") if path.endswith("report.html"))
    world.store.delete(path)
    assert mend(world.store) == {}
    assert world.store.exists(path)
    assert found(world.store) == {}


def test_a_spec_is_restored_from_its_report_and_what_the_store_knows_of_its_table(world):
    """The report shows what the user has written; the record of the file says what it held."""
    path = "runs/houses/job.toml"
    whole = world.store.get(path)
    world.file.unlink()
    for data in (b"", flipped(whole, draw_for(path)), whole.replace(b"rows = 120", b"rows = 119")):
        world.store.put(path, data)
        assert [*found(world.store)] == [path]
        assert mend(world.store) == {}
        assert world.store.get(path) == whole
