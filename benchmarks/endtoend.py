"""1,000 trials of the question's squares from a cold start: `sumsquares run` against Ray Tune, on all cores.

    python benchmarks/endtoend.py [--trials 1000] [--rounds 3] [--tune-trials 24 48] [--full] [--reuse-actors] [--json]

Networks are 1-16-16-1 with ReLU and Adam, on 1,000 rows in batches of 100, 500 epochs, at learning rates from 0.0001 to
0.01. Both sides start as new processes with nothing generated and nothing trained: the time includes imports, Ray's
start, rows, training, evaluation, saving and the summary. Ray Tune trains one trial per process (with --reuse-actors,
each process continues with the next trial) and needs seconds per trial. It is therefore measured with two smaller
numbers of trials, and its time is extrapolated linearly, unless --full makes it train all of them. Its script is
peers/ray_tune.py. The two sides take turns. The ratio is the median over the rounds, each of which takes six minutes on
two idle cores.
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
from question import SEEDS, learning_rates, question

PEER = Path(__file__).parent / "peers/ray_tune.py"


def main() -> None:
    """Measures both sides and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="a multiple of ten")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tune-trials", type=int, nargs=2, default=[24, 48], metavar=("FEW", "MORE"))
    parser.add_argument("--full", action="store_true", help="Ray Tune trains all trials: an hour or so")
    parser.add_argument("--reuse-actors", action="store_true", help="Ray Tune starts no process for each trial")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measure = tune_in_full if options.full else tune_extended
    rounds = [{"sumsquares": sumsquares(options.trials), "ray_tune": measure(options)} for _ in range(options.rounds)]
    ratios = [each["ray_tune"]["seconds"] / each["sumsquares"]["seconds"] for each in rounds]
    found = {
        "trials": options.trials,
        "cores": len(os.sched_getaffinity(0)),
        "extended": not options.full,
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "rounds": rounds,
    }
    print(json.dumps(found, indent=1) if options.json else text(found))


def sumsquares(trials: int) -> dict[str, float]:
    """Measures `sumsquares run` in an empty store: seconds in total and by stage, and the median RMSE of its trials.

    There are ten seeds per learning rate.
    """
    rates = -(-trials // SEEDS)
    grid = {"optimizer": "adam", "init": "pytorch", "lr": learning_rates(rates), "seeds": SEEDS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spec.toml").write_text(question("endtoend", 500, **grid))
        command = [sys.executable, "-m", "sumsquares", "run", f"{folder}/spec.toml", "--store", f"{folder}/store"]
        seconds, printed = timed([*command, "--quiet", "--json"])
        summary = json.loads(printed)
        assert summary["trials"]["ok"] == rates * SEEDS, summary["trials"]
        found = [pq.read_table(path, columns=["rmse"]) for path in Path(folder).glob("store/trials/*.parquet")]
    rmse = statistics.median(value for table in found for value in table["rmse"].to_pylist())
    return {"seconds": seconds, "rmse": rmse, **summary["timing"]}


def tune(trials: int, options: argparse.Namespace) -> dict[str, float]:
    """Measures Ray Tune: seconds, and the median RMSE of its trials."""
    flags = ["--reuse-actors"] if options.reuse_actors else []
    seconds, printed = timed([sys.executable, str(PEER), str(trials), *flags])
    return {"seconds": seconds, **json.loads(printed.splitlines()[-1])}


def tune_in_full(options: argparse.Namespace) -> dict[str, float]:
    """Measures Ray Tune with all trials."""
    return tune(options.trials, options)


def tune_extended(options: argparse.Namespace) -> dict[str, float]:
    """Extrapolates Ray Tune's time from two smaller runs."""
    few, more = (tune(trials, options) for trials in sorted(options.tune_trials))
    each = (more["seconds"] - few["seconds"]) / (more["trials"] - few["trials"])
    if each <= 0:
        sys.exit(f"{more['trials']} trials took no longer than {few['trials']}: the machine is busy, measure again")
    start = few["seconds"] - each * few["trials"]
    return {"seconds": start + each * options.trials, "rmse": more["rmse"], "start": start, "each": each}


def timed(command: list[str]) -> tuple[float, str]:
    """Returns the wall seconds of a command, and its output."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def text(found: dict) -> str:
    """Formats both sides and their ratio."""
    ours, peer = (median([each[side] for each in found["rounds"]]) for side in ("sumsquares", "ray_tune"))
    stages = ", ".join(f"{name} {value:.2f}" for name, value in ours.items() if name not in ("seconds", "rmse"))
    ratio = found["ratio"]
    lines = [
        f"{found['trials']:,} trials of 1-16-16-1 on {found['cores']} cores, from a cold start, medians",
        f"{'sumsquares run':<15} {ours['seconds']:>8.1f} s   median RMSE {ours['rmse']:,.0f}   ({stages})",
        f"{'Ray Tune':<15} {peer['seconds']:>8.1f} s   median RMSE {peer['rmse']:,.0f}",
        f"{'ratio':<15} {ratio['median']:>8.0f}     ({ratio['min']:.0f} to {ratio['max']:.0f})",
    ]
    if found["extended"]:
        line = f"{peer['start']:.1f} s + {peer['each']:.2f} s per trial"
        lines.append(f"Ray Tune's time is extrapolated from fewer trials, as {line}; --full measures it")
    return "\n".join(lines)


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    """Returns the median of each number that all runs have."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


if __name__ == "__main__":
    main()
