"""The lanes engine: trains a pack on one core by the native kernel in `lanes/`, a model or a unit per SIMD lane.

A model's bits do not depend on its pack mates, on restarts, or on the processor, as long as that fuses multiply and
add: nothing is summed across lanes, every sum is one chain in a fixed order, and no libm takes part. Here the batches
and learning rates of many steps are put into one call of the kernel, which keeps Python off the hot path.

Suffixes: M models, N rows, I inputs, P parameters of one model, S steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.initialize import initial_state
from sumsquares.jobs.engines.lanes.library import Library, Steps, Trained, load
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.shuffle import Rows, step_blocks
from sumsquares.jobs.engines.state import PerModel, State

CALL_FLOPS = 1e10
"""Of one call of the kernel, roughly: 0.1 to 0.2 s, in which no signal is handled and no progress shown."""
UPDATE_FLOPS = 100
"""What the optimizer takes for a parameter, its square root above all, in these: most of a step of few rows."""
CALL_ROWS = 1 << 18
"""Of one call, or as many as end with an epoch."""


def available() -> str | None:
    """None, or why the engine can't be used here."""
    library = load()
    return library if isinstance(library, str) else None


def fused() -> bool:
    """Whether multiply-add is rounded once here, which decides the bits."""
    return _library().fused


def variant() -> str:
    """The instruction set that is used here."""
    return _library().variant


def prepare() -> None:
    """Finds the kernel for this processor.

    Raises:
        RuntimeError: there is none, with the reason.

    """
    _library()


def train(
    program: Program,
    models: PerModel,
    rows: Rows,
    *,
    device: str = "cpu",
    state: State | None = None,
    on_progress: Callable[[int, Callable[[], State]], None] = lambda _step, _state: None,
) -> State:
    """Trains to the end, from the beginning or from a saved state, and returns the last state.

    The loss is the mean squared error of a batch. `on_progress(step, state)` is called several times a second; calling
    `state()` in it copies the state, to be saved. A model whose loss is no longer finite is still computed, but its
    steps no longer count; the other models are not affected.
    """
    assert device == "cpu", device
    library = _library()
    state = state or initial_state(program, models, library.arrays_of(program.optimizer))
    step = state.step
    lr_M, decay_M = np.array(models.lr, np.float64), np.array(models.weight_decay, np.float64)

    # The kernel changes these in place; the caller's state stays as it was.
    trained = Trained(state.parameters.copy(), tuple(map(np.copy, state.optimizer_state)), state.finite_steps.copy())

    def snapshot() -> State:
        copies = tuple(map(np.copy, trained.optimizer_state))
        return State(step, trained.parameters_MP.copy(), copies, trained.finite_M.copy())

    # A call ends after some 0.2 s, so that signals are handled and progress is shown. Where the layers are so wide that
    # one step of all models takes longer, a call has fewer models.
    for steps in _calls(program, rows, step, len(lr_M)):
        for part in _parts(len(lr_M), _step_flops(program)):
            library.train(program, steps, lr_M[part], decay_M[part], trained.models(part))
        step += len(steps.ends_S)
        on_progress(step, snapshot)
    return snapshot()


def _calls(program: Program, rows: Rows, begin: int, models: int) -> Iterator[Steps]:
    """The steps from `begin` on, in calls of at least one step."""
    most = max(1, int(CALL_FLOPS / (_step_flops(program) * -(-models // 16) * 16)))
    step = begin
    enough = min(CALL_ROWS, most * program.batch_size)
    for x_NI, y_N, ends_S in step_blocks(rows, program.batch_size, program.shuffle_seed, program.epochs, begin, enough):
        for first in range(0, len(ends_S), most):
            ends = ends_S[first : first + most]
            start = int(ends_S[first - 1]) if first else 0
            until = step + len(ends)
            yield Steps(
                x_NI[start : ends[-1]],
                y_N[start : ends[-1]],
                ends - start,
                lr_factors(program.schedule, step, until, program.steps),
                np.ascontiguousarray(bias_corrections(step, until)),
            )
            step = until


def _step_flops(program: Program) -> float:
    """What a step of one model takes, in operations of float32."""
    return (program.flops / program.steps + UPDATE_FLOPS * program.parameters) * program.item_bytes / 4


def _parts(models: int, flops: float) -> list[slice]:
    """Models that go through a call together: whole vectors of 16, or one alone where 16 would take over a second."""
    width = int(CALL_FLOPS / flops) // 16 * 16 or (16 if 16 * flops <= 10 * CALL_FLOPS else 1)
    return [slice(first, first + width) for first in range(0, models, width)]


def predictor(
    program: Program, parameters_MP: NDArray[np.floating], device: str = "cpu"
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    """A function from normalised inputs [N, I] to the normalised predictions [M, N] of trained models, in float64."""
    assert device == "cpu", device
    library = _library()
    parameters = np.ascontiguousarray(parameters_MP)

    def predict(x_NI: NDArray[np.floating]) -> NDArray[np.float64]:
        x_NI = np.ascontiguousarray(x_NI)
        parts = _parts(len(parameters), 2.0 * program.parameters * max(1, len(x_NI)) * program.item_bytes / 4)
        predicted = [library.predict(program, parameters[part], x_NI) for part in parts]
        return np.concatenate(predicted, dtype=np.float64)

    return predict


def _library() -> Library:
    library = load()
    if isinstance(library, str):
        raise RuntimeError(f"the lanes engine is not there: {library}")
    return library
