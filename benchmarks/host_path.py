"""What a GPU's packs take beside the GPU: CPU seconds for each step of their way, and how busy they keep it.

    python benchmarks/host_path.py [--models 10000] [--hidden 16 16] [--epochs 500] [--rounds 3] [--json]
    python benchmarks/host_path.py --trials 100000 [--workers 4] [--seconds 5.4e-9] [--json]

No GPU is used: an engine stands in for it (stand_in.py), which trains nothing and makes up what comes back. The trials
are those of scale.py. The first form prints the CPU seconds of one pack: planning its trials, its way to another
process and back out of its bytes, and `train_pack` without the device's work, which is reading rows, their order, what
comes back from the device, the metrics, the rows of the results, and both files. The second form runs all trials, in
the packs that GPU workers get, in worker processes that share one pretended GPU, which takes so many seconds per model
and step (those measured on an H200 for 16 units). It prints for how much of the time it was busy, from the first launch
until the last pack was committed. With fewer cores than workers that share is less; what it would be with enough is
computed from the CPU seconds of the packs.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from scale import spec_of
from stand_in import Gpu, worker

from sumsquares.cluster.inline import map_tasks
from sumsquares.cluster.processes import run_workers
from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.pipeline.training import item_of, split
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.stages.generate import generate, plan_dataset
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.stages.plan import Plan, make_plan
from sumsquares.jobs.storage.store import Store

A = TypeVar("A")
H200_SECONDS = 5.4e-9
"""Of one model and step of 1-16-16-1, in packs of 10,000 (docs/LOG.md)."""


def main() -> None:
    """Measures, and prints a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000, help="of the one pack")
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 16])
    parser.add_argument("--epochs", type=int, default=500, help="of 10 steps each")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--trials", type=int, help="run so many, and show how busy they keep the GPU")
    parser.add_argument("--workers", type=int, default=4, help="processes that share the GPU")
    parser.add_argument("--seconds", type=float, default=H200_SECONDS, help="that it takes for a model and step")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = (busy if options.trials else stages)(options, Path(folder))
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:<40} {value:>10.3f}" if isinstance(value, float) else f"{name:<40} {value:>10,}")


def stages(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Returns the CPU seconds of a pack's way, by step."""
    rounds = [_round(*_world(options, options.models, folder / str(number))) for number in range(options.rounds)]
    found = {name: median(each[name] for each in rounds) for name in rounds[0]}
    return {"models": options.models, **found, "together": sum(found.values())}


def _round(job: JobSpec, store: Store) -> dict[str, float]:
    found: dict[str, float] = {}

    def cpu(name: str, function: Callable[[], A]) -> A:
        began = time.process_time()
        value = function()
        found[name] = time.process_time() - began
        return value

    plan = cpu("plan", lambda: make_plan(job, store))
    pack = cpu("pack", lambda: _pack(plan))
    sent = cpu("to bytes", lambda: pickle.dumps(pack))
    pack = cpu("from bytes", lambda: pickle.loads(sent))  # noqa: S301  our own
    train = worker(Gpu(Path(store.root)), store.root, "cuda")
    train(
        Pack(pack.trials[:10], "cuda", "cuda"), lambda _share: None
    )  # reads the rows, which later packs have in memory
    cpu("train_pack without the GPU", lambda: train(pack, lambda _share: None))
    return found


def busy(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs all trials, and returns for which share of the time the GPU was busy."""
    job, store = _world(options, options.trials, folder)
    began = time.monotonic()
    packs = plan_packs(make_plan(job, store).todo, "cuda", "cuda")
    planned = time.monotonic()
    gpu = Gpu(folder, options.seconds)
    ended: list[float] = []

    def on_progress(snapshot: ProgressSnapshot) -> None:
        assert not snapshot.failures, snapshot.failures
        ended.extend(time.monotonic() for _ in snapshot.results)

    items = [item_of(pack) for pack in packs]
    run_workers(partial(worker, gpu, store.root), items, split, on_progress, options.workers)
    spans = gpu.busy()
    committed = max(path.stat().st_mtime for path in (folder / "store/trials").iterdir())
    end = committed - time.time() + time.monotonic()
    window, used = end - spans[0][0], sum(until - since for since, until in spans)
    return {
        "trials": options.trials,
        "packs": len(packs),
        "workers": options.workers,
        "cores": len(os.sched_getaffinity(0)),
        "seconds to plan": planned - began,
        "seconds until the first launch": spans[0][0] - planned,
        "seconds from then to the last commit": window,
        "seconds of the GPU": used,
        "share of that time": used / window,
        "CPU seconds of a pack, before and after": sum(map(sum, gpu.beside())) / len(packs),
        "share with a core for each worker": computed(gpu.beside(), used / len(packs), options.workers),
    }


def computed(beside: Sequence[tuple[float, float]], seconds: float, workers: int) -> float:
    """Returns the share of the time for which a GPU would be busy if each worker had a core of its own.

    `beside` are the CPU seconds of each pack before and after its training, of which each takes so many `seconds`.
    """
    free, gpu_free, starts = [0.0] * workers, 0.0, []
    for before, after in beside:
        worker_free = heappop(free)
        starts.append(max(worker_free + before, gpu_free))
        gpu_free = starts[-1] + seconds
        heappush(free, gpu_free + after)
    return len(beside) * seconds / (max(free) - starts[0])


def _world(options: argparse.Namespace, trials: int, folder: Path) -> tuple[JobSpec, Store]:
    """A spec of so many trials, and a store that has its rows."""
    folder.mkdir(exist_ok=True)
    spec = folder / "spec.toml"
    spec.write_text(spec_of(trials, options.epochs).replace("[16, 16]", str(options.hidden)))
    job, store = load_spec(spec, 2**63), Store(f"{folder}/store")
    plans = [plan_dataset(store, dataset) for dataset in job.datasets if isinstance(dataset, NamedDataset)]
    generate(store, plans, map_tasks, lambda _made: None)
    return job, store


def _pack(plan: Plan) -> Pack:
    """A pack of all trials, and its id."""
    pack = Pack(plan.todo, "cuda", "cuda")
    assert pack.id
    return pack


if __name__ == "__main__":
    main()
