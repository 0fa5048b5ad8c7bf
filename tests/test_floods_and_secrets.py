"""Ten thousand problems are shown as a few and their number; what looks like a secret is never shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import cli as cli
from specs import SMALL
from test_refusals import finished as finished

from sumsquares.jobs import exits
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.night.hook import run_hook
from sumsquares.jobs.storage.store import StorageError, Store

MANY = 3000


@pytest.fixture
def flooded(finished, tmp_path):
    """A finished store with thousands of foreign files and hundreds of damaged packs."""
    (tmp_path / "spec.toml").write_text(SMALL)
    store = Path(shutil.copytree(finished.root, tmp_path / "store"))
    for number in range(MANY):
        (store / f"trials/junk-{number}").touch()
    for number in range(MANY // 10):
        (store / f"trials/{number:016x}.parquet").touch()
        (store / "states").mkdir(exist_ok=True)
        (store / f"states/{number:016x}.state").touch()
    return store


@pytest.mark.parametrize("command", ["plan", "run", "summarize", "train", "generate", "nightly"])
def test_a_flood_is_a_few_lines_and_a_number(cli, flooded, caplog, command):
    """On stdout and stderr, for every command that reads results."""
    place = () if command in ("plan", "summarize") else ("--workers", "0")
    ended = cli(command, "spec.toml", *place)
    assert ended.code == 0, ended.err[-500:]
    assert len((ended.out + ended.err + caplog.text).splitlines()) < 100
    assert f"... and {MANY + MANY // 10 - 5:,} more" in ended.out + ended.err


def test_json_has_them_all(cli, flooded):
    """Programs get the complete list."""
    problems = json.loads(cli("plan", "spec.toml", "--json").out)["problems"]
    assert len(problems) == MANY + MANY // 10


def test_names_of_runs_are_a_few_and_a_number(cli, tmp_path):
    """In the message about a run that does not exist."""
    for number in range(200):
        (tmp_path / f"store/runs/run-{number:03}").mkdir(parents=True)
        (tmp_path / f"store/runs/run-{number:03}/job.toml").touch()
    ended = cli("predict", "none", "3")
    assert (ended.code, "run-004, ... and 195 more" in ended.err, len(ended.err) < 500) == (exits.USAGE, True, True)


SECRET = "hunter2hunter2"  # noqa: S105  it is one in tests alone
TOLD = {
    "a store's user": ("plan", "spec.toml", "--store", f"s3://u:{SECRET}@bucket/x"),
    "a store's user without a password": ("plan", "spec.toml", "--store", f"s3://{SECRET}@bucket/x"),
    "a store's query": ("plan", "spec.toml", "--store", f"s3://bucket/x?token={SECRET}"),
    "a store's fragment": ("plan", "spec.toml", "--store", f"s3://bucket/x#{SECRET}"),
    "a store's user, encoded": ("plan", "spec.toml", "--store", f"s3://u%3A{SECRET}%40bucket/x"),
    "a store's query, encoded": ("plan", "spec.toml", "--store", f"s3://bucket/x%3Ftoken%3D{SECRET}"),
    "a store's key in an odd path": ("plan", "spec.toml", "--store", f"s3://bucket//access_key={SECRET}"),
    "a web address for a store": ("plan", "spec.toml", "--store", f"https://u:{SECRET}@host/x"),
    "a cluster's user": ("list", "--address", f"http://u:{SECRET}@127.0.0.1:9"),
    "a cluster's user, encoded": ("list", "--address", f"http://u%3A{SECRET}%40127.0.0.1:9"),
    "a cluster's query": ("list", "--address", f"http://127.0.0.1:9/?token={SECRET}"),
    "a cluster's fragment": ("list", "--address", f"http://127.0.0.1:9/#{SECRET}"),
    "a Ray's user": ("run", "spec.toml", "--address", f"u:{SECRET}@127.0.0.1:9"),
    "a Ray's query": ("run", "spec.toml", "--address", f"127.0.0.1?{SECRET}:9"),
    "a header": ("list", "--address", "http://127.0.0.1:9", "--header", f"Authorization: Bearer {SECRET}"),
    "a header without a name": ("list", "--address", "http://127.0.0.1:9", "--header", f": {SECRET}"),
    "a header in two lines": ("list", "--address", "http://127.0.0.1:9", "--header", f"A: {SECRET}\nB: c"),
    "a hook's address": ("nightly", "spec.toml", "--hook", f"nocurl https://u:{SECRET}@host"),
    "a hook's token": ("nightly", "spec.toml", "--hook", f"nocurl --token {SECRET}"),
    "a hook's variable": ("nightly", "spec.toml", "--hook", f"TOKEN={SECRET} curl x"),
    "a hook that is an address": ("nightly", "spec.toml", "--hook", f"https://u:{SECRET}@host/x"),
    "a hook that is a web hook": ("nightly", "spec.toml", "--hook", f"https://hooks.example.com/services/T0/{SECRET}"),
    "a hook that is a web hook without a scheme": ("nightly", "spec.toml", "--hook", f"example.com/T0/{SECRET}"),
    "a cluster's path": ("list", "--address", f"http://127.0.0.1:9/{SECRET}"),
    "a cluster's path, to submit": ("submit", "spec.toml", "--address", f"http://127.0.0.1:9/{SECRET}"),
    "a folder's query": ("plan", "spec.toml", "--store", f"./x?sig={SECRET}"),
    "a hook with an open quote": ("nightly", "spec.toml", "--hook", f"curl '{SECRET}"),
    "a spec that is a list of variables": ("plan", "secrets.env"),
    "a spec that is another file": ("plan", "secrets.toml"),
}


@pytest.mark.parametrize("case", TOLD)
def test_a_secret_is_not_echoed(cli, monkeypatch, case):
    """A refusal says what kind of value it refuses, not the value."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://u:{SECRET}@127.0.0.1:9")
    Path("spec.toml").write_text(SMALL)
    Path("secrets.env").write_text(f"export AWS_SECRET_ACCESS_KEY={SECRET}\n")
    Path("secrets.toml").write_text(f'password = "{SECRET}"\n')
    ended = cli(*TOLD[case])
    assert ended.code in (exits.USAGE, exits.CLUSTER)
    assert SECRET not in ended.out + ended.err


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_ENDPOINT_URL", SECRET), ("AWS_DEFAULT_REGION", f"{SECRET} x"), ("AWS_PROFILE", SECRET)],
)
def test_a_secret_in_the_wrong_variable_is_not_echoed(cli, monkeypatch, name, value):
    """Only the variable is named."""
    Path("spec.toml").write_text(SMALL)
    monkeypatch.setenv(name, value)
    ended = cli("plan", "spec.toml", "--store", "s3://bucket/x")
    assert ended.code == exits.STORAGE
    assert f"${name}" in ended.err
    assert SECRET not in ended.out + ended.err


