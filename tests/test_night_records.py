"""Records of nights that are damaged or not what their names promise: exit 3, and the printed remedy works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from datetime import date
from pathlib import Path

import pytest
from night_world import TINY, made_up, spec_of
from pydantic import TypeAdapter
from test_cli import cli  # noqa: F401  the fixture

from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.champion import champion_night, promote, read_champion
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.context import NightContext, ResultsCache
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night, list_nights
from sumsquares.jobs.night.notify import follows_trouble
from sumsquares.jobs.night.records import read_night, read_state, write_state
from sumsquares.jobs.night.retention import RetentionPolicy, plan_pruning
from sumsquares.jobs.night.scores import make_scores, read_scores, scores_path
from sumsquares.jobs.night.status import status_facts, status_text
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.store import Store

DAYS = ("2026-11-01", "2026-11-02")
OTHERS = (("nightly", "rollback"), ("nightly", "prune"), ("predict", "champion", "3", "17"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with two nights. The first is the champion; the second didn't differ from it."""
    store = Store(str(tmp_path_factory.mktemp("trained") / "store"))
    for day in DAYS:
        run_night(context(night(day), store))
    return store


def context(given, store):
    return NightContext(given, store, IN_PROCESS, Progress(quiet=True))


def night(day):
    return Night(date.fromisoformat(day), spec_of(TINY), fresh=True)


@pytest.fixture
def store(tmp_path, trained):
    """A copy of that store where the command line looks, with the spec beside it."""
    (tmp_path / "spec.toml").write_text(TINY)
    shutil.copytree(trained.root, tmp_path / "store")
    return Store(str(tmp_path / "store"))


def start(cli, day):  # noqa: F811
    return cli("nightly", "spec.toml", "--workers", "0", "--quiet", "--fresh-data", "--date", day)


def opened(store, path):
    """Returns a sealed file's content."""
    body = json.loads(store.get(path))
    del body["sha256"]
    return body


def files(store):
    """Returns all files but the lock."""
    return {path: store.get(path) for path in store.list() if path != LOCK}


def command(text):
    """Returns the first command in a message."""
    return shlex.split(re.search(r"`sumsquares (.*?)`", text)[1])


def changed(**changes):
    """Returns a function that writes a sealed champion.json with these changes."""
    return lambda store: store.put(CHAMPION, seal({**opened(store, CHAMPION), **changes}))


def without(name):
    def harm(store):
        body = opened(store, CHAMPION)
        del body[name]
        store.put(CHAMPION, seal(body))

    return harm


