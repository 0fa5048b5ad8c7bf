"""Damage is found and repaired: every file of a store, harmed in every way, is reported or restored."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from result_rows import commit, row_of, variant
from test_cli import cli  # noqa: F401  the fixture
from test_refusals import tree
from verify_world import (
    DAYS,
    EARLIER,
    HARMS,
    MINE,
    checked,
    draw_for,
    files,
    flipped,
    found,
    meanings,
    mend,
    run,
    start,
)
from verify_world import trained as trained

from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.lock import holding
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.storage import folder
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify import snapshot as snapshot_module
from sumsquares.jobs.verify.scan import scan

OLD = Path(__file__).parent / "old_store" / "files"
NOTES = b"these are somebody's notes\n"


@pytest.fixture
def store(tmp_path, trained):
    """A copy of the trained store, where the command line looks for it."""
    (tmp_path / "mine.toml").write_text(MINE)
    shutil.copytree(trained.root, tmp_path / "store")
    return Store(str(tmp_path / "store"))


def verify(cli, *words):  # noqa: F811
    """Runs the command: its exit code and its output."""
    ended = cli("verify", "--json", *words)
    return ended.code, json.loads(ended.out)


def paths(facts):
    return [each["path"] for each in facts]


def first(store, *parts):
    """The first file whose path has these parts."""
    return next(path for path in store.list() if all(part in path for part in parts))


def test_an_intact_store_and_one_of_an_earlier_version_have_no_damage_and_nothing_is_written(trained, cli):  # noqa: F811
    """The exit code is 0, for an empty folder too."""
    Path("none").mkdir()
    for root in (trained.root, str(OLD), "none"):
        before = tree(root)
        code, facts = verify(cli, "--store", root)
        assert (code, facts["damaged"], facts["foreign"]) == (0, [], [])
        assert tree(root) == before
    assert facts["notes"] == ["the folder is empty: there is nothing to verify yet"]


def test_a_missing_store_is_not_reported_as_undamaged(cli):  # noqa: F811
    """A mistyped name, or another folder, gives exit code 2, and nothing is created."""
    Path("other").mkdir()
    Path("other/notes.txt").write_text("mine")
    for root, holds in (("none", "nothing is there"), ("other", "it holds 1 file, none with a name of ours")):
        ended = cli("verify", "--store", root)
        assert (ended.code, f"there is no store at {Path(root).absolute()}: {holds}" in ended.err) == (2, True)
    assert not Path("none").exists()


def test_folders_that_are_links_to_another_disk_are_checked(cli, store, tmp_path):  # noqa: F811
    """Links are followed as by all commands; nothing behind a linked run is deleted; a broken link is reported."""
    harmed = sorted([first(store, "trials/", ".safetensors"), "runs/mine/report.html"])
    for path in ("runs/mine/previous", "runs/mine", "runs", "trials", "datasets"):
        there = tmp_path / "disk" / path.replace("/", "-")
        there.parent.mkdir(exist_ok=True)
        (Path(store.root) / path).rename(there)
        (Path(store.root) / path).symlink_to(there)
    code, facts = verify(cli)
    assert (code, facts["damaged"], facts["foreign"]) == (0, [], [])
    for path in harmed:
        store.put(path, b"")
    assert sorted(paths(verify(cli)[1]["damaged"])) == harmed
    code, facts = verify(cli, "--repair")
    assert (code, paths(facts["damaged"])) == (3, ["runs/mine/report.html"])
    assert "a link to a folder, behind which nothing is deleted" in facts["damaged"][0]["remedy"]
    (Path(store.root) / "runs/mine").unlink()
    (tmp_path / "disk/runs-mine").rename(Path(store.root) / "runs/mine")
    assert verify(cli, "--repair")[0] == 0
    (Path(store.root) / "trials").unlink()
    (Path(store.root) / "trials").symlink_to("nowhere")
    assert paths(verify(cli)[1]["damaged"]) == ["trials"]


def test_unreadable_files_are_reported_and_the_others_are_checked(cli, store, monkeypatch):  # noqa: F811
    """The exit code is 4, or 3 where there is damage too, and the files stay as they are."""
    one, job = first(store, "trials/", ".safetensors"), "runs/mine/job.toml"
    read = folder.read_plain

    def refused(path, most):
        if str(path).endswith((one, job)):
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path, most)

    before = files(store)
    monkeypatch.setattr(folder, "read_plain", refused)
    for words in ((), ("--repair",)):
        code, facts = verify(cli, *words)
        assert (code, sorted(paths(facts["damaged"]))) == (4, sorted([one, job]))
    assert {(each["kind"], each["reason"]) for each in facts["damaged"]} == {
        ("unreadable", "it can't be read, Permission denied")
    }
    store.put("nightly/pruned.json", b"")
    code, facts = verify(cli)
    assert (code, len(facts["damaged"])) == (3, 3)
    monkeypatch.undo()
    assert {path: data for path, data in files(store).items() if path in (one, job)} == {
        path: before[path] for path in (one, job)
    }


def test_a_file_that_two_checks_need_is_named_once_with_its_own_reason(cli, store):  # noqa: F811
    """It is reported as too large, and so is a spec, which has another limit."""
    path = first(store, "night.json")
    os.truncate(Path(store.root) / path, 2 << 30)
    os.truncate(Path(store.root) / "runs/mine/job.toml", 2 << 20)
    answer = {each["path"]: each["reason"] for each in verify(cli)[1]["damaged"]}
    stands = "stands where a file of ours must be"
    assert answer[path] == f"a file of more than {256 << 20:,} bytes {stands}"
    assert answer["runs/mine/job.toml"] == f"a file of more than {1 << 20:,} bytes {stands}"
    ended = cli("verify")
    assert ended.out.count(f"damaged: {path}") == 1
    assert ended.out.rstrip().endswith("2 files damaged")
    assert (
        "lies where a file of ours belongs; our files are never that large: " in cli("predict", "mine", "3", "17").err
    )


def test_progress_does_not_go_beyond_the_total(store, monkeypatch):
    """A file that is read twice counts once."""
    monkeypatch.setattr(snapshot_module, "LINE_SECONDS", -1.0)
    lines = []
    store.put(first(store, "trials/", ".parquet"), b"")
    scan(store, lines.append)
    numbers = [[int(each.replace(",", "")) for each in re.findall("[0-9,]+", line)] for line in lines]
    assert numbers
    assert all(done <= total for done, total in numbers)


def test_the_removal_of_another_file_is_reported(cli, store):  # noqa: F811
    """This holds for the weights of missing rows."""
    path = first(store, "trials/", ".parquet")
    store.delete(path)
    pair = path.replace(".parquet", ".safetensors")
    assert f"`sumsquares verify --repair --store {store.root}` removes {pair}, then " in cli("verify").out


def test_what_is_missing_altogether_is_reported_with_the_command_that_makes_it(cli, store):  # noqa: F811
    """This holds for a summary and for a dataset."""
    digest = parse_spec(MINE.encode(), "").datasets[0].digest
    for path in store.list():
        if path.startswith(f"datasets/{digest}/") or (path.startswith("runs/mine/") and path.count("/") == 2):
            store.delete(path) if not path.endswith("job.toml") else None
    code, facts = verify(cli)
    commands = [re.search("`sumsquares (.*?)`", note)[1] for note in facts["notes"]]
    assert code == 0
    assert commands[0].startswith(f"summarize {store.root}/runs/mine/job.toml ")
    assert len(commands) == 2
    assert cli(*shlex.split(commands[0])).code == 0
    assert cli(*shlex.split(commands[1]), "--workers", "0").code in (0, 2)


@pytest.mark.parametrize("harm", [*HARMS, "foreign", "gone"])
def test_whatever_happens_to_a_file_is_named(store, trained, harm):
    """It is reported, and no other file is, for every file in the store."""
    snapshot = scan(trained, lambda _: None).snapshot
    snapshot = type(snapshot)(store, snapshot.references, snapshot.stored, snapshot.meter)
    for path, whole in files(store).items():
        if harm == "gone":
            store.delete(path)
        else:
            store.put(path, foreign_bytes(path) if harm == "foreign" else HARMS[harm](whole, draw_for(harm, path)))
        lone = path.startswith("states/") or path.endswith(
            ("pruned.json", "facts.json", "baselines.json", "nightly/index.html")
        )  # nothing else needs them
        assert [*checked(snapshot, unit_of(path))] == ([] if harm == "gone" and lone else [path])
        store.put(path, whole)


def test_one_flipped_byte_in_every_kind_of_file_is_repaired_and_comes_back_with_a_run_and_a_night(store, tmp_path):
    """All are repaired at once; then everything that follows from specs and seeds is as in an undamaged store."""
    nights = [path.split("/")[1] for path in store.list("nightly") if path.endswith("spec.toml")]
    packs = sorted({path.split("/")[1].split(".")[0] for path in store.list("trials")})
    harmed = [
        f"trials/{packs[0]}.parquet",
        f"trials/{packs[1]}.safetensors",
        f"trials/{packs[2]}.safetensors",
        first(store, "datasets/", "train/"),
        first(store, "datasets/", "manifest.json"),
        first(store, "states/"),
        "nightly/pruned.json",
        f"nightly/{nights[0]}/spec.toml",
        f"nightly/{nights[1]}/state.json",
        f"runs/night-{nights[0]}/job.toml",
        f"runs/night-{nights[1]}/report.html",
        "runs/mine/summary.json",
        first(store, "runs/mine/previous", "job.toml"),
    ]
    quiet = meanings(store)
    for path in harmed:
        store.put(path, flipped(store.get(path), draw_for(path)))
    assert sorted(found(store)) == sorted(harmed)
    assert mend(store) == {}
    assert found(store) == {}
    assert run(store, tmp_path, MINE + "# a comment at the end\n") == 0
    assert start(store, "2026-11-03").exit_code == 0
    assert found(store) == {}
    after = meanings(store)
    gone = {path for path in quiet if path.startswith("states/") or path.endswith("pruned.json")}
    assert {path: after[path] for path in quiet.keys() - gone} == {path: quiet[path] for path in quiet.keys() - gone}


def test_every_file_of_an_earlier_run_is_rewritten_by_repair_itself(store):
    """No run of another spec would restore it."""
    quiet = meanings(store)
    for path in store.list("runs/mine/previous"):
        whole = store.get(path)
        store.delete(path) if path.endswith("report.html") else store.put(path, flipped(whole, draw_for(path)))
        assert mend(store) == {}
        assert meanings(store) == quiet


def test_an_earlier_run_is_not_rewritten_from_damaged_models(cli, store):  # noqa: F811
    """Nothing else is touched; the message names what trains them, and that restores everything."""
    quiet, folder = meanings(store), Path(first(store, "runs/mine/previous", "job.toml")).parent
    named = json.loads(store.get(f"{folder}/summary.json"))["best"].values()
    pack = found_pack(store, next(iter(named))["trial"]["trial_id"])
    for path in (f"trials/{pack}.safetensors", f"{folder}/report.html"):
        store.put(path, flipped(store.get(path), draw_for(path)))
    summary, facts = store.get(f"{folder}/summary.json"), first(store, "datasets/", "facts.json")
    store.delete(facts)
    code, answer = verify(cli, "--repair")
    assert (code, paths(answer["damaged"])) == (3, [f"{folder}/report.html"])
    assert f"trials/{pack}.safetensors" in paths(answer["repaired"])
    assert store.get(f"{folder}/summary.json") == summary
    assert not store.exists(facts)
    train = re.search("`sumsquares (train .*?)`", answer["damaged"][0]["remedy"])[1]
    assert cli(*shlex.split(train), "--workers", "0").code == 0
    assert verify(cli, "--repair")[0] == 0
    assert {path: each for path, each in meanings(store).items() if str(folder) in path} == {
        path: each for path, each in quiet.items() if str(folder) in path
    }


def test_a_summary_whose_trials_go_too_is_made_again_by_a_run(cli, store):  # noqa: F811
    """The remedy is not summarize, which trains nothing."""
    pack = found_pack(store, trials(parse_spec(MINE.encode(), ""))[5].id)
    for path in (f"trials/{pack}.safetensors", "runs/mine/summary.json"):
        store.put(path, flipped(store.get(path), draw_for(path)))
    remedies = {each["path"]: each["remedy"] for each in verify(cli, "--repair")[1]["repaired"]}
    assert remedies["runs/mine/summary.json"].startswith("`sumsquares run ")


def test_a_spec_without_a_copy_is_reported_and_the_remedy_rewrites_it(cli, store):  # noqa: F811
    """An undamaged report would show it; here the report is damaged too."""
    for name in ("job.toml", "report.html"):
        store.put(f"runs/mine/{name}", b"")
    before = files(store)
    code, facts = verify(cli, "--repair")
    harmed = ["runs/mine/job.toml", "runs/mine/report.html"]
    assert (code, paths(facts["damaged"]), facts["repaired"], files(store)) == (3, harmed, [], before)
    assert f"`sumsquares summarize SPEC --store {store.root}`" in facts["damaged"][0]["remedy"]
    assert "restore runs/mine/job.toml first" in facts["damaged"][1]["remedy"]
    assert cli("summarize", "mine.toml").code == 0
    assert verify(cli)[0] == 0


def test_a_renamed_folder_of_a_run_is_damage_until_it_has_its_name_again(cli, store):  # noqa: F811
    """The report shows the same spec, so nothing is written, and the remedy works."""
    root = Path(store.root)
    (root / "runs" / "mine").rename(root / "runs" / "other")
    before = files(store)
    for words in ((), ("--repair",), ()):
        code, facts = verify(cli, *words)
        assert (code, facts["repaired"], files(store)) == (3, [], before)
    remedies = {each["path"]: each["remedy"] for each in facts["damaged"]}
    assert f"rename the folder {root}/runs/other to {root}/runs/mine" in remedies["runs/other/job.toml"]
    (root / "runs" / "other").rename(root / "runs" / "mine")
    assert verify(cli)[0] == 0
    shutil.copytree(root / "runs" / "mine", root / "runs" / "copy")
    remedies = {each["path"]: each["remedy"] for each in verify(cli, "--repair")[1]["damaged"]}
    assert f"move the folder {root}/runs/copy out of the store" in remedies["runs/copy/job.toml"]


@pytest.mark.parametrize("beside", ["summary.json", "report.html"])
def test_a_spec_is_rewritten_from_the_report_or_its_own_text_if_the_other_is_damaged_too(store, beside):
    """The spec is restored before anything that shows it is removed."""
    whole = store.get("runs/mine/job.toml")
    store.put("runs/mine/job.toml", whole[:-3] + b"x" + whole[-2:])
    store.put(f"runs/mine/{beside}", store.get(f"runs/mine/{beside}")[:200])
    assert mend(store) == {}
    assert store.get("runs/mine/job.toml") == whole
    assert not store.exists("runs/mine/report.html")


def test_nothing_is_removed_while_a_spec_cannot_be_restored(store):
    """A foreign file is in its place, so the report is the last file that shows the spec."""
    store.put("runs/mine/job.toml", NOTES)
    store.put("runs/mine/summary.json", store.get("runs/mine/summary.json")[:200])
    before = files(store)
    assert sorted(mend(store)) == ["runs/mine/job.toml", "runs/mine/summary.json"]
    assert files(store) == before


def test_a_damaged_model_is_trained_again_as_predict_says(cli, store):  # noqa: F811
    """`verify --repair` and a run restore it; the plan alone checks sizes, and finds nothing to do."""
    trial = trials(parse_spec(MINE.encode(), ""))[5].id
    before = cli("predict", "mine", "3", "17", "--trial", trial).out
    spec_packs = found_pack(store, trial)
    path = f"trials/{spec_packs}.safetensors"
    store.put(path, store.get(path)[:-8] + bytes(8))
    ended = cli("predict", "mine", "3", "17", "--trial", trial)
    assert ended.code == 3
    repair = f"`sumsquares verify --repair --store {store.root}`"
    assert f"{repair} removes it, then its trials are trained again by the next run" in ended.err
    assert cli("verify", "--repair").code == 0
    assert cli("run", "mine.toml", "--workers", "0", "--quiet").code == 0
    assert cli("predict", "mine", "3", "17", "--trial", trial).out == before


def found_pack(store, trial):
    """The pack of a trial."""
    from sumsquares.jobs.results.stored import read_trials

    rows = read_trials(store).table.to_pylist()
    return next(row["pack"] for row in rows if row["trial_id"] == trial)


@pytest.mark.parametrize("kinds", [("safetensors",), ("parquet",), ("safetensors", "parquet")])
def test_packs_that_were_exchanged_are_found_by_their_names(store, tmp_path, kinds):
    """Both are reported, and both are restored."""
    quiet = meanings(store)
    one, other = sorted({path.rpartition(".")[0] for path in store.list("trials")})[:2]
    for kind in kinds:
        a, b = store.get(f"{one}.{kind}"), store.get(f"{other}.{kind}")
        store.put(f"{one}.{kind}", b)
        store.put(f"{other}.{kind}", a)
    assert sorted(found(store)) == sorted(f"{pack}.{kind}" for pack in (one, other) for kind in kinds)
    assert mend(store) == {}
    run(store, tmp_path, MINE + "# a comment at the end\n")
    for day in DAYS:
        start(store, day)
    assert meanings(store) == quiet


def test_rows_that_are_not_what_their_trial_ids_promise_are_damage(store):
    """Though their seal is valid: the spec that names the trial determines its row."""
    trial = trials(parse_spec(MINE.replace("0.02", "0.5").encode(), ""))[-1]
    pack = commit(store, [row_of(trial, lr=0.25)])
    store.put("runs/wider/job.toml", MINE.replace("0.02", "0.5").replace('"mine"', '"wider"').encode())
    assert "its column lr is not what its trial ids promise" in found(store)[f"trials/{pack}.parquet"].reason
    assert mend(store) == {}


def test_models_that_no_spec_names_stay_with_their_numbers_and_the_remedy_is_reported(store):
    """Their rows are intact, and nothing in the store could restore them."""
    pack = commit(store, [row_of(Trial(variant(), 0))])
    whole = store.get(f"trials/{pack}.safetensors")
    store.put(f"trials/{pack}.safetensors", flipped(whole, draw_for(pack)))
    left = mend(store)
    assert "no run or night of this store names its trials" in left[f"trials/{pack}.safetensors"].remedy
    assert store.exists(f"trials/{pack}.parquet")


def foreign_bytes(path):
    """A foreign file in the format that its name implies."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1, 2]}), sink)
    kinds = {
        ".parquet": sink.getvalue().to_pybytes(),
        ".safetensors": safetensors.numpy.save({"x": np.zeros(3)}, {"format": "pt"}),
        ".json": b'{"mine": [1, 2]}\n',
        ".toml": b'title = "mine"\n',
        ".html": b"<html><body>mine</body></html>\n",
    }
    return kinds.get(Path(path).suffix, NOTES)


