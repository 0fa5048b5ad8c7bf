"""1,000 trials of the question's squares from a cold start: `sumsquares run` against Ray Tune, on all cores.

    python benchmarks/endtoend.py [--trials 1000] [--repeats 3] [--tune-trials 24 48] [--full] [--reuse-actors] [--json]

Networks are 1-16-16-1 with ReLU and Adam, on 1,000 rows in batches of 100, 500 epochs, at learning rates from 0.0001 to
0.01. Both sides are new processes with nothing generated and nothing trained: imports, Ray's start, rows, training,
measuring, saving and the summary are in the time. Ray Tune trains one trial per process (--reuse-actors: each process
goes on with the next trial), and needs seconds per trial: it is measured on two smaller numbers of trials, and the
line through them is extended, unless --full has it train all. Its own script is peers/ray_tune.py.
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

import pyarrow.parquet as pq

SEEDS = 10
SPEC = """
name = "endtoend"
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1000
test_rows = 1000
[train]
epochs = 500
batch_size = 100
[[grid]]
dataset = "squares"
hidden = [[16, 16]]
activation = "relu"
optimizer = "adam"
lr = {lr}
seeds = {seeds}
"""
PEER = Path(__file__).parent / "peers/ray_tune.py"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="a multiple of ten")
    parser.add_argument("--repeats", type=int, default=3, help="of sumsquares; the median counts")
    parser.add_argument("--tune-trials", type=int, nargs=2, default=[24, 48], metavar=("FEW", "MORE"))
    parser.add_argument("--full", action="store_true", help="Ray Tune trains all trials: an hour or so")
    parser.add_argument("--reuse-actors", action="store_true", help="Ray Tune starts no process for each trial")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours = [sumsquares(options.trials) for _ in range(options.repeats)]
    seconds = statistics.median(run["seconds"] for run in ours)
    peer = tune_in_full(options) if options.full else tune_extended(options)
    found = {
        "trials": options.trials,
        "cores": len(os.sched_getaffinity(0)),
        "sumsquares": {"seconds": seconds, "runs": ours},
        "ray_tune": peer,
        "ratio": peer["seconds"] / seconds,
    }
    print(json.dumps(found, indent=1) if options.json else text(found))


def sumsquares(trials: int) -> dict[str, float]:
    """Seconds of `sumsquares run` in an empty store, by stage as well, and the median RMSE of its trials.

    Ten seeds of each learning rate.
    """
    rates = -(-trials // SEEDS)
    lr = [float(f"{1e-4 * 100 ** (rate / max(1, rates - 1)):.9g}") for rate in range(rates)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spec.toml").write_text(SPEC.format(lr=lr, seeds=SEEDS))
        command = [sys.executable, "-m", "jobs", "run", f"{folder}/spec.toml", "--store", f"{folder}/store"]
        seconds, printed = timed([*command, "--quiet", "--json"])
        summary = json.loads(printed)
        assert summary["trials"]["ok"] == rates * SEEDS, summary["trials"]
        found = [pq.read_table(path, columns=["rmse"]) for path in Path(folder).glob("store/trials/*.parquet")]
    rmse = statistics.median(value for table in found for value in table["rmse"].to_pylist())
    return {"seconds": seconds, "rmse": rmse, **summary["timing"]}


def tune(trials: int, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of Ray Tune, and the median RMSE of its trials."""
    flags = ["--reuse-actors"] if options.reuse_actors else []
    seconds, printed = timed([sys.executable, str(PEER), str(trials), *flags])
    return {"seconds": seconds, **json.loads(printed.splitlines()[-1])}


def tune_in_full(options: argparse.Namespace) -> dict[str, object]:
    """All trials."""
    run = tune(options.trials, options)
    return {"seconds": run["seconds"], "extended": False, "runs": [run]}


def tune_extended(options: argparse.Namespace) -> dict[str, object]:
    """The line through two smaller runs."""
    few, more = (tune(trials, options) for trials in sorted(options.tune_trials))
    each = (more["seconds"] - few["seconds"]) / (more["trials"] - few["trials"])
    start = few["seconds"] - each * few["trials"]
    seconds = start + each * options.trials
    return {"seconds": seconds, "extended": True, "start": start, "each": each, "runs": [few, more]}


def timed(command: list[str]) -> tuple[float, str]:
    """Wall seconds of a command, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def text(found: dict) -> str:
    """For people."""
    ours, peer = found["sumsquares"], found["ray_tune"]
    lines = [
        f"{found['trials']:,} trials of 1-16-16-1 on {found['cores']} cores, from a cold start",
        f"{'sumsquares run':<16} {ours['seconds']:>9.1f} s   median RMSE {ours['runs'][0]['rmse']:,.0f}",
        *(f"{'':<16} {name:>11} {seconds:.2f} s" for name, seconds in stages(ours["runs"])),
        f"{'Ray Tune':<16} {peer['seconds']:>9.1f} s   median RMSE {peer['runs'][-1]['rmse']:,.0f}",
    ]
    if peer["extended"]:
        points = " and ".join(f"{run['trials']} trials in {run['seconds']:.1f} s" for run in peer["runs"])
        line = f"{peer['start']:.1f} s + {peer['each']:.2f} s per trial"
        lines.append(f"{'':<16} extended from {points}: {line}; --full measures it")
    return "\n".join([*lines, f"{'ratio':<16} {found['ratio']:>9.0f}"])


def stages(runs: list[dict[str, float]]) -> list[tuple[str, float]]:
    """The median of each stage, and the rest: imports and the end of the process."""
    names = [name for name in runs[0] if name not in ("seconds", "rmse")]
    found = [(name, statistics.median(run[name] for run in runs)) for name in names]
    rest = statistics.median(run["seconds"] - sum(run[name] for name in names) for run in runs)
    return [*found, ("the rest", rest)]


if __name__ == "__main__":
    main()
