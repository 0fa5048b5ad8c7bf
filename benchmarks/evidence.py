"""What evidence costs, and how near a network with spread knots and a solved readout comes to its floor.

    python benchmarks/evidence.py [--trials 1000] [--epochs 500] [--rounds 5] [--seeds 10] [--core N] [--json]

The first part trains the question's squares with 1-16-16-1, ReLU and AdamW, on one core and in this process, in turns
with all evidence and without observing the hidden layers, evaluating the solved readout and keeping loss curves. The
cost is the median over the rounds of the time that the evidence adds to a run. Its parts are measured as well:

* observe: what the hidden layers do on the training rows, and the readout that fits those best.
* solved: the errors of that readout on the test rows.
* curves: the loss of 50 epochs. Packs are trained in turns with and without; this is the median difference.
* explain: floors, the check on every number, causes and what matters in the grid, when the run is summarised.

The second part trains one hidden ReLU layer of 4, 16 and 64 units, and compares the RMSE of every seed with its floor
on the same rows. By default it takes three minutes. Times are CPU times of the process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
from peers.contender import machine
from question import question
from scale import spec_of

from sumsquares.datasets.spec import SPLITS
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.pipeline import summarizing
from sumsquares.jobs.results import evidence, measured
from sumsquares.jobs.stages import train

ROWS = 10_000
"""Training and test rows for the floors: as few as 1,000 rows of 1..1000 lack a third of the numbers, and 64 units
overfit them."""
UNITS = (4, 16, 64)


def main() -> None:
    """Measures both parts and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=10, help="of each network that is compared with its floor")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin the process to")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    cost = costs(spec_of(options.trials, options.epochs), options.rounds)
    ratios = floors(options.seeds, options.epochs * 1000 // ROWS or 1)
    if options.json:
        found = {"machine": machine(options.core), "trials": options.trials, "epochs": options.epochs}
        print(json.dumps({**found, "cost": cost, "floors": ratios}, indent=1))
        return
    print(f"{options.trials:,} trials in {cost['seconds']:.2f} s. Evidence adds {cost['share']:.1%}. Its parts:")
    for name, share in cost["parts"].items():
        print(f"{name:8} {share:6.1%}")
    print(f"largest RMSE of {options.seeds} seeds, as a multiple of the floor:")
    for units, ratio in ratios.items():
        print(f"{units:2} units {ratio:6.3f}")


def costs(spec: str, rounds: int) -> dict[str, Any]:
    """Returns seconds of a run without evidence, what evidence adds as a share of that, and what its parts add."""
    run(spec)  # the warm-up
    plain, ratios, parts = [], [], []
    for _ in range(rounds):
        seconds = {}
        for is_kept in random.sample([True, False], 2):
            with contextlib.nullcontext() if is_kept else without_evidence():
                seconds[is_kept] = timed(lambda: run(spec))
        plain.append(seconds[False])
        ratios.append(seconds[True] / seconds[False])
        parts.append({name: each / plain[-1] for name, each in seconds_of_parts(spec).items()})
    return {
        "seconds": statistics.median(plain),
        "share": statistics.median(ratios) - 1,
        "parts": {name: statistics.median(part[name] for part in parts) for name in parts[0]},
    }


def seconds_of_parts(spec: str) -> Counter[str]:
    """Returns the CPU seconds of each kind of evidence in a run; this run itself takes longer."""
    found: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*asked: Any, **named: Any) -> Any:
            began = time.process_time()
            answer = function(*asked, **named)
            found[name] += time.process_time() - began
            return answer

        return call

    def measures(*asked: Any) -> Any:
        found["splits"] += timed(lambda: measured.measure_models(*asked, SPLITS))
        return all_measured(*asked)

    def trains(*asked: Any, **named: Any) -> Any:
        for is_kept in random.sample([True, False], 2):
            with contextlib.nullcontext() if is_kept else without_curves():
                began = time.process_time()
                state = lanes_train(*asked, **named)
                found["curves"] += (time.process_time() - began) * (1 if is_kept else -1)
        return state

    all_measured, lanes_train = counted("measured", measured.measure_models), lanes_engine.train
    with (
        patch.object(train, "measure_models", measures),
        patch.object(measured, "observe", counted("observe", measured.observe)),
        patch.object(lanes_engine, "train", trains),
        patch.object(summarizing, "explain", counted("explain", summarizing.explain)),
    ):
        run(spec)
    found["solved"] = found.pop("measured") - found.pop("splits") - found["observe"]
    return found


@contextlib.contextmanager
def without_evidence() -> Iterator[None]:
    """Trains without observing hidden layers, solving the readout or keeping losses."""
    never = {"is_affordable": lambda _program: False}
    with patch.multiple(measured, **never), patch.multiple(evidence, **never), without_curves():
        yield


def without_curves() -> Any:
    """Trains without keeping losses."""
    return patch.object(lanes_engine, "points", lambda begin, end, *_: np.full(end - begin, -1))


def floors(seeds: int, epochs: int) -> dict[int, float]:
    """Returns by the number of units the largest RMSE of several seeds as a multiple of the floor."""
    grid = {"init": "spread_knots", "readout": "solved", "seeds": seeds}
    spec = question("floors", epochs, **grid).replace("rows = 1000", f"rows = {ROWS}")
    spec = spec.replace("[[16, 16]]", str([[units] for units in UNITS]))
    with tempfile.TemporaryDirectory() as store:
        run(spec, store)
        summary, trials = (
            pq.read_table(f"{store}/runs/floors/{name}.parquet").to_pylist() for name in ("summary", "trials")
        )
    floor = {row["hidden"]: row["floor"] for row in summary}
    return {
        units: max(row["rmse"] for row in trials if row["hidden"] == f"[{units}]") / floor[f"[{units}]"]
        for units in UNITS
    }


def run(spec: str, store: str | None = None) -> None:
    """Runs a spec in this process, in a store of its own."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        path = Path(folder) / "spec.toml"
        path.write_text(spec)
        with contextlib.redirect_stdout(nowhere):
            words = ["run", str(path), "--store", store or f"{folder}/store", "--workers", "0", "--quiet"]
            status = app(words, standalone_mode=False)
    assert not status, f"the run ended with status {status}"


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main()
