"""`sumsquares init`: first specs that load and run, and files that are never written over unasked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pytest
from command_line import calls
from own_tables import houses, put, small_grid, tree

from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import Task
from sumsquares.jobs.spec.axes import AXES, Engine, Hyperparameters
from sumsquares.jobs.spec.examples import example, examples
from sumsquares.jobs.spec.first_spec import FIRST_SPEC
from sumsquares.jobs.spec.job_spec import load_spec, parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in a folder with a table of houses."""
    put(tmp_path / "houses.csv", houses())
    small_grid(monkeypatch)
    yield from calls(monkeypatch, capfd, tmp_path)


def loaded(path):
    return load_spec(path, resolve=TableReader(Store("store")).resolve)


def test_a_first_spec_is_the_question_and_runs(cli, tmp_path):
    """It is valid, has a comment on most lines, and says how it is run."""
    ended = cli("init")
    assert ended.code == 0
    assert ended.out.endswith("next: sumsquares run first.toml\n")
    assert "\x1b" not in ended.out
    text = (tmp_path / "first.toml").read_text()
    spec = parse_spec(text.encode(), "first.toml", new=True)
    assert {dataset.name for dataset in spec.datasets} == {"squares", "waves"}
    assert "sumsquares run first.toml" in text
    assert f"{len(trials(spec))} trials" in ended.out
    small = text.replace("epochs = 200", "epochs = 1")
    (tmp_path / "first.toml").write_text(small)
    assert cli("run", "first.toml", "--workers", "0", "--quiet").code == 0


def test_a_first_spec_has_every_key_with_its_default_and_its_values():
    """Taking the # away from all of them changes no trial; the values of a key are on its line."""
    whole, count = re.subn(r"^# (?=\w+ = )", "", FIRST_SPEC, flags=re.MULTILINE)
    before, after = (parse_spec(text.encode(), "first.toml", new=True) for text in (FIRST_SPEC, whole))
    assert (before.digest, before.engine) == (after.digest, after.engine)
    lines = {line.partition(" = ")[0]: line for line in whole.splitlines()}
    numbers = DatasetSpec.model_fields["numbers"].annotation
    hints = get_type_hints(Hyperparameters)
    kinds = {**{name: hints[name] for name in AXES}, "engine": Engine, "task": Task, "numbers": numbers}
    for name, kind in kinds.items():
        assert {value for value in get_args(kind) if isinstance(value, str)} <= set(re.findall(r"\w+", lines[name]))
    with_default = {name for name, field in DatasetSpec.model_fields.items() if field.default is not None}
    assert with_default <= lines.keys() | {"rows"}
    assert count > len(AXES)


def test_an_example_is_written_as_it_is_installed_and_its_command_runs_the_file(cli, tmp_path):
    """Every one of them; only the path in the command at its head is another."""
    (tmp_path / "specs").mkdir()
    for each in examples():
        path = Path("specs", f"{each.name}.toml")
        facts = json.loads(cli("init", "--example", each.name, "--output", str(path), "--json").out)
        assert facts["spec"] == str(path)
        assert f"#     sumsquares run {path}\n" in path.read_text()
        lines = zip(path.read_text().splitlines(), each.text.splitlines(), strict=True)
        changed = [pair for pair in lines if pair[0] != pair[1]]
        assert len(changed) == 1
        assert loaded(path).digest == load_spec(each.path, resolve=TableReader(Store("store")).resolve).digest


def test_an_example_brings_its_table(tmp_path, cli):
    """A table of that name that is another one is not replaced, and then nothing is written; the same one may stay."""
    before = tree(tmp_path)
    ended = cli("init", "--example", "table")
    assert (ended.code, ended.out) == (2, "")
    assert "houses.csv" in ended.err
    assert tree(tmp_path) == before
    assert cli("init", "--example", "table", "--overwrite").code == 0
    (table,) = example("table").tables
    assert (tmp_path / "houses.csv").read_bytes() == table.read_bytes()
    ended = cli("init", "--example", "table", "--output", "again.toml")
    assert ended.code == 0
    assert ended.out.startswith("wrote again.toml, houses.csv beside it, 300 trials")


