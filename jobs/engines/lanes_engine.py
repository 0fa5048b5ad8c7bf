"""The lanes engine: trains a pack on one core with the native kernel in `lanes/`, one model or unit per SIMD lane.

A model's bits don't depend on the other models of its pack, on restarts, or on the processor, if that has fused
multiply-add: every sum is added in a fixed order, whatever a lane holds, and no libm is called. This
module batches the rows and learning rates of many steps into one call of the kernel, which keeps Python off the hot
path.

Suffixes: M models, N rows, I inputs, P parameters of one model, S steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.initialize import initial_state
from sumsquares.jobs.engines.lanes.library import Library, Steps, Trained, load
from sumsquares.jobs.engines.losses import points
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.shuffle import Rows, step_blocks
from sumsquares.jobs.engines.state import PerModel, State, losses_so_far

CALL_FLOPS = 2e10
"""Operations of one call of the kernel, roughly: 0.1 to 0.2 s, without handling signals or showing progress."""
UPDATE_FLOPS = 100
"""The cost of updating one parameter, in operations; its square root is most of it, and of a step of few rows."""
CALL_ROWS = 1 << 18
"""Rows of one call, or as many more as complete an epoch."""
CALL_NUMBERS = 1 << 22
"""Inputs and targets of one call, likewise: with many inputs there are fewer rows, in 32 MB at most."""
CALL_STEPS = 50
"""Steps of one call where layers are wide, if possible: a call loads and saves the models, which takes as long as a
step or two. Then several calls make a round, after which all models are at the same step."""
ROUND_CALLS = 10
"""Calls of a round, at most, unless it is a single step: 1 to 2 s without showing progress."""


def available() -> str | None:
    """Returns None, or the reason why the engine isn't available on this machine."""
    library = load()
    return library if isinstance(library, str) else None


def fused() -> bool:
    """Whether this machine rounds multiply-add once, which changes the bits."""
    return _library().fused


def variant() -> str:
    """The instruction set that this machine uses."""
    return _library().variant


def prepare() -> None:
    """Loads the kernel for this processor.

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
    """Trains to the end, from the initial or a saved state, and returns the final state.

    The loss is the mean over a batch. `on_progress(step, state)` is called after each round, of 0.2 to 2 s;
    it may call `state()` for a copy to save. A model whose loss is no longer finite is still computed, but its steps no
    longer count. The other models are not affected.
    """
    assert device == "cpu", device
    library, is_new = _library(), state is None
    state = state or initial_state(program, models, library.arrays_of(program.optimizer))
    step = state.step
    lr_M, decay_M = np.array(models.lr, np.float64), np.array(models.weight_decay, np.float64)

    # The kernel changes these in place; a caller's state stays as it was.
    copied = np.asarray if is_new else np.copy
    trained = Trained(
        copied(state.parameters),
        tuple(map(copied, state.optimizer_state)),
        copied(state.finite_steps),
        losses_so_far(program, state),
    )

    def snapshot() -> State:
        copies = tuple(map(np.copy, trained.optimizer_state))
        return State(step, trained.parameters_MP.copy(), copies, trained.finite_M.copy(), trained.losses_ME.copy())

    # A call ends after some 0.2 s, so that signals are handled. Progress is shown after a round of calls.
    flops = _step_flops(program)
    for steps in _rounds(program, rows, step, _round_steps(flops * len(lr_M))):
        for part in _parts(len(lr_M), flops * len(steps.ends_S)):
            library.train(program, steps, lr_M[part], decay_M[part], trained.models(part))
        step += len(steps.ends_S)
        on_progress(step, snapshot)
    return State(step, trained.parameters_MP, trained.optimizer_state, trained.finite_M, trained.losses_ME)


def _round_steps(flops: float) -> int:
    """Steps of a round, of which one takes this many operations for all models."""
    return max(1, int(CALL_FLOPS / flops), min(CALL_STEPS, int(ROUND_CALLS * CALL_FLOPS / flops)))


def _rounds(program: Program, rows: Rows, begin: int, most: int) -> Iterator[Steps]:
    """Yields the steps from `begin` on, in rounds of at most so many."""
    step = begin
    enough = min(CALL_ROWS, max(1, CALL_NUMBERS // (program.inputs + 1)), most * program.batch_size)
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
                points(step, until, program.epochs, program.steps_per_epoch),
                program.rows,
            )
            step = until


def _step_flops(program: Program) -> float:
    """Cost of a step of one model, in operations of float32."""
    return (program.flops / program.steps + UPDATE_FLOPS * program.parameters) * program.item_bytes / 4


def _parts(models: int, flops: float) -> list[slice]:
    """Splits the models into those of one call each: one at least, and whole vectors of 16 where more would fit."""
    width = max(1, int(CALL_FLOPS / flops))
    width -= width % 16 if width > 16 else 0
    return [slice(first, first + width) for first in range(0, models, width)]


def observer(_program: Program) -> None:
    """Returns None: `readout.observe` knows what observes on CPUs."""


def predictor(
    program: Program, parameters_MP: NDArray[np.floating], device: str = "cpu"
) -> Callable[[NDArray[np.floating]], NDArray[np.float64]]:
    """Returns a function from normalised inputs [N, I] to normalised predictions [M, N] of the models, in float64."""
    assert device == "cpu", device
    library = _library()
    parameters = np.ascontiguousarray(parameters_MP)

    def predict(x_NI: NDArray[np.floating]) -> NDArray[np.float64]:
        x_NI = np.ascontiguousarray(x_NI)
        flops = 2.0 * program.parameters * max(1, len(x_NI)) * program.item_bytes / 4
        # Many small models are predicted in parts, too, or a second copy of all predictions would be made.
        parts = _parts(len(parameters), max(flops, CALL_FLOPS * len(x_NI) / CALL_NUMBERS))
        predicted_MN = np.empty((len(parameters), len(x_NI)))
        for part in parts:
            predicted_MN[part] = library.predict(program, parameters[part], x_NI)
        return predicted_MN

    return predict


def _library() -> Library:
    library = load()
    if isinstance(library, str):
        raise RuntimeError(f"the lanes engine is not there: {library}")
    return library
