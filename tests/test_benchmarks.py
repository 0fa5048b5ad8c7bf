"""The benchmarks run, and the page shows their figures. No test here depends on time."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"

OPTIONS = {
    "training": {"--units", "--layers", "--only", "--rounds", "--seconds", "--clock", "--core", "--json"},
    "generation": {"--rows", "--rounds", "--only", "--clock", "--core", "--json"},
    "host_path": {"--models", "--hidden", "--epochs", "--rounds", "--trials", "--workers", "--seconds", "--json"},
    "gate": {"--nights", "--alpha", "--only", "--json"},
    "choice": {"--units", "--models", "--variant", "--torch", "--json"},
    "billion": {"--rows", "--workers", "--folder", "--json"},
    "scale": {"--sizes", "--epochs", "--workers", "--synthetic", "--json"},
    "evidence": {"--trials", "--epochs", "--rounds", "--seeds", "--core", "--json"},
    "workers": {"--trials", "--epochs", "--rounds", "--only", "--json"},
    "endtoend": {"--trials", "--rounds", "--tune-trials", "--full", "--reuse-actors", "--json"},
    "own_rows": {"--rounds", "--json"},
    "uci": {"--seeds", "--steps", "--workers", "--store", "--json"},
    "gallery": {"NAME"},
    "pages": {"--check"},
    "time_left": {"--only", "--simulated", "--error", "--json"},
    "silence": {"--only", "--longest", "--json"},
    "ray_start": {"--rounds", "--workers", "--against", "--json"},
    "first_weights": {"--models", "--predicted", "--rows", "--hidden", "--rounds", "--only", "--json"},
    "gpu": {"--models", "--steps", "--units", "--only", "--tiny", "--json"},
    "gpu_shapes": {"--seconds", "--only", "--layouts", "--tiny", "--json", "--csv"},
}


@pytest.fixture
def uci(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions of benchmarks/uci.py."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("uci")


def run(name: str, *arguments: str) -> str:
    """Runs a benchmark, and returns what it prints."""
    command = [sys.executable, FOLDER / f"{name}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", OPTIONS)
def test_help_names_every_option(name):
    """It also says how to run the benchmark."""
    text = run(name, "--help")
    assert f"python benchmarks/{name}.py" in text
    assert {option for option in OPTIONS[name] if option in text} == OPTIONS[name]


def test_a_tiny_training_benchmark_of_ours_has_every_figure():
    """This holds with and without a native engine or a compiler."""
    small = ["--units", "3", "--layers", "1", "--rounds", "1", "--seconds", "0", "--only", "torch", "lanes", "peak"]
    found = json.loads(run("training", *small, "--json"))
    (network,) = found["networks"]
    assert network["hidden"] == [3]
    assert {"machine", "versions", "rounds", "clock"} <= set(found)
    torch, lanes = network["entries"]
    assert {"label", "models", "tried", "us", "ratio", "ratio_to"} <= set(torch)
    assert "us" in lanes or lanes["unavailable"]
    assert "gflops" in network["peak"] or network["peak"]["unavailable"]


def test_a_tiny_generation_benchmark_of_ours_has_every_figure():
    """This holds for sums, for squares and for formulas."""
    found = json.loads(run("generation", "--rows", "1000", "--rounds", "1", "--only", "ours", "--json"))
    assert [task["task"] for task in found["tasks"]] == ["sum", "square"]
    assert len(found["formulas"]) >= 3
    for task in (*found["tasks"], *found["formulas"]):
        (entry,) = task["entries"]
        assert entry["rate_ratio"] == {"median": 1.0, "min": 1.0, "max": 1.0}
        assert entry["bytes_per_row"] > 0


def test_the_first_weights_of_a_small_pack_have_every_figure():
    """By numpy and the other engines that are here, with the same bits; what isn't here says why."""
    small = ["--models", "7", "--predicted", "5", "--rows", "9", "--hidden", "3", "2", "--rounds", "1", "--json"]
    found = json.loads(run("first_weights", *small, "--only", "numpy", "lanes", "cuda"))
    assert [(row["work"], row["by"]) for row in found] == [
        *[("weights", by) for by in ("lanes", "numpy", "cuda")],
        *[("predictions", by) for by in ("lanes", "cuda")],
    ]
    assert all(
        row.get("missing") or {"first_s", "median_s", "host_mb", "device_mb", "result_mb"} <= set(row) for row in found
    )
    assert len({row["digest"] for row in found if row.get("digest")}) == 1


def test_a_few_rows_instead_of_a_billion_say_what_they_took():
    """It runs in a child process, without Ray."""
    found = json.loads(run("billion", "--rows", "1000", "--workers", "0", "--json"))
    assert found["rows"] == 1000
    assert found["peak_bytes"]["launcher"] > 0


def test_every_stage_of_a_few_made_up_trials_is_measured():
    """After their results are written, nothing is left to train."""
    found = json.loads(run("scale", "--sizes", "20", "--synthetic", "--json"))
    assert [each["stage"] for each in found] == ["plan", "generate", "write results", "plan, again", "summarize", "run"]
    assert all(each["trials"] == 20 and each["peak_mb"] > 0 for each in found)


def test_the_cost_of_evidence_and_the_distance_from_floors_have_every_figure():
    """Of few trials, and of one seed of each width."""
    found = json.loads(run("evidence", "--trials", "10", "--epochs", "3", "--rounds", "1", "--seeds", "1", "--json"))
    assert found["cost"]["seconds"] > 0
    assert {*found["cost"]["parts"]} == {"curves", "observe", "solved", "store", "explain"}
    assert {*found["floors"]} == {"4", "16", "64"}


