"""Compares what `engine = "auto"` chooses with every other choice, over a grid of pack shapes, on one core, in turns.

    python benchmarks/choice.py [--units 4 16 ... 256] [--layers 1 2] [--models 1 2 ... 64] [--batch 100]
        [--dtype float32 float64] [--variant avx2] [--torch] [--rounds 5] [--seconds 0.05] [--core N] [--json]

The choices are the lanes engine with a model per lane, with a unit per lane, and with the layout that the kernel
chooses (this is what `auto` uses on a CPU); with --torch, also the torch engine, which takes a hundred times as long
for the smallest shapes. Networks are 1-H-..-1 with ReLU and Adam. The loss of a shape is the time that `auto` takes
beyond the best choice: the median over the rounds, each of which measures both one after the other. By default it takes
six minutes, and prints the shapes with a loss above 5 % and what the other choices would lose. Times are CPU times of
the process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from unittest.mock import patch

import numpy as np
from peers.contender import machine

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.lanes.library import LAYOUTS, Library, load
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import PerModel

AUTO = LAYOUTS[0]
LOSS = 0.05
"""Largest loss of `auto` that is not printed, as a share."""


@dataclass(frozen=True)
class Shape:
    """The shape of a pack."""

    hidden: tuple[int, ...]
    models: int
    batch: int
    dtype: str

    def __str__(self) -> str:
        """The shape as text, such as `64 x 1-16-16-1, batch 100, float32`."""
        return f"{self.models} x {'-'.join(map(str, (1, *self.hidden, 1)))}, batch {self.batch}, {self.dtype}"


def main() -> None:
    """Measures every shape and prints the losses."""
    options = parsed()
    os.sched_setaffinity(0, {options.core})
    library = load()
    assert isinstance(library, Library), library
    variant = options.variant or library.variant
    shapes = [
        Shape((units,) * layers, models, batch, dtype)
        for units, layers, models, batch, dtype in itertools.product(
            options.units, options.layers, options.models, options.batch, options.dtype
        )
    ]
    found = []
    for shape in shapes:
        seconds = measure(shape, contenders(shape, variant, options.torch), options.rounds, options.seconds)
        found.append({**asdict(shape), "us": {name: statistics.median(each) * 1e6 for name, each in seconds.items()}})
        found[-1]["loss"] = {name: loss(name, seconds) for name in seconds}
        if not options.json and found[-1]["loss"][AUTO] > LOSS:
            times = ", ".join(f"{name} {us:.2f}" for name, us in found[-1]["us"].items())
            print(f"{shape}: {found[-1]['loss'][AUTO]:.0%} lost; us per model and step: {times}", flush=True)
    if options.json:
        print(json.dumps({"machine": machine(options.core), "variant": variant, "shapes": found}, indent=1))
    else:
        print(text(found, variant))


def parsed() -> argparse.Namespace:
    """Parses the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="+", default=[4, 16, 32, 64, 128, 256])
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2], help="hidden layers")
    parser.add_argument(
        "--models", type=int, nargs="+", default=[1, 2, 3, 5, 8, 11, 16, 20, 64], help="models per pack"
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[100])
    parser.add_argument("--dtype", nargs="+", default=["float32"], choices=["float32", "float64"])
    parser.add_argument("--variant", choices=["avx2", "avx512", "baseline"], help="kernel to use; default: the best")
    parser.add_argument("--torch", action="store_true", help="measure the torch engine as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="per choice and round; at least one epoch")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin the process to")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def contenders(shape: Shape, variant: str, with_torch: bool) -> dict[str, Callable[[Program], object]]:
    """Returns a function per choice that trains the pack."""
    models = PerModel(range(shape.models), ["pytorch"] * shape.models, [1e-3] * shape.models, [0.0] * shape.models)
    x_NI = np.linspace(0.001, 1, 1000, dtype=shape.dtype)[:, None]
    rows = in_memory(x_NI, x_NI[:, 0] ** 2)

    def lanes(library: Library) -> Callable[[Program], object]:
        def train(program: Program) -> None:
            with patch.object(lanes_engine, "load", lambda: library):
                lanes_engine.train(program, models, rows)

        return train

    found: dict[str, Callable[[Program], object]] = {
        layout: lanes(Library(variant, layout=layout)) for layout in LAYOUTS
    }
    if with_torch:
        from sumsquares.jobs.engines import torch_engine

        torch_engine.prepare()
        found["torch"] = lambda program: torch_engine.train(program, models, rows)
    return found


def measure(
    shape: Shape, choices: dict[str, Callable[[Program], object]], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Measures the seconds per model and step of each choice in each round."""

    def program(epochs: int) -> Program:
        return Program(1, shape.hidden, "relu", "adam", "constant", shape.batch, epochs, 1000, shape.dtype, 0)

    one = program(1)
    while min(timed(train, one) for train in choices.values()) < seconds:
        one = replace(one, epochs=2 * one.epochs)
    found: dict[str, list[float]] = {name: [] for name in choices}
    for turn in range(rounds + 1):
        for name in random.sample(list(choices), len(choices)):
            taken = timed(choices[name], one) / one.steps / shape.models
            found[name] += [taken] if turn else []  # the first turn is the warm-up
    return found


def timed(train: Callable[[Program], object], program: Program) -> float:
    """CPU seconds of one training."""
    began = time.process_time()
    train(program)
    return time.process_time() - began


def loss(name: str, seconds: dict[str, list[float]]) -> float:
    """The loss of a choice: the largest of its median time ratios to the others, minus one."""
    ratios = [
        statistics.median(one / other for one, other in zip(seconds[name], seconds[rival], strict=True))
        for rival in seconds
    ]
    return max(ratios) - 1


def text(found: list[dict], variant: str) -> str:
    """Formats the losses of all choices."""
    losses = {name: sorted(shape["loss"][name] for shape in found) for name in found[0]["loss"]}
    lines = [f"{len(found)} shapes, {variant}: time lost against the best choice"]
    for name, each in losses.items():
        over = sum(one > LOSS for one in each)
        label = "auto" if name == AUTO else name
        lines.append(f"{label:10} median {statistics.median(each):6.1%}, max {each[-1]:8.1%}, over 5 %: {over}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
