"""Retention: what is deleted, what is kept, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import socket
from datetime import date
from pathlib import Path

import pytest
from night_world import TINY, made_up, spec_of

from sumsquares.jobs.commands.nightly import prune_nights
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night import retention
from sumsquares.jobs.night.champion import promote, rollback
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.notify import missed_dates
from sumsquares.jobs.night.pruned import pruning_text, pruning_warning
from sumsquares.jobs.night.retention import RetentionPolicy, plan_pruning, prune, pruned_through
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.plain import ForeignFile, readable
from sumsquares.jobs.storage.store import Store

TODAY = date(2026, 11, 20)
DAYS = [f"2026-11-{day:02}" for day in range(1, 11)]


@pytest.fixture
def store(tmp_path):
    """Ten nights: the second is the champion, and the last three regressed."""
    store = Store(str(tmp_path))
    for day in DAYS:
        night = made_up(store, day, "worse" if day > "2026-11-07" else "same")
        if day == DAYS[1]:
            promote(store, night, "tiny", 1, "now", None)
    return store


def held():
    """Stands for a lock that is held."""


def left(store):
    return [night[8:10] for night in list_nights(store)]


def test_nights_beyond_count_and_age_are_deleted_but_not_the_champion_nor_the_last_good(store):
    """A night must be beyond both limits. The running night is kept too."""
    cases = {
        RetentionPolicy(2, 1): ["02", "07", "09", "10"],
        RetentionPolicy(2, 14): ["02", "07", "08", "09", "10"],
        RetentionPolicy(9, 1): ["02", *left(store)[2:]],
        RetentionPolicy(10, 1): left(store),
        RetentionPolicy(11, 1): left(store),  # more than there are
        RetentionPolicy(19, 1): left(store),
        RetentionPolicy(1, 365): left(store),
        RetentionPolicy(100, 0): left(store),
    }
    for keep, stay in cases.items():
        doomed = plan_pruning(store, keep, TODAY).nights
        assert [night for night in left(store) if night not in [each[8:10] for each in doomed]] == stay
    running = list_nights(store)[0]
    assert running not in plan_pruning(store, RetentionPolicy(2, 1), TODAY, running).nights


def test_a_plan_deletes_nothing_and_counts_what_would_be_deleted(store):
    """The planned bytes are those that pruning frees."""
    before = store.sizes()
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    assert store.sizes() == before
    prune(store, plan, held)
    after = store.sizes()
    assert left(store) == ["02", "07", "09", "10"]
    assert sum(before.values()) - plan.bytes == sum(size for path, size in after.items() if "pruned" not in path)
    assert plan_pruning(store, RetentionPolicy(2, 1), TODAY).files == ()


def test_what_kept_nights_and_other_runs_need_stays_to_the_byte(store):
    """Kept are trials and datasets of kept nights and of a user's own run, and packs that no spec names."""
    own = spec_of(TINY.replace('"tiny"', '"mine"'))
    night = made_up(store, "2026-10-01", fresh=False)  # the spec itself: the run below has the same trials
    store.put("runs/mine/job.toml", own.source_text)
    store.put("trials/0123.parquet", b"somebody's")
    wanted = {trial.id for trial in trials(own)}
    prune(store, plan_pruning(store, RetentionPolicy(2, 1), TODAY), held)
    assert night not in list_nights(store)
    stored = set(read_results(store).table["trial_id"].to_pylist())
    assert wanted <= stored
    assert len(stored) == (4 + 1) * len(wanted)
    assert store.exists("trials/0123.parquet")
    assert store.exists(f"datasets/{own.datasets[0].digest}/manifest.json")
    assert len([path for path in store.list("datasets") if path.endswith("manifest.json")]) == 5


def test_with_a_spec_that_can_not_be_read_no_trial_goes(store):
    """That run may need any of them. Summaries of old nights are deleted all the same."""
    store.put("runs/odd/job.toml", b"name = ")
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    assert plan.nights
    assert plan.trials == plan.datasets == ()


ODD = {
    "the spec of another run": lambda store: store.put("runs/odd/job.toml", spec_of(TINY).source_text),
    "an earlier run with another digest": lambda store: store.put(
        "runs/tiny/previous/0123456789ab/job.toml", spec_of(TINY).source_text
    ),
    "not what a night trained": lambda store: store.put(
        f"runs/night-{list_nights(store)[-1]}/job.toml",
        store.get(f"runs/night-{list_nights(store)[-1]}/job.toml").replace(b"0.02", b"0.03"),
    ),
    "missing beside a summary": lambda store: store.put("runs/odd/summary.json", b"{}"),
    "behind a link": lambda store: Path(store.root, "runs/odd").symlink_to(Path(store.root, "elsewhere")),
}


