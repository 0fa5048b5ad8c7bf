"""The child's side: one contender in a process of its own, pinned to a core, controlled over stdin and stdout.

Its only argument is a JSON object: "core", and whatever its candidates need. It tries its candidates, keeps the
fastest, and reports it in one line of JSON. It then answers each line {"steps": N} with the seconds that N steps took,
so that contenders can be measured in turns, and exits at the end of stdin. It uses only the standard library, which
every peer's Python has.
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
"""Search time per candidate, after its first call, which compiles."""
HOPELESS, FAR = 1.15, 1.75
"""A group ends after two sizes in a row that are slower, by these factors, than the group's best or the best of all."""


@dataclass(frozen=True)
class Candidate:
    """One implementation and setting of a contender."""

    how: str
    """Its description."""
    models: int
    """Number of models trained together."""
    make: Callable[[], Run]
    """Builds the function that runs a number of steps of all models; called when its turn comes."""
    unit: int = 10
    """The number of steps is a multiple of this; 10 steps are an epoch."""


class UnavailableError(RuntimeError):
    """The contender can't run on this machine; the message says why."""


def serve(groups: Callable[[dict[str, Any]], Iterable[Iterable[Candidate]]]) -> None:
    """Runs the child until the end of stdin. The packs of each group grow until they only get slower."""
    answers, sys.stdout = sys.stdout, sys.stderr  # keeps what a library prints out of the answers
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
    """Writes one line of JSON."""
    print(json.dumps(answer), file=answers, flush=True)


def timed(run: Run, steps: int) -> dict[str, Any]:
    """Measures wall time, and CPU time of the process; both are equal on an otherwise idle core."""
    wall, cpu = time.perf_counter(), time.process_time()
    facts = run(steps) or {}
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, **facts}


def fastest(groups: Iterable[Iterable[Candidate]]) -> tuple[Candidate, Run, dict[str, float]]:
    """Returns the candidate with the least time per model and step, and the microseconds of all that were tried."""
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
    """Measures the minimum of three, after a first call that compiles and a second that warms up."""
    run(unit)
    steps = unit * max(1, round(SEARCH_SECONDS / 3 / timed(run, unit)["cpu"]))
    return min(timed(run, steps)["cpu"] for _ in range(3)) / steps
