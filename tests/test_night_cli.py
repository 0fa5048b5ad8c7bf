"""`sumsquares nightly` as a user meets it: commands, exit codes, messages, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from night_world import TINY, made_up, spec_of
from test_cli import cli  # noqa: F401  the fixture

from sumsquares.jobs.night.champion import promote
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import holding
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.stages import train as training
from sumsquares.jobs.storage.store import Store

HERE = ("--workers", "0", "--quiet")
COMMANDS = ("start", "status", "rollback", "promote", "unlock", "prune")


@pytest.fixture
def store(tmp_path):
    """The command line's default store, with the tiny spec beside it."""
    (tmp_path / "spec.toml").write_text(TINY)
    return Store(str(tmp_path / "store"))


@pytest.fixture
def nights(cli, store):  # noqa: F811
    """Three made-up nights; the first was champion and the second is."""
    ids = [made_up(store, f"2026-11-0{day}", "better") for day in (1, 2, 3)]
    promote(store, ids[0], "tiny", 1, "now", None)
    promote(store, ids[1], "tiny", 2, "now", ids[0])
    return ids


def test_a_night_then_the_same_night_then_the_champions_answer(cli, store):  # noqa: F811
    """The first word is the spec, options may come before it, and --json prints one object."""
    first = cli("nightly", "spec.toml", *HERE, "--date", "2026-11-01", "--json")
    assert (first.code, first.err) == (0, "")
    record = json.loads(first.out)
    assert (record["result"], record["date"]) == ("first", "2026-11-01")
    again = cli("nightly", "--date", "2026-11-01", "spec.toml", *HERE)
    assert (again.code, "promoted without a comparison" in again.out) == (0, True)
    assert list_nights(store) == [record["night"]]
    asked = cli("predict", "champion", "3", "17")
    assert asked.code == 0
    assert "Expected=20" in asked.out


def test_a_regression_is_exit_8_and_says_which_variant_by_how_much_and_how_sure(cli, store, monkeypatch):  # noqa: F811
    """The message is on stderr. Started again, the night is still exit 8."""
    assert cli("nightly", "spec.toml", *HERE, "--date", "2026-11-01", "--fresh-data").code == 0
    real = training.models_of
    monkeypatch.setattr(training, "models_of", lambda pack: _slow(real(pack)))
    alert = ("--alpha", "0.1", "--early-factor", "2")
    for _ in range(2):
        ended = cli("nightly", "spec.toml", *HERE, "--date", "2026-11-02", "--fresh-data", *alert)
        assert ended.code == 8
        assert "2 of 2 variants worse than champion 2026-11-01" in ended.err
        assert "sums [4] tanh" in ended.err
        assert "RMSE x " in ended.err
        assert "95 % interval" in ended.err
        assert "p-values are Holm-corrected, tested at alpha = 0.1" in ended.err


def _slow(models):
    models.lr[:] = [1e-7] * len(models.lr)
    return models


