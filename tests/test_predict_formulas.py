"""`predict` takes the numbers of each dataset: real, negative and digits too; and the tables and pages of formulas."""

from __future__ import annotations

import json
import math
import re

import pytest
from command_line import cli as cli
from typer.testing import CliRunner

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.results.samples import Sample

SPEC = """
name = "mixed"
[[dataset]]
name = "roots"
formula = "sqrt(x1) + x2"
low = [0.0, -2.0]
high = [4.0, 2.0]
rows = 60
test_rows = 40
[[dataset]]
name = "thirds"
formula = "x % 3"
low = 0.0
high = 20.0
numbers = "integer"
digits = 2
rows = 60
test_rows = 40
[[dataset]]
name = "steps"
formula = "x // 4"
low = -10.0
high = 10.0
numbers = "integer"
unused = 1
rows = 60
test_rows = 40
[[dataset]]
name = "bits"
task = "square"
largest = 9
digits = 2
rows = 60
test_rows = 40
[train]
epochs = 3
batch_size = 20
[[grid]]
dataset = ["roots", "thirds", "steps", "bits"]
hidden = [[4], []]
normalize = ["unit"]
seeds = 2
"""


@pytest.fixture(scope="module", name="store")
def finished(tmp_path_factory):
    """The store of a run of that spec."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "spec.toml").write_text(SPEC)
    code, text = sumsquares("run", folder / "spec.toml", "--store", folder / "store", "--workers", 0)
    assert code == 0, text
    return folder / "store"


def sumsquares(*words):
    """The exit code of a command and what it prints."""
    ended = CliRunner().invoke(app, [*map(str, words)])
    return ended.exit_code, ended.output


def predicted(store, *numbers, dataset):
    """The samples of the best trial of a dataset."""
    code, text = sumsquares("predict", "mixed", *numbers, "--dataset", dataset, "--store", store, "--json")
    assert code == 0, text
    (answer,) = json.loads(text, parse_constant=lambda name: pytest.fail(name))["answers"]
    return answer["samples"]


def test_real_and_negative_numbers_are_asked_as_they_are(store):
    """Expected is the formula's value, and what is outside the range is said."""
    inside, below, above = predicted(store, "2.25", "-1.5", ".5", "-2.5", "1e2", "0", dataset="roots")
    assert (inside["numbers"], inside["expected"], inside["outside_range"]) == ([2.25, -1.5], 0.0, False)
    assert below["expected"] == pytest.approx(math.sqrt(0.5) - 2.5)
    assert above["expected"] == 10.0
    assert (below["outside_range"], above["outside_range"]) == (True, True)
    for sample in (inside, below, above):
        assert sample["error"] == sample["expected"] - sample["predicted"]


def test_where_a_formula_has_no_value_none_is_expected(store):
    """The answer is there nevertheless."""
    (sample,) = predicted(store, "-1", "0", dataset="roots")
    assert (sample["expected"], sample["error"]) == (None, None)
    assert math.isfinite(sample["predicted"])
    code, text = sumsquares("predict", "mixed", "-1", "0", "--dataset", "roots", "--store", store)
    assert code == 0
    assert re.search(r"Expected=no value, Predicted=-?[\d.]+, outside the training range x1 in 0..4, x2 in -2..2", text)


def test_integers_and_digits_are_asked_by_the_number(store):
    """Rounded answers, whatever the inputs of the network are."""
    for dataset, number, expected in (("thirds", "20", 2), ("steps", "-10", -3), ("bits", "9", 81)):
        (sample,) = predicted(store, number, dataset=dataset)
        assert (sample["numbers"], sample["expected"]) == ([int(number)], expected)
        assert isinstance(sample["predicted"], int)
        assert not sample["outside_range"]
    (sample,) = predicted(store, "22", dataset="thirds")
    assert sample["outside_range"]


@pytest.mark.parametrize(
    ("numbers", "dataset", "why"),
    [
        (["0.5"], "thirds", "0.5 is not an integer: thirds takes integers"),
        (["-1"], "thirds", "-1 is out of range: thirds takes 0..63 (it was trained on x in 0..20)"),
        (["99"], "thirds", "99 is out of range"),
        (["19"], "bits", "19 is out of range: bits takes 0..18 (it was trained on 1..9)"),
        (["1", "2", "3"], "roots", "roots takes 2 numbers per row"),
        (["nan"], "roots", "'nan' is not valid; write a number"),
        (["1e999", "0"], "roots", "'1e999' is not valid"),
        (["-x"], "roots", "-x"),
    ],
)
def test_numbers_that_a_dataset_does_not_take_are_refused(store, cli, numbers, dataset, why):
    """With what it takes."""
    ended = cli("predict", "mixed", *numbers, "--dataset", dataset, "--store", str(store))
    assert (ended.code, ended.out) == (2, "")
    assert why in " ".join(ended.err.split())


def test_samples_of_real_numbers_are_short():
    """Six digits, and three of the error."""
    assert str(Sample((0.5,), 1 / 3, 0.33)) == "Expected=0.333333, Predicted=0.33 (err=0.00333)"
    assert str(Sample((3, 4), 7, 9)) == "Expected=7, Predicted=9 (err=-2)"
    assert str(Sample((0.5,), None, 1.0)) == "Expected=no value, Predicted=1"


def test_the_page_and_the_table_have_no_columns_of_integers_for_real_targets(store):
    """Rounded and exact are of integers; what is beyond the range is said by its numbers."""
    page = (store / "runs/mixed/report.html").read_text()
    sections = {
        name: page.partition(f'id="dataset-{name}"')[2].partition("</section>")[0] for name in ("roots", "steps")
    }
    assert "rounded<br>best" not in sections["roots"]
    assert "rounded<br>best" in sections["steps"]
    assert "Beyond range: numbers from -31 to -11 and from 11 to 31." in sections["steps"]
    assert "accuracy<br>" not in page
    code, text = sumsquares("summarize", store.parent / "spec.toml", "--store", store)
    assert code == 0
    assert "steps (x // 4 for integer x in -10..10, 1 unused input)" in " ".join(text.split())
