"""How fast the cuda engine trains networks of many shapes on a GPU, beside what its cost model expects.

    python benchmarks/gpu_shapes.py [--seconds 150] [--only "two layers" float64] [--tiny] [--json]
    python benchmarks/gpu_shapes.py --layouts [--seconds 150] [--tiny] [--json | --csv]

It runs from a bare clone, installs nothing, and needs numpy. Figures are those of the training kernel alone, by CUDA
events: the median of three launches after two that warm up, of 10,000 models each unless a row says otherwise. Columns
are the nanoseconds of a model and step, those that are expected of the rule's layout, their ratio, operations per
second, blocks on a multiprocessor, registers of a thread, and its bytes that did not fit them. What a model takes
beside its training follows, in microseconds: first weights, observing its layers and solving its readout, its errors,
and its predictions. With --layouts it compares ways to lay a network out: the rule's own, which is marked, and the best
of the others by its estimate, each as WARPS LC CI KS MOM MINB TILE (jobs/engines/cuda/layout.py). The kernels are
compiled by several processes while others are measured. What is measured is printed at once; when the time is up it
ends, and says what is left out. The last line is all of it as JSON; with --json it is the only one. With --csv there
are layouts and times alone. --tiny measures little, if need be on an emulated GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import peers.bare_clone  # noqa: F401  before whatever imports sumsquares
from gpu_candidates import candidates
from gpu_programs import GROUPS, LAYOUTS, OBSERVED, SMALL, Case
from gpu_shapes_table import compared, csv_of, head_of, line_of
from gpu_timed import alone, beside, source_of

from sumsquares.jobs.engines import cuda_engine, readout
from sumsquares.jobs.engines.cuda import compiler
from sumsquares.jobs.engines.cuda.driver import CudaError, Device
from sumsquares.jobs.engines.cuda.kernels import NotForCuda
from sumsquares.jobs.engines.cuda.layout import Layout, layout
from sumsquares.jobs.stages.gpu_cost import OBSERVING_SPEED, cuda_seconds

LAUNCH_SECONDS = 0.06
"""Of each of the launches that are timed, about."""
PROCESSES = 16
"""At most, that compile at the same time."""
Task = tuple[str, Case, Layout | None]
"""A group, a case and its layout; None is the rule's."""


def main() -> int:
    """Measures until the time is up, and prints tables; returns 1 if there is nothing, or something has failed."""
    options = parsed()
    if (reason := cuda_engine.available()) is not None:
        print(f"no GPU to measure on: {reason}", file=sys.stderr)
        return 1
    end, device = time.monotonic() + options.seconds, Device()
    found: dict[str, Any] = {"card": device.name, "architecture": device.architecture, "tiny": options.tiny, "rows": []}
    say = (lambda _: None) if options.json or options.csv else (lambda line: print(line, flush=True))
    say(f"{device.name}, {device.architecture}, {device.multiprocessors} multiprocessors")
    tasks = planned(options, device.architecture)
    for row in measured(device, tasks, end):
        if not found["rows"] or found["rows"][-1]["group"] != row["group"]:
            say(head_of(row["group"]))
        found["rows"].append(row)
        say(line_of(row))
    found["left out"] = len(tasks) - len(found["rows"])
    found["compared"] = compared(found["rows"])
    say("\n".join(f"{name}: the rule's layout takes {ratio:.3f} times the best" for name, ratio in found["compared"]))
    if not options.layouts and not options.only:
        found["beside"] = list(measured_beside(device, SMALL[:1] if options.tiny else OBSERVED, end, say))
    say(f"\n{found['left out']} left out, in {options.seconds + time.monotonic() - end:.0f} s\n")
    print(csv_of(found["rows"]) if options.csv else json.dumps(found))
    failed = any("missing" in row for row in [*found["rows"], *found.get("beside", [])])
    return int(failed or not found["rows"])


def parsed() -> argparse.Namespace:
    """Parses the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="after which nothing more is begun")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="groups of shapes to measure")
    parser.add_argument("--layouts", action="store_true", help="compare layouts")
    parser.add_argument("--tiny", action="store_true", help="measure little")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", action="store_true", help="print layouts and their times alone")
    options = parser.parse_args()
    if options.only and (options.layouts or options.tiny):
        parser.error("--only chooses among the groups of a whole run: leave out --layouts and --tiny")
    return options


def planned(options: argparse.Namespace, architecture: str) -> list[Task]:
    """Returns what is to be measured, in order."""
    if options.layouts:
        cases, most = (SMALL[:1], 2) if options.tiny else (LAYOUTS, 11)
        return [(case.name, case, each) for case in cases for each in candidates(case.program, architecture, most)]
    if options.tiny:
        return [("tiny", case, None) for case in SMALL]
    return [(group, case, None) for group in options.only or GROUPS for case in GROUPS[group]]


def measured(device: Device, tasks: list[Task], end: float) -> Iterator[dict[str, Any]]:
    """Yields a row for each task, until the time is up or the device fails."""
    workers = min(PROCESSES, len(os.sched_getaffinity(0)))
    seen: set[str] = set()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [submitted(pool, task, device.architecture) for task in tasks]
        for (group, case, chosen), future in zip(tasks, futures, strict=True):
            if time.monotonic() > end:
                break
            row = {"group": group, "name": case.name, "models": case.models, "expected": expected(case)}
            own = chosen or layout(case.program, device.architecture)
            row |= {"layout": own.macros} if isinstance(own, Layout) else {}
            if chosen is not None:
                row |= {"rule": group not in seen}
                seen.add(group)
            try:
                found = alone(device, case, compiler.Compiled(*future.result()), LAUNCH_SECONDS)
                flops = case.program.flops / case.program.steps
                yield row | found | {"TFLOP/s": flops / found["ns"] / 1e3, "ratio": found["ns"] / row["expected"]}
            except Exception as error:  # what fails, as by lack of memory, leaves the others
                yield row | {"missing": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
                if isinstance(error, CudaError) and error.code != 2:  # but for lack of memory it ends the process
                    break
        pool.shutdown(cancel_futures=True)


def submitted(pool: Executor, task: Task, architecture: str) -> Future[tuple[bytes, str]]:
    """Lets a process compile a task's kernels; what the GPU can't train has failed, with the reason."""
    _, case, chosen = task
    try:
        return pool.submit(compiled, source_of(case, architecture, chosen), architecture)
    except NotForCuda as error:
        refused: Future[tuple[bytes, str]] = Future()
        refused.set_exception(error)
        return refused


def compiled(text: str, architecture: str) -> tuple[bytes, str]:
    """Compiles kernels, in a process of its own."""
    return compiler.compiled(text, architecture)


def expected(case: Case) -> float:
    """Nanoseconds of a model and step, by the cost model."""
    return 1e9 * cuda_seconds(case.program, case.models) / case.program.steps / case.models


def measured_beside(device: Device, cases: list[Case], end: float, say: Any) -> Iterator[dict[str, Any]]:
    """Yields what models take beside their training, and prints it."""
    for case in cases:
        if time.monotonic() > end:
            break
        row: dict[str, Any] = {"name": case.name, "models": case.models}
        row["expected of observing"] = 1e6 * readout.seconds_of(case.program) / OBSERVING_SPEED
        try:
            row |= beside(device, case)
        except Exception as error:
            row["missing"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        numbers = (f"{name}: {value:.2f}" for name, value in row.items() if isinstance(value, float))
        say(f"beside the training, us a model, {case.name}: {row.get('missing') or ', '.join(numbers)}")
        yield row


if __name__ == "__main__":
    sys.exit(main())
