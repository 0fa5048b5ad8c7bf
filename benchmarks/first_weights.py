"""First weights of a big pack, and predictions of its models: seconds and peak memory, by every engine that is here.

    python benchmarks/first_weights.py [--models 10000] [--predicted 4096] [--rows 1000] [--hidden 64 64] [--rounds 3]
        [--only lanes numpy torch torch-gpu cuda] [--json]

Networks are 1-64-64-1 with ReLU in float32. It runs from a bare clone and needs numpy, and torch for its part. Each
figure comes from a process of its own: the first round, with compilation and the first use of the device, and the
median of the others. Memory is the peak beyond what was taken before, of the process and of the device: the parameters
and the result are part of it. "result" is their size. What isn't here is named with its reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PEER = Path(__file__).parent / "peers" / "drawing.py"
WORKS = {"weights": ("lanes", "numpy", "cuda"), "predictions": ("lanes", "torch", "torch-gpu", "cuda")}
TITLES = {"weights": "first weights", "predictions": "predictions"}


def main() -> None:
    """Measures, and prints a table or JSON."""
    options = parsed()
    asked = [(work, name) for work, names in WORKS.items() for name in names if name in options.only]
    found = [answer(vars(options) | {"work": work, "by": name}) for work, name in asked]
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print(f"{TITLES[row['work']]:<14}{row['by']:<11}{row['missing'] if 'missing' in row else figures(row)}")
    digests = {row["digest"] for row in found if row["work"] == "weights" and "digest" in row}
    if digests:
        print(f"bits of the first weights: {'the same' if len(digests) == 1 else 'NOT the same'}")


def parsed() -> argparse.Namespace:
    """Parses the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everyone = list(dict.fromkeys(name for names in WORKS.values() for name in names))
    parser.add_argument("--models", type=int, default=10_000, help="whose first weights are drawn")
    parser.add_argument("--predicted", type=int, default=4096, help="models that predict")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 64])
    parser.add_argument("--rounds", type=int, default=3, help="after the first one")
    parser.add_argument("--only", nargs="+", default=everyone, choices=everyone)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Returns the figures of one process, or why there are none."""
    row = {name: question[name] for name in ("work", "by")}
    command = [sys.executable, str(PEER), json.dumps(question)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return row | {"missing": (done.stderr.strip().splitlines() or ["it failed"])[-1]}
    return row | json.loads(done.stdout)


def figures(row: dict[str, Any]) -> str:
    """One line of the table."""
    device = "" if row["device_mb"] is None else f", of the device {row['device_mb']:,.0f} MB"
    seconds = f"first {row['first_s']:.3f} s, then {row['median_s']:.3f} s"
    return f"{seconds}; result {row['result_mb']:,.0f} MB, peak of the process {row['host_mb']:,.0f} MB{device}"


if __name__ == "__main__":
    main()
