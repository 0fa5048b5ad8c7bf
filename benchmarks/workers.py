"""All cores against one: the same training by one worker and by one per core, in plain processes and on a local Ray.

    python benchmarks/workers.py [--trials 28000] [--epochs 500] [--rounds 1] [--only plain ray] [--json]

The trials are those of scale.py; their rows are generated before. Measured is `sumsquares train` from a cold start to
its end, with an empty store each time: imports, the plan, the start of workers or of Ray, training, saving. One plain
worker is what a machine of one core has: the command may use one core only. The sides take turns, and the ratio is
the median over the rounds. With 28,000 trials two plain workers take two minutes on two cores of 2.6 GHz.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from scale import spec_of, timed

CORES = sorted(os.sched_getaffinity(0))
PLACES = ("plain", "ray")


def main() -> None:
    """Measures, and prints seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=28_000)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PLACES, default=PLACES, help="where to train; default: both")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rounds = [
        {place: [seconds(options, place, count) for count in (1, len(CORES))] for place in options.only}
        for _ in range(options.rounds)
    ]
    found = {place: summary([each[place] for each in rounds]) for place in options.only}
    if options.json:
        print(json.dumps({"trials": options.trials, "cores": len(CORES), **found}, indent=1))
        return
    for place, each in found.items():
        one, all_cores = each["seconds"]
        print(f"{place:<6} {one:>8.1f} s with 1 worker, {all_cores:.1f} s with {len(CORES)}: {each['ratio']:.3f} times")


def seconds(options: argparse.Namespace, place: str, workers: int) -> float:
    """Returns the wall seconds of one training."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.toml"
        spec.write_text(spec_of(options.trials, options.epochs))
        command = [sys.executable, "-m", "sumsquares"]
        common = [str(spec), "--store", f"{folder}/store", "--quiet", "--max-trials", str(2 * options.trials)]
        timed([*command, "generate", *common])
        if place == "ray":
            return timed([*command, "train", *common, "--workers", str(workers)])[0]
        os.sched_setaffinity(0, CORES[-workers:])  # the command inherits it
        try:
            return timed([*command, "train", *common])[0]
        finally:
            os.sched_setaffinity(0, CORES)


def summary(rounds: list[list[float]]) -> dict[str, object]:
    """Returns the median seconds with one worker and with all, and the median of their ratios."""
    ones, alls = zip(*rounds, strict=True)
    return {"seconds": [median(ones), median(alls)], "ratio": median(one / all_ for one, all_ in rounds)}


if __name__ == "__main__":
    main()