def test_foreign_files_are_reported_and_never_deleted_or_overwritten(store):
    """This holds in the place of any of our files, and beside them, where it is no damage."""
    extra = ["notes.txt", "trials/notes.txt", "runs/mine/notes", "nightly/x", "datasets/a/b", "states/x.txt"]
    extra += [f"{Path(first(store, 'datasets/', 'train/')).parent}/part-00009.parquet"]
    for path in extra:
        store.put(path, NOTES)
    seen = scan(store, lambda _: None)
    assert (sorted(seen.foreign), seen.damage) == (sorted(extra), {})
    places = [path for path in files(store) if path not in extra]
    for path in places:
        store.put(path, foreign_bytes(path))
    left = mend(store)
    assert {path for path in places if "nightly/2" in path and "scores" not in path} <= left.keys()
    assert {path: store.get(path) for path in places} == {path: foreign_bytes(path) for path in places}
    assert all(store.get(path) == NOTES for path in extra)


def test_a_spec_that_was_cut_off_in_the_comments_at_its_head_is_ours(store, tmp_path):
    """None of our marks is left, but the bytes are the beginning of the copy."""
    run(store, tmp_path, "# somebody's own words at the head\n" + MINE)
    whole = store.get("runs/mine/job.toml")
    store.put("runs/mine/job.toml", whole[:20])
    assert mend(store) == {}
    assert store.get("runs/mine/job.toml") == whole


