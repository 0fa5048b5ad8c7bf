"""A stand-in for a GPU and its engine, to measure what is around them on a machine without one.

It trains nothing: the weights that it returns are made up, and for as long as a GPU would train it waits. A file's lock
is the GPU: processes that share it take turns, as the kernels of different processes do. What the cuda engine does on
the CPU is done here too: the order of the rows, what changes from step to step, and copies of what comes back.

Suffixes: M models, N rows, I inputs, P parameters of one model, U hidden units, K weights of the output layer.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.losses import curve_epochs, points
from sumsquares.jobs.engines.metrics import Floats, Sums
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.readout import Known
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.shuffle import Rows, in_memory, step_blocks
from sumsquares.jobs.engines.state import PerModel, State
from sumsquares.jobs.stages import train as stage
from sumsquares.jobs.stages.packs import Pack

ENGINE = "stand-in"
LAUNCH_SECONDS = 0.15
"""Of the cuda engine's launches."""
BLOCK_ROWS = 1 << 18
"""Rows of which it draws the order at a time."""


@dataclass(frozen=True)
class Gpu:
    """A pretended GPU that processes share."""

    folder: Path
    """Where its lock is, and the records of when it was busy."""
    seconds: float = 0.0
    """Of one model and step."""

    def run(self, seconds: float) -> None:
        """Waits for the GPU, and then for it to finish."""
        with (self.folder / "lock").open("w") as lock, (self.folder / f"busy-{os.getpid()}").open("a") as record:
            fcntl.flock(lock, fcntl.LOCK_EX)
            began = time.monotonic()
            time.sleep(seconds)
            record.write(f"{began} {time.monotonic()}\n")

    def note(self, before: float, after: float) -> None:
        """Records the CPU seconds of a pack before and after its training."""
        with (self.folder / f"cpu-{os.getpid()}").open("a") as record:
            record.write(f"{before} {after}\n")

    def busy(self) -> list[tuple[float, float]]:
        """Returns from when to when it was busy, in order."""
        return self._pairs("busy")

    def beside(self) -> list[tuple[float, float]]:
        """Returns the CPU seconds of each pack before and after its training."""
        return self._pairs("cpu")

    def _pairs(self, kind: str) -> list[tuple[float, float]]:
        lines = [line for path in self.folder.glob(f"{kind}-*") for line in path.read_text().splitlines()]
        return sorted((float(first), float(second)) for first, second in map(str.split, lines))


@dataclass(frozen=True)
class StandIn:
    """The engine: it has the functions of an engine's module."""

    gpu: Gpu
    trained: list[float] = field(default_factory=list)
    """CPU seconds of this process when the training of each pack began and ended."""

    def prepare(self) -> None:
        """Does nothing."""

    def train(
        self,
        program: Program,
        models: PerModel,
        rows: Rows,
        *,
        device: str,
        state: State | None = None,
        on_progress: Callable[[int, Callable[[], State]], None],
    ) -> State:
        """Waits as long as a GPU would train, and returns made-up weights."""
        del device, state
        count = len(models.seeds)
        step_seconds = max(1e-9, count * self.gpu.seconds)
        rows.chunk(0)
        self.trained.append(time.process_time())
        for steps in _steps(program, rows, max(1, int(LAUNCH_SECONDS / step_seconds))):
            if self.gpu.seconds:
                self.gpu.run(steps * step_seconds)
            on_progress(0, lambda: _made_up(program, count))
        self.trained.append(time.process_time())
        return _made_up(program, count)

    def predictor(self, program: Program, parameters_MP: NDArray[np.floating], device: str) -> Predictor:
        """Returns what makes up predictions."""
        del program, device
        return Predictor(len(parameters_MP))

    def observer(self, program: Program) -> Observer:
        """Returns what makes up readouts."""
        return Observer(program)


