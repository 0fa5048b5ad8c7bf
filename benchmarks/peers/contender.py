"""The parent's side: starts contenders, asks them in turns, and takes medians. What they are is the caller's.

A number is never compared across rounds: each round measures every contender once, and ratios are those of a round.
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
    """A child process that has found its best candidate, or the reason why it has none."""

    def __init__(self, python: str, script: str, question: Mapping[str, object]) -> None:
        """Starts it, and waits until it has searched."""
        command = [python, HERE / script, json.dumps(question)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.found: dict[str, Any] = self._answer()
        except EOFError:
            self.found = {"unavailable": f"{script} ended with {self._process.wait()}; its message is above"}

    def seconds(self, steps: int) -> dict[str, float]:
        """How long so many steps take, by "cpu" and "wall" clock, and what else the child says of them."""
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
        """A contender is closed at the end of its block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._process.communicate()


def rounds(contenders: Mapping[str, Contender], count: int, seconds: float, clock: str) -> dict[str, list[float]]:
    """Seconds per step of each contender in each round; each is given as many steps as take about `seconds`."""
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
    """Median, least and greatest of the ratios round by round."""
    found = [one / other for one, other in zip(ones, others, strict=True)]
    return {"median": statistics.median(found), "min": min(found), "max": max(found)}


def machine(core: int) -> dict[str, Any]:
    """What was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "pinned_to_core": core}


def versions(ours: Iterable[str], peers: Iterable[str]) -> dict[str, str]:
    """Of packages in our environment, and of those pinned in the peers'."""
    pinned = dict(re.findall(r"^([\w-]+)==([^\s;]+)", REQUIREMENTS.read_text(), re.MULTILINE))
    return {name: version(name) for name in ours} | {name: pinned[name] for name in peers}