def test_what_is_not_a_file_is_reported_and_not_opened(cli, store):  # noqa: F811
    """Folders and pipes in the place of a file, and files in the place of a folder, give exit code 3 and stay."""
    for path in ("nightly/champion.json", first(store, "night.json"), first(store, "manifest.json")):
        store.delete(path)
        (Path(store.root) / path).mkdir()
    pipe = Path(store.root) / first(store, "trials/", ".parquet")
    pipe.unlink()
    os.mkfifo(pipe)
    shutil.rmtree(Path(store.root) / "states")
    (Path(store.root) / "runs" / "other").write_text("mine")
    code, facts = verify(cli, "--repair")
    assert code == 3
    assert {each["path"] for each in facts["damaged"] if each["kind"] == "foreign"} >= {
        "nightly/champion.json",
        "runs/other",
        str(pipe.relative_to(store.root)),
    }
    assert cli("predict", "champion", "3", "17").code == 3
    (Path(store.root) / "states").write_text("mine")
    assert paths(verify(cli)[1]["damaged"]) == ["states"]


def test_repair_beside_a_night_is_exit_6_and_verify_is_not(cli, store):  # noqa: F811
    """Nothing is deleted while a night runs."""
    path = first(store, "trials/", ".safetensors")
    store.put(path, b"")
    with holding(store, "a night", Clock()):
        before = files(store)
        assert cli("verify", "--repair").code == 6
        assert cli("verify").code == 3
        assert files(store) == before
    assert cli("verify", "--repair").code == 0


