"""The docs are tested: the commands, files, links and examples that they name exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer

from sumsquares.cluster.signals import STOPPING
from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.spec.job_spec import load_spec, parse_spec
from sumsquares.jobs.spec.variants import trials

ROOT = Path(__file__).parent.parent
README, MAKEFILE = ((ROOT / name).read_text() for name in ("README.md", "Makefile"))
COMMANDS_PAGE, SPECS_PAGE, PROMISES = (
    (ROOT / f"docs/{name}.md").read_text() for name in ("commands", "specs", "reliability")
)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
SOURCES = [
    path
    for folder in ("benchmarks", "cluster", "datasets", "jobs")
    for pattern in ("*.py", "*.jinja")
    for path in sorted((ROOT / folder).rglob(pattern))
]
COMMANDS = set(typer.main.get_command(app).commands)


def test_every_command_is_on_its_page_and_no_other():
    """The table of commands lists all of them, and nothing else."""
    assert set(re.findall(r"^\| `sumsquares (\w+)", COMMANDS_PAGE, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("option", ["--help", "--debug", "--json", "--quiet"])
def test_the_page_says_which_commands_lack_an_option(option):
    """The sentence on an option names exactly the commands that lack it."""
    (lacking,) = re.findall(rf"(Every command has|All except [^.:]* have) [^.:]*`{option}`", COMMANDS_PAGE)
    assert set(re.findall(r"`(\w+)`", lacking)) == {
        name for name, command in typer.main.get_command(app).commands.items() if not _has(command, option)
    }


def _has(command, option):
    """Whether a command has an option; a group, whether all of its commands have it."""
    if hasattr(command, "commands"):
        return all(_has(each, option) for each in command.commands.values())
    return any(option in each.opts for each in command.get_params(typer.Context(command)))


def test_every_make_target_that_is_shown_exists():
    """Targets named in README and CONTRIBUTING are in the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))
    shown = {name for page in PAGES for name in re.findall(r"\bmake ([\w-]+)", page.read_text())}
    assert {"run", "test", "check", "test-damage"} <= shown & targets
    words = ("run", "test", "check", "fmt", "bench", "lock", "chaos")
    assert {name for name in shown if name in words or "-" in name} <= targets


def test_marks_of_targets_are_written_in_files_of_tests():
    """A target imports the files in which its mark is written, so no other file may mark their tests."""
    (own,) = re.findall(r"^OWN := (.*)$", MAKEFILE, re.MULTILINE)
    marks = own.split(" or ")
    assert {"chaos", "damage", "kernel"} <= {*marks}
    written = re.compile(rf"mark\.({'|'.join(marks)})\b")
    found = {path: set(written.findall(path.read_text())) for path in sorted((ROOT / "tests").glob("*.py"))}
    assert {path.name for path in found if found[path] and not path.name.startswith("test_")} == set()
    assert set().union(*found.values()) == {*marks}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_hold(page):
    """Relative links lead to files, and so does every path in backticks that looks like one of ours."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for path in re.findall(r"`((?:benchmarks|examples|tests|docs|jobs|cluster|datasets)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


def test_every_function_that_the_readme_names_exists():
    """Its dotted name can be imported."""
    names = re.findall(r"\b(sumsquares(?:\.\w+)*)\.(\w+)\(", README)
    assert names
    assert all(hasattr(importlib.import_module(module), function) for module, function in names)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_files_that_a_source_names_exist(source):
    """A path is relative to the root, to jobs/, or to the source; peers and pages are a folder below it."""
    for name in re.findall(r"(?<![\w./*-])[\w/-]+(?:\.html)?\.(?:py|jinja)\b", source.read_text()):
        assert any(
            (folder / name).exists()
            for folder in (ROOT, ROOT / "jobs", source.parent, source.parent / "peers", source.parent / "page")
        ), name


def test_the_tree_in_the_readme_is_the_tree():
    """It lists every folder of the three packages, and everything in it exists."""
    tree = README.split("## The tree is the architecture")[1].split("```")[1]
    named = set(re.findall(r"^\s*([\w.]+)/", tree, re.MULTILINE))
    packages = {p.parent.name for name in ("jobs", "cluster", "datasets") for p in (ROOT / name).rglob("__init__.py")}
    assert packages <= named
    assert all((ROOT / name).is_dir() or (name in packages and any(ROOT.glob(f"*/**/{name}"))) for name in named)


def test_every_term_of_the_glossary_is_in_use():
    """Each occurs as a word in the sources, and once in the table. People check what it means."""
    terms = _glossary()
    assert len(terms) == len(set(terms)) > 30
    text = "\n".join(path.read_text() for path in SOURCES if "benchmarks" not in path.parts)
    unused = [term for term in terms if not re.search(rf"\b{term}s?\b", text, re.IGNORECASE)]
    assert unused == []


def test_the_terms_that_the_promises_set_in_italics_are_in_the_glossary():
    """From the section that says so on."""
    text = PROMISES.replace("*italics*", "")
    terms = re.findall(r"(?<![*\w])\*(\w+)\*(?!\*)", text)
    assert {"lanes", "packs"} <= set(terms)
    assert {term for term in terms if not {term, term.removesuffix("s")} & set(_glossary())} == set()


def _glossary():
    """Returns the terms in CONTRIBUTING's table, in its order."""
    table = (ROOT / "CONTRIBUTING.md").read_text().split("## Glossary")[1].split("\n## ")[0]
    heading, *terms = re.findall(r"^\| ([^|`]+) \|", table, re.MULTILINE)
    assert heading == "term"
    return terms


def test_the_first_specs_of_their_page_are_valid():
    """They are parsed as printed, and have the expected numbers of trials."""
    texts = re.findall(r"```toml\n(name.*?)```", SPECS_PAGE, re.DOTALL)[:2]
    found = [len(trials(parse_spec(text.encode(), "specs.md", new=True))) for text in texts]
    assert found == [(1 + 2 * 3) * 2 * 5, 2 * 2 * 2 * 5]  # linear ones have no activation


def test_every_exit_code_is_on_the_page_of_commands():
    """The table of exit codes lists all of them, and nothing else."""
    codes = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", COMMANDS_PAGE, re.MULTILINE) for code in row.split(",")
    }
    assert codes == {*range(exits.REGRESSED + 1), *(128 + each for each in STOPPING)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_opens_with_its_command_time_and_result_and_is_valid(example):
    """Its name is that of its file, too."""
    head = example.read_text().split("\nname =")[0]
    assert f"sumsquares run examples/{example.name}" in head
    assert re.search(r"^# Time: .*(second|minute)", head, re.MULTILINE)
    assert "# Result:" in head
    spec = load_spec(example, resolve=resolve)
    assert f"{len(trials(spec)):,} trials" in head
    assert spec.name == example.stem
