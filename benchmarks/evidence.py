"""What evidence costs, and how near a network with spread knots and a solved readout comes to its floor.

    python benchmarks/evidence.py [--trials 1000] [--epochs 500] [--rounds 5] [--seeds 10] [--core N] [--json]

The first part trains the question's squares with 1-16-16-1, ReLU and AdamW, on one core and in this process: each pack
in turns with all evidence and without it. The cost is the median over the rounds of what evidence adds to the time of a
whole run. Its parts:

* curves: keeping the loss of 50 epochs.
* observe: what the hidden layers do on the training rows, and the readout that fits those best.
* solved: the errors of that readout on the test rows.
* store: computing the metrics and writing them, with the losses.
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

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.choice import choose
from sumsquares.jobs.pipeline import summarizing
from sumsquares.jobs.results import measured
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import train
from sumsquares.jobs.stages.packs import plan_packs

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
    """Returns the seconds of a run without evidence, and what evidence and its parts add as shares of that."""
    found = [round_of(spec) for _ in range(rounds + 1)][1:]  # the first round is the warm-up
    return {
        "seconds": statistics.median(each["seconds"] for each in found),
        "share": statistics.median(each["share"] for each in found),
        "parts": {name: statistics.median(each["parts"][name] for each in found) for name in found[0]["parts"]},
    }


def round_of(spec: str) -> dict[str, Any]:
    """Trains all packs in turns with and without evidence, in a store each, and summarises the first one."""
    with tempfile.TemporaryDirectory() as folder:
        stores = {True: f"{folder}/with", False: f"{folder}/without"}
        for store in stores.values():
            command("generate", spec, store, "--workers", "0")
        seconds: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        workers = {is_kept: train.worker(store, 1 << 30, "auto", "cpu") for is_kept, store in stores.items()}
        for pack in plan_packs(trials(parse_spec(spec.encode(), "spec.toml")), "cpu", choose("auto", "cpu")):
            for is_kept in random.sample([True, False], 2):
                with contextlib.nullcontext() if is_kept else without_evidence(), parts_into(seconds[is_kept]):
                    seconds[is_kept]["pack"] += timed(lambda: workers[is_kept](pack, lambda _share: None))  # noqa: B023
        with parts_into(seconds[True]):
            summary = timed(lambda: command("summarize", spec, stores[True]))
    return shares(seconds[True], seconds[False], summary)


def shares(ours: Counter[str], plain: Counter[str], summary: float) -> dict[str, Any]:
    """Returns the figures of a round, from the seconds of its parts with and without evidence."""
    whole = plain["pack"] + summary - ours["explain"]
    added = {
        "curves": ours["train"] - plain["train"],
        "observe": ours["observe"],
        "solved": ours["measure"] - plain["measure"] - ours["observe"],
        "store": ours["pack"] - ours["train"] - ours["measure"] - (plain["pack"] - plain["train"] - plain["measure"]),
        "explain": ours["explain"],
    }
    parts = {name: each / whole for name, each in added.items()}
    return {"seconds": whole, "share": sum(parts.values()), "parts": parts}


@contextlib.contextmanager
def parts_into(found: Counter[str]) -> Iterator[None]:
    """Adds up the CPU seconds of the parts of a run."""

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*asked: Any, **named: Any) -> Any:
            began = time.process_time()
            answer = function(*asked, **named)
            found[name] += time.process_time() - began
            return answer

        return call

    with (
        patch.object(lanes_engine, "train", counted("train", lanes_engine.train)),
        patch.object(train, "measure_models", counted("measure", train.measure_models)),
        patch.object(measured, "observe", counted("observe", measured.observe)),
        patch.object(summarizing, "explain", counted("explain", summarizing.explain)),
    ):
        yield


@contextlib.contextmanager
def without_evidence() -> Iterator[None]:
    """Trains without observing hidden layers, solving the readout or keeping losses."""
    with (
        patch.object(measured, "is_affordable", lambda _program: False),
        patch.object(lanes_engine, "points", lambda begin, end, *_: np.full(end - begin, -1)),
    ):
        yield


def floors(seeds: int, epochs: int) -> dict[int, float]:
    """Returns by the number of units the largest RMSE of several seeds as a multiple of the floor."""
    grid = {"init": "spread_knots", "readout": "solved", "seeds": seeds}
    spec = question("floors", epochs, **grid).replace("rows = 1000", f"rows = {ROWS}")
    spec = spec.replace("[[16, 16]]", str([[units] for units in UNITS]))
    with tempfile.TemporaryDirectory() as store:
        command("run", spec, store, "--workers", "0")
        summary, rows = (
            pq.read_table(f"{store}/runs/floors/{name}.parquet").to_pylist() for name in ("summary", "trials")
        )
    floor = {row["hidden"]: row["floor"] for row in summary}
    return {
        units: max(row["rmse"] for row in rows if row["hidden"] == f"[{units}]") / floor[f"[{units}]"]
        for units in UNITS
    }


def command(name: str, spec: str, store: str, *options: str) -> None:
    """Carries out a command on a spec in this process."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        path = Path(folder) / "spec.toml"
        path.write_text(spec)
        with contextlib.redirect_stdout(nowhere):
            status = app([name, str(path), "--store", store, "--quiet", *options], standalone_mode=False)
    assert not status, f"{name} ended with status {status}"


def timed(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main()
