"""Small runs whose output was once wrong or incomplete: each prints the right thing now.

The specs are in `cases/`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app

CASES = Path(__file__).parent / "cases"
COUNT = """
name = "count"
[[dataset]]
name = "count"
task = "sum"
n_numbers = 16
largest = 2
rows = 500
[train]
epochs = 2
[[grid]]
dataset = "count"
hidden = [[]]
normalize = "symmetric"
seeds = 2
"""


def call(*words):
    """What a command prints, its lines joined, and its exit code."""
    found = CliRunner().invoke(app, list(map(str, words)))
    assert "Traceback" not in found.output
    return " ".join(found.stdout.split()), found.exit_code


def run(case, tmp_path, code=exits.OK):
    """What a run of a case prints."""
    text, found = call("run", CASES / f"{case}.toml", "--store", tmp_path / "s", "--workers", 0, "--quiet")
    assert found == code
    return text


def test_linear_models_that_were_not_fully_trained_are_no_limit(tmp_path):
    """f01: sums are linear, and two epochs don't show what a linear model can do."""
    text = run("undertrained-linear", tmp_path)
    assert "No linear model gets below" not in text
    assert "A linear model can get every test row right after rounding (least squares)." in text
    assert re.search(r"The best linear trial has an RMSE of 1,\d+\.", text)


def test_the_share_of_test_rows_that_were_trained_on_is_reported(tmp_path):
    """f04: in the table's title and in the report, with the RMSE on the others; and when all of them are."""
    spec = tmp_path / "seen.toml"
    spec.write_text(
        'name = "seen"\n[[dataset]]\nname = "few"\ntask = "square"\nlargest = 10\nrows = 200\n[[dataset]]\n'
        'name = "more"\ntask = "square"\nlargest = 1000\nrows = 1000\nseed = 1\n[[grid]]\n'
        'dataset = ["few", "more"]\nhidden = [[4]]\n'
        "epochs = 2\n"
    )
    text, _ = call("run", spec, "--store", tmp_path / "s", "--workers", 0, "--quiet")
    assert "200 of 200 test rows occur in training: these are all that there are." in text
    assert re.search(r"643 of 1,000 test rows occur in training; on the others its RMSE is [\d,]+\.", text)
    page = " ".join((tmp_path / "s/runs/seen/report.html").read_text().split())
    assert "643 of 1,000 test rows occur in training" in page
    assert "not trained on" not in page
    summary = json.loads((tmp_path / "s/runs/seen/summary.json").read_text())
    assert {name: about["facts"]["unseen_rows"] for name, about in summary["datasets"].items()} == {
        "few": 0,
        "more": 357,
    }


def test_few_rows_show_in_the_training_rmse(tmp_path):
    """f12: eight rows are learnt and nothing else; both numbers are side by side."""
    text = run("few-rows-not-named", tmp_path)
    train, test = (
        float(re.search(pattern, text)[1]) for pattern in (r"On training rows its RMSE is ([\d.]+)", r"RMSE ([\d.]+)")
    )
    assert test > 5 * train
    assert "the dataset has 8 training rows." in text


def test_small_words_are_right(tmp_path):
    """f22: how many numbers are added, one variant, a number beyond the range, no models without predictions."""
    spec = tmp_path / "count.toml"
    spec.write_text(COUNT)
    text, _ = call("run", spec, "--store", tmp_path / "s", "--workers", 0, "--quiet")
    assert text.startswith("count (sum of 16 numbers 1..2): ")
    assert "No linear model was trained" not in text
    nights = [
        ["nightly", spec, "--store", tmp_path / "s", "--workers", 0, "--date", f"2026-11-0{day}"] for day in (1, 2)
    ]
    told = " ".join(CliRunner().invoke(app, list(map(str, words))).output for words in nights)
    assert "2 trials of 1 variant on 1 dataset;" in told
    assert "which stays: 1 variant" in told
    assert not re.search(r"\b1 (variants|trials|nights|seeds)\b", told)
    told, _ = call("predict", "count", *[2] * 15, 4, *[1] * 16, "--store", tmp_path / "s")
    assert re.fullmatch(r".*Expected=34, .* outside the training range 1\.\.2 Expected=16, \S+ \(err=-?\d+\)", told)


def test_the_learning_rates_that_diverge_are_named(tmp_path):
    """f09: with how many trials of each, and those with an RMSE of no use among them."""
    text = run("learning-rate-not-named", tmp_path, exits.INCOMPLETE)
    assert "Diverged by lr: all 9 with lr 10; all 9 with lr 1; none with lr 0.1 or lr 0.01." in text


def test_the_scaling_that_explains_the_errors_is_named(tmp_path):
    """f10: everything else equal."""
    text = run("scaling-not-named", tmp_path)
    assert re.search(
        r"With zscore the median RMSE is [456]\.\d+ times smaller than with question, everything else eq", text
    )


def test_the_best_trial_predicts_and_is_distinguished_from_the_best_variant(tmp_path):
    """f13: the best trial is of the other variant, and `predict` names the one that it uses."""
    text = run("best-is-not-best", tmp_path)
    told = re.search(r"The best single trial is of another variant: zscore, seed (\d), RMSE (0\.\d+)\.", text)
    answer, _ = call("predict", "best-trial", 1001, "--store", tmp_path / "s")
    assert f"zscore, 1,000 epochs, batch_size 32, seed {told[1]}, test RMSE {told[2]} Expected=1002001" in answer
    assert "best trial" in answer
