"""Runs the public questions of examples/questions as a user would, each in a new store, and draws what comes out.

    python benchmarks/gallery.py [NAME ...]     # writes docs/figures/gallery.json and docs/figures/gallery/*.svg
    python benchmarks/pages.py                  # copies the figures into docs/gallery.md and the heads of the specs

All of them take a minute. Times are of whole commands, on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pictures import Floats, curves, points
from questions import BEYOND, FOLDER, QUESTIONS, Asked, ask, is_restated, title

from examples import AS_INSTALLED
from sumsquares.datasets.rows import blocks
from sumsquares.datasets.spec import DatasetSpec, Split
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import Trial, trials

FIGURES = Path(__file__).parent.parent / "docs/figures"
PICTURES = FIGURES / "gallery"
SHOWN = 80
"""Points of a curve, and rows of a picture with several inputs."""
AROUND = 0.15
"""What is shown of a curve beyond each end of the range, as a share of it."""


def main() -> None:
    """Runs the named questions, or all; keeps the earlier results of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="questions to run, such as q12; default: all")
    names = parser.parse_args().names or [*QUESTIONS]
    if unknown := [name for name in names if name not in QUESTIONS]:
        sys.exit(f"no question {', '.join(unknown)}; write some of {', '.join(QUESTIONS)}")
    path = FIGURES / "gallery.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    PICTURES.mkdir(exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory() as store:
            seconds = _seconds(name, store)
            asked = ask(name, store)
            found[name] = figures(asked, seconds)
            (PICTURES / f"{name}.svg").write_text(picture(asked))
        print(f"{name}: {found[name]}")
    path.write_text(json.dumps({name: found[name] for name in sorted(found)}, indent=1) + "\n")


def _seconds(name: str, store: str) -> float:
    """How long the command takes that answers a question."""
    command = [*AS_INSTALLED, "run", str(FOLDER / f"{name}.toml"), "--store", store, "--quiet"]
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)  # exit code 7: some trials diverged
    return time.perf_counter() - began


def figures(asked: Asked, seconds: float) -> dict[str, Any]:
    """Returns what the page shows of a question."""
    expected = QUESTIONS[asked.name]
    return {
        "title": title(asked.name),
        "restated": is_restated(asked.name),
        "seconds": math.ceil(seconds),
        "cores": os.cpu_count(),
        "before": asked.before,
        "after": asked.after,
        "beyond": expected.measured[0] == BEYOND,
        "cure": asked.change,
        "causes": asked.causes,
        "causes_alone": asked.causes_alone,
        "expected": list(expected.causes),
        "answer": asked.sentences,
    }


def picture(asked: Asked) -> str:
    """Draws the median trial of the network as it was asked, and that of the one that mends it."""
    first, cured = (_median(asked, row) for row in (asked.first, asked.cured))
    dataset = first[0].variant.dataset
    is_beyond = QUESTIONS[asked.name].measured[0] == BEYOND
    if dataset.n_numbers == 1:
        x = _along(dataset, 1.0 if is_beyond else AROUND)
        target = np.asarray(dataset.source.target(x), np.float64)
        ((low, high),) = dataset.source.parts("train")[0]
        drawn = (_answers(asked, *each, x) for each in (first, cured))
        return curves(title(asked.name), x[:, 0].astype(np.float64), target, *drawn, (low, high))
    where: Split = "extrapolation" if is_beyond else "test"
    after: Split = where if cured[0].variant.dataset == dataset else "test"
    return points(title(asked.name), _pairs(asked, *first, where), _pairs(asked, *cured, after))


def _along(dataset: DatasetSpec, around: float) -> Floats:
    """Numbers [N, 1] along the range and beyond it, as far as the formula is defined."""
    ((low, high),) = dataset.source.parts("train")[0]
    room = around * (high - low)
    x = np.linspace(low - room, high + room, SHOWN)
    if not dataset.source.is_real:
        x = np.unique(np.rint(x)).astype(np.int64)
    x = x[:, np.newaxis]
    return x[np.isfinite(dataset.source.target(x))]


def _median(asked: Asked, row: Mapping[str, Any]) -> tuple[Trial, str | None]:
    """The trial of a variant with the median RMSE and its pack, or any trial and None where most diverged."""
    by_id = {trial.id: trial for trial in trials(asked.spec)}
    stored = read_results(asked.store).table.to_pylist()
    packs = {each["trial_id"]: each["pack"] for each in stored}
    mine = [each for each in asked.summary.trials.to_pylist() if each["variant_id"] == row["variant_id"]]
    ranked = sorted(mine, key=lambda each: np.inf if each["rmse"] is None else each["rmse"])
    chosen = ranked[(len(ranked) - 1) // 2]
    return by_id[chosen["trial_id"]], None if chosen["rmse"] is None else packs[chosen["trial_id"]]


def _answers(asked: Asked, trial: Trial, pack: str | None, inputs_NI: Floats) -> Floats:
    """What the trial answers; NaN if it diverged."""
    if pack is None:
        return np.full(len(inputs_NI), np.nan)
    return answers(asked.store, pack, trial, inputs_NI)


def _pairs(asked: Asked, trial: Trial, pack: str | None, split: Split) -> tuple[Floats, Floats]:
    """Targets and answers of the first rows of a split."""
    inputs_NI, target_N = next(islice(blocks(trial.variant.dataset, split), 1))
    kept = np.flatnonzero(np.isfinite(target_N))[:SHOWN]
    return np.asarray(target_N[kept], np.float64), _answers(asked, trial, pack, inputs_NI[kept])


if __name__ == "__main__":
    main()