@pytest.mark.parametrize(
    "command", [f"./nothing --token {SECRET}", f"./nothing https://u:{SECRET}@h", f"./a\0b {SECRET}"]
)
def test_a_hook_that_cannot_be_started_is_named_without_its_arguments(command):
    """The program existed when the night began."""
    warning = run_hook(command, "success", {}, 1.0)
    assert warning is not None
    assert "could not be started" in warning
    assert SECRET not in warning


def test_a_secret_in_a_comment_is_in_no_report(cli):
    """The report shows the parsed spec; job.toml is the file as it was."""
    lines = [f"# https://u:{SECRET}@host", f"# token={SECRET}", f"# Authorization: Bearer {SECRET}", "# seen: by all"]
    Path("spec.toml").write_text("\n".join([*lines, SMALL]))
    ended = cli("run", "spec.toml", "--workers", "0")
    assert ended.code == 0
    report = Path("store/runs/small/report.html").read_text()
    assert SECRET not in ended.out + ended.err + report + Path("store/runs/small/summary.json").read_text()
    assert "seen: by all" in report


MASKED = {
    f"GET https://u:{SECRET}@h/x failed": "GET https://***@h/x failed",
    f"https://h/x?sig={SECRET}&y=1": "https://h/x?sig=***&y=1",
    f"X-Amz-Security-Token={SECRET}": "X-Amz-Security-Token=***",
    f"password%3D{SECRET}": "password=***",
    f"Authorization: Bearer {SECRET}": "Authorization: Bearer ***",
    "trials/ab.parquet: damaged, its key is lost": "trials/ab.parquet: damaged, its key is lost",
    "set RAY_AUTH_MODE=token": "set RAY_AUTH_MODE=token",
}


@pytest.mark.parametrize("text", MASKED)
def test_what_looks_like_a_secret_is_masked(text):
    """Other text stays as it is."""
    assert masked(text) == MASKED[text]


def test_an_error_of_the_system_is_masked(tmp_path, monkeypatch):
    """Whichever library words it."""

    def fails(*_arguments):
        raise OSError(5, f"cannot reach https://u:{SECRET}@host")

    monkeypatch.setattr("sumsquares.jobs.storage.folder.read_plain", fails)
    with pytest.raises(StorageError) as caught:
        Store(str(tmp_path)).get("a")
    assert SECRET not in str(caught.value)
