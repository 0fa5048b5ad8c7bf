"""Where results are, at the end of what commands print: links on terminals alone, and the report in a browser."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from command_line import calls
from specs import SMALL

from sumsquares.jobs.show.links import linked
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.show.result_files import open_report, result_lines

ROOT = Path(__file__).parent.parent
LINK = re.compile("\x1b]8;[^;]*;(.*?)\x1b\\\\(.*?)\x1b]8;;\x1b\\\\")
SSH = ("SSH_CONNECTION", "SSH_TTY")


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in a folder with a small spec, on a machine with a display."""
    (tmp_path / "spec.toml").write_text(SMALL)
    monkeypatch.setenv("DISPLAY", ":0")
    for name in (*SSH, "BROWSER", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser has opened; like a real one it prints to stdout."""
    addresses = []

    def browser(address):
        os.write(1, b"Opening in existing browser session.\n")
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    return addresses


RUN = ("run", "spec.toml", "--workers", "0", "--quiet")


def report(tmp_path):
    return tmp_path / "store/runs/small/report.html"


def test_a_report_is_opened_if_that_is_asked_for(cli, opened, tmp_path):
    """After the run, and by `summarize`; what the browser prints is no part of the results."""
    assert cli(*RUN).code == 0
    assert opened == []
    for words in ((*RUN, "--open"), ("summarize", "spec.toml", "--open")):
        ended = cli(*words)
        assert ended.code == 0
        assert opened.pop() == report(tmp_path).as_uri()
        assert "browser session" not in ended.out
    ended = cli(*RUN, "--open", "--json")
    assert json.loads(ended.out)["run"] == "small"
    assert opened == [report(tmp_path).as_uri()]


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"DISPLAY": ""}, "there is no display"),
        ({"SSH_CONNECTION": "10.0.0.1 22"}, "this is a session over ssh"),
        ({"SSH_TTY": "/dev/pts/1", "BROWSER": "mine"}, "this is a session over ssh"),
    ],
)
def test_without_a_browser_of_the_user_the_path_is_told_and_the_command_does_not_fail(
    cli, opened, monkeypatch, tmp_path, environment, why
):
    """No browser is tried then."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = cli(*RUN, "--open")
    assert ended.code == 0
    assert f"the report was not opened, since {why}: it is {report(tmp_path)}" in ended.err
    assert opened == []


@pytest.mark.parametrize("failure", [webbrowser.Error("could not locate runnable browser"), OSError(8, "no"), None])
def test_a_browser_that_fails_does_not_fail_the_command(cli, monkeypatch, tmp_path, failure):
    """Whether it raises or says that it failed."""

    def browser(_address):
        if failure:
            raise failure
        return False

    monkeypatch.setattr(webbrowser, "open", browser)
    ended = cli(*RUN, "--open")
    assert ended.code == 0
    assert f"since no browser was found: it is {report(tmp_path)}" in ended.err


def test_in_an_object_store_the_address_is_told(cli, opened, monkeypatch, capfd):
    """A browser can't read it."""
    open_report("s3://bucket/prefix/runs/small", Progress())
    assert "it is s3://bucket/prefix/runs/small/report.html" in capfd.readouterr().err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert [line for line in result_lines("s3://bucket/prefix/runs/small") if "\x1b" in line] == []
    assert opened == []


def test_of_a_run_without_a_report_none_is_opened(cli, opened, tmp_path):
    """All trials are missing, so that nothing is written; the warning says so."""
    cli(*RUN)
    (tmp_path / "spec.toml").write_text(SMALL.replace("epochs = ", "epochs = 1"))
    ended = cli("summarize", "spec.toml", "--open")
    assert "no report was opened, since none was written" in ended.err
    assert opened == []


def on_terminal(folder, environment, *words):
    """What a command prints to a terminal."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "sumsquares", *words]
    subprocess.run(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, check=True)
    os.close(theirs)
    printed = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return printed


@pytest.mark.parametrize("environment", [{"TERM": "xterm-256color"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_on_a_terminal_a_path_is_a_link(tmp_path, environment):
    """With colours or without; the text is the path that is printed elsewhere."""
    printed = on_terminal(tmp_path, environment, "init")
    ((address, text),) = LINK.findall(printed)
    assert (address, text) == ((tmp_path / "first.toml").as_uri(), "first.toml")


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {}, {"TERM": "xterm", "SSH_CONNECTION": "10.0.0.1 22"}], ids=str
)
def test_a_terminal_that_may_not_show_links_or_is_far_from_the_files_gets_none(tmp_path, environment):
    """Neither an escape sequence nor another text."""
    printed = on_terminal(tmp_path, environment, "init")
    assert "wrote first.toml, " in printed
    assert "\x1b" not in printed


def test_into_a_pipe_no_link_is_written(cli, monkeypatch):
    """Even if colours are forced."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    ended = cli(*RUN)
    assert "report:  " in ended.out
    assert "\x1b]8" not in ended.out


def test_the_files_of_a_run_are_each_a_link(cli, monkeypatch, tmp_path):
    """Three of the summary and the report; without the escape sequences the lines are those of a pipe."""
    plain = [line for line in cli(*RUN).out.splitlines() if line.startswith(("summary:", "report:"))]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = [*result_lines(str(tmp_path / "store/runs/small"))]
    links = [link for line in lines for link in LINK.findall(line)]
    folder = tmp_path / "store/runs/small"
    assert [address for address, _ in links] == [
        (folder / name).as_uri() for name in ("summary.json", "summary.parquet", "trials.parquet", "report.html")
    ]
    assert all((folder / name).is_file() for name in ("summary.json", "summary.parquet", "trials.parquet"))
    assert [LINK.sub(r"\2", line) for line in lines] == plain


@pytest.mark.parametrize("path", ["a b/report.html", "ä#?%/report.html"])
def test_any_path_makes_a_valid_address(monkeypatch, tmp_path, path):
    """Blanks and other characters are escaped in the address, and not in the text."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name in SSH:
        monkeypatch.delenv(name, raising=False)
    ((address, text),) = LINK.findall(linked(path, str(tmp_path / path)))
    assert (address, text) == ((tmp_path / path).as_uri(), path)
