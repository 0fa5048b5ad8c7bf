"""How right the time left is that a run shows: the ratio of what was said to what was, from a tenth of the training on.

    python benchmarks/time_left.py [--only question sweep mixed torch resumed] [--simulated 1000] [--json]

Each spec is trained in an empty store by plain processes, one per core, and its progress is recorded; `resumed` is
`mixed` stopped in its middle and begun again. Then the recording is played to today's estimate and to the one before
it, an average of trials per second. What was is the time of the last result. --simulated plays that many drawn runs of
drawn workers, packs and errors instead of real ones, on a simulated clock. Other work on the machine makes packs slower
than they were or will be, and no estimate can know that: run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.stages.order import expected
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import PlacementOptions
from sumsquares.jobs.stages.time_left import Expected, Finished, TimeLeft
from sumsquares.jobs.storage.store import Store

EXAMPLES = Path(__file__).parent.parent / "examples"
ROWS = """
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1000
seed = 1
[[dataset]]
name = "waves"
formula = "sin(x1) + 0.5 * x2**2"
low = -3.0
high = 3.0
rows = 3000
"""
GRID = """
[train]
epochs = {epochs}
[[grid]]
hidden = {hidden}
activation = ["relu", "tanh", "gelu"]
optimizer = ["adam", "sgd"]
lr = [0.001, 0.003, 0.01]
normalize = ["unit", "zscore"]
seeds = {seeds}
"""
WIDTHS = "[[8], [16, 16], [64, 64], [128, 128], [32, 32, 32]]"
SPECS = {
    "question": (EXAMPLES / "question.toml").read_text,
    "sweep": (EXAMPLES / "sweep.toml").read_text,
    "mixed": lambda: _spec("mixed", epochs=60, hidden=WIDTHS, seeds=3),
    "torch": lambda: _spec("torch", 'engine = "torch"', epochs=20, hidden=WIDTHS, seeds=1),
    "long": lambda: _spec("long", epochs=500, hidden="[[8], [16, 16], [64, 64], [32, 32, 32]]", seeds=6),
    "resumed": lambda: _spec("mixed", epochs=200, hidden="[[128, 128], [64, 64]]", seeds=3),
}
STOP = 0.5
"""Share of the expected work at which `resumed` is stopped."""
FROM, TO = 0.1, 0.95
"""Shares of the time between which estimates are compared."""


def _spec(name: str, head: str = "", **values: object) -> str:
    return f'name = "{name}"\n{head}\n{ROWS}{GRID.format(**values)}'


@dataclass
class Recording:
    """The snapshots of one training."""

    items: dict[str, Expected] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)
    looks: list[tuple[float, list[Finished], Mapping[str, float]]] = field(default_factory=list)
    """The time, what was done since the last look, and shares of what was in progress."""


class _Stopped(Exception):  # noqa: N818  not an error
    """The training was recorded as far as it should go."""


class Recorder(Progress):
    """Records what a run tells of its training, to the end or up to a share of its work."""

    def __init__(self, until: float = 1.1) -> None:
        super().__init__(quiet=True)
        self.found, self._until = Recording(), until

    @contextmanager
    def training(self, packs: Sequence[Pack], starting: str = "") -> Iterator[Any]:
        """Records instead of showing."""
        del starting
        found = self.found = Recording()
        found.items = {f"pack {pack.id}": expected(pack) for pack in packs}
        found.trials = {f"pack {pack.id}": len(pack.trials) for pack in packs}
        left, began = TimeLeft(found.items), time.monotonic()

        def on_progress(snapshot: ProgressSnapshot) -> None:
            done = [Finished(key, each.seconds, each.share, each.is_first) for key, each in snapshot.results]
            found.looks.append((time.monotonic() - began, done, dict(snapshot.running)))
            left.update(time.monotonic(), done, snapshot.running)
            if left.share > self._until:
                raise _Stopped

        yield on_progress


@dataclass(frozen=True)
class Ratios:
    """Time left as it was said over what it was, by today's estimate and the one before, in the order of the time."""

    now: list[float]
    before: list[float]
    seconds: float
    """From the first sign of work to the last result."""

    @property
    def facts(self) -> dict[str, Any]:
        """The smallest and the largest ratio, and the share within a factor of 1.3."""
        return {"seconds": round(self.seconds, 2), "now": _spread(self.now), "before": _spread(self.before)}


def _spread(ratios: Sequence[float]) -> dict[str, float] | None:
    if not ratios:
        return None
    within = statistics.mean(1 / 1.3 <= each <= 1.3 for each in ratios)
    return {"least": round(min(ratios), 2), "most": round(max(ratios), 2), "within": round(within, 3)}