@pytest.mark.parametrize("harm", ODD)
def test_with_a_spec_that_is_not_what_its_folder_promises_no_trial_goes(store, harm):
    """The spec is named in the message. With intact specs trials are deleted."""
    store.put(f"runs/tiny/previous/{spec_of(TINY).digest[:12]}/job.toml", spec_of(TINY).source_text)
    assert plan_pruning(store, RetentionPolicy(2, 1), TODAY).trials
    ODD[harm](store)
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    assert plan.nights
    assert plan.trials == plan.datasets == ()
    assert f"no trials are deleted, since {plan.unreadable[0]} is damaged" in pruning_text(store, plan, deleted=True)


@pytest.mark.parametrize("body", [{}, {"through": 3}, {"through": "2026-13-45"}])
def test_a_pruned_json_without_a_date_counts_as_none(store, body):
    """Deleted dates then count as missing, and nothing else breaks."""
    store.put("nightly/pruned.json", seal({"format": 1, **body}))
    assert pruned_through(store) is None
    assert missed_dates(store, date(2026, 11, 13))
    prune(store, plan_pruning(store, RetentionPolicy(2, 1), TODAY), held)
    assert pruned_through(store) is not None


def test_an_interrupted_pruning_is_continued(store):
    """After any number of deletions the next pruning ends where an undisturbed one does."""
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    for cut in (1, len(plan.trials), len(plan.trials) + 3, len(plan.files) - 2):
        for path in plan.files[:cut]:
            store.delete(path)
        again = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
        assert set(again.files) == set(plan.files[cut:])
    prune(store, plan_pruning(store, RetentionPolicy(2, 1), TODAY), held)
    assert not [path for path in plan.files if store.exists(path)]


def test_a_pruning_that_loses_its_lock_deletes_no_further(store, monkeypatch):
    """A night may have begun that needs the remaining files."""
    monkeypatch.setattr(retention, "_CHECKED", 5)
    plan, looks = plan_pruning(store, RetentionPolicy(2, 1), TODAY), []

    def lost():
        looks.append(len(looks))
        if len(looks) == 3:
            raise BusyError("lost")

    with pytest.raises(BusyError):
        prune(store, plan, lost)
    assert [store.exists(path) for path in plan.files[:6]] == [False] * 5 + [True]


def test_a_rollback_to_a_night_that_is_being_deleted_stops_that(store, monkeypatch):
    """Its spec and its record still exist, so its trials can be trained again."""
    monkeypatch.setattr(retention, "_CHECKED", 5)
    plan, looks = plan_pruning(store, RetentionPolicy(2, 1), TODAY), []

    def meanwhile():
        looks.append(len(looks))
        if len(looks) == 3:
            rollback(store, "now", plan.nights[0])

    with pytest.raises(BusyError, match="has become the champion"):
        prune(store, plan, meanwhile)
    assert [store.exists(path) for path in plan.files[:6]] == [False] * 5 + [True]
    assert plan.nights[0] not in plan_pruning(store, RetentionPolicy(2, 1), TODAY).nights


def test_deleted_nights_are_not_missed_and_gaps_are(store):
    """Missing are dates without a night after the latest date that was pruned."""
    store.delete(f"nightly/{list_nights(store)[8]}/night.json")  # unfinished, so not missing
    for path in store.list(f"nightly/{list_nights(store)[4]}"):
        store.delete(path)
    assert [day.day for day in missed_dates(store, date(2026, 11, 13))] == [5, 11, 12]
    prune(store, plan_pruning(store, RetentionPolicy(2, 1), TODAY), held)
    assert [day.day for day in missed_dates(store, date(2026, 11, 13))] == [11, 12]
    assert missed_dates(Store(store.root + "/none"), TODAY) == []


def _lay_notes(store, night, elsewhere):
    for path in (f"nightly/{night}/notes.txt", f"runs/night-{night}/mine.txt"):
        store.put(path, b"mine")
    for folder in {path.rpartition("/")[0] for path in store.list("datasets") if path.endswith("/manifest.json")}:
        store.put(f"{folder}/readme", b"mine")


