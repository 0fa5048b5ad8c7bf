"""Results of an earlier training version: they stay readable and comparable, and none of them is trained again.

The store is a copy of `old_store/files`, written at training version 3: see test_old_store.py.
"""

import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from night_world import TINY, made_up, spec_of
from old_ids import OLD
from result_rows import commit, row_of
from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.night.champion import Champion, Move
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.retention import RetentionPolicy, plan_pruning
from sumsquares.jobs.results import earlier
from sumsquares.jobs.results.earlier import as_stored, count_earlier
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.results.summary_file import read_summary
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.spec.training_version import TRAINING_VERSION, UNRECORDED
from sumsquares.jobs.spec.variants import ids_at, trials
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.train import OtherVersion, worker
from sumsquares.jobs.storage.store import Store

SPEC, NIGHT = OLD / "specs/old.toml", OLD / "specs/night.toml"
FIRST, SECOND = "2026-11-01-8ad084a2c6ed", "2026-11-02-8ad084a2c6ed"
"""Nights of the old store, both with fresh data; the first is the champion."""
AGAIN = "37 trials in the store were trained by an earlier version, whose numbers are not the same to the bit"
GONE = "an earlier version trained"


@pytest.fixture(name="old")
def copy_of_the_old_store(tmp_path):
    """A copy of the old store that a test may change."""
    return Path(shutil.copytree(OLD / "files", tmp_path / "old"))


def call(code, *words):
    """The output of a command, stdout and stderr together, that must end with this exit code, if one is given."""
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert code in (None, ended.exit_code), ended.output
    return ended.output


def run(old, code=exits.INCOMPLETE, spec=SPEC):
    """Runs a spec in this process; one trial of the old one diverges."""
    return call(code, "run", spec, "--store", old, "--workers", "0")


def night(old, day, code=exits.OK):
    return call(code, "nightly", NIGHT, "--store", old, "--date", day, "--fresh-data", "--workers", "0")


def verify(old, code, *options):
    return json.loads(call(code, "verify", "--json", "--store", old, *options))


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def summary_of(folder):
    return read_summary((folder / "summary.json").read_bytes(), "summary.json")


def packs_of(old, some):
    """The packs that hold these trials."""
    table = read_trials(Store(str(old))).table
    ids = {trial.id for trial in some}
    rows = zip(table["trial_id"].to_pylist(), table["pack"].to_pylist(), strict=True)
    return sorted({pack for trial, pack in rows if trial in ids})


def delete_packs(old, some):
    for pack in packs_of(old, some):
        for path in (old / "trials").glob(f"{pack}.*"):
            path.unlink()


def old_trials(path=SPEC):
    return trials(load_spec(path).trained_by(UNRECORDED))


def champion_trials():
    return trials(Night(date(2026, 11, 1), load_spec(NIGHT).trained_by(UNRECORDED), fresh=True).trained)


def test_a_run_trains_again_and_says_why_once(old):
    """The earlier results stay byte for byte, and the run's files in `previous/`; a second run trains nothing."""
    before = files_of(old / "trials")
    said = run(old)
    assert said.count(AGAIN) == 1
    assert "0 trained before, 37 to train" in said
    assert before.items() < files_of(old / "trials").items()
    spec = load_spec(SPEC)
    kept = old / f"runs/old/previous/{spec.digest[:12]}"
    assert f"trained by another version, is kept in {kept}" in said
    assert (kept / "report.html").read_bytes() == (OLD / "files/runs/old/report.html").read_bytes()
    assert summary_of(kept)["training_version"] == UNRECORDED
    assert summary_of(old / "runs/old")["training_version"] == TRAINING_VERSION
    again = run(old)
    assert ("37 trained before, 0 to train" in again, GONE in again) == (True, False)
    assert verify(old, exits.OK)["damaged"] == []


def test_a_plan_says_the_same(old):
    """In words and as JSON."""
    plan = ["plan", SPEC, "--store", old, "--workers", "0"]
    assert call(exits.OK, *plan).count(AGAIN) == 1
    facts = json.loads(call(exits.OK, *plan, "--json"))["trials"]
    assert facts == {"total": 37, "done": 0, "to_train": 37, "trained_by_an_earlier_version": 37}


