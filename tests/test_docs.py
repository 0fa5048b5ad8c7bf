"""The docs are tested: commands, files, links and examples that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from sumsquares.cluster.signals import STOPPING
from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.spec.job_spec import load_spec, parse_spec
from sumsquares.jobs.spec.variants import trials

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
SOURCES = [
    path
    for folder in ("benchmarks", "cluster", "datasets", "jobs")
    for pattern in ("*.py", "*.jinja")
    for path in sorted((ROOT / folder).rglob(pattern))
]
COMMANDS = set(typer.main.get_command(app).commands)


def test_every_command_is_in_the_readme_and_no_other():
    """In the table of commands."""
    assert set(re.findall(r"^\| `sumsquares (\w+)", README, re.MULTILINE)) == COMMANDS


def test_every_make_target_that_is_shown_exists():
    """In README and CONTRIBUTING."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {name for page in PAGES for name in re.findall(r"\bmake (\w+)", page.read_text())}
    assert {"run", "test", "check"} <= shown & targets
    assert {name for name in shown if name in ("run", "test", "check", "fmt", "bench", "lock", "chaos")} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_hold(page):
    """Relative ones; and every path in backticks that looks like one of ours."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for path in re.findall(r"`((?:benchmarks|examples|tests|docs|jobs|cluster|datasets)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_files_that_a_source_names_exist(source):
    """From the root, from jobs/, or beside it; a benchmark's peers are a folder below."""
    for name in re.findall(r"(?<![\w./*-])[\w/-]+(?:\.html)?\.(?:py|jinja)\b", source.read_text()):
        assert any(
            (folder / name).exists() for folder in (ROOT, ROOT / "jobs", source.parent, source.parent / "peers")
        ), name


def test_the_tree_in_the_readme_is_the_tree():
    """Every folder of the three packages is in it, and whatever is in it exists."""
    tree = README.split("## The tree is the architecture")[1].split("```")[1]
    named = set(re.findall(r"^\s*([\w.]+)/", tree, re.MULTILINE))
    packages = {p.parent.name for name in ("jobs", "cluster", "datasets") for p in (ROOT / name).rglob("__init__.py")}
    assert packages <= named
    assert all((ROOT / name).is_dir() or (name in packages and any(ROOT.glob(f"jobs/**/{name}"))) for name in named)


def test_every_term_of_the_glossary_is_in_use():
    """Each occurs as a word in the sources, once in the table; what a term means is for people to check."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("## Glossary")[1].split("\n## ")[0]
    terms = re.findall(r"^\| ([^|`]+) \|", table, re.MULTILINE)
    assert terms[0] == "term"
    assert len(terms) == len(set(terms)) > 30
    text = "\n".join(path.read_text() for path in SOURCES if "benchmarks" not in path.parts)
    unused = [term for term in terms[1:] if not re.search(rf"\b{term}s?\b", text, re.IGNORECASE)]
    assert unused == []


def test_the_spec_in_the_readme_is_valid():
    """As it stands there."""
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert len(trials(parse_spec(text.encode(), "README.md"))) == (1 + 2 * 3) * 2 * 5  # linear ones have no activation


def test_every_exit_code_is_in_the_readme():
    """In its table."""
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for code in row.split(",")}
    assert codes == {0, exits.INTERNAL, *exits.CODES.values(), exits.INCOMPLETE, *(128 + each for each in STOPPING)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_opens_with_its_command_time_and_result_and_is_valid(example):
    """And its name is that of its file."""
    head = example.read_text().split("\nname =")[0]
    assert f"sumsquares run examples/{example.name}" in head
    assert re.search(r"^# Time: .*(second|minute)", head, re.MULTILINE)
    assert "# Result:" in head
    assert f"{len(trials(load_spec(example))):,} trials" in head
    assert load_spec(example).name == example.stem


def test_every_test_in_the_list_of_slow_ones_exists():
    """Whole files, and tests of others; `make list-slow` writes the list."""
    for line in (ROOT / "tests" / "slow.txt").read_text().splitlines():
        file, _, test = line.partition("::")
        assert re.search(rf"^def {test or 'test_'}", (ROOT / "tests" / file).read_text(), re.MULTILINE), line
