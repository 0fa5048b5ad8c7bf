"""Damage of nights: repair or the next night restores what follows from other files, the reported remedy the rest."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil

import pytest
from night_world import TINY
from test_cli import cli  # noqa: F401  the fixture
from verify_world import DAYS, HARMS, MINE, draw_for, files, flipped, found, meanings, mend, start
from verify_world import trained as trained

from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.records import read_night, read_state
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.store import Store

PARTS = 16
SHARE = range(PARTS) if os.environ.get("WHOLE_DAMAGE") else (3, 11)
"""Of the files: `make test-damage` takes all, `make check-damage` some."""


@pytest.fixture
def store(tmp_path, trained):
    """A copy of the trained store, where the command line looks for it, with the specs."""
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "mine.toml").write_text(MINE + "# a comment at the end\n")
    shutil.copytree(trained.root, tmp_path / "store")
    return Store(str(tmp_path / "store"))


def nights(store):
    """Their ids."""
    return sorted({path.split("/")[1] for path in store.list("nightly") if path.endswith("spec.toml")})


def follow(cli, remedy, root):  # noqa: F811
    """Runs the first command of a remedy; SPEC is the night's own, or that of the run."""
    match = re.search(r"`sumsquares ((?!verify).*?)`", remedy)
    if match is None:
        return
    words = shlex.split(match[1])
    is_night = words[0] == "nightly" and words[1] not in ("unlock", "rollback")
    words = [("tiny.toml" if is_night else "mine.toml") if word == "SPEC" else word for word in words]
    words += ["--fresh-data"] if is_night and "--fresh-data" not in words else []
    words += ["--workers", "0"] if is_night or words[0] in ("run", "train") else []
    words += ["--store", root] if "--store" not in words else []
    ended = cli(*words)
    assert ended.code == 0, (words, ended.err)


BY_HAND = ("night.json", "champion.json", "lock.json")


def without_verdict(store):
    """Returns the contents without the files that hold a night's verdict."""
    return {path: each for path, each in meanings(store).items() if not path.endswith((*BY_HAND, "state.json"))}


@pytest.mark.parametrize("path", [f"nightly/{{}}/{BY_HAND[0]}", CHAMPION, LOCK])
def test_what_follows_from_nothing_is_named_and_its_remedy_works(cli, store, path):  # noqa: F811
    """The verdict is made again, the champion is moved by hand, the lock is released, and all else stays as it is."""
    path, quiet = path.format(nights(store)[1]), without_verdict(store)
    store.put(path, flipped(store.get(path), draw_for(path)))
    ended = cli("verify", "--repair", "--json")
    facts = json.loads(ended.out)
    assert (ended.code, [each["path"] for each in facts["damaged"]]) == (3, [path])
    follow(cli, facts["damaged"][0]["remedy"], store.root)
    assert found(store) == {}
    assert without_verdict(store) == quiet
    assert read_champion(store)[0].night == nights(store)[0]
    assert [read_night(store, night).result for night in nights(store)] == ["first", "same"]
    assert start(store, "2026-11-03").exit_code == 0


def test_a_spec_that_only_one_night_has_is_rewritten_by_that_night(cli, store):  # noqa: F811
    """Without a copy the exit code is 3 until the night is started again."""
    one, other = nights(store)
    for path in [path for path in store.list() if other in path]:
        store.delete(path)
    path = f"nightly/{one}/spec.toml"
    whole = store.get(path)
    store.put(path, whole[:-95])
    left = mend(store)
    assert path in left
    follow(cli, left[path].remedy, store.root)
    assert store.get(path) == whole
    assert path not in found(store)


@pytest.mark.parametrize("days", [DAYS, ("2026-11-03",)])
def test_all_that_nights_have_lost_is_restored(store, days):
    """They are restored when started again, or by the next night; verdicts and hook reports stay."""
    quiet, records = meanings(store), {path: store.get(path) for path in store.list() if path.endswith("night.json")}
    for path in files(store):
        if path.startswith("trials/") or (path.startswith("runs/night-") and not path.endswith("job.toml")):
            store.put(path, b"")
    assert mend(store) == {}
    for day in days:
        assert start(store, day).exit_code == 0
    after = meanings(store)
    lost = {path for path in quiet if path not in after}
    assert all(path.startswith("trial ") for path in lost)  # those of the run alone
    assert {path: after[path] for path in quiet.keys() - lost} == {path: quiet[path] for path in quiet.keys() - lost}
    assert {path: store.get(path) for path in records} == records


def test_a_finished_night_that_has_lost_nothing_does_nothing(store):
    """The hook is run once, with how the night ended."""
    before = files(store)
    assert start(store, DAYS[1]).result == "same"
    assert files(store) == before


def test_a_state_is_rewritten_from_the_record_to_the_same_bytes(store):
    """The hook is not run again."""
    for night in nights(store):
        path = f"nightly/{night}/state.json"
        whole = store.get(path)
        for harm in HARMS.values():
            store.put(path, harm(whole, draw_for(path)))
            assert mend(store) == {}
            assert store.get(path) == whole
            assert read_state(store, night).state == "ended"