@pytest.mark.parametrize("kept", [0, 1, 11])
def test_earlier_trials_are_counted_one_by_one(tmp_path, kept):
    """Those that are stored are counted, not all that the spec has; other results of that version don't count."""
    store, spec = Store(str(tmp_path)), spec_of()
    others = trials(spec_of(TINY.replace("[4]", "[5]")).trained_by(UNRECORDED))
    before = trials(spec.trained_by(UNRECORDED))
    commit(store, [row_of(trial) for trial in [*others, *before[: min(kept, 7)]]])
    assert make_plan(spec, store).earlier == min(kept, 7)


def test_nothing_is_counted_where_no_earlier_result_can_be(tmp_path, monkeypatch):
    """In an empty store, and in one that has results of this spec alone, no id of an earlier version is computed."""
    store, spec = Store(str(tmp_path)), spec_of()
    monkeypatch.setattr(earlier, "ids_at", lambda *_: pytest.fail("computed"))
    assert make_plan(spec, store).earlier == 0
    commit(store, [row_of(trial) for trial in trials(spec)[:3]])
    assert make_plan(spec, store).earlier == 0
    with pytest.raises(pytest.fail.Exception, match="computed"):
        count_earlier(trials(spec), set())


def test_the_version_of_most_results_is_summarised(old):
    """Those of an earlier version until a run has trained as many; of equally many the newest."""
    spec = load_spec(SPEC)
    now, before = ([*ids_at(trials(spec), version)] for version in (TRAINING_VERSION, UNRECORDED))
    for stored, version in ((before, 3), (now, 4), ([*before, *now], 4), ([*before, *now[:-1]], 3), ([], 4)):
        assert as_stored(spec, set(stored)).training_version == version
    said = call(exits.INCOMPLETE, "summarize", SPEC, "--store", old)
    assert "the results of an earlier version" in said
    run(old)
    said = call(exits.INCOMPLETE, "summarize", SPEC, "--store", old)
    assert "the results of an earlier version" not in said
    rows = pq.read_table(old / "runs/old/trials.parquet")["trial_id"].to_pylist()
    assert rows == [trial.id for trial in trials(spec)]


def test_a_worker_refuses_trials_of_another_version(tmp_path):
    """A node with another version of the package would commit other numbers under these ids."""
    pack = Pack(tuple(trials(spec_of().trained_by(UNRECORDED))[:2]))
    trains = worker(str(tmp_path), 1 << 30, "torch", "cpu")
    with pytest.raises(OtherVersion, match="install the same version of sumsquares on all nodes"):
        trains(pack, lambda _: None)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_run_that_trained_nothing_leaves_the_earlier_one_in_its_place(old, monkeypatch):
    """Its files are still those of the earlier version, and it still answers."""
    monkeypatch.setattr("sumsquares.jobs.pipeline.run.train_packs", lambda *_: ())
    before = files_of(old / "runs/old")
    assert "the earlier run of this name stays in its place" in run(old, exits.INCOMPLETE)
    assert {name: data for name, data in files_of(old / "runs/old").items() if "lock" not in name} == before
    assert "Expected=" in call(exits.OK, "predict", "old", "7", "--store", old)


@pytest.mark.parametrize("harm", ["weights", "rows", "no rows"])
def test_repair_deletes_no_result_that_it_cannot_make_again(old, harm):
    """A harmed pack is named, with the files to delete by hand; once that is done, nothing is damaged."""
    pack = packs_of(old, old_trials()[:1])[0]
    rows, weights = (old / f"trials/{pack}.{kind}" for kind in ("parquet", "safetensors"))
    if harm == "no rows":
        rows.unlink()
    else:
        path = weights if harm == "weights" else rows
        path.write_bytes(path.read_bytes()[:-40] + b"x" + path.read_bytes()[-39:])
    before = files_of(old / "trials")
    found = verify(old, exits.DATA, "--repair")
    assert files_of(old / "trials") == before
    (damaged,) = found["damaged"]
    assert (found["repaired"], damaged["deletes"]) == ([], [])
    assert f"{GONE} its trials, and this one gets other numbers: put a copy back" in damaged["remedy"]
    for path in (rows, weights):
        assert (path.name in damaged["remedy"] + damaged["path"]) or not path.exists()
        path.unlink(missing_ok=True)
    notes = verify(old, exits.OK)["notes"]
    assert any("so they can't be made again" in note for note in notes)


