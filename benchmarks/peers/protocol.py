"""The child's side: one contender in a process of its own, pinned to a core, asked over stdin and stdout.

Its one argument is a JSON object: "core", and what its candidates need. It tries its candidates, keeps the fastest, and
says so in one line of JSON; then each line {"steps": N} is answered with the seconds that N steps took, so that
contenders can be measured in turns. An end of stdin ends it. Only the standard library: every peer's Python has it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TextIO

Run = Callable[[int], dict[str, Any] | None]
SEARCH_SECONDS = 0.15
"""Of one candidate, after its first call, which compiles."""
HOPELESS, FAR = 1.15, 1.75
"""Two sizes in a row that are slower than their group's best, or than the best of all, by this factor end a group."""


@dataclass(frozen=True)
class Candidate:
    """One way to do it."""

    how: str
    """In words."""
    models: int
    """Trained side by side."""
    make: Callable[[], Run]
    """A function that makes so many steps of all models; built when its turn comes."""
    unit: int = 10
    """Steps are asked for in multiples of this; 10 are an epoch."""


class UnavailableError(RuntimeError):
    """The contender can't run here; says why."""


def serve(groups: Callable[[dict[str, Any]], Iterable[Iterable[Candidate]]]) -> None:
    """Runs the child until its stdin ends. Each group is tried with growing packs until they only get slower."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    question = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {question["core"]})
    try:
        candidate, run, tried = fastest(groups(question))
    except UnavailableError as reason:
        say(answers, {"unavailable": str(reason)})
        return
    say(answers, {"how": candidate.how, "models": candidate.models, "unit": candidate.unit, "tried": tried})
    for line in sys.stdin:
        say(answers, timed(run, json.loads(line)["steps"]))


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(answer), file=answers, flush=True)


def timed(run: Run, steps: int) -> dict[str, Any]:
    """Seconds on the clock, and of this process's threads: the same on a core that does nothing else."""
    wall, cpu = time.perf_counter(), time.process_time()
    facts = run(steps) or {}
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, **facts}


def fastest(groups: Iterable[Iterable[Candidate]]) -> tuple[Candidate, Run, dict[str, float]]:
    """The candidate with the least time per model and step, and the microseconds of all that were tried."""
    best: tuple[float, Candidate, Run] | None = None
    tried: dict[str, float] = {}
    for group in groups:
        least, slow = float("inf"), 0
        for candidate in group:
            run = candidate.make()
            seconds = seconds_per_step(run, candidate.unit) / candidate.models
            tried[f"{candidate.how}, {candidate.models}"] = round(seconds * 1e6, 3)
            if best is None or seconds < best[0]:
                best = seconds, candidate, run
            least = min(least, seconds)
            slow = slow + 1 if seconds > min(HOPELESS * least, FAR * best[0]) else 0
            if slow == 2:
                break
    assert best is not None, "no candidates"
    return best[1], best[2], tried


def seconds_per_step(run: Run, unit: int) -> float:
    """The least of three, after a first call that compiles and a second that warms up."""
    run(unit)
    steps = unit * max(1, round(SEARCH_SECONDS / 3 / timed(run, unit)["cpu"]))
    return min(timed(run, steps)["cpu"] for _ in range(3)) / steps
