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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

Run = Callable[[int], None]
SEARCH_SECONDS = 0.15
"""Of one candidate, after its first call, which compiles."""
HOPELESS = 1.15
"""Two sizes in a row that are slower than the best by this factor end the search in a group."""


@dataclass(frozen=True)
class Candidate:
    """One way to do it."""

    how: str
    """In words."""
    models: int
    """Trained side by side."""
    make: Callable[[], Run]
    """A function that makes so many steps of all models; built when its turn comes."""


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
    say(answers, {"how": candidate.how, "models": candidate.models, "tried": tried})
    for line in sys.stdin:
        say(answers, timed(run, json.loads(line)["steps"]))


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(answer), file=answers, flush=True)


def timed(run: Run, steps: int) -> dict[str, float]:
    """Seconds on the clock, and of this process's threads: the same on a core that does nothing else."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(steps)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def fastest(groups: Iterable[Iterable[Candidate]]) -> tuple[Candidate, Run, dict[str, float]]:
    """The candidate with the least time per model and step, and the microseconds of all that were tried."""
    best: tuple[float, Candidate, Run] | None = None
    tried: dict[str, float] = {}
    for group in groups:
        for candidate, run, seconds in promising(group):
            tried[f"{candidate.how}, {candidate.models}"] = round(seconds * 1e6, 3)
            if best is None or seconds < best[0]:
                best = seconds, candidate, run
    assert best is not None, "no candidates"
    return best[1], best[2], tried


def promising(group: Iterable[Candidate]) -> Iterator[tuple[Candidate, Run, float]]:
    """Candidates of one group with their seconds per model and step, until two in a row are hopeless."""
    least, hopeless = float("inf"), 0
    for candidate in group:
        run = candidate.make()
        run(100)
        steps = steps_for(run, SEARCH_SECONDS / 3)
        seconds = min(timed(run, steps)["cpu"] for _ in range(3)) / steps / candidate.models
        yield candidate, run, seconds
        least = min(least, seconds)
        hopeless = hopeless + 1 if seconds > HOPELESS * least else 0
        if hopeless == 2:
            return


def steps_for(run: Run, seconds: float) -> int:
    """About so many steps as take so long, a multiple of 100."""
    return 100 * max(1, round(seconds / timed(run, 100)["cpu"]))