def test_a_spec_of_a_table_has_the_variants_that_fit_trains(cli):
    """It loads, runs, and its trials are those of the run of `fit`: nothing is left to train."""
    fit = ("fit", "houses.csv", "--target", "price", "--epochs", "1", "--folds", "3", "--workers", "0", "--quiet")
    assert cli(*fit).code == 0
    assert cli("init", "--from", "houses.csv", "--target", "price", "--folds", "3").code == 0
    spec = Path("houses.toml")
    spec.write_text(spec.read_text().replace("epochs = 50", "epochs = 1"))
    facts = json.loads(cli("plan", "houses.toml", "--json").out)
    assert facts["trials"]["to_train"] == 0
    assert facts["trials"]["done"] == 16 * 3
    assert cli("run", "houses.toml", "--quiet").code == 0


def test_a_spec_of_a_table_names_its_inputs_and_says_what_its_keys_do(cli, tmp_path):
    """Options become keys; the path of the file is relative to the spec."""
    (tmp_path / "specs").mkdir()
    arguments = ("--one-hot", "--missing", "drop", "--test", "0.25", "--name", "mine", "--output", "specs/a.toml")
    assert cli("init", "--from", "houses.csv", "--target", "price", *arguments).code == 0
    text = (tmp_path / "specs/a.toml").read_text()
    for line in ('file = "../houses.csv"', "test = 0.25", 'missing = "drop"', 'categories = "one_hot"'):
        assert line in text
    assert 'inputs = ["area", "rooms", "place"]' in text
    assert text.count("  # ") > 8
    (table,) = loaded("specs/a.toml").datasets
    assert table.inputs == 4


@pytest.mark.parametrize("name", ['pri"ce', "prix \u20ac", "a\\b", "tab\there", "\U0001f3e0"])
def test_any_name_of_a_column_is_written_so_that_it_loads(cli, tmp_path, name):
    """Quotes, backslashes, control characters and characters beyond 16 bits."""
    table = pa.table({"x": np.arange(60.0) ** 2, name: np.arange(60.0)})
    put(tmp_path / "odd.parquet", table)
    assert cli("init", "--from", "odd.parquet", "--target", name).code == 0
    (found,) = loaded("odd.toml").datasets
    assert found.target == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("init", "--output", "houses.csv"), ["houses.csv", "--overwrite", "--output"]),
        (("init", "--output", "nowhere/a.toml"), ["nowhere", "make it first"]),
        (("init", "--output", "."), ["--output"]),
        (("init", "--target", "price"), ["--from TABLE"]),
        (("init", "--one-hot"), ["--one-hot", "--from TABLE"]),
        (("init", "--from", "houses.csv"), ["--target", '"price"']),
        (("init", "--example", "questoin"), ["questoin", "did you mean question?", "sumsquares demo --list"]),
        (("init", "--example", "question", "--name", "mine"), ["--name", "--from TABLE"]),
        (("init", "--example", "question", "--from", "houses.csv", "--target", "price"), ["--from and --example"]),
        (("init", "--from", "house.csv", "--target", "price"), ["house.csv", "houses.csv"]),
        (("init", "--from", "houses.csv", "--target", "prize"), ["prize", "price"]),
        (("init", "--from", "houses.csv", "--target", "price", "--name", "A"), ["--name"]),
    ],
)
def test_a_refusal_is_exit_2_with_a_remedy_and_writes_nothing(cli, tmp_path, arguments, words):
    """Files that are there stay as they are."""
    before = tree(tmp_path)
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert [word for word in words if word not in ended.err] == [], ended.err
    assert tree(tmp_path) == before


def test_a_file_is_replaced_only_if_that_is_asked_for(cli, tmp_path):
    """With --overwrite."""
    (tmp_path / "first.toml").write_text("mine")
    assert cli("init").code == 2
    assert (tmp_path / "first.toml").read_text() == "mine"
    assert cli("init", "--overwrite").code == 0
    assert (tmp_path / "first.toml").read_text() != "mine"