def ratios_of(found: Recording) -> Ratios:
    """Plays a recording to both estimates."""
    began = next(at for at, done, running in found.looks if done or running)
    end = max(at for at, done, _ in found.looks if done)
    left, trained, total = TimeLeft(found.items), 0.0, sum(found.trials.values())
    first: tuple[float, float] | None = None
    now: list[float] = []
    before: list[float] = []
    for at, done, running in found.looks:
        left.update(at, done, running)
        trained += sum(found.trials[each.key] for each in done)
        trials = trained + sum(found.trials[key] * share for key, share in running.items())
        first = first or ((at, trials) if trials else None)
        if not FROM <= (at - began) / (end - began) <= TO:
            continue
        if (said := left.left(at)) is not None:
            now.append(said / (end - at))
        if first and at - first[0] >= 1 and trials > first[1]:
            before.append((total - trials) * (at - first[0]) / (trials - first[1]) / (end - at))
    return Ratios(now, before, end - began)


def recorded(name: str, folder: Path) -> Recording:
    """Trains a spec in an empty store."""
    store = Store(str(folder / name))
    spec = parse_spec(SPECS[name]().encode(), name)
    if name == "resumed":
        _train(spec, store, Recorder(STOP))
    recorder = Recorder()
    _train(spec, store, recorder)
    return recorder.found


def _train(spec: JobSpec, store: Store, recorder: Recorder) -> None:
    placement = PlacementOptions().placement(None)
    placement = replace(placement, processes=placement.count, is_open=False)
    try:
        with Runtime(placement, store, recorder) as runtime:
            run_spec(spec, runtime, has_baselines=False)
    except _Stopped:
        return


def simulated(seed: int, error: float = 1.5, tick: float = 0.5) -> Recording:
    """Draws a run: 1 to 32 workers, 2 to 40 shapes of 1 to 8 packs, and more with many workers.

    The machine is up to twice as fast as expected, or a third as fast. Packs of a shape err by one factor of up to
    `error` either way, and each by up to a twentieth more.
    """
    draw = random.Random(seed)  # noqa: S311  no secret
    workers, found = draw.choice([1, 2, 2, 4, 8, 32]), Recording()
    overall, actual = draw.uniform(0.5, 3.0), {}
    for shape in range(draw.randint(2, 40)):
        seconds = 10 ** draw.uniform(-1.5, 1.5)
        factor = overall * error ** draw.uniform(-1.0, 1.0)
        for index in range(draw.randint(1, 8) * (1 + workers // 4)):
            key = f"pack {shape}-{index}"
            found.items[key], found.trials[key] = Expected(seconds, shape, shape % 5), draw.randint(1, 64)
            actual[key] = seconds * factor * draw.uniform(0.95, 1.05)
    return _scheduled(found, actual, workers, tick)


def _scheduled(found: Recording, actual: Mapping[str, float], workers: int, tick: float) -> Recording:
    """Adds the looks of workers that take one of each shape first, then the costliest (jobs/stages/order.py)."""
    counts = Counter(each.shape for each in found.items.values())
    order = sorted(found.items, key=lambda key: (-found.items[key].seconds, key))
    firsts: dict[object, str] = {}
    for key in order:
        firsts.setdefault(found.items[key].shape, key)
    order.sort(key=lambda key: counts[found.items[key].shape] == 1 or firsts[found.items[key].shape] != key)
    found.items = {key: found.items[key] for key in order}
    free = [0.0] * workers
    heapify(free)
    spans = {}
    for place, key in enumerate(order):
        start = heappop(free)
        spans[key] = (start, start + actual[key], place < workers)
        heappush(free, start + actual[key])
    at, ends = 0.0, sorted(spans, key=lambda key: spans[key][1])
    while ends:
        done = [key for key in ends if spans[key][1] <= at]
        ends = ends[len(done) :]
        running = {
            key: int(20 * (at - spans[key][0]) / actual[key]) / 20 for key in ends if spans[key][0] <= at
        }  # heartbeats come in steps
        found.looks.append((at, [Finished(key, actual[key], 1.0, spans[key][2]) for key in done], running))
        at += tick
    return found


def main() -> None:
    """Trains, plays and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(SPECS), default=sorted(SPECS))
    parser.add_argument("--simulated", type=int, metavar="RUNS", help="drawn runs, instead of real ones")
    parser.add_argument("--error", type=float, default=1.5, help="of a shape's expected time, in drawn runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.simulated:
        some = [ratios_of(simulated(seed, options.error)) for seed in range(options.simulated)]
        long = [each for each in some if each.seconds >= 20]
        now, before = ([ratio for each in part for ratio in each] for part in _parts(long))
        found = {"simulated": Ratios(now, before, statistics.median(each.seconds for each in long)).facts}
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = {name: ratios_of(recorded(name, Path(folder))).facts for name in options.only}
    print(
        json.dumps(found, indent=1) if options.json else "\n".join(f"{name}: {facts}" for name, facts in found.items())
    )


def _parts(some: Sequence[Ratios]) -> tuple[list[list[float]], list[list[float]]]:
    return [each.now for each in some], [each.before for each in some]


if __name__ == "__main__":
    main()
