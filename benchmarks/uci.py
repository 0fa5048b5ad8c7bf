"""Public regression tables with 20 fixed splits: what a variant reaches that validation rows have chosen.

    python benchmarks/uci.py FOLDER [--seeds 3] [--steps 20000] [--workers all] [--store STORE] [--json]

Each Parquet file of the folder has input columns, the target, and then boolean columns `test_00`, `test_01` and so on,
true where a row is a test row of that split. Networks have one hidden layer of 50 units, as in the published figures,
which are read from the table in the folder's README.md.

Each table is run twice by `sumsquares run` in a new store: all variants, trained on all training rows of a split and
measured on its test rows; and the same, trained on four fifths of those training rows and measured on the others. Per
split, the variant with the lowest mean RMSE over seeds on the latter is chosen, and reported with its mean over seeds
on the test rows. The oracle chooses by the test rows themselves. Nothing here was tuned on test rows: the grid was
chosen by validation rows of the first splits and by generated tables.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

UNITS, SHARE = 50, 0.2
GRID = {
    "hidden": [[UNITS]],
    "activation": ["relu", "gelu", "tanh"],
    "optimizer": "adamw",
    "lr": [0.003, 0.01, 0.03],
    "weight_decay": [0.0, 0.01, 0.1, 1.0],
    "schedule": "cosine",
    "init": "pytorch",
    "normalize": "zscore",
}
BATCHES = ((2_000, 32), (20_000, 64))
"""Rows per step, below so many training rows; the noise of small steps helps small tables, large ones are slower."""
LARGEST_BATCH = 128
_PUBLISHED = re.compile(r"\|\s*(\S+)\.parquet\s*\|[^|]*\|\s*([\d.]+), ([\d.]+) / ([\d.]+), ([\d.]+)\s*\|")
HEAD = ("set", "rows", "inputs", "plain", "dropout", "ours", "sd", "oracle", "linear", "trees", "epochs", "seconds")


def main() -> None:
    """Measures every table of the folder and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20_000, help="optimizer steps of a trial, about")
    parser.add_argument("--workers", default="all", help="passed on to `sumsquares run`")
    parser.add_argument("--store", help="keep the results there; the default is a temporary folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    published = published_figures(options.folder)
    found = {"cores": len(os.sched_getaffinity(0)), "seeds": options.seeds, "steps": options.steps, "sets": []}
    if not options.json:
        print(" ".join(f"{name:>{12 if name == 'set' else 8}}" for name in HEAD))
    for path in sorted(options.folder.glob("*.parquet")):
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(path, options, Path(folder))
        found["sets"].append({**measured, "published": published.get(path.stem)})
        if not options.json:
            print(line(found["sets"][-1]), flush=True)
    if options.json:
        print(json.dumps(found, indent=1))


def published_figures(folder: Path) -> dict[str, dict[str, float]]:
    """Returns the published test RMSE of each set, mean and standard deviation over the splits, from README.md."""
    page = folder / "README.md"
    names = ("plain", "plain_sd", "dropout", "dropout_sd")
    rows = _PUBLISHED.findall(page.read_text()) if page.exists() else []
    return {name: dict(zip(names, map(float, numbers), strict=True)) for name, *numbers in rows}


def measure(path: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs one table and returns its figures."""
    table = pq.read_table(path)
    splits = [name for name in table.column_names if re.fullmatch(r"test_\d+", name)]
    *inputs, target = (name for name in table.column_names if name not in splits)
    inputs = [name for name in inputs if pc.count_distinct(table[name]).as_py() > 1]  # a constant is no input
    rows = len(table)
    fewest = rows - max(pc.sum(table[name]).as_py() for name in splits)
    batch = min(next((size for below, size in BATCHES if fewest < below), LARGEST_BATCH), fewest // 2)
    grid = {**GRID, "batch_size": batch, "epochs": epochs_of(options.steps, fewest, batch), "seeds": options.seeds}
    keys = {"file": str(path.resolve()), "target": target, "inputs": inputs, "test": splits}
    began = time.perf_counter()
    tested = run(path.stem, keys, grid, options, folder)
    validated = run(f"{path.stem}-validation", {**keys, "validation": SHARE}, grid, options, folder)
    seconds = time.perf_counter() - began
    on_test, on_validation = by_split(tested["trials"]), by_split(validated["trials"])
    chosen = [on_test[split][lowest(on_validation[split])] for split in splits]
    oracle = [min(on_test[split].values()) for split in splits]
    return {
        "name": path.stem,
        "rows": rows,
        "inputs": len(inputs),
        "splits": len(splits),
        "variants": len(on_test[splits[0]]),
        "epochs": grid["epochs"],
        "batch_size": batch,
        "ours": figures(chosen),
        "oracle": figures(oracle),
        "baselines": {row["name"]: figures(row["rmse_of_splits"]) for row in tested["baselines"]},
        "diverged": tested["diverged"] + validated["diverged"],
        "seconds": seconds,
    }


def epochs_of(steps: int, rows: int, batch: int) -> int:
    """Returns the passes over the rows that take about so many steps."""
    return max(1, round(steps / -(-rows // batch)))


def run(name: str, table: Mapping[str, Any], grid: Mapping[str, Any], options: Any, folder: Path) -> dict[str, Any]:
    """Runs one spec with the command, and returns its trials, its baselines, and how many trials diverged."""
    run_name, store = re.sub(r"[^a-z0-9_-]", "-", f"uci-{name.lower()}"), options.store or f"{folder}/store"
    keys = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    axes = [f"{key} = {json.dumps(value)}" for key, value in grid.items()]
    text = [f'name = "{run_name}"', "[[dataset]]", f'name = "{run_name}"', *keys, "[[grid]]", *axes]
    (folder / "spec.toml").write_text("\n".join(text) + "\n")
    command = [sys.executable, "-m", "sumsquares", "run", f"{folder}/spec.toml", "--store", store]
    done = subprocess.run(
        [*command, "--workers", options.workers, "--quiet", "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 7):  # 7: some trials diverged
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    summary = json.loads(done.stdout)
    assert not summary["trials"]["missing"], summary["trials"]
    return {
        "trials": pq.read_table(f"{store}/runs/{run_name}/trials.parquet").to_pylist(),
        "baselines": summary["datasets"][run_name].get("baselines", []),
        "diverged": summary["trials"]["diverged"],
    }


def by_split(trials: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Returns the mean RMSE over seeds of each variant by split; infinite where a seed diverged.

    A variant is known by its hyperparameters: its id is another one in the run with validation rows.
    """
    axes = [name for name in GRID if name in trials[0]]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in trials:
        rmse = float("inf") if row["rmse"] is None else row["rmse"]
        found[row["split"]][str([row[axis] for axis in axes])].append(rmse)
    return {split: {point: statistics.fmean(each) for point, each in of.items()} for split, of in found.items()}


def lowest(rmse: Mapping[str, float]) -> str:
    """Returns the variant with the lowest RMSE."""
    return min(rmse, key=lambda point: rmse[point])


def figures(rmse: list[float]) -> dict[str, float]:
    """Returns mean and standard deviation over the splits."""
    return {"mean": statistics.fmean(rmse), "sd": statistics.stdev(rmse) if len(rmse) > 1 else 0.0}


def line(found: Mapping[str, Any]) -> str:
    """Formats a table's figures."""
    published, baselines = found["published"] or {}, found["baselines"]
    numbers = [
        published.get("plain"),
        published.get("dropout"),
        found["ours"]["mean"],
        found["ours"]["sd"],
        found["oracle"]["mean"],
        *(baselines.get(name, {}).get("mean") for name in ("least squares", "boosted trees")),
    ]
    cells = [f"{found['name']:>12}", f"{found['rows']:>8,}", f"{found['inputs']:>8}"]
    cells += [f"{'-' if value is None else f'{value:.4g}':>8}" for value in numbers]
    return " ".join([*cells, f"{found['epochs']:>8,}", f"{found['seconds']:>8.0f}"])


if __name__ == "__main__":
    main()
