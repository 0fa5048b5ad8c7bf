"""The cuda engine: trains a pack on an NVIDIA GPU with the kernels in `cuda/`, one model per thread block.

A model's bits depend neither on the other models of its pack nor on restarts or the number of steps of a launch: each
block computes its model alone, adds every sum in a fixed order, and keeps all state in the device's memory between
launches. They may differ between architectures, whose approximate functions do.

Suffixes: M models, N rows, I inputs, P parameters of one model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.cuda import compiler, driver, exact, kernels, readout
from sumsquares.jobs.engines.cuda.driver import Device
from sumsquares.jobs.engines.cuda.evaluation import Predictor, grid, most_rows
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.cuda.readout import Observer
from sumsquares.jobs.engines.cuda.rows import blocks
from sumsquares.jobs.engines.cuda.training import Pace, Training
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import Rows
from sumsquares.jobs.engines.state import PerModel, State

Floats = NDArray[np.float64]


def available() -> str | None:
    """Returns None, or the reason why the engine isn't available on this machine."""
    return driver.reason() or compiler.reason(driver.architecture())


def prepare() -> None:
    """Opens the device.

    Raises:
        CudaError: there is none, or it can't be used.

    """
    _device()


@cache
def _device() -> Device:
    return Device()


def train(
    program: Program,
    models: PerModel,
    rows: Rows,
    *,
    device: str = "cuda",
    state: State | None = None,
    on_progress: Callable[[int, Callable[[], State]], None] = lambda _step, _state: None,
) -> State:
    """Trains to the end, from the initial or a saved state, and returns the final state.

    The loss is the mean over a batch. `on_progress(step, state)` is called after each launch, of some 0.15 s; it may
    call `state()` for a copy to save. A model whose loss is no longer finite is still computed, but its steps no
    longer count. The other models are not affected.

    Raises:
        CompileError: the kernels can't be compiled, with the reason.
        CudaError: the device failed. All later calls fail in this process.
        NotForCuda: the kernels can't train this program.

    """
    assert device == "cuda", device
    gpu = _device()
    kernel = kernels.load(gpu, program, any(models.weight_decay))
    training = Training(gpu, program, kernel, models, state)
    pace = Pace(program, len(models.seeds), kernel)

    # While the device trains, the order of the next steps is drawn.
    ahead = blocks(gpu, program, rows, training.step, kernel.info.batch_rows, pace.steps)
    block = next(ahead, None)
    while block is not None:
        began = time.monotonic()
        training.launch(block)
        following = next(ahead, None)
        gpu.synchronize()
        pace.took(len(block.counts_S), time.monotonic() - began)
        block = following
        on_progress(training.step, training.snapshot)
    return training.snapshot()


def observer(program: Program) -> Observer | None:
    """Returns what observes hidden layers and solves readouts here; None where the CPU does."""
    return readout.observer(_device(), program)


def _on_cpu(program: Program, parameters_MP: NDArray[np.floating]) -> Callable[[NDArray[np.floating]], Floats]:
    """Returns the predictor in float64 of networks that are too wide for one block: its bits are the same by lanes."""
    if lanes_engine.available() is None:
        return lanes_engine.predictor(program, parameters_MP)
    from sumsquares.jobs.engines import torch_engine  # only where lanes is missing: that takes seconds

    return torch_engine.predictor(program, parameters_MP)


def predictor(
    program: Program, parameters_MP: NDArray[np.floating], device: str = "cuda"
) -> Callable[[NDArray[np.floating]], Floats]:
    """Returns a function from normalised inputs [N, I] to normalised predictions [M, N] of the models, in float64.

    It can also sum up their errors on the device, except where networks are predicted on the CPU.
    """
    assert device == "cuda", device
    gpu = _device()
    if program.dtype == "float64":
        return exact.predictor(gpu, program, parameters_MP) or _on_cpu(program, parameters_MP)
    kernel = kernels.load(gpu, program, has_decay=False)
    info = kernel.info
    models, parameters = len(parameters_MP), gpu.put(np.ascontiguousarray(parameters_MP, program.dtype))

    def predict(x_NI: NDArray[np.floating]) -> Array:
        padded = np.zeros((len(x_NI), info.row_stride), program.dtype)
        padded[:, : program.inputs] = x_NI
        x, predicted = gpu.put(padded), gpu.empty((models, len(x_NI)), program.dtype)
        threads, shared = info.threads, info.predict_shared_bytes
        kernel.predict.launch(grid(models, len(x_NI)), threads, shared, x, len(x_NI), parameters, predicted)
        return predicted

    return Predictor(gpu, models, predict, most_rows(models, info.row_stride, program.item_bytes))
