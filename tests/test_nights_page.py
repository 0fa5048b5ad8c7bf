"""The page on nights is complete: its commands, options, events, formats, metrics, starters and exit codes exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import cli as cli

from sumsquares.cluster.signals import STOPPING
from sumsquares.jobs import exits
from sumsquares.jobs.commands import nightly as commands
from sumsquares.jobs.night.metrics import HELP
from sumsquares.jobs.night.notify import EVENTS
from sumsquares.jobs.night.payloads import FORMATS
from sumsquares.jobs.night.records import NightRecord, NightState

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/nights.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("sumsquares ")]


def table(title):
    """Returns the cells of the table whose head begins with this."""
    rows = PAGE.partition(f"\n| {title} |")[2].partition("\n|---")[2].partition("\n\n")[0]
    return [row.strip("| ").split(" | ") for row in rows.splitlines()[1:]]


def names(title):
    """Returns what the first column of a table has in backticks."""
    return [name for row in table(title) for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_understood(cli, monkeypatch, line):
    """As printed, in a folder of their own; nights aren't run, and what only looks ends with exit code 0 or 2."""
    seen = []
    monkeypatch.setattr(commands, "start", lambda spec, *_: seen.append(spec) or exits.OK)
    for name in ("SUMSQUARES_WEBHOOK", "SUMSQUARES_WEBHOOK_FILE"):
        monkeypatch.delenv(name, raising=False)
    words = shlex.split(line, comments=True)[1:]
    ended = cli(*words)
    if seen:
        assert (ROOT / seen[0]).exists()
    expected = exits.USAGE if "rollback" in words else exits.OK  # there is no champion to go back to
    assert ended.code == expected, ended.err
    assert "Usage:" not in ended.err


def test_the_options_that_it_names_exist(cli):
    """Of nightly, or of one of the commands beside it; one is node_exporter's."""
    shown = "".join(cli("nightly", command, "--help").out for command in ("start", "status", "rollback", "prune"))
    known = set(re.findall(r"--[\w-]+", shown))
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", PAGE)) - {"--collector"} <= known


def test_the_defaults_that_it_names_are_those_of_the_command(cli):
    """Each is in brackets behind its option."""
    shown = " ".join(cli("nightly", "start", "--help").out.split())
    given = re.findall(r"`(--[\w-]+)`\s(?:seconds\s)?\((\d+)( %)?\)?", PAGE)
    assert len(given) > 3
    for option, number, percent in given:
        value = float(number) / 100 if percent else float(number)
        (default,) = re.findall(rf"{option} \S+ .*?\[default: ([\d.]+)\]", shown)
        assert float(default) == value, option


def test_the_variables_that_it_names_are_read():
    """By nightly, or set for the hook; those of requests are its own."""
    sources = "".join(path.read_text() for path in (ROOT / "jobs").rglob("*.py"))
    variables = set(re.findall(r"`?(SUMSQUARES_\w+)", PAGE))
    assert len(variables) >= 4
    assert all(f'"{name}"' in sources for name in variables)


def test_it_has_every_event_format_and_metric_and_no_other():
    """In the order of their lists."""
    assert sorted(names("event")) == sorted(EVENTS)
    assert names("format") == [*FORMATS]
    assert names("metric") == [*HELP]


def test_the_facts_that_it_names_are_those_of_records():
    """Beside them the event itself, and what is missed."""
    known = {*NightRecord.model_fields, *NightState.model_fields, "event", "missed"}
    assert set(names("name")) <= known
    assert len(names("name")) > 8


def test_it_has_every_starter_and_no_other():
    """Each file of the folder."""
    assert sorted(names("file in `cluster/starters/`")) == sorted(
        path.name for path in (ROOT / "cluster/starters").iterdir()
    )


def test_it_has_every_exit_code():
    """Nights can end with any of them."""
    codes = {int(code) for row in table("exit code") for code in row[0].split(",")}
    assert codes == {*range(exits.REGRESSED + 1), *(128 + each for each in STOPPING)}
