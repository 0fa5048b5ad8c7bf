"""Runs the examples as a user would, each in a new store, and records what is printed and how long it takes.

    python benchmarks/examples.py     # writes docs/figures/examples.json and question.svg
    python benchmarks/pages.py        # copies it into the README and into the heads of the examples

All but large.toml take half a minute, large.toml two minutes. Times are of whole commands, on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from picture import picture

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs/figures/examples.json"
PICTURE = ROOT / "docs/figures/question.svg"
WIDTH = 100
_WITHOUT_TREES = "import sys; sys.modules['sklearn'] = None; from sumsquares.__main__ import main; main()"
AS_INSTALLED = (sys.executable, "-c", _WITHOUT_TREES)
"""The command as `make run` installs it, without scikit-learn, which only tests and table.toml use."""


def main() -> None:
    """Runs the named examples, or all; keeps the earlier measurements of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names",
        nargs="*",
        default=["demo", "question", "sweep", "exact", "formula", "table", "large"],
        help="examples to run",
    )
    options = parser.parse_args()
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name in options.names:
        found[name] = measured(name)
        print(f"{name}: {found[name]['seconds']} s\n{found[name]['printed']}")
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")


def measured(name: str) -> dict[str, Any]:
    """Returns the seconds of a run, what it printed except file names, and the counts in its summary."""
    with tempfile.TemporaryDirectory() as store:
        starts = (sys.executable, "-m", "sumsquares") if name == "table" else AS_INSTALLED
        command = [*starts, "run", f"examples/{name}.toml", "--store", store, "--quiet"]
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "COLUMNS": str(WIDTH)}, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - began
        if name == "question":
            report = (Path(store) / "runs/question/report.html").read_text()
            PICTURE.write_text(picture(report, "squares", "curves"))
        summary = json.loads((Path(store) / f"runs/{name}/summary.json").read_text())
    printed = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith(("summary:", "report:"))]
    return {
        "seconds": round(seconds),
        "cores": os.cpu_count(),
        "variants": sum(about["variants"] for about in summary["datasets"].values()),
        "trials": summary["trials"]["total"],
        "printed": "\n".join(printed).strip("\n"),
    }


if __name__ == "__main__":
    main()