def test_a_range_runs_all_its_nights(cli, store):  # noqa: F811
    """Nights that exist already are left as they are."""
    for _ in range(2):
        ended = cli("nightly", "spec.toml", *HERE, "--from", "2026-11-01", "--to", "2026-11-03", "--json")
        assert ended.code == 0
        assert [night["date"] for night in json.loads(ended.out)["nights"]] == [
            "2026-11-01",
            "2026-11-02",
            "2026-11-03",
        ]
    assert len(list_nights(store)) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--date", "22.11.2026"), "write it as 2026-11-22"),
        (("--date", "2099-01-01"), "in the future"),
        (("--to", "2026-11-03"), "--to needs --from"),
        (("--from", "2026-11-03", "--to", "2026-11-01"), "give the earlier date as --from"),
        (("--from", "2020-01-01"), "nights, one command makes 366 at most"),
        (("--from", "2020-01-01", "--to", "2021-01-01"), "2020-01-01 to 2021-01-01 are 367 nights"),
        (("--date", "2026-11-01", "--from", "2026-11-01"), "one or the other"),
        (("--hook", "'"), "--hook"),
        (("--hook", " "), "it is empty"),
        (("--hook", "/no/such/program"), "/no/such/program is not there or can't be executed"),
        (("--hook", "./spec.toml"), "./spec.toml is not there or can't be executed"),
        (("--alpha", "nan"), "--alpha"),
        (("--least-effect", "inf"), "'--least-effect': 'inf' is not valid"),
        (("--hook-timeout", "inf"), "'--hook-timeout': 'inf' is not valid"),
        (("--keep-days", "999999999"), "--keep-days"),
    ],
)
def test_wrong_options_are_exit_2_with_a_remedy(cli, store, arguments, said):  # noqa: F811
    """Nothing is created."""
    ended = cli("nightly", "spec.toml", *HERE, *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert store.list() == []


def test_a_night_that_runs_is_exit_6_until_it_is_unlocked(cli, store):  # noqa: F811
    """The message says who holds the lock, and unlock says who held it."""
    with holding(store, "somebody's", Clock()):
        ended = cli("nightly", "spec.toml", *HERE)
        assert ended.code == 6
        assert "night somebody's runs on" in ended.err
        assert "somebody's" in cli("nightly", "status").out
        assert "somebody's" in cli("nightly", "unlock").out
    assert "the lock was free already" in cli("nightly", "unlock").out
    assert cli("nightly", "spec.toml", *HERE).code == 0


def test_status_shows_the_last_nights_the_champion_and_what_is_missing(cli, nights):  # noqa: F811
    """The text and the JSON have the same nights. An empty store says that it has none."""
    text = cli("nightly", "status").out
    assert f"champion: {nights[1]}" in text
    assert f"* {nights[1]}  better   exit 0     1:01  sums 1.5" in text
    facts = json.loads(cli("nightly", "status", "--json", "--nights", "2").out)
    assert [night["night"] for night in facts["nights"]] == nights[:0:-1]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert facts["missing"][-1:] == ([yesterday.isoformat()] if f"{yesterday}" > "2026-11-03" else [])
    assert "no night yet" in cli("nightly", "status", "--store", "empty").out


def test_status_shows_damaged_files_and_what_is_intact(cli, store, nights):  # noqa: F811
    """The nights are listed, and each problem names its file and the remedy."""
    for path in ("nightly/champion.json", "nightly/lock.json"):
        store.put(path, b"{")
    text = cli("nightly", "status").out
    assert all(night in text for night in nights)
    assert "problem:  nightly/champion.json: damaged" in text
    assert "problem:  nightly/lock.json: damaged" in text
    assert "nightly unlock" in text
    assert len(json.loads(cli("nightly", "status", "--json").out)["problems"]) == 2


def test_the_hook_is_run_for_a_spec_that_is_missing(cli, store, tmp_path):  # noqa: F811
    """The output of a night may go unread."""
    ended = cli("nightly", "gone.toml", *HERE, "--date", "2026-11-01", "--hook", f"tee -a {tmp_path}/log")
    assert ended.code == 2
    log = json.loads((tmp_path / "log").read_text())
    assert (log["event"], log["date"], log["exit_code"]) == ("failure", "2026-11-01", 2)
    assert "gone.toml" in log["error"]


def test_rollback_and_back_again(cli, nights):  # noqa: F811
    """It goes to the champion before, or with --to to any good night. Before the first champion there is none."""
    assert nights[0] in cli("nightly", "rollback").out
    assert cli("nightly", "rollback").code == 2
    assert json.loads(cli("nightly", "rollback", "--to", nights[2], "--json").out)["night"] == nights[2]


def test_promote_makes_a_night_the_champion_and_says_so_once(cli, store, nights):  # noqa: F811
    """Any verdict may be overruled. Doing it again changes nothing, an unknown night is exit 2, rollback undoes it."""
    worse = made_up(store, "2026-11-04", "worse")
    assert f"the champion is night {worse}" in cli("nightly", "promote", worse).out
    again = cli("nightly", "promote", worse)
    assert (again.code, "is the champion already: nothing was changed" in again.out) == (0, True)
    facts = json.loads(cli("nightly", "promote", worse, "--json").out)
    assert (facts["night"], [move["kind"] for move in facts["moves"]]) == (worse, ["promoted", "promoted", "accepted"])
    unknown = cli("nightly", "promote", "2026-01-01-0123456789ab")
    assert (unknown.code, unknown.out) == (2, "")
    assert "is not a finished night" in unknown.err
    assert nights[1] in cli("nightly", "rollback").out


def test_a_night_that_is_not_comparable_is_exit_8_and_one_that_failed_exit_7(cli, store, tmp_path):  # noqa: F811
    """The former's message has the command that accepts it."""
    assert cli("nightly", "spec.toml", *HERE, "--date", "2026-11-01").code == 0
    (tmp_path / "spec.toml").write_text(TINY.replace('"sum"', '"product"'))
    ended = cli("nightly", "spec.toml", *HERE, "--date", "2026-11-02")
    assert ended.code == 8
    night = list_nights(store)[-1]
    assert f"`sumsquares nightly promote {night}` makes it the champion" in ended.err
    assert cli("nightly", "promote", night).code == 0
    (tmp_path / "spec.toml").write_text(
        TINY.replace("[train]", '[train]\noptimizer = "sgd"').replace("[0.01, 0.02]", "1e30")
    )
    ended = cli("nightly", "spec.toml", *HERE, "--date", "2026-11-03")
    assert (ended.code, "all trials of dataset 'sums' diverged" in ended.err) == (7, True)
    ended = cli("nightly", "promote", list_nights(store)[-1])
    assert (ended.code, "can't be promoted: failed: all trials" in ended.err) == (2, True)


def test_a_dry_run_of_prune_shows_and_keeps(cli, store, nights):  # noqa: F811
    """Without --dry-run the same nights are deleted."""
    more = [made_up(store, f"2025-01-0{day}") for day in (1, 2)]
    shown = cli("nightly", "prune", "--keep", "1", "--keep-days", "1", "--dry-run", "--json")
    facts = json.loads(shown.out)
    assert facts["nights"] == more
    assert not facts["deleted"]
    assert more[0] in list_nights(store)
    assert "deleted 2 nights" in cli("nightly", "prune", "--keep", "1", "--keep-days", "1").out
    assert list_nights(store) == nights
    assert "nothing to prune" in cli("nightly", "prune").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_has_help(cli, command):  # noqa: F811
    """So do the common options. A spec with a command's name is written with ./ before it."""
    ended = cli("nightly", command, "--help")
    assert ended.code == 0
    for option in ("--store", "--json", "--quiet", "--debug"):
        assert option in ended.out
    assert command in cli("nightly", "--help").out
    assert "cannot be read" in cli("nightly", f"./{command}", *HERE).err


def test_a_store_of_another_spec_is_refused(cli, store, nights, tmp_path):  # noqa: F811
    """The message has both names."""
    (tmp_path / "spec.toml").write_text(TINY.replace('"tiny"', '"other"'))
    ended = cli("nightly", "spec.toml", *HERE)
    assert ended.code == 2
    assert "'tiny', not of 'other'" in ended.err
    assert spec_of(TINY).name == "tiny"


def test_a_failed_night_is_told_once_with_its_remedy(cli, tmp_path):  # noqa: F811
    """On stderr, which cron mails, with --json and without."""
    spec = TINY.replace("lr = [0.01, 0.02]", "lr = [1e7, 1e8]").replace("tanh", "relu")
    (tmp_path / "failing.toml").write_text(spec)
    for date, options in ("2026-11-01", []), ("2026-11-02", ["--json"]):
        ended = cli("nightly", "failing.toml", "--date", date, *HERE, *options)
        assert ended.code == 7
        assert ended.err.count("all trials of dataset") == 1
        assert "fix the spec" in ended.err
        assert ("all trials of dataset" in ended.out) == bool(options)
