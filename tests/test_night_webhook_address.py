"""Where the webhook's address comes from, and what is refused before a night begins, without showing it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from command_line import cli as cli
from night_world import TINY
from receiver import Receiver, answer

from sumsquares.jobs import exits
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.night.webhook_address import FILE_VARIABLE, MOST_BYTES, VARIABLE, read_address

SECRET = "hunter2hunter2"  # noqa: S105  it is one in tests alone
NIGHT = ("nightly", "spec.toml", "--workers", "0", "--quiet", "--date", "2026-11-01")


@pytest.fixture(autouse=True)
def spec(monkeypatch, cli):
    """The tiny spec in the folder of the command line, and no address from outside."""
    for name in (VARIABLE, FILE_VARIABLE, "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Path("spec.toml").write_text(TINY)


def private(text, path="webhook"):
    """Writes a file that its owner alone can read."""
    Path(path).write_text(text)
    Path(path).chmod(0o600)
    return path


WRONG = {
    "nothing": "",
    "space": " \n",
    "a word": SECRET,
    "no scheme": f"hooks.example.com/{SECRET}",
    "a file": f"file:///etc/{SECRET}",
    "another scheme": f"ftp://example.com/{SECRET}",
    "no host": f"https:///{SECRET}",
    "a user alone": f"https://{SECRET}@/x",
    "two lines": f"https://example.com/a\nhttps://example.com/{SECRET}",
    "a space": f"https://example.com/a {SECRET}",
    "a NUL": f"https://example.com/a\0{SECRET}",
    "a port of letters": f"https://example.com:{SECRET}/",
    "port 0": f"https://example.com:0/{SECRET}",
    "a port beyond all": f"https://example.com:99999/{SECRET}",
    "a backslash": f"https://example.com\\@{SECRET}/",
    "a fragment": f"https://example.com/#{SECRET}",
    "an open bracket": f"https://[::1/{SECRET}",
    "an empty label": f"https://a..example.com/{SECRET}",
    "a star": f"https://*.example.com/{SECRET}",
    "a label of 300 letters": f"https://{'h' * 300}.example.com/{SECRET}",
    "other letters": f"https://ex\u00e4mple.com/{SECRET}",
    "quotes": f'"https://example.com/{SECRET}"',
    "an assignment": f"SUMSQUARES_WEBHOOK=https://example.com/{SECRET}",
    "too long": "https://example.com/" + SECRET * 400,
}


@pytest.mark.parametrize("place", ["the variable", "the file of an option", "the file of a variable"])
@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_address_is_refused_without_a_trace(cli, monkeypatch, case, place):
    """Exit code 2; neither the value nor a part of it is shown, not with --debug either, and there is no store."""
    text, words = WRONG[case], [*NIGHT, "--debug"]
    if place == "the variable":
        if "\0" in text:
            pytest.skip("no environment can hold it")
        monkeypatch.setenv(VARIABLE, text)
    elif place == "the file of an option":
        words += ["--webhook-file", private(text)]
    else:
        monkeypatch.setenv(FILE_VARIABLE, private(text))
    ended = cli(*words)
    assert (ended.code, ended.out) == (exits.USAGE, "")
    assert VARIABLE in ended.err
    assert SECRET not in ended.err
    assert not Path("store").exists()


NAMED = {"a device": "/dev/zero", "nothing": "", "a NUL": "a\0b", "the address": f"https://h/{SECRET}"}
MADE = ("a FIFO", "a folder", "a large file", "a link that leads nowhere", "no file")


def odd(kind):
    """Makes something that is no file with an address; returns its path."""
    if kind == "a FIFO":
        os.mkfifo("odd")
    elif kind == "a folder":
        Path("odd").mkdir()
    elif kind == "a large file":
        private("x" * (MOST_BYTES + 1), "odd")
    elif kind == "a link that leads nowhere":
        Path("odd").symlink_to("gone")
    return {"a device": "/dev/zero", "nothing": "", "a NUL": "a\0b", "the address": f"https://h/{SECRET}"}.get(
        kind, "odd"
    )


@pytest.mark.parametrize("kind", [*NAMED, *MADE])
def test_a_file_that_is_none_is_refused_and_not_opened(cli, kind):
    """Nothing blocks on it, and its name isn't shown: it may be the address itself."""
    ended = cli(*NIGHT, "--webhook-file", odd(kind))
    assert (ended.code, ended.out) == (exits.USAGE, "")
    assert "the file of --webhook-file" in ended.err
    assert SECRET not in ended.err
    assert not Path("store").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_refused():
    """It belongs to somebody else."""
    Path(private("https://example.com/")).chmod(0)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        read_address("webhook", {}, pytest.fail)


