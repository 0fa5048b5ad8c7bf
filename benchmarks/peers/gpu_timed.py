"""Times on a GPU, of any program: its training kernel alone, by CUDA events, and what comes before and after, by clock.

Suffixes: M models, N rows, I inputs, P parameters of one model, S steps, R rows of a batch as they lie in memory.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from gpu_programs import Case

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import kernels
from sumsquares.jobs.engines.cuda.compiler import Compiled
from sumsquares.jobs.engines.cuda.driver import Device, Event
from sumsquares.jobs.engines.cuda.layout import Layout
from sumsquares.jobs.engines.cuda.modules import Function
from sumsquares.jobs.engines.cuda.rows import Block, Stored
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.cuda.training import Training
from sumsquares.jobs.engines.cuda.weights import initial_parameters
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.readout import observe
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import PerModel

ROUNDS = 3
WARM_STEPS, MOST_STEPS = 10, 3_000
SPILLS = re.compile(r"(\d+) bytes spill stores")


class Kernels(kernels.Kernels):
    """Kernels whose training is timed."""

    @cached_property
    def train(self) -> Any:
        """The kernel between two marks."""
        return Marked(super().train)


class Marked:
    """A kernel with a mark before and after its last launch."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.marks: list[Event] = []

    def launch(self, *arguments: Any) -> None:
        """Launches it."""
        before = self.function._device.event()
        self.function.launch(*arguments)
        self.marks = [before, self.function._device.event()]

    @property
    def seconds(self) -> float:
        """Of the last launch."""
        before, after = self.marks
        return after.elapsed(before)


def source_of(case: Case, architecture: str, chosen: Layout | None = None) -> str:
    """The source of the kernels of a case, with another layout than the rule's if one is given."""
    if chosen is None:
        return kernels.text(case.program, architecture, case.has_decay)
    return source(kernels.shape_macros(case.program, case.has_decay) | chosen.macros, kernels.FILES)


def alone(device: Device, case: Case, compiled: Compiled, seconds: float) -> dict[str, Any]:
    """Returns nanoseconds of a model and step, in each of three launches of about so many seconds."""
    kernel = Kernels(device.load(compiled.image))
    training = Training(device, case.program, kernel, models_of(case), None)
    timed = _launcher(device, case.program, kernel, training)
    timed(1)
    steps = max(WARM_STEPS, min(MOST_STEPS, int(seconds / timed(WARM_STEPS) * WARM_STEPS)))
    each = [1e9 * timed(steps) / steps / case.models for _ in range(ROUNDS)]
    blocks = kernel.train.function.blocks_per_multiprocessor(kernel.info.threads, kernel.info.shared_bytes)
    return {"ns": statistics.median(each), "rounds": each, "steps": steps, "blocks": blocks, **reported(compiled.log)}


def _launcher(device: Device, program: Program, kernel: Kernels, training: Training) -> Callable[[int], float]:
    """Returns what trains some steps and returns the seconds of the kernel."""
    draws, batch = np.random.default_rng(1), min(program.batch_size, program.rows)
    x_NI = draws.uniform(-1, 1, (program.rows, program.inputs)).astype(program.dtype)
    rows = Stored(device.put(x_NI), device.put((x_NI**2).mean(1).astype(program.dtype)))

    def timed(steps: int) -> float:
        order_SR = np.full((steps, kernel.info.batch_rows), -1, np.int32)
        order_SR[:, :batch] = draws.integers(0, program.rows, (steps, batch))
        training.step = 0
        training.launch(Block(rows, order_SR, np.full(steps, batch)))
        return float(kernel.train.seconds)

    return timed


def models_of(case: Case) -> PerModel:
    """Models that differ in seed and rate."""
    count, decay = case.models, 0.01 * case.has_decay
    return PerModel(range(count), ["glorot_uniform"] * count, list(np.linspace(1e-4, 1e-3, count)), [decay] * count)


def reported(log: str) -> dict[str, int | None]:
    """The registers of the kernel `train`, and the bytes that did not fit them, by the compiler's report."""
    mine = [part for part in log.split("Compiling entry function '")[1:] if part.startswith("train'")]
    registers, spilt = (re.search(pattern, "".join(mine)) for pattern in (r"Used (\d+) registers", SPILLS))
    return {"registers": int(registers[1]) if registers else None, "spilt": int(spilt[1]) if spilt else None}


def beside(device: Device, case: Case) -> dict[str, float]:
    """Returns microseconds of a model for what comes before and after its training, on all rows of the program."""
    program, models = case.program, models_of(case)
    x_NI = np.random.default_rng(1).uniform(-1, 1, (program.rows, program.inputs))
    y_N = (x_NI**2).mean(1)
    parameters_MP = initial_parameters(device, program, models).get()
    single_NI = x_NI.astype(program.dtype)
    chosen, solver = np.arange(len(y_N) // 2), cuda_engine.observer(program)
    assert solver is not None, "it is left to the CPU"

    def errors() -> None:
        cuda_engine.predictor(program, parameters_MP).sums(single_NI, y_N, chosen, 1.0, 0.0)  # type: ignore[attr-defined]

    works: dict[str, Callable[[], object]] = {
        "first weights": lambda: initial_parameters(device, program, models).get(),
        "observing": lambda: observe(program, parameters_MP, in_memory(x_NI, y_N), solver),
        "errors": errors,
        "predictions": lambda: cuda_engine.predictor(program, parameters_MP)(single_NI),
    }
    return {name: 1e6 * _usual(work) / case.models for name, work in works.items()}


def _usual(work: Callable[[], object]) -> float:
    """The median seconds of three rounds after one that compiles and warms up."""
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])
