"""What `--help` shows at 80 columns: every command once, in its section, and nothing cut off."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.cli.sections import SECTIONS

GROUP = typer.main.get_command(app)
COMMANDS = [(name,) for name in GROUP.commands]
COMMANDS += [(name, each) for name, group in GROUP.commands.items() for each in getattr(group, "commands", ())]


def helped(*words):
    """What a command's help prints on a terminal of 80 columns."""
    ended = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).invoke(app, [*words, "--help"])
    assert ended.exit_code == 0
    return ended.output


def test_every_command_is_in_one_section_of_the_help():
    """In the order of the sections; a command that is added is named by this test until it has one."""
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(GROUP.commands)
    lines = helped().splitlines()
    shown = [
        line.split()[0].rstrip(":")
        for line in lines[lines.index("Start here:") :]
        if line and line[0] == " " != line[2]
    ]
    assert shown == listed


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_help_fits_80_columns_and_no_sentence_is_cut_off(words):
    """Lists of commands have the first sentence of each whole."""
    text = helped(*words)
    assert max(map(len, text.splitlines())) <= 80
    cut = [line for line in text.splitlines() if line.endswith("...") and "[" not in line]
    assert cut == []


def test_without_a_command_the_help_is_shown():
    """As with --help, and as a usage error."""
    ended = CliRunner(env={"COLUMNS": "80"}).invoke(app, [])
    assert ended.exit_code == 2
    assert "Start here:" in ended.output