def test_a_run_deletes_no_damaged_pack_of_an_earlier_version(old):
    """Its rows are unreadable, and its weights name trials that the run doesn't replace."""
    (pack,) = packs_of(old, old_trials()[:1])
    rows = old / f"trials/{pack}.parquet"
    rows.write_bytes(rows.read_bytes()[:-40] + b"x" + rows.read_bytes()[-39:])
    before = files_of(old / "trials")
    assert "33 trials in the store were trained by an earlier version" in run(old)
    assert before.items() < files_of(old / "trials").items()


def test_files_of_an_earlier_run_are_removed_only_if_they_can_be_made_again(old):
    """With all trials `summarize` makes the same numbers again; without one of them the files stay."""
    call(exits.INCOMPLETE, "summarize", SPEC, "--store", old, "--quiet")
    table = pq.read_table(old / "runs/old/summary.parquet")
    page = old / "runs/old/report.html"
    page.write_bytes(page.read_bytes().replace(b"</title>", b"!</title>"))

    lost = Path(shutil.copytree(old, old.parent / "lost"))
    delete_packs(lost, old_trials()[:1])
    before = files_of(lost / "runs/old")
    (damaged,) = verify(lost, exits.DATA, "--repair")["damaged"]
    assert damaged["path"] == "runs/old/report.html"
    assert "trials that an earlier version trained are gone, so it can't be made again" in damaged["remedy"]
    assert files_of(lost / "runs/old") == before
    run(lost)
    (damaged,) = verify(lost, exits.DATA, "--repair")["damaged"]
    kept = f"runs/old/previous/{load_spec(SPEC).digest[:12]}"
    assert damaged["path"] == f"{kept}/report.html"
    assert f"delete the folder {lost}/{kept}" in damaged["remedy"]
    shutil.rmtree(lost / kept)
    verify(lost, exits.OK)

    verify(old, exits.OK, "--repair")
    assert not (old / "runs/old/summary.json").exists()
    call(exits.INCOMPLETE, "summarize", old / "runs/old/job.toml", "--store", old, "--quiet")
    assert pq.read_table(old / "runs/old/summary.parquet").equals(table)
    assert len([*(old / "runs/old/previous").iterdir()]) == 1  # it was moved to no other place
    verify(old, exits.OK)


def test_the_files_of_a_kept_earlier_run_are_rewritten_from_its_trials(old):
    """They are those of its own training version, though the spec was run again."""
    call(exits.INCOMPLETE, "summarize", SPEC, "--store", old, "--quiet")
    run(old)
    kept = old / f"runs/old/previous/{load_spec(SPEC).digest[:12]}"
    before = pq.read_table(kept / "trials.parquet")
    (kept / "trials.parquet").unlink()
    verify(old, exits.OK, "--repair")
    assert pq.read_table(kept / "trials.parquet").equals(before)
    assert verify(old, exits.OK)["damaged"] == []


def test_a_night_that_an_earlier_version_finished_is_not_trained_again(old):
    """Started again, it has nothing to do. Its lost summary is made again from its trials; its lost trials are not."""
    before = files_of(old / "trials")
    assert "there is nothing to do" in night(old, "2026-11-02")
    (old / f"runs/night-{SECOND}/summary.json").unlink()
    night(old, "2026-11-02")
    assert summary_of(old / f"runs/night-{SECOND}")["training_version"] == UNRECORDED
    assert files_of(old / "trials") == before
    spec = load_spec(NIGHT).trained_by(UNRECORDED)
    delete_packs(old, trials(Night(date(2026, 11, 2), spec, fresh=True).trained)[:1])
    left = files_of(old)
    assert "can't be made again, since an earlier version trained them" in night(old, "2026-11-02", exits.INCOMPLETE)
    assert verify(old, exits.OK)["damaged"] == []
    assert {path: data for path, data in files_of(old).items() if "lock" not in path} == {
        path: data for path, data in left.items() if "lock" not in path
    }