def test_few_trials_are_trained_by_one_worker_and_by_all():
    """In plain processes, or in this process if they are too few for that."""
    found = json.loads(run("workers", "--trials", "10", "--epochs", "1", "--only", "plain", "--json"))
    assert found["trials"] == 10
    assert found["plain"]["ratio"] > 0
    assert all(seconds > 0 for seconds in found["plain"]["seconds"])


def test_the_page_shows_the_measurements_that_are_committed():
    """`python benchmarks/pages.py` would change nothing."""
    run("pages", "--check")


def test_a_tiny_table_with_splits_has_every_figure(tmp_path, uci):
    """The published figures are those of the folder's README.md; a constant column is left out."""
    draw = np.random.default_rng(0)
    columns = {"an input": draw.normal(size=60), "constant": np.ones(60), "another": draw.normal(size=60)}
    columns["the target"] = columns["an input"] + draw.normal(size=60)
    splits = {f"test_{index:02d}": draw.random(60) < 0.2 for index in range(2)}
    pq.write_table(pa.table({**columns, **splits}), tmp_path / "Odd Set.parquet")
    (tmp_path / "README.md").write_text("| Set.parquet | 60, 2, y | 5.448, 0.839 / 4.826, 0.718 |\n")
    small = ["--seeds", "1", "--steps", "4", "--workers", "0", "--json"]
    (found,) = json.loads(run("uci", str(tmp_path), *small))["sets"]
    assert (found["name"], found["rows"], found["inputs"], found["splits"]) == ("Odd Set", 60, 2, 2)
    assert found["variants"] >= 24
    assert found["oracle"]["mean"] <= found["ours"]["mean"]
    assert {"mean", "least squares"} <= found["baselines"].keys()
    assert found["published"] is None
    assert uci.published_figures(tmp_path)["Set"] == {
        "plain": 5.448,
        "plain_sd": 0.839,
        "dropout": 4.826,
        "dropout_sd": 0.718,
    }


def test_a_variant_is_chosen_by_the_mean_of_its_seeds_and_never_where_one_diverged(uci):
    """In each split by itself."""
    rows = [
        {"split": split, "activation": name, "lr": 0.1, "rmse": rmse}
        for split, name, rmse in (("a", "relu", 1.0), ("a", "relu", None), ("a", "tanh", 3.0), ("a", "tanh", 5.0))
    ]
    found = uci.by_split(rows)
    assert list(found) == ["a"]
    assert found["a"][uci.lowest(found["a"])] == 4.0


@pytest.fixture
def gpu_use(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions of benchmarks/gpu_use.py."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("gpu_use")


def test_a_gpu_is_busy_from_its_first_work_to_its_last(gpu_use):
    """GPUs without work don't count; nor does a line that was cut off."""
    lines = ["0, 0\n", "1, 0\n", "0, 100\n", "1, 0\n", "0, 50\n", "0, 0\n", "0, 90\n", "0, 0\n", "0, 9"]
    assert gpu_use.busy(gpu_use.parsed(lines)) == pytest.approx((1 + 0.5 + 0 + 0.9) / 4)
    assert gpu_use.busy(gpu_use.parsed(["0, 0\n", "[N/A], [N/A]\n"])) is None


def test_what_nvidia_smi_prints_is_read_at_the_end(gpu_use, tmp_path, monkeypatch):
    """It is asked for as long as something runs; without it there are no samples."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with gpu_use.sampled() as samples:
        pass
    assert samples == []
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "0, 70"\necho "$@" >"${0%/*}/asked"\nexec /bin/sleep 60\n')
    program.chmod(0o755)
    with gpu_use.sampled() as samples:
        while not (tmp_path / "asked").exists() or not (tmp_path / "asked").read_text():
            time.sleep(0.01)
    assert samples == [(0, 0.7)]
    assert "utilization.gpu" in (tmp_path / "asked").read_text()


def test_what_is_around_a_gpu_is_measured_with_a_stand_in():
    """By step for one pack, and for a run in processes that share it."""
    small = ("--models", "30", "--epochs", "2", "--hidden", "3", "--json")
    steps = json.loads(run("host_path", *small, "--rounds", "1"))
    assert steps["together"] == pytest.approx(
        sum(each for name, each in steps.items() if name not in ("models", "together"))
    )
    shared = json.loads(run("host_path", *small, "--trials", "90", "--workers", "2", "--seconds", "1e-5"))
    assert shared["packs"] == 1
    assert shared["seconds of the GPU"] >= 90 * 20 * 1e-5
    assert 0 < shared["share of that time"] <= 1


def test_the_computed_share_of_a_gpu_s_time(monkeypatch):
    """One worker leaves it idle while it measures; two don't, except before the first launch and after the last."""
    monkeypatch.syspath_prepend(FOLDER)
    computed = importlib.import_module("host_path").computed
    assert computed([(1.0, 2.0)] * 4, 3.0, 1) == pytest.approx(12 / (4 * 5 + 3 * 1))
    assert computed([(1.0, 2.0)] * 4, 3.0, 2) == pytest.approx(12 / (12 + 2))
    assert computed([(0.0, 9.0)] * 4, 3.0, 2) == pytest.approx(12 / (3 + 9 + 3 + 3 + 9))
