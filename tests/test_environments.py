"""What surrounds a command, its locale, terminal, home, proxies and variables, changes no result and no exit code."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import cli as cli
from specs import SMALL
from test_refusals import finished as finished
from test_refusals import tree

from sumsquares.cluster.connect import set_numbers
from sumsquares.cluster.isolation import TUNING, isolate
from sumsquares.jobs import exits
from sumsquares.jobs.machine.environment import environment
from sumsquares.jobs.storage import bucket
from sumsquares.jobs.storage.store import StorageError, Store

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ONE = SMALL.replace("lr = [0.001, 0.01]", "lr = 0.01").replace("seeds = 3", "seeds = 1")


def test_a_run_in_a_checkout_records_its_commit():
    """Or none, where there is no checkout."""
    root = Path(__file__).parent.parent
    git, expected = shutil.which("git"), None
    if git and (root / ".git").exists():
        asked = subprocess.run([git, "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        expected = asked.stdout.strip()
    assert environment()["git_commit"] == expected


def test_a_path_is_its_bytes_in_a_locale_without_utf8(tmp_path):
    """Case f18: the run is made there, and its tables and paths are printed, whatever the encoding."""
    (tmp_path / "spec.toml").write_text(ONE)
    name = "störe".encode()
    command = [sys.executable, "-m", "sumsquares", "run", "spec.toml", "--store", name, "--workers", "0"]
    root = Path(__file__).parent.parent
    environment = {**os.environ, **ASCII, "PYTHONPATH": str(root)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "störe/runs/small/report.html").exists()
    assert b"report:  " + os.fsencode(tmp_path) + b"/" + name + b"/runs/small/report.html" in ended.stdout


@pytest.mark.parametrize("command", ["run", "plan", "summarize", "generate"])
def test_a_path_in_another_encoding_is_its_bytes(cli, tmp_path, command):
    """Latin-1 where the locale is UTF-8."""
    (tmp_path / "spec.toml").write_text(ONE)
    place = ("--workers", "0") if command in ("run", "generate") else ()
    ended = cli(command, "spec.toml", "--store", os.fsdecode(b"st\xf6re"), *place)
    assert ended.code == (exits.INCOMPLETE if command == "summarize" else exits.OK), ended.err


WIDTHS = ["0", "1", "-5", "abc", "", "1000000000", "9" * 5000, "\u0663", "\u00b2", "80.5", "0x50"]


@pytest.mark.parametrize("width", WIDTHS, ids=lambda width: ascii(width)[:20])
def test_a_width_that_none_has_says_nothing(cli, finished, monkeypatch, width):
    """The tables are as wide as without it, none is lost."""
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("LINES", width)
    Path("spec.toml").write_text(SMALL)
    ended = cli("summarize", "spec.toml", "--store", shutil.copytree(finished.root, "store"))
    assert ended.code == 0, ended.err
    tables = ended.out.partition("summary:")[0]
    assert 80 < max(map(len, tables.splitlines())) <= 100


def test_a_folder_that_is_gone_is_said_to_be_gone(cli, tmp_path, monkeypatch):
    """Where this was started; a path that begins with / works there."""
    (tmp_path / "spec.toml").write_text(SMALL)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = cli("plan", f"{tmp_path}/spec.toml")
    assert (ended.code, "change to one that is there" in ended.err) == (exits.USAGE, True)
    assert cli("plan", f"{tmp_path}/spec.toml", "--store", f"{tmp_path}/store").code == 0
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_no_debugging_is_no_debugging(cli, monkeypatch, value):
    """A variable that says no is not taken for a yes."""
    monkeypatch.setenv(exits.DEBUG, value)
    assert not exits.is_debugging()


@pytest.mark.parametrize("command", [("plan", "spec.toml"), ("nightly", "status")])
def test_a_store_of_one_letter_and_a_colon_is_no_folder(cli, monkeypatch, command):
    """It is an address that begins with something else than s3."""
    Path("spec.toml").write_text(SMALL)
    monkeypatch.setenv("SUMSQUARES_STORE", "x://bucket/y")
    ended = cli(*command)
    assert (ended.code, "can't begin with 'x://'" in ended.err) == (exits.USAGE, True)


SETTINGS = {
    "a profile that isn't there": ({"AWS_PROFILE": "nobody"}, "ProfileNotFound"),
    "an endpoint that is none": ({"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint"),
    "a region that is none": ({"AWS_DEFAULT_REGION": "no where"}, "InvalidRegion"),
    "a file of settings that is none": ({"AWS_CONFIG_FILE": __file__}, "ConfigParseError"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_wrong_settings_of_an_object_store_are_told_at_once(s3_root, monkeypatch, case):
    """Exit code 4 with the true reason; nothing is tried again, which took 60 s."""
    settings, reason = SETTINGS[case]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(StorageError, match=reason) as caught:
        Store(s3_root).probe()
    assert time.monotonic() - began < 3
    assert "AWS_PROFILE, AWS_ENDPOINT_URL" in str(caught.value)


def test_a_server_that_never_answered_is_not_waited_for_long(s3_root, s3_server, monkeypatch):
    """One that has answered once is: it may be starting again."""
    monkeypatch.setattr(bucket, "FIRST_PATIENCE", 0.3)
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:hunter2@127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        Store(s3_root).list()
    assert time.monotonic() - began < 3
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    store = Store(s3_root)
    store.put("a", b"1")
    monkeypatch.setattr(bucket, "FIRST_PATIENCE", 0.0)
    s3_server.faults.extend(["reset"] * 5)
    assert store.list() == ["a"]


def test_a_ray_of_our_own_hears_nothing_of_the_environment(monkeypatch, tmp_path):
    """Ray ends for a variable that it can't read; how it shares the memory may be said, in numbers."""
    for name in ("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "RAY_gcs_server_port", "RAY_object_store_memory", TUNING[0]):
        monkeypatch.setenv(name, "abc")
    monkeypatch.setenv(TUNING[1], "250")
    before = {**os.environ}
    try:
        isolate(str(tmp_path))
        left = {name for name in os.environ if name.startswith("RAY_")}
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
    ours = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_TMPDIR", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
    assert left == ours | {TUNING[1]}


def test_for_a_cluster_a_number_is_kept_and_nonsense_is_not(monkeypatch):
    """What its administrator has set, that is."""
    monkeypatch.setenv("RAY_A", "3")
    monkeypatch.setenv("RAY_B", "abc")
    monkeypatch.setenv("RAY_C", "")
    set_numbers({"RAY_A": "1", "RAY_B": "1", "RAY_C": "0.5"})
    assert [os.environ[name] for name in ("RAY_A", "RAY_B", "RAY_C")] == ["3", "1", "0.5"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_store_that_cannot_be_written_is_summarised_all_the_same(cli, finished, monkeypatch, as_json):
    """Case f19: the tables that are there, with one warning that nothing was written; nothing is."""

    def read_only(*_arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    Path("spec.toml").write_text(SMALL)
    before = tree(finished.root)
    monkeypatch.setattr("sumsquares.jobs.storage.folder._write_through", read_only)
    arguments = ("--json",) if as_json else ()
    ended = cli("summarize", "spec.toml", "--store", finished.root, "--quiet", *arguments)
    assert ended.code == 0, ended.err
    assert ended.err.count("warning:") == 1
    assert "printed and not written" in ended.err
    assert json.loads(ended.out)["trials"]["ok"] == 60 if as_json else "Expected=" in ended.out
    assert tree(finished.root) == before
    fresh = cli("summarize", "spec.toml", "--store", "fresh")
    assert (fresh.code, "Read-only" in fresh.err) == (exits.STORAGE, True)