def test_a_file_that_became_intact_after_the_scan_is_not_deleted(store, monkeypatch):
    """A run may have written the file in the meantime."""
    path = first(store, "trials/", ".safetensors")
    whole = store.get(path)
    store.put(path, b"")
    seen = scan(store, lambda _: None)
    store.put(path, whole)
    from sumsquares.jobs.verify.repair import repair

    before = files(store)
    assert repair(seen, Clock()) == ([], [])
    assert files(store) == before


def test_a_damaged_lock_is_freed_first(cli, store):  # noqa: F811
    """It is unknown whether a night runs, so nothing is repaired until a person unlocks it."""
    store.put(LOCK, b"{}")
    path = first(store, "trials/", ".safetensors")
    store.put(path, b"")
    before = files(store)
    code, facts = verify(cli, "--repair")
    assert (code, sorted(paths(facts["damaged"]))) == (3, sorted([LOCK, path]))
    assert files(store) == before
    assert cli("nightly", "unlock").code == 0
    assert cli("verify", "--repair").code == 0


def test_the_text_has_the_first_ones_and_their_number(cli, store):  # noqa: F811
    """--json has all of them. Each has the fault, what repair does, and what to do next."""
    path = first(store, "trials/", ".parquet")
    for number in range(30):
        store.put(f"trials/{number:016x}.parquet", b"")
        store.put(f"notes/{number}", b"")
    store.put(path, flipped(store.get(path), draw_for("people")))
    ended = cli("verify")
    assert ended.code == 3
    assert "and 11 more damaged files: --json names all" in ended.out
    assert "and 10 more foreign files: --json names all" in ended.out
    assert ended.out.rstrip().endswith("31 files damaged")
    assert f"`sumsquares verify --repair --store {store.root}` removes it, then " in ended.out
    repaired = cli("verify", "--repair")
    assert (repaired.code, repaired.out.rstrip().rpartition(": ")[2]) == (0, "31 files repaired, no damage left")