def test_a_record_that_is_sealed_and_not_the_nights_is_damage(store):
    """The record is compared with the night's name and spec."""
    night = nights(store)[1]
    path = f"nightly/{night}/night.json"
    body = {**json.loads(store.get(path)), "trained_digest": "0" * 64}
    del body["sha256"]
    store.put(path, seal(body))
    assert "its trained_digest is not that of the night" in found(store)[path].reason


def test_a_champion_that_is_not_in_the_store_is_named_with_a_night_to_go_back_to(cli, store):  # noqa: F811
    """`verify` and `predict` name it, and rolling back to it works."""
    first, second = nights(store)
    for path in [path for path in store.list() if first in path]:
        store.delete(path)
    ended = cli("predict", "champion", "3", "17")
    remedy = f"`sumsquares nightly rollback --to {second} --store {store.root}`"
    assert (ended.code, remedy in ended.err) == (3, True)
    assert remedy in found(store)[CHAMPION].remedy
    follow(cli, found(store)[CHAMPION].remedy, store.root)
    assert cli("predict", "champion", "3", "17").code == 0
    assert CHAMPION not in found(store)


def test_a_champion_is_restored_before_a_verdict_that_was_lost_too(cli, store):  # noqa: F811
    """The message names a night that rollback accepts, and what to do first."""
    one, other = nights(store)
    for path in (CHAMPION, f"nightly/{one}/night.json"):
        store.put(path, flipped(store.get(path), draw_for(path)))
    left = mend(store)
    assert f"--to {other} " in left[CHAMPION].remedy
    assert left[f"nightly/{one}/night.json"].remedy.startswith(f"once {CHAMPION} is intact, ")
    for path in (CHAMPION, f"nightly/{one}/night.json"):
        follow(cli, left[path].remedy, store.root)
    assert found(store) == {}


def test_a_night_whose_records_are_both_lost_is_started_again_by_a_command_that_can_be_typed(cli, store):  # noqa: F811
    """Its run says whether its data were fresh."""
    one = nights(store)[0]
    for kind in ("night", "state"):
        store.put(f"nightly/{one}/{kind}.json", b"")
    store.delete(f"runs/night-{nights(store)[1]}/job.toml")
    spec = f"{store.root}/nightly/{one}/spec.toml"
    command = f"`sumsquares nightly {spec} --date {DAYS[0]} --fresh-data --store {store.root}`"
    assert {each.remedy for path, each in found(store).items() if path.endswith(".json")} == {
        f"{command} judges it again, against what is there then",
        f"{command} rewrites it",
    }
    store.put(f"nightly/{one}/spec.toml", b"")
    store.put(f"runs/night-{one}/job.toml", b"")
    by_hand = "with the night's own spec (and --fresh-data if it had that)"
    remedy = mend(store)[f"nightly/{one}/state.json"].remedy
    assert remedy == f"`sumsquares nightly SPEC --date {DAYS[0]} --store {store.root}` {by_hand} rewrites it"


def test_where_there_was_no_night_there_is_no_champion_yet(cli, tmp_path):  # noqa: F811
    """The message doesn't call it a run."""
    ended = cli("predict", "champion", "3", "17")
    assert (ended.code, "there is no champion yet" in ended.err) == (2, True)


@pytest.mark.damage
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", SHARE)
def test_every_file_harmed_in_every_way_is_repaired_or_named_with_a_remedy_that_works(cli, store, trained, part):  # noqa: F811
    """After the repair and the reported remedies everything is as before, except verdicts and moves."""
    quiet = meanings(store)
    for path in [*files(store), LOCK][part::PARTS]:
        for harm in ("flipped", "flipped again", "truncated", "empty", "gone"):
            shutil.rmtree(store.root)
            shutil.copytree(trained.root, store.root)
            if harm == "gone":
                store.delete(path)
            else:
                store.put(path, HARMS[harm.removesuffix(" again")](store.get(path), draw_for(path, harm)))
            ended = cli("verify", "--repair", "--json")
            facts = json.loads(ended.out)
            assert ended.code == (3 if facts["damaged"] else 0)
            assert cli("verify").code == ended.code
            for each in facts["repaired"] + facts["damaged"]:
                follow(cli, each["remedy"] or "", store.root)
            assert found(store) == {}, (path, harm)
            after = meanings(store)
            free = {name for name in quiet if name.endswith(BY_HAND)} if facts["damaged"] else set()
            free |= {name for name in quiet if name.endswith("state.json")} if facts["damaged"] else set()
            free |= (
                {path}
                if path.startswith("states/") or path.endswith(("pruned.json", "facts.json", "baselines.json"))
                else set()
            )
            assert {name for name in quiet if after.get(name) != quiet[name]} <= free, (path, harm)


@pytest.mark.damage
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", SHARE)
def test_a_flip_of_any_byte_is_found(store, part):
    """This holds for fifteen positions of each file, and no other file is reported."""
    for path, whole in [*files(store).items()][part::PARTS]:
        draw = draw_for(path, "any")
        for at in sorted(draw.sample(range(len(whole)), min(15, len(whole)))):
            store.put(path, whole[:at] + bytes([whole[at] ^ draw.randrange(1, 256)]) + whole[at + 1 :])
            assert [*found(store)] == [path], (path, at)
        store.put(path, whole)