def test_a_summary_leaves_damaged_weights_that_no_run_makes_again(old):
    """The best variant has no samples then, and the file stays as it is."""
    best = json.loads((old / "runs/old/summary.json").read_text())["best"]["squares"]["trial"]["trial_id"]
    (pack,) = packs_of(old, [trial for trial in old_trials() if trial.id == best])
    weights = old / f"trials/{pack}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    before = files_of(old / "trials")
    said = call(exits.INCOMPLETE, "summarize", SPEC, "--store", old, "--quiet")
    assert f"{pack}.safetensors: damaged" in said
    assert "An earlier version trained them" in said
    assert files_of(old / "trials") == before


def test_scores_of_a_night_of_an_earlier_version_are_measured_again(old):
    """From its trials, by starting the night again; its verdict stays."""
    before = json.loads((old / f"nightly/{SECOND}/night.json").read_text())
    (old / f"nightly/{SECOND}/scores.parquet").unlink()
    verify(old, None, "--repair")
    night(old, "2026-11-02")
    assert verify(old, exits.OK)["damaged"] == []
    after = json.loads((old / f"nightly/{SECOND}/night.json").read_text())
    assert {**after, "sha256": "", "scores_sha256": ""} == {**before, "sha256": "", "scores_sha256": ""}


def test_a_night_is_compared_with_a_champion_of_an_earlier_version(old):
    """A variant is the same one at any training version. Only tonight's trials are trained, and no other night is."""
    before = set(read_trials(Store(str(old))).table["trial_id"].to_pylist())
    said = night(old, "2026-11-03")
    assert "no significant difference from champion 2026-11-01" in said
    assert "lost files" not in said
    assert "champion, night" not in said
    after = set(read_trials(Store(str(old))).table["trial_id"].to_pylist())
    tonight = trials(Night(date(2026, 11, 3), load_spec(NIGHT), fresh=True).trained)
    assert after - before == {trial.id for trial in tonight}
    state = json.loads((old / "nightly/2026-11-03-8ad084a2c6ed/night.json").read_text())
    assert state["training_version"] == TRAINING_VERSION


@pytest.mark.parametrize("is_fresh", [True, False])
def test_nights_of_two_versions_have_the_same_variants(tmp_path, monkeypatch, is_fresh):
    """The second one is compared variant by variant with the first, on the same rows or on fresh ones."""
    start = ["nightly", NIGHT, "--store", tmp_path / "store", "--workers", "0", *(["--fresh-data"] if is_fresh else [])]
    with monkeypatch.context() as patch:
        patch.setattr(JobSpec.__private_attributes__["_training_version"], "default", UNRECORDED)
        for module in ("spec.job_spec", "stages.train"):
            patch.setattr(f"sumsquares.jobs.{module}.TRAINING_VERSION", UNRECORDED)
        call(exits.OK, *start, "--date", "2026-11-01")
    said = call(exits.OK, *start, "--date", "2026-11-02")
    assert "0 trained before, 8 to train" in said
    assert ("8 trials in the store were trained by an earlier version" in said) != is_fresh
    assert "no significant difference from champion 2026-11-01" in said
    assert "2 variants" in said
    assert len(read_trials(Store(str(tmp_path / "store"))).table) == 16


def test_the_champion_can_be_moved_to_and_from_a_night_of_an_earlier_version(old):
    """`promote` and `rollback` take both, and the champion answers with its own trials."""
    night(old, "2026-11-03")
    names = {trial.id for trial in champion_trials()}
    for words, is_old in ((("promote", "2026-11-03-8ad084a2c6ed"), False), (("rollback",), True)):
        call(exits.OK, "nightly", *words, "--store", old)
        asked = json.loads(call(exits.OK, "predict", "champion", "8", "--json", "--store", old))
        assert (asked["answers"][0]["trial_id"] in names) == is_old
        assert "problem" not in call(exits.OK, "nightly", "status", "--store", old)
        night(old, "2026-11-04" if is_old else "2026-11-05")