def test_an_address_in_two_places_is_refused(cli, monkeypatch):
    """Which one is meant is not guessed."""
    monkeypatch.setenv(VARIABLE, "https://example.com/a")
    ended = cli(*NIGHT, "--webhook-file", private("https://example.com/b"))
    assert (ended.code, "leave one out" in ended.err) == (exits.USAGE, True)


@pytest.mark.parametrize("wrong", [f"https://example.com/{SECRET}", "", "Slack"])
def test_an_unknown_format_is_refused_with_the_known_ones(cli, monkeypatch, wrong):
    """The address may be in the wrong variable."""
    ended = cli(*NIGHT, "--webhook-format", wrong)
    assert (ended.code, "json, slack, teams" in ended.err, SECRET in ended.err) == (exits.USAGE, True, False)
    monkeypatch.setenv("SUMSQUARES_WEBHOOK_FORMAT", wrong or "x")
    ended = cli(*NIGHT)
    assert (ended.code, SECRET in ended.err) == (exits.USAGE, False)


@pytest.mark.parametrize("option", ["--webhook", "--webhook-url"])
@pytest.mark.parametrize("sign", ["=", " "])
def test_no_option_takes_the_address(cli, option, sign):
    """Command lines are visible to all users; what was given isn't repeated."""
    ended = cli(*NIGHT, *f"{option}{sign}https://example.com/{SECRET}".split(" "))
    assert (ended.code, SECRET in ended.err) == (exits.USAGE, False)


def test_space_around_the_address_is_none_of_it():
    """Files end with a line break."""
    assert read_address(private(" https://example.com/x\r\n"), {}, pytest.fail) == "https://example.com/x"


def test_what_is_unsafe_is_a_warning():
    """A file that all users can read, and a connection without encryption, unless it stays on this machine."""
    warnings = []
    for host in ("localhost", "127.0.0.2", "[::1]"):
        assert read_address(private(f"http://{host}/x"), {}, warnings.append) is not None
    assert warnings == []
    Path(private("http://example.com/x")).chmod(0o644)
    read_address("webhook", {}, warnings.append)
    assert ["chmod 600" in warnings[0], "unencrypted" in warnings[1], len(warnings)] == [True, True, 2]


def test_the_address_is_taken_out_of_the_environment():
    """Neither workers nor the hook inherit it."""
    environment = {VARIABLE: "https://example.com/x", "OTHER": "1"}
    assert read_address(None, environment, pytest.fail) == "https://example.com/x"
    assert environment == {"OTHER": "1"}


def test_a_night_posts_what_its_hook_gets(cli, monkeypatch):
    """Both are called once, and the night's exit code is its own."""
    with Receiver() as receiver:
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{receiver.port}/{SECRET}")
        ended = cli(*NIGHT, "--hook", "tee log")
        assert (ended.code, SECRET in ended.out + ended.err) == (exits.OK, False)
        assert receiver.bodies == [json.loads(Path("log").read_text())]
    assert receiver.bodies[0]["event"] == "success"


def test_a_webhook_that_fails_is_a_warning_and_nothing_of_it_is_stored(cli):
    """Result and exit code stay; no file of the store has a part of the address."""
    with Receiver([answer(404)]) as receiver:
        private(f"http://u:{SECRET}@127.0.0.1:{receiver.port}/{SECRET}?k={SECRET}")
        ended = cli(*NIGHT, "--webhook-file", "webhook", "--debug")
    assert (ended.code, SECRET in ended.out + ended.err) == (exits.OK, False)
    assert "warning: the webhook for success failed: the receiver answered 404 Not Found" in ended.err
    assert all(SECRET.encode() not in path.read_bytes() for path in Path("store").rglob("*") if path.is_file())


def test_a_spec_that_is_missing_is_posted_as_a_failure(cli, monkeypatch):
    """In the format that was asked for."""
    with Receiver() as receiver:
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{receiver.port}/")
        ended = cli("nightly", "gone.toml", "--date", "2026-11-01", "--webhook-format", "slack")
        assert ended.code == exits.USAGE
        assert receiver.bodies[0]["text"].startswith("sumsquares: failure, night 2026-11-01\n")
    assert sys.modules["requests"]
