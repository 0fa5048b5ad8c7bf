"""The parent's side: starts contenders, measures them in turns, and takes medians. The caller defines the contenders.

Times are never compared across rounds: each round measures every contender once, and ratios are taken within a round.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from peers.environment import REQUIREMENTS

HERE = Path(__file__).parent.parent


class Contender:
    """A child process that has found its fastest candidate, or the reason why there is none."""

    def __init__(self, python: str, script: str, question: Mapping[str, object]) -> None:
        """Starts the process, and waits for the end of its search."""
        command = [python, HERE / script, json.dumps(question)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.found: dict[str, Any] = self._answer()
        except EOFError:
            self.found = {"unavailable": f"{script} ended with {self._process.wait()}; its message is above"}

    def seconds(self, steps: int) -> dict[str, float]:
        """Measures this number of steps, by "cpu" and "wall" clock; returns whatever else the child reports as well."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"steps": steps}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError
        return dict(json.loads(line))

    def __enter__(self) -> Self:
        """Returns the contender, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._process.communicate()


def rounds(contenders: Mapping[str, Contender], count: int, seconds: float, clock: str) -> dict[str, list[float]]:
    """Measures seconds per step of each contender in each round, with as many steps as take about `seconds`."""
    steps = {}
    for name, contender in contenders.items():
        unit = contender.found["unit"]
        steps[name] = unit * max(1, round(seconds / contender.seconds(unit)["cpu"]))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(count):
        for name, contender in contenders.items():
            found[name].append(contender.seconds(steps[name])[clock] / steps[name])
    return found


def ratio(ones: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum of the ratios within each round."""
    found = [one / other for one, other in zip(ones, others, strict=True)]
    return {"median": statistics.median(found), "min": min(found), "max": max(found)}


def machine(core: int) -> dict[str, Any]:
    """Describes the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "pinned_to_core": core}


def versions(ours: Iterable[str], peers: Iterable[str]) -> dict[str, str]:
    """Versions of packages in our environment, and of those pinned in the peers' environment."""
    pinned = dict(re.findall(r"^([\w-]+)==([^\s;]+)", REQUIREMENTS.read_text(), re.MULTILINE))
    return {name: version(name) for name in ours} | {name: pinned[name] for name in peers}
