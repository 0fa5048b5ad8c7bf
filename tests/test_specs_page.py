"""The page on specs is complete: every key, default, value and function, and its examples are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from table_specs import table_of

from sumsquares.datasets.formulas.formula import parse
from sumsquares.datasets.formulas.operations import COMPARISONS, CONSTANTS, FUNCTIONS, OF_ALL_INPUTS, OPERATIONS
from sumsquares.datasets.formulas.parser import MOST_DEPTH, MOST_LEVELS, MOST_NODES
from sumsquares.datasets.formulas.words import MOST_CHARACTERS
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.keys import DEFAULT_TEST, TableKeys
from sumsquares.jobs.spec.axes import AXES, DEFAULTS, Grid
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec

PAGE = (Path(__file__).parent.parent / "docs/specs.md").read_text()


def section(title: str) -> str:
    """Returns the text under a heading, up to the next one of its level."""
    level, _, rest = PAGE.partition(f" {title}\n")[0].rpartition("\n")[2], "", PAGE.partition(f" {title}\n")[2]
    return re.split(rf"^{level} ", rest, flags=re.MULTILINE)[0]


def table(text: str) -> list[list[str]]:
    """Returns the cells of the first table of a text, without its head."""
    rows = re.findall(r"^\| (.*) \|$", text.partition("\n|---")[2].split("\n\n")[0], re.MULTILINE)
    return [[cell.strip() for cell in row.replace(" | | ", " |  | ").split(" | ")] for row in rows]


def names(cell: str) -> list[str]:
    """Returns what a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_it_has_every_key_of_a_spec_and_no_other() -> None:
    """Those of the file, in brackets where they are tables."""
    keys = [name.strip("[]") for row in table(section("The job spec")) for name in names(row[0])]
    assert sorted(keys) == sorted(field.alias or name for name, field in JobSpec.model_fields.items())


def test_it_has_every_key_of_a_dataset_and_no_other() -> None:
    """Each said to be of tasks, formulas or both, with its default where that is a number."""
    rows = table(section("Datasets"))
    assert sorted(name for row in rows for name in names(row[0])) == sorted(NamedDataset.model_fields)
    assert {row[1] for row in rows} == {"both", "tasks", "formulas"}
    for row in rows:
        field = NamedDataset.model_fields[names(row[0])[0]]
        if re.fullmatch(r"[\d.]+", row[2]):
            assert str(field.default) == row[2]


def test_it_has_every_key_of_a_table_and_no_other() -> None:
    """With its default, where that is a number or a text."""
    rows = table(section("Tables"))
    assert [name for row in rows for name in names(row[0])] == list(TableKeys.model_fields)
    defaults = {"test": str(DEFAULT_TEST), "inputs": "every other column of numbers"}
    for row in rows:
        (name,) = names(row[0])
        default = TableKeys.model_fields[name].default
        shown = {str: f"`{default}`", int: str(default)}.get(type(default), "")
        assert row[1] == defaults.get(name, shown)


def test_its_table_is_a_valid_one() -> None:
    """As printed, with its keys."""
    (text,) = re.findall(r"```toml\n(name.*?)```", section("Tables"), re.DOTALL)
    spec = parse_spec(text.encode(), "docs/specs.md", new=True, resolve=lambda keys, _: table_of(keys, rows=200))
    assert [column.name for column in spec.datasets[0].input_columns] == ["area", "rooms"]


def test_it_has_every_hyperparameter_with_its_default_and_values() -> None:
    """In the order in which variants vary them."""
    rows = table(section("Hyperparameters"))
    assert tuple(names(row[0])[0] for row in rows) == AXES
    assert set(Grid.model_fields) == {"dataset", *AXES, "seeds"}
    for name, row in zip(AXES, rows, strict=True):
        default = DEFAULTS[name]
        assert row[1] == {str: f"`{default}`", tuple: "`[]`"}.get(type(default), str(default))
        if choices := Grid.model_json_schema()["properties"][name].get("items", {}).get("enum"):
            found = names(row[2])
            assert [value for value in found if value in choices] == choices
            assert set(found) - set(choices) <= set(AXES)


@pytest.mark.parametrize(("title", "axis"), [("Scales", "normalize"), ("Outputs and losses", "loss")])
def test_it_explains_every_scale_and_loss(title: str, axis: str) -> None:
    """In the order of their list."""
    found = [names(row[0])[0] for row in table(section(title))]
    assert found == Grid.model_json_schema()["properties"][axis]["items"]["enum"]


def test_it_has_every_function_of_formulas_and_no_other() -> None:
    """With as many arguments as they take; and every operator, comparison and constant."""
    shown = [re.fullmatch(r"(\w+)\((.*)\)", name) for row in table(section("Formulas")) for name in names(row[0])]
    arguments = {call[1]: call[2].split(", ") for call in shown if call}
    assert sorted(arguments) == sorted(FUNCTIONS)
    for name, some in arguments.items():
        assert (None if "..." in some else len(some)) == OPERATIONS[name].most
    assert [name for name, some in arguments.items() if "..." in some][-len(OF_ALL_INPUTS) :] == list(OF_ALL_INPUTS)
    words = {word for quoted in names(section("Formulas").partition("```")[0]) for word in quoted.split()}
    assert {"+", "-", "*", "/", "//", "%", "**", "and", "or", "not", *COMPARISONS, *CONSTANTS} <= words


def test_its_formulas_are_parsed() -> None:
    """Each with the number of inputs that its comment gives."""
    examples = re.findall(r'^formula = "(.*?)"(?:.*n_numbers = (\d+))?', section("Formulas"), re.MULTILINE)
    assert len(examples) > 3
    for text, count in examples:
        assert parse(text, int(count) if count else None).n_numbers >= 1


def test_its_limits_are_those_of_the_parser() -> None:
    """Characters, nodes, chains and depth."""
    text = " ".join(PAGE.split())
    assert f"at most {MOST_CHARACTERS:,} characters and {MOST_NODES:,} operations" in text
    assert f"up to {MOST_LEVELS:,} operators in one chain, and {MOST_DEPTH} inside each other" in text


def test_its_spec_is_valid() -> None:
    """As printed, for a new spec."""
    text = re.findall(r"```toml\n(name.*?)```", PAGE, re.DOTALL)[0]
    assert parse_spec(text.encode(), "docs/specs.md", new=True).name == "mine"
