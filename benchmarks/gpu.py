"""Training many networks on one GPU: our cuda engine, JAX jit(vmap(scan)) and our torch engine, side by side.

    python benchmarks/gpu.py [--models 10000] [--steps 5000] [--units 16 64] [--only cuda jax torch] [--tiny] [--json]

The networks are 1-H-H-1 with ReLU and Adam in float32, on batches of 100 rows. It runs from a bare clone, installs
nothing, and needs numpy, and torch and jax for their parts; where something is missing, its row says so. What has not
ended after four minutes is stopped, and says so. Each contender is a process of its own, one after the other; figures
are medians of three rounds after one that warms up. Ours trains all steps, the others 100 in each round, from which
their whole training is computed. It prints tables, how the figures compare with what was demanded, and all of it as one
line of JSON; with --json that line alone. --tiny runs every part with a few models and steps, if need be on the CPU:
its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gpu_table import compared, text
from peers.gpu_card import card

CONTENDERS = {"cuda": 120, "jax": 100, "torch": 60}
"""What is measured, in this order, and the seconds that each may take."""
SECONDS = 235
"""Of all of them."""
PEERS = Path(__file__).parent / "peers"


def main() -> int:
    """Measures every contender and prints what was found; returns 1 if our engine has no figures."""
    options = parsed()
    models, steps, checked = (4, 20, [3, 10]) if options.tiny else (options.models, options.steps, [40, 300])
    networks = [[units, units] for units in options.units]
    question = {"networks": networks, "models": models, "cpu": options.tiny, "checked": checked}
    asked = {"cuda": {"steps": steps}, "jax": {"steps": min(steps, 100)}, "torch": {}}
    about: dict[str, Any] = {"python": platform.python_version(), "before": card()}
    entries: list[dict[str, Any]] = []
    began = time.monotonic()
    for name in options.only:
        seconds = min(CONTENDERS[name], SECONDS - (time.monotonic() - began))
        for line in answers(name, question | asked[name], seconds):
            about |= line.get("about", {})
            entries += [{"contender": name, **line}] if "how" in line else []
    found = {"about": about, "models": models, "steps": steps, "tiny": options.tiny, "entries": entries}
    found["seconds"] = round(time.monotonic() - began, 1)
    found["compared"] = compared(found)
    if not options.json:
        print(text(found), flush=True)
    print(json.dumps(found))
    ours = [entry for entry in entries if entry["contender"] == "cuda"]
    return int("cuda" in options.only and (not ours or any("missing" in entry for entry in ours)))


def parsed() -> argparse.Namespace:
    """Parses the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=5_000, help="of our training; a multiple of 10")
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64], help="units per hidden layer")
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), choices=CONTENDERS, help="contenders to measure")
    parser.add_argument("--tiny", action="store_true", help="run every part with a few models and steps")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def answers(name: str, question: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    """Returns the lines that a contender printed within its time, and one that says why if any are missing."""
    command = [sys.executable, str(PEERS / f"gpu_{name}.py"), json.dumps(question)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    reason = None
    try:
        printed, errors = process.communicate(timeout=max(1.0, seconds))
        if process.returncode:
            reason = ([line for line in errors.splitlines() if line.strip()] or [f"exit code {process.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        process.kill()
        printed, errors = process.communicate()
        reason = f"it was stopped after {seconds:.0f} seconds"
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{") and line.endswith("}")]
    if reason is not None:
        found.append({"network": None, "how": name, "missing": reason[:200]})
    return found


if __name__ == "__main__":
    sys.exit(main())