@dataclass(frozen=True)
class Predictor:
    """Makes up predictions of models, or only the sums of their errors, as the cuda engine's predictor does."""

    models: int

    def __call__(self, x_NI: NDArray[np.floating]) -> Floats:
        """Returns predictions."""
        return np.full((self.models, len(x_NI)), 0.5)

    def sums(self, x_NI: NDArray[np.floating], expected_N: Floats, chosen: NDArray[np.intp], **_: float) -> Sums:
        """Returns sums over these rows, which depend on the model."""
        del x_NI, chosen
        sums_M = np.random.default_rng(0).random(self.models) * np.square(expected_N).sum()
        return Sums(*[sums_M] * 3, np.zeros(self.models, np.int64), *[sums_M] * 2, np.zeros(self.models, np.int64))


@dataclass(frozen=True)
class Observer:
    """Observes nothing, at once: `engines.readout.Observer` and `Observing`."""

    program: Program
    models: int = 0
    solver: str = "cuda"
    group: int = 1 << 20

    def begin(self, parameters_MP: NDArray[np.floating]) -> Observer:
        """Returns itself with as many models."""
        return replace(self, models=len(parameters_MP))

    def add(self, x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> None:
        """Does nothing."""

    def known(self, rows: int) -> Known:
        """Returns zeros."""
        del rows
        units_MU = np.zeros((self.models, sum(self.program.hidden)))
        readout_MK = np.zeros((self.models, self.program.layers[-1].inputs + 1))
        return Known(readout_MK, np.ones(self.models, bool), units_MU, units_MU)


def worker(gpu: Gpu, store: str, device: str) -> Callable[[Pack, Callable[[float], None]], Any]:
    """A `MakeWork`: the function that trains packs as a GPU worker does, with the stand-in."""
    del device
    engine = StandIn(gpu)
    with _in_place(engine):
        work = stage.worker(store, 1 << 30, "auto", "cuda")

    def train(pack: Pack, heartbeat: Callable[[float], None]) -> Any:
        taken = time.process_time()
        with _in_place(engine):
            outcome = work(pack, heartbeat)
        began, ended = engine.trained[-2:]
        gpu.note(began - taken, time.process_time() - ended)
        return outcome

    return train


@contextmanager
def _in_place(engine: StandIn) -> Iterator[None]:
    """Puts the stand-in in the place of any engine."""
    before = {name: getattr(stage, name) for name in ("choose", "engine", "recorded")}
    stage.choose = stage.recorded = lambda *_: ENGINE  # type: ignore[assignment]
    stage.engine = lambda _name: engine
    try:
        yield
    finally:
        vars(stage).update(before)


def _steps(program: Program, rows: Rows, most: int) -> Iterator[int]:
    """Yields the steps of each launch, and does what they need on the CPU."""
    step = 0
    indices = np.arange(rows.count, dtype=np.int32)
    order = in_memory(np.empty((rows.count, 0), np.int32), indices)
    for _, order_N, ends_S in step_blocks(
        order, program.batch_size, program.shuffle_seed, program.epochs, 0, BLOCK_ROWS
    ):
        for first in range(0, len(ends_S), most):
            until = step + len(ends_S[first : first + most])
            np.ascontiguousarray(order_N)
            np.stack([*bias_corrections(step, until)], axis=1).astype(program.dtype)
            lr_factors(program.schedule, step, until, program.steps)
            points(step, until, program.epochs, program.steps_per_epoch).astype(np.int32)
            yield until - step
            step = until


def _made_up(program: Program, models: int) -> State:
    """A state after the last step, as it comes from the device."""
    weights_P = np.random.default_rng(0).normal(size=program.parameters).astype(program.dtype)
    parameters_MP = np.repeat(weights_P[None], models, axis=0)
    losses_ME = np.ones((models, len(curve_epochs(program.epochs))))
    moments = (parameters_MP.copy(), parameters_MP.copy())
    return State(program.steps, parameters_MP, moments, np.full(models, program.steps), losses_ME)