def test_an_earlier_spec_that_was_exchanged_with_the_present_one_is_restored(store):
    """They are restored from the texts in the reports, which match the summaries."""
    quiet = meanings(store)
    earlier = first(store, "runs/mine/previous", "job.toml")
    mine = store.get("runs/mine/job.toml")
    store.put("runs/mine/job.toml", store.get(earlier))
    store.put(earlier, mine)
    assert sorted(found(store)) == sorted(["runs/mine/job.toml", earlier])
    assert mend(store) == {}
    assert meanings(store) == quiet
    assert parse_spec(EARLIER.encode(), "").digest[:12] in earlier


def test_a_store_in_a_bucket_is_verified_and_repaired_as_a_folder_is(store, s3_root):
    """Its remedies can't name a local file, so they say which spec to use."""
    bucket, digest = Store(s3_root), parse_spec(MINE.encode(), "").datasets[0].digest
    pack = f"trials/{found_pack(store, trials(parse_spec(MINE.encode(), ''))[0].id)}.safetensors"
    shard = f"datasets/{digest}/train/part-00000.parquet"
    for path, data in files(store).items():
        if path.startswith((f"datasets/{digest}", "runs/mine/", pack.removesuffix("safetensors"))):
            bucket.put(path, data)
    for path in (pack, shard, "runs/mine/report.html"):
        bucket.put(path, flipped(bucket.get(path), draw_for(path)))
    damage = found(bucket)
    assert sorted(damage) == sorted((pack, shard, "runs/mine/report.html"))
    assert f"with a copy of {s3_root}/" in damage[pack].remedy
    assert mend(bucket) == {}
    assert bucket.get(shard) == store.get(shard)
    assert not bucket.exists(pack)
