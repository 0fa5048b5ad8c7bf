"""48 variants x 3 seeds on 1,000 rows of one's own: `sumsquares run` against scikit-learn and Optuna, on all cores.

    python benchmarks/own_rows.py [--rounds 3] [--json]

The rows are a CSV file of 10 inputs and a target, of which a fifth is measured on. Networks of four shapes, two
activations, three learning rates and two weight decays are trained for 50 epochs in batches of 100 rows, by Adam. Each
side is a new process that reads the file, trains, and prints the best: the time includes its imports. Ours starts with
an empty store, and also writes weights, a summary, causes and a report. GridSearchCV and Optuna's grid sampler train
the same 144 networks to the end; HalvingGridSearchCV, and Optuna's TPE with Hyperband, stop most of them early. The
peers' script is peers/searches.py: MLPRegressor, with as many processes or threads as there are cores. The sides take
turns, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from peers.environment import peers_python

PEER = Path(__file__).parent / "peers/searches.py"
ROWS, INPUTS = 1000, 10
GRID = {
    "hidden": [[16], [64], [32, 32], [64, 64]],
    "activation": ["relu", "tanh"],
    "lr": [0.001, 0.003, 0.01],
    "weight_decay": [0.0, 0.0001],
    "batch_size": 100,
    "epochs": 50,
    "seeds": 3,
}
SPEC = """
name = "own"
[[dataset]]
name = "own"
file = "own.csv"
target = "target"
test = "held_out"
[[grid]]
normalize = "zscore"
"""
LABELS = {
    "sumsquares": "sumsquares run",
    "grid": "scikit-learn GridSearchCV",
    "halving": "scikit-learn HalvingGridSearchCV",
    "tpe": "Optuna, TPE with Hyperband",
    "optuna-grid": "Optuna, grid sampler",
}


def main() -> None:
    """Measures all sides in turns and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    python = peers_python()
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "own.csv")
        rounds = [{name: measure(name, Path(folder), python) for name in LABELS} for _ in range(options.rounds)]
    found = {
        "variants": 48,
        "seeds": GRID["seeds"],
        "rows": ROWS,
        "inputs": INPUTS,
        "epochs": GRID["epochs"],
        "cores": len(os.sched_getaffinity(0)),
        "rounds": options.rounds,
        "sides": {name: together(name, rounds) for name in LABELS},
    }
    print(json.dumps(found, indent=1) if options.json else text(found))


def write_rows(path: Path) -> None:
    """Writes rows of a curved function with noise: that of Friedman (1991), with five inputs that it doesn't use."""
    draw = np.random.default_rng(1)
    x_NI = draw.random((ROWS, INPUTS))
    y_N = 10 * np.sin(np.pi * x_NI[:, 0] * x_NI[:, 1]) + 20 * (x_NI[:, 2] - 0.5) ** 2 + 10 * x_NI[:, 3] + 5 * x_NI[:, 4]
    is_held_N = np.arange(ROWS) % 5 == 0
    lines = [",".join([*(f"x{index + 1}" for index in range(INPUTS)), "target", "held_out"])]
    for x_I, y, is_held in zip(x_NI, y_N + draw.normal(size=ROWS), is_held_N, strict=True):
        lines.append(",".join([*map(repr, map(float, x_I)), repr(float(y)), "true" if is_held else "false"]))
    path.write_text("\n".join(lines) + "\n")
    peer = path.read_text().replace("true", "1").replace("false", "0")
    path.with_name("peer.csv").write_text(peer)


def measure(name: str, folder: Path, python: str) -> dict[str, float]:
    """Measures one side: seconds, lowest RMSE on the held-out rows in their own units, and networks trained."""
    return sumsquares(folder) if name == "sumsquares" else peer(name, folder, python)


def sumsquares(folder: Path) -> dict[str, float]:
    """Measures `sumsquares run` in an empty store."""
    axes = [f"{axis} = {json.dumps(values)}" for axis, values in GRID.items()]
    (folder / "own.toml").write_text(SPEC + "\n".join(axes) + "\n")
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "sumsquares", "run", f"{folder}/own.toml", "--store", store, "--quiet"]
        seconds, _ = timed(command)
        rmse = pq.read_table(f"{store}/runs/own/trials.parquet", columns=["rmse"])["rmse"].to_pylist()
    assert len(rmse) == 48 * GRID["seeds"]
    return {"seconds": seconds, "rmse": min(value for value in rmse if value is not None), "trained": len(rmse)}


def peer(name: str, folder: Path, python: str) -> dict[str, float]:
    """Measures a search of the peers, whose RMSE is in standard deviations of the training targets."""
    seconds, printed = timed([python, str(PEER), name, f"{folder}/peer.csv", json.dumps(GRID)])
    answer = json.loads(printed.splitlines()[-1])
    table = np.genfromtxt(folder / "peer.csv", delimiter=",", skip_header=1)
    spread = table[table[:, -1] == 0, -2].std()
    return {"seconds": seconds, "rmse": answer["rmse"] * spread, "trained": answer["trained"]}


def timed(command: list[str]) -> tuple[float, str]:
    """Returns the wall seconds of a command, and its output."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def together(name: str, rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Returns a side's medians over the rounds, and how many times ours its time is."""
    ratios = [each[name]["seconds"] / each["sumsquares"]["seconds"] for each in rounds]
    return {
        "seconds": statistics.median(each[name]["seconds"] for each in rounds),
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "rmse": statistics.median(each[name]["rmse"] for each in rounds),
        "trained": rounds[0][name]["trained"],
    }


def text(found: dict[str, Any]) -> str:
    """Formats all sides."""
    head = f"{found['variants']} variants x {found['seeds']} seeds on {found['rows']:,} x {found['inputs']} rows"
    lines = [f"{head}, {found['epochs']} epochs, {found['cores']} cores, medians of {found['rounds']} rounds"]
    for name, side in found["sides"].items():
        ratio = side["ratio"]
        spread = f"{ratio['median']:>6.1f} ({ratio['min']:.1f} to {ratio['max']:.1f}) times ours"
        lines.append(f"{LABELS[name]:<33} {side['seconds']:>7.1f} s {spread:<34} best RMSE {side['rmse']:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
