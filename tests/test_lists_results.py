"""The recipes "Add a metric" and "Add a task" of CONTRIBUTING.md, followed to the letter in a copy of the sources."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRICS
from sumsquares.jobs.show.headings import HEADINGS
from sumsquares.jobs.storage.store import Store

ROOT = Path(__file__).parent.parent
OLD = ROOT / "tests" / "old_store"
SPEC = """
name = "recipe"
[[dataset]]
name = "numbers"
task = "doubled_sum"
largest = 9
rows = 60
test_rows = 40
[train]
epochs = 20
batch_size = 10
[[grid]]
dataset = "numbers"
hidden = [[]]
lr = [0.01, 0.02]
normalize = "zscore"
seeds = 3
"""
METRIC = {
    "jobs/engines/metrics.py": {
        "    @property\n    def r2(": '    @property\n    def mse(self) -> Floats:\n        """Mean squared error."""\n'
        "        return self.squares_M / self.count\n\n",
    },
    "jobs/results/trial_metrics.py": {
        ')\n"""In the order of the summary\'s columns."""': f'    Metric("mse", {len(METRICS)}, "test", '
        'lambda errors: errors.mse, ("best",)),\n',
    },
    "jobs/show/headings.py": {
        ')\n"""In the order in which they are shown.': '    Heading("mse_best", "squared\\nbest", '
        '("squared error", "best")),\n',
    },
}
"""For each file, the text before which something is added, and the addition."""
TASK = {
    "datasets/tasks.py": {
        '"sum_of_squares"]': '"doubled_sum", ',
        '    assert task in ("sum", "product")': '    if task == "doubled_sum":\n        return 2 * wide_N\n',
        '    if task == "sum":\n': '    if task == "doubled_sum":\n        return 2 * n_numbers * number\n',
    },
    "datasets/task_moments.py": {
        '"sum": 1, "product"': '"doubled_sum": 1, ',
        "    return n_numbers * mean, ": '    if task == "doubled_sum":\n'
        "        return 2 * n_numbers * mean, 4 * n_numbers * (second - mean**2)\n",
    },
}


@pytest.fixture(name="sources", scope="module")
def copied_sources(tmp_path_factory):
    """A copy of what can be imported, with the kernels that were built."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("sumsquares", "jobs", "cluster", "datasets"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name, additions in (METRIC | TASK).items():
        for before, addition in additions.items():
            add(copy / name, before, addition)
    return copy


def add(path, before, addition):
    """Inserts text into a file, before the only occurrence of another text."""
    text = path.read_text()
    assert text.count(before) == 1, f"{path.name}: {before}"
    path.write_text(text.replace(before, addition + before))


def sumsquares(sources, *words):
    """What the command of the changed sources prints."""
    command = [sys.executable, "-m", "sumsquares", *map(str, words)]
    surroundings = {**os.environ, "PYTHONPATH": str(sources), "COLUMNS": "160"}
    found = subprocess.run(command, cwd=sources, env=surroundings, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 7), found.stderr
    return found.stdout


@pytest.fixture(name="run", scope="module")
def run_of_changed_sources(sources, tmp_path_factory):
    """A store with a run of the new task, and what was printed."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "spec.toml").write_text(SPEC)
    return folder / "store", sumsquares(
        sources, "run", folder / "spec.toml", "--store", folder / "store", "--workers", 0
    )


def rows_of(store, name, run="recipe"):
    return pq.read_table(store / f"runs/{run}/{name}.parquet").to_pylist()


def test_a_new_metric_is_in_every_file_and_table(run):
    """In the rows of trials, in the summary, in the terminal and in the report, after three additions."""
    store, printed = run
    trials = rows_of(store, "trials")
    assert [row["mse"] for row in trials] == pytest.approx([row["rmse"] ** 2 for row in trials])
    for variant in rows_of(store, "summary"):
        mine = [row["mse"] for row in trials if row["variant_id"] == variant["variant_id"]]
        assert variant["mse_best"] == min(mine)
    best = json.loads((store / "runs/recipe/summary.json").read_text())["best"]["numbers"]
    assert best["mse_best"] == pytest.approx(best["trial"]["rmse"] ** 2)
    assert "squared" in printed
    assert "squared error<br>best" in (store / "runs/recipe/report.html").read_text()


def test_a_new_metric_of_old_results_is_computed_from_their_weights(sources, tmp_path):
    """Nothing is trained again; a trial that diverged has none."""
    store = Path(shutil.copytree(OLD / "files", tmp_path / "old"))
    sumsquares(sources, "summarize", OLD / "specs/old.toml", "--store", store)
    rows = rows_of(store, "trials", "old")
    expected = [row["rmse"] and pytest.approx(row["rmse"] ** 2, rel=1e-4) for row in rows]
    assert [row["mse"] for row in rows] == expected


def test_results_with_a_new_metric_are_read_by_this_version(run):
    """It leaves the column out."""
    found = read_results(Store(str(run[0])))
    assert (len(found.table), found.problems) == (6, ())
    assert "mse" not in found.table.column_names


def test_a_new_task_is_generated_trained_and_reported(run):
    """Its targets are those of plain Python, and a linear model gets close to what is linear."""
    store, printed = run
    assert "doubled_sum of 2 numbers 1..9" in printed
    best = json.loads((store / "runs/recipe/summary.json").read_text())["best"]["numbers"]
    assert all(sample["expected"] == 2 * sum(sample["numbers"]) for sample in best["samples"])
    assert best["rmse_best"] < 18


@pytest.mark.parametrize(("recipe", "files"), [("Add a metric", METRIC), ("Add a task", TASK)])
def test_a_recipe_names_the_files_that_are_changed_here(recipe, files):
    """All of them, and no other."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    step = text.partition(f"**{recipe}.**")[2].partition("\n\n")[0]
    assert set(re.findall(r"`((?:jobs|datasets)/[\w/]+\.py)`", step)) == files.keys()


def test_metrics_are_numbered_in_order_and_headings_are_of_existing_columns():
    """Every number is used exactly once; a column has at most one heading."""
    assert sorted(metric.number for metric in METRICS) == list(range(len(METRICS)))
    columns = summarize([], SCHEMA.empty_table()).table.column_names
    shown = [heading.column for heading in HEADINGS]
    assert set(shown) <= {*columns}
    assert len(set(shown)) == len(shown)
