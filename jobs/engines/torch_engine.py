"""The torch engine: trains a pack as stacked tensors on a CPU or a GPU, and predicts with trained models.

Arrays in, arrays out: it knows no files, no Ray and no datasets.

Suffixes: M models, N rows, I inputs, P parameters of one model, E points of a loss curve; _1 is an axis of length one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sumsquares.jobs.engines.choice import EngineMissing
from sumsquares.jobs.engines.forward import predictions
from sumsquares.jobs.engines.initialize import initial_state
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.network import Network
from sumsquares.jobs.engines.objective import Objective
from sumsquares.jobs.engines.optimizers import OPTIMIZERS, decay
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.shuffle import Rows, batches
from sumsquares.jobs.engines.state import PerModel, State, losses_so_far

REPORT_STEPS = 100
"""Steps between two calls of `on_progress`: about 0.1 s for a cache-sized pack of small networks."""


def prepare(threads: int = 1) -> None:
    """Sets up threads and reproducible matrix products in this process; must be called before its first tensor.

    MKL picks its kernel by the alignment of each matrix, so that a model's last bits would depend on its place in
    the pack. MKL_CBWR=AVX2 prevents that and was no slower in measurements (COMPATIBLE takes twice the time).
    """
    os.environ.setdefault("MKL_CBWR", "AVX2")
    torch.set_num_threads(threads)


def _no_cuda(program: Program) -> str:
    built = "finds no GPU" if torch.version.cuda else "is built without CUDA"
    return (
        f"torch has to train hidden = {list(program.hidden)} on a GPU, and torch {torch.__version__} {built}; install "
        "torch with CUDA, or train on CPUs alone, with --gpu-workers 0"
    )


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Treats denormals as zero in this thread, inside the context only: outside of it a learning rate may be denormal.

    The first moment of a dead ReLU unit becomes denormal after about 800 steps of Adam and would slow every later step.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train(
    program: Program,
    models: PerModel,
    rows: Rows,
    *,
    device: str = "cpu",
    state: State | None = None,
    on_progress: Callable[[int, Callable[[], State]], None] = lambda _step, _state: None,
) -> State:
    """Trains to the end, from the initial or a saved state, and returns the final state.

    The loss is the mean over a batch. `on_progress(step, state)` is called every `REPORT_STEPS` steps; it
    may call `state()` for a copy to save. A model whose loss is no longer finite is still computed, but its steps no
    longer count. The other models are not affected.

    Raises:
        EngineMissing: this torch can't use the GPU that it is asked for.

    """
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineMissing(_no_cuda(program))
    dtype = getattr(torch, program.dtype)
    optimizer = OPTIMIZERS[program.optimizer]
    state = state or initial_state(program, models, optimizer.arrays)
    step = state.step

    # Copies on the device, which the steps change in place.
    network, objective = Network(program, torch.tensor(state.parameters, device=device)), Objective(program)
    optimizer_state = [torch.tensor(array, device=device) for array in state.optimizer_state]
    finite_M = torch.tensor(state.finite_steps, device=device)
    losses_ME = torch.tensor(losses_so_far(program, state), device=device)
    points = {int(epoch) - 1: point for point, epoch in enumerate(curve_epochs(program.epochs))}
    rows_of_epoch = torch.tensor(float(program.rows), dtype=torch.float64, device=device)

    # The learning rate stays in float64 until it is multiplied by the schedule's factor: one rounding in all.
    first_lr_M1 = torch.tensor(models.lr, dtype=torch.float64, device=device)[:, None]
    decay_M1 = torch.tensor(models.weight_decay, dtype=dtype, device=device)[:, None]
    has_decay = any(models.weight_decay)
    lr_M1 = first_lr_M1.to(dtype)
    p, g, scratch = network.parameters_MP, network.gradient_MP, torch.empty_like(network.parameters_MP)

    def snapshot() -> State:
        return State(step, _copy(p), tuple(map(_copy, optimizer_state)), _copy(finite_M), _copy(losses_ME))

    with torch.inference_mode(), denormals_flushed():
        # Continue in the middle of an epoch: its first `skip` batches were already seen.
        first_epoch, skip = divmod(step, program.steps_per_epoch)
        for epoch in range(first_epoch, program.epochs):
            end = (epoch + 1) * program.steps_per_epoch
            per_step = zip(
                lr_factors(program.schedule, step, end, program.steps).tolist(),
                *bias_corrections(step, end).tolist(),
                strict=True,
            )

            for x, y in batches(rows, program.batch_size, program.shuffle_seed, epoch, skip):
                x_NI, y_N = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
                loss_M, d_MN = objective.derive(network.forward(x_NI), y_N)
                finite_M += torch.isfinite(loss_M)
                if epoch in points:
                    losses_ME[:, points[epoch]].addcdiv_(loss_M, rows_of_epoch)
                network.backward(x_NI, d_MN)

                # A constant learning rate is computed once: on small networks each operation is a noticeable cost.
                lr_factor, *corrections = next(per_step)
                if program.schedule != "constant":
                    lr_M1 = (first_lr_M1 * lr_factor).to(dtype)
                if has_decay:
                    decay(optimizer, p, g, decay_M1, lr_M1)
                step += 1
                optimizer.update(p, g, optimizer_state, scratch, lr_M1, (corrections[0], corrections[1]))
                if step % REPORT_STEPS == 0:
                    on_progress(step, snapshot)
            skip = 0
    return snapshot()


def _copy(tensor: Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy().copy()


def observer(_program: Program) -> None:
    """Returns None: `readout.observe` knows what observes on CPUs."""


def predictor(
    program: Program, parameters_MP: NDArray[np.floating], device: str = "cpu"
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    """Returns a function from normalised inputs [N, I] to normalised predictions [M, N] of the models, in float64."""
    parameters = torch.tensor(parameters_MP, device=device)

    def predict(x_NI: NDArray[np.floating]) -> NDArray[np.float64]:
        predicted_MN = np.empty((len(parameters), len(x_NI)))
        with torch.inference_mode():
            for part, z_MN in predictions(program, parameters, torch.from_numpy(x_NI).to(device)):
                predicted_MN[part] = z_MN.cpu().numpy()
        return predicted_MN

    return predict
