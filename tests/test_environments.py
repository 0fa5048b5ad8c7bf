"""The environment of a command (locale, terminal, home, proxies, variables) changes no result and no exit code."""

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
    """Outside a checkout there is none."""
    root = Path(__file__).parent.parent
    git, expected = shutil.which("git"), None
    if git and (root / ".git").exists():
        asked = subprocess.run([git, "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        expected = asked.stdout.strip()
    assert environment()["git_commit"] == expected


def test_a_path_is_its_bytes_in_a_locale_without_utf8(tmp_path):
    """The run succeeds, and its tables and paths are printed, whatever the encoding (case f18)."""
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
    """The path is in Latin-1, the locale in UTF-8."""
    (tmp_path / "spec.toml").write_text(ONE)
    place = ("--workers", "0") if command in ("run", "generate") else ()
    ended = cli(command, "spec.toml", "--store", os.fsdecode(b"st\xf6re"), *place)
    assert ended.code == (exits.INCOMPLETE if command == "summarize" else exits.OK), ended.err


WIDTHS = ["0", "1", "-5", "abc", "", "1000000000", "9" * 5000, "\u0663", "\u00b2", "80.5", "0x50"]


@pytest.mark.parametrize("width", WIDTHS, ids=lambda width: ascii(width)[:20])
def test_an_implausible_width_is_ignored(cli, finished, monkeypatch, width):
    """An implausible width is ignored: the tables are as wide as without it."""
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("LINES", width)
    Path("spec.toml").write_text(SMALL)
    ended = cli("summarize", "spec.toml", "--store", shutil.copytree(finished.root, "store"))
    assert ended.code == 0, ended.err
    tables = ended.out.partition("summary:")[0]
    assert 80 < max(map(len, tables.splitlines())) <= 100


def test_a_deleted_working_directory_is_reported(cli, tmp_path, monkeypatch):
    """The working directory was deleted; absolute paths still work."""
    (tmp_path / "spec.toml").write_text(SMALL)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = cli("plan", f"{tmp_path}/spec.toml")
    assert (ended.code, "change to one that is there" in ended.err) == (exits.USAGE, True)
    assert cli("plan", f"{tmp_path}/spec.toml", "--store", f"{tmp_path}/store").code == 0
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_a_variable_can_switch_debugging_off(cli, monkeypatch, value):
    """`0`, `false` and `no` count as unset."""
    monkeypatch.setenv(exits.DEBUG, value)
    assert not exits.is_debugging()


@pytest.mark.parametrize("command", [("plan", "spec.toml"), ("nightly", "status")])
def test_a_store_of_one_letter_and_a_colon_is_no_folder(cli, monkeypatch, command):
    """It is an address with a scheme other than s3."""
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
def test_wrong_settings_of_an_object_store_are_reported_at_once(s3_root, monkeypatch, case):
    """Exit code 4 with the true reason, without retries, which took 60 s."""
    settings, reason = SETTINGS[case]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(StorageError, match=reason) as caught:
        Store(s3_root).probe()
    assert time.monotonic() - began < 3
    assert "AWS_PROFILE, AWS_ENDPOINT_URL" in str(caught.value)


def test_a_server_that_never_answered_is_not_waited_for_long(s3_root, s3_server, monkeypatch):
    """A server that has answered once is waited for: it may be restarting."""
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


def test_a_local_ray_ignores_the_environment(monkeypatch, tmp_path):
    """Ray fails on a variable that it can't parse; only numeric settings of its memory are passed on."""
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


def test_for_a_cluster_valid_numbers_are_kept_and_others_are_not(monkeypatch):
    """These are settings of the cluster's administrator."""
    monkeypatch.setenv("RAY_A", "3")
    monkeypatch.setenv("RAY_B", "abc")
    monkeypatch.setenv("RAY_C", "")
    set_numbers({"RAY_A": "1", "RAY_B": "1", "RAY_C": "0.5"})
    assert [os.environ[name] for name in ("RAY_A", "RAY_B", "RAY_C")] == ["3", "1", "0.5"]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_unwritable_store_is_still_summarised(cli, finished, monkeypatch, as_json):
    """The tables are printed, with one warning that nothing was written; nothing is (case f19)."""

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
    assert json.loads(ended.out)["trials"]["ok"] == 60 if as_json else "RMSE" in ended.out
    assert tree(finished.root) == before
    fresh = cli("summarize", "spec.toml", "--store", "fresh")
    assert (fresh.code, "Read-only" in fresh.err) == (exits.STORAGE, True)
