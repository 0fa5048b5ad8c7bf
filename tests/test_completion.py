"""Options before the command: the version, and the completion of commands and options by a shell."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from command_line import calls

import sumsquares
from sumsquares.jobs.cli.main import app

COMPLETE = "_SUMSQUARES_COMPLETE"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line, in an empty folder."""
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.fixture
def complete(cli, monkeypatch):
    """Returns what Bash is offered for the last word of a line."""

    def completed(line):
        for name, value in ((COMPLETE, "complete_bash"), ("COMP_WORDS", line), ("COMP_CWORD", str(line.count(" ")))):
            monkeypatch.setenv(name, value)
        ended = cli()
        assert (ended.code, ended.err) == (0, "")
        return ended.out.split()

    return completed


def test_the_version_is_that_of_the_package_and_of_what_is_installed(cli):
    """It is defined in one place."""
    ended = cli("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"sumsquares {sumsquares.__version__}\n", "")
    assert version("sumsquares") == sumsquares.__version__


def test_a_shell_completes_commands_and_options(complete):
    """At each level; where a file is expected it is offered nothing, and completes files by itself."""
    assert complete("sumsquares ru") == ["run", "runs"]
    assert complete("sumsquares ") == list(typer.main.get_command(app).commands)
    assert complete("sumsquares nightly ro") == ["rollback"]
    assert complete("sumsquares run --gpu-") == ["--gpu-workers"]
    assert complete("sumsquares run examples/") == []


def test_a_line_is_completed_in_a_fresh_process_without_anything_heavy():
    """As a shell does it with each press of Tab, and ending as any command does; Typer itself takes pydantic."""
    program = """
import atexit, sys
from sumsquares.__main__ import main
atexit.register(lambda: print({"ray", "torch", "numpy", "pyarrow"} & set(sys.modules), flush=True))
sys.argv = ["sumsquares"]
main()
"""
    environment = {COMPLETE: "complete_bash", "COMP_WORDS": "sumsquares ver", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert ended.stdout.split("\n") == ["verify", "set()", ""]


@pytest.fixture
def within(monkeypatch):
    """Makes this process one that a shell of this name has started."""
    return lambda shell: monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_that_is_shown_asks_the_command_that_it_completes(cli, within, shell):
    """By the variable that the command reads."""
    within(shell)
    ended = cli("--show-completion")
    assert ended.code == 0
    assert f"{COMPLETE}=complete_{shell}" in ended.out


def test_a_completion_is_installed_in_the_home_of_its_user(cli, within, monkeypatch, tmp_path):
    """The output says where."""
    within("bash")
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = cli("--install-completion")
    assert ended.code == 0
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in ended.out
    assert str(script) in (tmp_path / ".bashrc").read_text()
