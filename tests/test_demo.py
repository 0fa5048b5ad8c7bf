"""`sumsquares demo`: the examples that are installed, listed and run. What they show is tested beside each of them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from command_line import calls
from own_tables import tree

from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs.spec import examples as installed
from sumsquares.jobs.spec.examples import FIRST, examples
from sumsquares.jobs.spec.job_spec import load_spec

ROOT = Path(__file__).parent.parent
SMALL = """\
# Does a line fit squares?
#
#     sumsquares run examples/NAME.toml
#
# Time: about 1 second on 2 cores, 1 trial of 1 variant.
name = "NAME"
[[dataset]]
name = "squares"
task = "square"
largest = 10
rows = 20
[[grid]]
hidden = [[2]]
activation = "identity"
batch_size = 5
epochs = 1
"""


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in an empty folder."""
    (tmp_path / "work").mkdir()
    yield from calls(monkeypatch, capfd, tmp_path / "work")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Has two small examples in place of those that are installed."""
    (tmp_path / "examples/questions").mkdir(parents=True)
    for path in ("demo.toml", "questions/q01.toml"):
        name = Path(path).stem
        (tmp_path / "examples" / path).write_text(SMALL.replace("NAME", name))
    monkeypatch.setattr(installed, "files", lambda _: tmp_path)


def test_every_example_of_the_repository_is_installed(cli):
    """Once, under the name of its spec, with what it is about and how long it takes; the first is for a first try."""
    known = {
        path.stem: path for folder in ("examples", "examples/questions") for path in (ROOT / folder).glob("*.toml")
    }
    listed = json.loads(cli("demo", "--list", "--json").out)["examples"]
    assert {each["name"] for each in listed} == known.keys()
    assert len(listed) == len(known)
    assert listed[0]["name"] == FIRST
    for each in examples():
        assert each.path.read_bytes() == known[each.name].read_bytes()
        assert load_spec(each.path, resolve=resolve).name == each.name
        assert all(table.is_file() for table in each.tables)
    assert all(re.fullmatch(r"about [\d,.]+ \w+ on \w+ cores?", each["time"]) for each in listed)
    assert all(len(each["about"]) > 20 for each in listed)


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_the_list_fits_the_terminal(cli, monkeypatch, width):
    """At every width, each example begins a line."""
    monkeypatch.setenv("COLUMNS", width)
    lines = cli("demo", "--list").out.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert [line.split()[0] for line in lines if line[0] != " "] == [each.name for each in examples()]


def test_a_demo_answers_first_and_every_command_that_it_tells_next_works(cli, small, tmp_path):
    """It keeps its results in a folder of its own, and writes nothing else."""
    ended = cli("demo", "--workers", "0")
    assert ended.code == 0
    assert ended.out.startswith("squares (square of 1..10): The first network")
    assert "Does a line fit squares? (about 1 second on 2 cores)" in ended.err
    assert {path.name for path in Path().iterdir()} == {"sumsquares-demo"}
    _, *told = ended.out.partition("report:")
    commands = re.findall(r"(sumsquares .*?) *# ", "".join(told))
    assert [shlex.split(command)[1] for command in commands] == ["predict"] * 2 + ["explain", "init", "demo"]
    for command in commands:
        assert cli(*shlex.split(command)[1:]).code == 0, command
    assert "sumsquares run demo.toml" in Path("demo.toml").read_text()


def test_another_example_is_run_by_its_name_in_the_store_that_is_named(cli, small, monkeypatch):
    """By an option or the environment; with --json the summary is all of the output."""
    assert json.loads(cli("demo", "q01", "--store", "mine", "--json").out)["run"] == "q01"
    monkeypatch.setenv("SUMSQUARES_STORE", "other")
    ended = cli("demo", "q01")
    assert ended.code == 0
    assert "sumsquares explain q01 --store other" in ended.out
    assert {path.name for path in Path().iterdir()} == {"mine", "other"}


def test_a_name_that_is_none_is_exit_2_and_leaves_no_trace(cli, tmp_path):
    """It says which one may be meant, and where all are listed."""
    ended = cli("demo", "questoin")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean question? `sumsquares demo --list` shows all" in ended.err
    assert tree(tmp_path) == {}
