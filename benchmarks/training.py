"""One-at-a-time PyTorch against our packs, on one core: microseconds per model and optimizer step.

    python benchmarks/training.py [--units 16 64] [--repeats 5] [--json]

Takes about a minute. The networks are 1-H-H-1 with ReLU and Adam, on 1,000 rows in batches of 100: the question's.
The loop is what everyone writes: torch.nn.Sequential, autograd, torch.optim.Adam. Both are measured in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from jobs.engines import torch_engine
from jobs.engines.initialize import begin
from jobs.engines.order import batches, in_memory
from jobs.engines.program import Program
from jobs.engines.sequential import sequential, state_dicts
from jobs.engines.state import Models
from jobs.packs import pack_size

LOOP_EPOCHS, PACK_EPOCHS = 30, 20


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch_engine.prepare()
    found = [compare(units, options.repeats) for units in options.units]
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'network':>12} {'models':>7} {'loop us':>9} {'pack us':>9} {'ratio':>7}  (median, min..max of the ratio)")
    for row in found:
        name = f"1-{row['units']}-{row['units']}-1"
        times = f"{row['loop_us']:>9.1f} {row['pack_us']:>9.2f} {row['ratio']:>7.1f}"
        print(f"{name:>12} {row['models']:>7} {times}  {row['ratio_min']:.1f}..{row['ratio_max']:.1f}")


def compare(units: int, repeats: int) -> dict[str, float]:
    """Medians over interleaved runs; the ratio is that of each pair."""
    program = Program(1, (units, units), "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
    count = pack_size(program, "cpu")
    x_NI = np.linspace(0.001, 1, 1000, dtype=np.float32)[:, None]
    y_N = x_NI[:, 0] ** 2
    pairs = [(loop(program, x_NI, y_N), pack(program, count, x_NI, y_N)) for _ in range(repeats + 1)][1:]
    ratios = [one / other for one, other in pairs]
    return {
        "units": units,
        "models": count,
        "loop_us": statistics.median(one for one, _ in pairs),
        "pack_us": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def models(count: int) -> Models:
    """Models that differ in their seeds."""
    return Models(range(count), ["glorot_uniform"] * count, [0.001] * count, [0.0] * count)


def loop(program: Program, x_NI: np.ndarray, y_N: np.ndarray) -> float:
    """Microseconds per step of one network, trained as everyone does."""
    first = begin(program, models(1)).parameters
    network = sequential(program, {name: stacked[0] for name, stacked in state_dicts(program, first).items()})
    optimizer, steps = torch.optim.Adam(network.parameters(), lr=0.001), 0
    began = time.perf_counter()
    for epoch in range(LOOP_EPOCHS):
        for x, y in batches(in_memory(x_NI, y_N), 100, 0, epoch):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(torch.from_numpy(x)).squeeze(1), torch.from_numpy(y)).backward()
            optimizer.step()
            steps += 1
    return (time.perf_counter() - began) / steps * 1e6


def pack(program: Program, count: int, x_NI: np.ndarray, y_N: np.ndarray) -> float:
    """Microseconds per step and model of a pack."""
    longer = replace(program, epochs=PACK_EPOCHS)
    began = time.perf_counter()
    torch_engine.train(longer, models(count), in_memory(x_NI, y_N))
    return (time.perf_counter() - began) / longer.steps / count * 1e6


if __name__ == "__main__":
    main()