def _link(folder):
    def harm(store, night, elsewhere):
        place = Path(store.root, folder.format(night))
        place.rename(elsewhere / "moved")
        place.symlink_to(elsewhere / "precious")

    return harm


def _bind(store, night, elsewhere):
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(Path(store.root, "nightly", night))
        bound.bind("sock")
    Path("loop").symlink_to("loop")


FOREIGN = {
    "files of other names": (_lay_notes, True),
    "a socket and a link that leads to itself": (_bind, True),
    "a run's folder that is a link": (_link("runs/night-{}"), False),
    "a night's folder that is a link": (_link("nightly/{}"), False),
    "a text under one of our names": (
        lambda store, night, elsewhere: store.put(f"runs/night-{night}/report.html", b"my only copy"),
        False,
    ),
    "a folder under one of our names": (
        lambda store, night, elsewhere: store.put(f"nightly/{night}/scores.parquet/mine", b"mine"),
        False,
    ),
}


@pytest.mark.parametrize("harm", FOREIGN)
def test_what_is_not_ours_stays_and_is_named(store, tmp_path, monkeypatch, harm):
    """A night is retained as a whole if one of its own files is foreign or behind a link; else it is deleted."""
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    (elsewhere / "precious").mkdir(parents=True)
    night = list_nights(store)[0]
    for name in ("job.toml", "night.json", "diary.txt"):
        (elsewhere / "precious" / name).write_text("mine")
    lay, goes = FOREIGN[harm]
    lay(store, night, elsewhere)
    before = set(store.sizes())
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    prune(store, plan, held)
    assert (night in plan.nights) == goes == (night not in list_nights(store))
    assert plan.retained == (() if goes else (night,))
    assert before - set(store.sizes()) == set(plan.files)
    assert plan.foreign
    assert readable(plan.foreign[0]) in pruning_warning(store, plan)
    assert {path.read_text() for path in (elsewhere / "precious").iterdir()} == {"mine"}
    assert len([*(elsewhere / "precious").iterdir()]) == 3
    stays = store.sizes()
    assert all(path in stays for path in plan.foreign)


def test_foreign_files_of_datasets_and_packs_stay(store):
    """They are listed, and our files beside them are deleted. A top folder may be a link."""
    root = Path(store.root)
    (root / "datasets").rename(root.with_name(f"{root.name}-disk"))
    (root / "datasets").symlink_to(root.with_name(f"{root.name}-disk"))
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    assert plan.datasets
    shard = next(path for path in plan.datasets if path.endswith("part-00000.parquet"))
    weights = next(path for path in plan.trials if path.endswith(".safetensors"))
    store.put(shard, b"my only copy")
    store.put(weights, b"my only copy, of weights")
    plan = plan_pruning(store, RetentionPolicy(2, 1), TODAY)
    prune(store, plan, held)
    assert set(plan.foreign) == {shard, weights}
    assert [store.get(path)[:12] for path in (shard, weights)] == [b"my only copy"] * 2
    assert plan.nights[0] not in list_nights(store)


def test_nothing_is_deleted_behind_a_linked_folder(tmp_path):
    """The store itself refuses it."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "job.toml").write_text("mine")
    (tmp_path / "store" / "runs").mkdir(parents=True)
    (tmp_path / "store" / "runs" / "tiny").symlink_to(tmp_path / "precious")
    with pytest.raises(ForeignFile, match="a link to a folder, behind which nothing is deleted"):
        Store(str(tmp_path / "store")).delete("runs/tiny/job.toml")
    assert (tmp_path / "precious" / "job.toml").read_text() == "mine"


def test_prune_says_what_stays_and_a_dry_run_counts_the_same(store, capsys):
    """The JSON of both lists the same files."""
    store.put(f"nightly/{list_nights(store)[0]}/notes.txt", b"mine")
    answers = []
    for dry_run in (True, False):
        prune_nights(RetentionPolicy(2, 1), dry_run, Shared(store.root, json=True, quiet=True))
        out, err = capsys.readouterr()
        answers.append(json.loads(out))
        assert "warning: among old nights, 1 file, foreign or behind a link, will not be deleted" in " ".join(
            err.split()
        )
    assert answers[0] | {"deleted": True} == answers[1]
    assert answers[0]["stays"] == [path for path in store.list("nightly") if path.endswith("notes.txt")]