MOVE = {"kind": "promoted", "night": night(DAYS[0]).id, "at": "now"}
HARMS = {
    "gone": lambda store: store.delete(CHAMPION),
    "empty": lambda store: store.put(CHAMPION, b""),
    "truncated": lambda store: store.put(CHAMPION, store.get(CHAMPION)[:-40]),
    "an empty object": lambda store: store.put(CHAMPION, b"{}"),
    "an empty object, sealed": lambda store: store.put(CHAMPION, seal({})),
    "without night": without("night"),
    "without token": without("token"),
    "without moves": without("moves"),
    "night is no id": changed(night="../x", moves=[{**MOVE, "night": "../x"}]),
    "night is a number": changed(night=3),
    "night is of no date": changed(night="2026-13-45-0123456789ab"),
    "token is text": changed(token="3"),  # noqa: S106  a number that grows
    "moves is no list": changed(moves="promoted"),
    "moves is empty": changed(moves=[]),
    "a move of unknown fields": changed(moves=[{**MOVE, "who": "me"}]),
    "a move without fields": changed(moves=[{}]),
    "the last move is to another": changed(moves=[MOVE, {**MOVE, "night": night(DAYS[1]).id}]),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_lost_or_damaged_champion_is_exit_3_and_the_printed_rollback_repairs_it(cli, store, harm):  # noqa: F811
    """The next night never counts as the first. The remedy names the champion, and other commands cope."""
    HARMS[harm](store)
    before = files(store)
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert CHAMPION in ended.err
    assert all(cli(*words).code == 3 for words in OTHERS)
    status = cli("nightly", "status")
    assert status.code == 0
    assert f"problem:  {CHAMPION}" in status.out
    assert files(store) == before
    assert (
        command(ended.err)
        == command(status.out)
        == ["nightly", "rollback", "--to", night(DAYS[0]).id, "--store", store.root]
    )
    assert cli(*command(ended.err)).code == 0
    assert read_champion(store)[0].lineage == [night(DAYS[0]).id]
    assert start(cli, "2026-11-03").code == 0
    assert cli("predict", "champion", "3", "17").code == 0


def test_the_night_to_go_back_to_is_the_last_good_one_or_its_champion(tmp_path, cli):  # noqa: F811
    """Regressed nights and nights without their files don't count."""
    store = Store(str(tmp_path / "store"))
    first = made_up(store, "2026-11-01", "first")
    better = made_up(store, "2026-11-02", "better", against=first)
    made_up(store, "2026-11-03", "same", against=better)
    made_up(store, "2026-11-04", "worse", against=better)
    assert better in cli("nightly", "rollback").err
    shutil.rmtree(tmp_path / f"store/runs/night-{better}")
    assert "--to 2026-11-03" in cli("nightly", "rollback").err
    assert cli("nightly", "rollback", "--to", better).code == 2


def test_a_lost_champion_that_was_promoted_by_hand_is_the_one_to_go_back_to(tmp_path, cli):  # noqa: F811
    """It had regressed, but a later night was judged against it. A night with an edited spec can't be promoted."""
    store = Store(str(tmp_path / "store"))
    first = made_up(store, "2026-11-01", "first")
    worse = made_up(store, "2026-11-02", "worse", against=first)
    edited = made_up(store, "2026-11-03", "same", against=worse)
    ended = cli("nightly", "rollback")
    assert command(ended.err) == ["nightly", "rollback", "--to", worse, "--store", store.root]
    assert cli(*command(ended.err)).code == 0
    store.put(f"nightly/{edited}/spec.toml", TINY.replace("0.02", "0.03").encode())
    ended = cli("nightly", "promote", edited)
    assert ended.code == 3
    assert "spec.toml: damaged" in ended.err
    assert read_champion(store)[0].night == worse


def gone(store, *nights):
    for each in nights:
        for folder in (f"nightly/{each}", f"runs/night-{each}"):
            for path in store.list(folder):
                store.delete(path)


def test_a_champion_whose_files_are_gone_is_exit_3_and_another_good_night_replaces_it(cli, store):  # noqa: F811
    """The rollback in the message works."""
    gone(store, night(DAYS[0]).id)
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert "the files of the champion are missing" in ended.err
    assert "problem:" in cli("nightly", "status").out
    assert cli("predict", "champion", "3", "17").code == 3
    assert command(ended.err) == ["nightly", "rollback", "--to", night(DAYS[1]).id, "--store", store.root]
    assert cli(*command(ended.err)).code == 0
    assert start(cli, "2026-11-04").code == 0


def test_without_a_good_night_the_message_has_the_file_to_delete(cli, store):  # noqa: F811
    """After that the next night is the first."""
    gone(store, *list_nights(store))
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert f"delete {CHAMPION}, then the next night is the first" in ended.err
    store.delete(CHAMPION)
    assert "promoted without a comparison" in start(cli, "2026-11-03").out


def test_if_good_nights_have_lost_their_runs_the_message_has_the_folder_to_move(cli, store, tmp_path):  # noqa: F811
    """After that the next night is the first."""
    shutil.rmtree(tmp_path / "store/runs")
    store.delete(CHAMPION)
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert "move the folder nightly out of the store, then the next night is the first" in ended.err
    (tmp_path / "store/nightly").rename(tmp_path / "aside")
    assert "promoted without a comparison" in start(cli, "2026-11-03").out


@pytest.mark.parametrize("night_json", [None, b'{\n "format": 1}'])
def test_good_nights_without_their_night_json_are_no_reason_for_a_first_one(cli, store, tmp_path, night_json):  # noqa: F811
    """Their state.json still says that they were good. The printed remedy works."""
    store.delete(CHAMPION)
    for each in list_nights(store):
        path = f"nightly/{each}/night.json"
        store.delete(path) if night_json is None else store.put(path, night_json)
    for day in ("2026-11-03", DAYS[0]):
        ended = start(cli, day)
        assert ended.code == 3
        assert "move the folder nightly out of the store, then the next night is the first" in ended.err
    (tmp_path / "store/nightly").rename(tmp_path / "aside")
    assert "promoted without a comparison" in start(cli, "2026-11-03").out


def test_a_finished_night_that_is_started_again_says_that_the_champion_is_lost(cli, store):  # noqa: F811
    """It doesn't say that there is nothing to do, and its remedy works."""
    store.delete(CHAMPION)
    ended = start(cli, DAYS[0])
    assert (ended.code, "nothing to do" in ended.err) == (3, False)
    assert cli(*command(ended.err)).code == 0
    assert start(cli, DAYS[0]).code == 0


def test_a_champion_whose_run_is_gone_is_restored_by_the_printed_command(cli, store, tmp_path):  # noqa: F811
    """The message has one remedy, not two. If the night's own files are gone, it says so."""
    before, own = cli("predict", "champion", "3", "17").out, night(DAYS[0]).id
    shutil.rmtree(tmp_path / f"store/runs/night-{own}")
    ended = cli("predict", "champion", "3", "17")
    assert (ended.code, f"--date {DAYS[0]} --store {store.root}` with the night's own spec" in ended.err) == (3, True)
    assert start(cli, DAYS[0]).code == 0
    assert cli("predict", "champion", "3", "17").out == before
    shutil.rmtree(tmp_path / f"store/nightly/{own}")
    ended = cli("predict", "champion", "3", "17")
    assert (ended.code, "no file there says what it trained any more" in ended.err) == (3, True)
    assert start(cli, DAYS[0]).code == 0
    assert cli("predict", "champion", "3", "17").out == before


def test_a_champion_file_that_is_not_a_json_object_is_described_as_such(cli, store):  # noqa: F811
    """The message doesn't use Python's terms."""
    store.put(CHAMPION, b"[]")
    assert "damaged, it is not a JSON object: `sumsquares nightly rollback --to" in start(cli, "2026-11-03").err


SPECS = {
    "edited": lambda data: data.replace(b"0.02", b"0.03"),
    "not TOML": lambda data: data[:40],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("harm", [*SPECS, "gone"])
def test_a_champions_spec_that_its_id_does_not_promise_is_exit_3_until_it_is_started_again(cli, store, harm):  # noqa: F811
    """Nothing is trained, measured or promoted with a damaged spec. A start with the right one restores it."""
    path = f"nightly/{night(DAYS[0]).id}/spec.toml"
    whole, trials = store.get(path), store.list("trials")
    store.put(path, SPECS[harm](whole)) if harm in SPECS else store.delete(path)
    store.delete(scores_path(night(DAYS[0]).id))
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert "spec.toml" in ended.err
    assert store.list("trials") == trials
    assert read_champion(store)[0].lineage == [night(DAYS[0]).id]
    assert "spec.toml" in cli("nightly", "status").out
    assert "--date 2026-11-01" in ended.err
    assert start(cli, DAYS[0]).code == 0
    assert store.get(path) == whole
    assert start(cli, "2026-11-03").code == 0


@pytest.mark.parametrize("harm", [*SPECS, "gone", "another night's"])
def test_a_run_that_is_not_what_its_night_trained_does_not_answer_for_the_champion(cli, store, harm):  # noqa: F811
    """It is exit 3. A start with the night's spec restores the run's, and the answer is as before."""
    path = f"runs/night-{night(DAYS[0]).id}/job.toml"
    whole, before = store.get(path), cli("predict", "champion", "3", "17").out
    others = store.get(f"runs/night-{night(DAYS[1]).id}/job.toml")
    store.put(path, SPECS[harm](whole) if harm in SPECS else others) if harm != "gone" else store.delete(path)
    ended = cli("predict", "champion", "3", "17")
    assert ended.code == 3
    assert path in ended.err
    assert "--date 2026-11-01" in ended.err
    assert f"problem:  {path}" in cli("nightly", "status").out
    assert start(cli, DAYS[0]).code == 0
    assert store.get(path) == whole
    assert cli("predict", "champion", "3", "17").out == before


def test_a_champions_damaged_summary_is_restored_by_the_printed_command(cli, store):  # noqa: F811
    """The remedy is to start the night again, since no user's spec may have its run's name."""
    path = f"runs/night-{night(DAYS[0]).id}/summary.json"
    before = cli("predict", "champion", "3", "17").out
    other = store.get(f"runs/night-{night(DAYS[1]).id}/summary.json")
    for harm in (other, other[:99], None):
        store.put(path, harm) if harm is not None else store.delete(path)
        ended = cli("predict", "champion", "3", "17")
        assert ended.code == 3
        assert path in ended.err
        assert "start the night again with its spec and --date 2026-11-01" in ended.err
        assert start(cli, DAYS[0]).code == 0
        assert cli("predict", "champion", "3", "17").out == before
    assert read_champion(store)[0].lineage == [night(DAYS[0]).id]


def test_a_champions_lost_results_are_trained_again_by_the_next_night_as_printed(cli, store):  # noqa: F811
    """Holds for its weights and for its rows."""
    before = cli("predict", "champion", "3", "17").out
    for day, kind in (("2026-11-03", "safetensors"), ("2026-11-04", "parquet")):
        for path in store.list("trials"):
            if path.endswith(kind):
                store.delete(path)
        ended = cli("predict", "champion", "3", "17")
        assert ended.code == 3
        assert "the next night trains it again" in ended.err
        assert start(cli, day).code == 0
        assert cli("predict", "champion", "3", "17").out == before


def test_predict_champion_names_its_night(cli, store):  # noqa: F811
    """Text and JSON have the night's id."""
    champion = f"champion {night(DAYS[0]).id}"
    assert cli("predict", "champion", "3", "17").out.startswith(f"{champion}: sums")
    (answer,) = json.loads(cli("predict", "champion", "3", "17", "--json").out)["answers"]
    assert answer["asked"] == champion


WRONG = (None, 3, True, "x", [], {}, [3], {"sums": 3}, {"sums": {"rmse_median": "x"}})


@pytest.mark.parametrize("kind", ["night", "state"])
def test_a_record_of_another_shape_is_damaged_and_nothing_breaks(cli, store, kind):  # noqa: F811
    """Keys are missing or of a wrong type, or the record is another night's, all sealed: never exit 1."""
    path = f"nightly/{night(DAYS[1]).id}/{kind}.json"
    body = opened(store, path)
    read = {"night": read_night, "state": read_state}[kind]
    wrong = [{key: value for key, value in body.items() if key != name} for name in body]
    wrong += [{**body, name: value} for name in body for value in WRONG]
    wrong += [opened(store, f"nightly/{night(DAYS[0]).id}/{kind}.json"), {**body, "date": DAYS[0]}]
    damaged = []
    for each in wrong:
        store.put(path, seal(each))
        if read(store, night(DAYS[1]).id) is None:
            damaged.append(each)
        assert night(DAYS[1]).id in status_text(status_facts(store, Clock(), 5))
        plan_pruning(store, RetentionPolicy(1, 0), date(2026, 11, 3))
        follows_trouble(context(night("2026-11-03"), store), None)
        champion_night(store, night(DAYS[0]).id)
    assert len(damaged) > 40
    store.put(path, seal(damaged[0]))
    assert start(cli, DAYS[1]).code == 0
    assert start(cli, "2026-11-03").code == 0
    assert read(store, night(DAYS[1]).id) is not None


@pytest.mark.parametrize("name", ["2026-13-45-0123456789ab", "2026-02-30-0123456789ab", "٢٠٢٦-11-01-0123456789ab"])
def test_a_folder_of_an_impossible_date_is_foreign(cli, store, name):  # noqa: F811
    """It isn't listed as a night, and stays where it is."""
    store.put(f"nightly/{name}/night.json", b'{\n "format": 1}')
    assert name not in cli("nightly", "status").out
    assert cli("nightly", "prune", "--keep", "1", "--keep-days", "0").code == 0
    assert start(cli, "2026-11-03").code == 0
    assert store.exists(f"nightly/{name}/night.json")


LEASES = ({}, {"owner": {}}, {"token": "1"}, {"expires": 1e300}, {"owner": {"host": "a"}}, {"seconds": 0})


@pytest.mark.parametrize("change", LEASES)
def test_a_sealed_lock_of_another_shape_is_exit_3_until_it_is_unlocked(cli, store, change):  # noqa: F811
    """The message has that command, and it works."""
    store.put(LOCK, seal({**opened(store, LOCK), **change} if change else {}))
    ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert command(ended.err) == ["nightly", "unlock", "--store", store.root]
    assert cli("nightly", "status").code == 0
    assert cli("nightly", "unlock").code == 0
    assert start(cli, "2026-11-03").code == 0


def test_scores_of_other_trials_are_ignored(store):
    """That holds even if night.json has their hash."""
    mine = night(DAYS[0])
    record = read_night(store, mine.id)
    assert read_scores(store, mine.id, record.scores_sha256) is not None
    other = Night(mine.date, spec_of(TINY.replace("seeds = 4", "seeds = 3")), fresh=True)
    path = scores_path(mine.id)
    whole = store.get(path)
    write_state(store, read_state(store, mine.id).model_copy(update={"night": other.id}))
    store.put(f"nightly/{other.id}/spec.toml", other.spec.source_text)
    store.put(scores_path(other.id), whole)
    assert read_scores(store, other.id, record.scores_sha256) is None


def test_a_champion_that_could_not_be_trained_again_is_when_the_night_is_started_again(cli, store, monkeypatch):  # noqa: F811
    """The message says to start this night again: the champion's own start would find it finished."""
    for path in (*store.list("trials"), scores_path(night(DAYS[0]).id)):
        store.delete(path)
    with pytest.raises(DamagedRecord, match="start this night again with its spec and --date"):
        make_scores(store, night(DAYS[0]), ResultsCache())
    with monkeypatch.context() as patch:
        patch.setattr("sumsquares.jobs.night.nightly.repair_champion", lambda *_: None)
        ended = start(cli, "2026-11-03")
    assert ended.code == 3
    assert "start this night again with its spec and --date" in ended.err
    assert start(cli, "2026-11-03").code == 0


@pytest.mark.parametrize("name", ["champion", "night-2026-11-01-0123456789ab"])
@pytest.mark.parametrize("words", [("run",), ("plan",), ("nightly",), ("generate",), ("train",), ("summarize",)])
def test_a_new_spec_can_not_have_a_name_that_nights_use(cli, tmp_path, name, words):  # noqa: F811
    """It is exit 2, with all other problems listed too, and nothing is created."""
    text = TINY.replace('"tiny"', f'"{name}"')
    for spec in (text, text.replace("epochs = 4", "epochs = 0")):
        (tmp_path / "spec.toml").write_text(spec)
        ended = cli(*words, "spec.toml")
        assert ended.code == 2
        assert f'name: "{name}" is what the nightly job calls' in ended.err
        assert ("train.epochs" in ended.err) == (spec != text)
    assert [path.name for path in tmp_path.iterdir()] == ["spec.toml"]


def test_a_run_named_champion_of_an_old_store_answers_until_there_is_a_night(cli, tmp_path):  # noqa: F811
    """The answer says that it is the run's. Once there are nights, the champion is asked."""
    (tmp_path / "spec.toml").write_text(TINY)
    cli("run", "spec.toml", "--workers", "0", "--quiet")
    old = Path("store/runs/champion")
    Path("store/runs/tiny").rename(old)
    (old / "job.toml").write_text(TINY.replace('"tiny"', '"champion"'))
    summary = {**json.loads((old / "summary.json").read_text()), "format": 1}
    (old / "summary.json").write_text(json.dumps({k: v for k, v in summary.items() if k not in ("files", "sha256")}))
    (answer,) = json.loads(cli("predict", "champion", "3", "17", "--json").out)["answers"]
    assert answer["asked"] == "run champion"
    assert cli("predict", "champion", "3", "17").out.startswith("run champion: sums")
    first = made_up(Store("store"), "2026-11-01", "first")
    assert cli("predict", "champion", "3", "17").code == 3
    promote(Store("store"), first, "tiny", 1, "now", None)
    assert f"runs/night-{first}/summary.json" in cli("predict", "champion", "3", "17").err


@pytest.mark.parametrize("data", [b"9" * 5000, b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"\xff\xfe\xfd", b"{"])
def test_invalid_json_is_described_without_terms_of_python(data):
    """Python's errors name functions and limits that don't help the reader."""
    with pytest.raises(DamagedRecord, match=r"lock\.json: damaged, it is not JSON") as caught:
        unseal(data, "lock.json", "", TypeAdapter(dict))
    assert not [word for word in ("recursion", "sys.", "codec", "limit", "integer string") if word in str(caught.value)]


@pytest.mark.parametrize("name", ["spec.toml", "state.json", "night.json", "scores.parquet"])
def test_a_night_overwrites_no_foreign_file(cli, name):  # noqa: F811
    """The message names the file."""
    Path("spec.toml").write_text(TINY)
    path = Path("store/nightly", Night(date(2026, 11, 1), spec_of(TINY)).id, name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my only copy")
    ended = cli("nightly", "spec.toml", "--workers", "0", "--date", "2026-11-01")
    assert ended.code == 3
    assert str(path) in ended.err
    assert path.read_bytes() == b"my only copy"
    assert not Path("store/trials").exists()