def test_a_champion_whose_trials_are_lost_is_compared_by_its_scores(old):
    """A warning names the way to another champion. Without its scores the night ends with that remedy, which works."""
    delete_packs(old, champion_trials())
    said = night(old, "2026-11-03")
    assert "can't be made again, since an earlier version trained them, and it is the champion" in said
    assert "nightly rollback" in said
    assert "no significant difference from champion 2026-11-01" in said
    assert packs_of(old, champion_trials()) == []
    shutil.copytree(old, old.parent / "scores")
    (old.parent / f"scores/nightly/{FIRST}/scores.parquet").unlink()
    (damaged,) = verify(old.parent / "scores", exits.DATA, "--repair")["damaged"]
    assert damaged["remedy"].startswith(
        "trials that an earlier version trained are gone, so it can't be measured again"
    )
    answer = CliRunner().invoke(app, ["predict", "champion", "8", "--store", str(old)])
    assert "an earlier version trained it, so it can't be made again: `sumsquares nightly rollback`" in str(
        answer.exception
    )
    (old / f"nightly/{FIRST}/scores.parquet").unlink()
    ended = CliRunner().invoke(
        app,
        [
            "nightly",
            str(NIGHT),
            "--store",
            str(old),
            "--date",
            "2026-11-04",
            "--fresh-data",
            "--workers",
            "0",
            "--debug",
        ],
    )
    assert "an earlier version trained them, so they can't be made again" in str(ended.exception)
    assert "--to 2026-11-0" in str(ended.exception)
    call(exits.OK, "nightly", "rollback", "--to", "2026-11-03-8ad084a2c6ed", "--store", old)
    assert "champion 2026-11-03" in night(old, "2026-11-04")


def test_a_night_that_an_earlier_version_began_is_trained_anew(old):
    """The trials that it had count for nothing, and it ends as a night of this version."""
    folder = old / f"nightly/{SECOND}"
    (folder / "night.json").unlink()
    (folder / "scores.parquet").unlink()
    (folder / "state.json").unlink()
    night(old, "2026-11-02")
    assert json.loads((folder / "night.json").read_text())["training_version"] == TRAINING_VERSION
    assert verify(old, exits.OK)["damaged"] == []


@pytest.mark.parametrize("fresh", [True, False])
def test_pruning_deletes_the_packs_of_the_pruned_version_alone(tmp_path, fresh):
    """Packs that a champion or a newer night needs stay, of whichever version, also if all nights have one spec."""
    store = Store(str(tmp_path))
    champion, old = (made_up(store, f"2026-11-0{day}", fresh=fresh, version=UNRECORDED) for day in (1, 2))
    new = made_up(store, "2026-11-03", fresh=fresh)
    names = [(champion, UNRECORDED), (old, UNRECORDED), (new, TRAINING_VERSION)]
    packs = {name: packs_of_night(store, name, version, fresh) for name, version in names}
    store.put("nightly/champion.json", Champion(champion, "tiny", 1, (Move("promoted", champion, "now"),)).encode())
    plan = plan_pruning(store, RetentionPolicy(nights=1, days=1), date(2026, 12, 31))
    assert plan.nights == (old,)
    gone = {path.removeprefix("trials/").partition(".")[0] for path in plan.trials}
    assert gone == (packs[old] if fresh else set())

    store.put("nightly/champion.json", Champion(new, "tiny", 1, (Move("promoted", new, "now"),)).encode())
    plan = plan_pruning(store, RetentionPolicy(nights=1, days=1), date(2026, 12, 31))
    assert plan.nights == (champion, old)
    gone = {path.removeprefix("trials/").partition(".")[0] for path in plan.trials}
    assert gone == packs[champion] | packs[old]
    assert not gone & packs[new]


def packs_of_night(store, name, version, fresh):
    spec = Night(date.fromisoformat(name[:10]), spec_of().trained_by(version), fresh).trained
    return set(packs_of(store.root, trials(spec)))


def test_a_run_keeps_the_packs_of_all_versions_from_being_pruned(tmp_path):
    """It may have been started again and not finished yet, so its files don't say which of them it needs."""
    store = Store(str(tmp_path))
    old = made_up(store, "2026-11-01", fresh=False, version=UNRECORDED)
    made_up(store, "2026-11-03")
    store.put(
        "nightly/champion.json",
        Champion("2026-11-03" + old[10:], "tiny", 1, (Move("promoted", "2026-11-03" + old[10:], "now"),)).encode(),
    )
    policy, today = RetentionPolicy(nights=1, days=1), date(2026, 12, 31)
    assert Counter(bool(path) for path in plan_pruning(store, policy, today).trials)[True] == 2
    store.put("runs/tiny/job.toml", spec_of().source_text)
    plan = plan_pruning(store, policy, today)
    assert (plan.nights, plan.trials) == ((old,), ())
