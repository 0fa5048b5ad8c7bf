"""Microseconds per model and optimizer step: our engines against the alternatives, on one core, in turns.

    python benchmarks/training.py [--units 16 32 64 128] [--layers 1 2 3] [--only jax lanes] [--rounds 7] [--json]

The networks are those of the question: 1-H-..-1 with ReLU and Adam in float32, on 1,000 rows in batches of 100. By
default it takes about 5 minutes, most of it the search for each peer's best pack size. Every contender is a process of
its own, pinned to the same core; those of other projects run in build/peers, which is created if missing (about a
minute). Times are medians over the rounds, and each ratio is measured within a round. `--clock cpu`, the default,
counts the CPU time of the process, which on an otherwise idle core is the same as `--clock wall`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from peers.contender import Contender, machine, ratio, rounds, versions
from peers.environment import peers_python

from sumsquares.jobs.engines.program import Program

PEAK = "peak"
PEAK_STEP_FLOPS = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One contender: a row of the table."""

    label: str
    script: str
    ours: bool = False
    """Whether it is one of our engines, against which the others are measured."""
    peer: bool = False
    """Whether it runs in the peers' environment."""
    question: dict[str, str] = field(default_factory=dict)


ENTRIES = {
    "loop": Entry("PyTorch, one at a time", "peers/torch_loop.py"),
    "vmap": Entry("PyTorch, torch.func vmap", "peers/torch_vmap.py"),
    "sklearn": Entry("scikit-learn MLPRegressor", "peers/sklearn_mlp.py", peer=True),
    "keras": Entry("Keras fit (JAX)", "peers/keras_mlp.py", peer=True),
    "jax": Entry("JAX jit(vmap(scan))", "peers/jax_mlp.py", peer=True),
    "torch": Entry("ours: torch engine", "peers/engine.py", ours=True, question={"engine": "torch"}),
    "lanes": Entry("ours: lanes engine", "peers/engine.py", ours=True, question={"engine": "lanes"}),
    PEAK: Entry("measured FMA peak", "peers/fma_peak.py"),
}


def main() -> None:
    """Measures every network and prints tables, or one JSON object."""
    options = parsed()
    networks = []
    for layers in options.layers:
        for units in options.units:
            networks.append(measure((units,) * layers, options))
            if not options.json:
                print(table(networks[-1]), flush=True)
    if options.json:
        shown = {"rounds": options.rounds, "seconds": options.seconds, "clock": options.clock}
        known = versions(("torch", "numpy"), ("jax", "keras", "scikit-learn"))
        print(
            json.dumps({"machine": machine(options.core), **shown, "versions": known, "networks": networks}, indent=1)
        )


def parsed() -> argparse.Namespace:
    """Parses the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64], help="units per hidden layer")
    parser.add_argument("--layers", type=int, nargs="+", default=[2], help="number of hidden layers")
    parser.add_argument("--only", nargs="+", default=list(ENTRIES), choices=ENTRIES, help="contenders to measure")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="per contender and round")
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin every process to")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return parser.parse_args()


def measure(hidden: tuple[int, ...], options: argparse.Namespace) -> dict[str, Any]:
    """Measures all contenders on one network."""
    program = Program(1, hidden, "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
    with ExitStack() as stack:
        contenders = {name: stack.enter_context(start(name, hidden, options.core)) for name in options.only}
        usable = {name: one for name, one in contenders.items() if "unavailable" not in one.found}
        seconds = rounds(usable, options.rounds, options.seconds, options.clock)
        found = {name: one.found for name, one in contenders.items()}
    flops = program.flops / program.steps
    gflops = [PEAK_STEP_FLOPS / one / 1e9 for one in seconds.pop(PEAK, [])]
    per_model = {name: [one / found[name]["models"] for one in times] for name, times in seconds.items()}
    entries = [entry(name, found[name], per_model, flops, gflops) for name in found if name != PEAK]
    peak = {"gflops": statistics.median(gflops), **found[PEAK]} if gflops else found.get(PEAK)
    return {"hidden": hidden, "flops": flops, "peak": peak, "entries": entries}


def start(name: str, hidden: tuple[int, ...], core: int) -> Contender:
    """Starts the process of one contender, and waits for its search."""
    known = ENTRIES[name]
    print(f"{'-'.join(map(str, (1, *hidden, 1)))}: {known.label}", file=sys.stderr, flush=True)
    python = peers_python() if known.peer else sys.executable
    return Contender(python, known.script, {"core": core, "hidden": hidden, **known.question})


def entry(
    name: str, found: dict[str, Any], seconds: dict[str, list[float]], flops: float, gflops: list[float]
) -> dict[str, Any]:
    """Returns one row: time, ratio to our best engine, share of the peak."""
    row = {"name": name, "label": ENTRIES[name].label, **found}
    if name not in seconds:
        return row
    row["us"] = {key: 1e6 * value for key, value in ratio(seconds[name], [1.0] * len(seconds[name])).items()}
    ours = [one for one in seconds if ENTRIES[one].ours]
    if ours:
        best = min(ours, key=lambda one: statistics.median(seconds[one]))
        row |= {"ratio": ratio(seconds[name], seconds[best]), "ratio_to": best}
    if gflops:
        rates = [flops / one / 1e9 for one in seconds[name]]
        row["peak_share"] = ratio(rates, gflops)["median"]
    return row


def table(network: dict[str, Any]) -> str:
    """Formats one network as text."""
    peak = network["peak"] or {}
    limit = f"FMA peak {peak['gflops']:.0f} GFLOP/s" if "gflops" in peak else peak.get("unavailable", "")
    title = "-".join(map(str, (1, *network["hidden"], 1)))
    lines = [f"\n{title}, {network['flops']:,.0f} operations per model and step; {limit}"]
    lines.append(f"{'':28}{'models':>7}{'us':>10}{'ratio':>8}{'min..max':>16}{'of peak':>9}")
    for row in network["entries"]:
        if "us" not in row:
            lines.append(f"{row['label']:28}not available: {row['unavailable']}")
            continue
        text = f"{row['label']:28}{row['models']:>7}{row['us']['median']:>10.2f}"
        if "ratio" in row:
            spread = f"{row['ratio']['min']:.2f}..{row['ratio']['max']:.2f}"
            text += f"{row['ratio']['median']:>8.2f}{spread:>16}"
        lines.append(text + (f"{row['peak_share']:>9.1%}" if "peak_share" in row else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
