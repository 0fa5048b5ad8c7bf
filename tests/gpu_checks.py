"""What the laws of the cuda engine check with: training a case, and states that must be equal to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
from gpu_cases import Case

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import State


class Broken(AssertionError):  # noqa: N818  named for the state of things, like EngineMissing and others
    """A law does not hold."""


def check(holds: object, *told: object) -> None:
    """Raises Broken with what is told unless a condition holds."""
    if not holds:
        raise Broken(" ".join(map(str, told)))


def trained(of: Case, **options) -> State:
    """Trains a case with the engine."""
    return cuda_engine.train(of.program, of.per_model, in_memory(*of.rows), **options)


def check_same(found: State, expected: State, what: str) -> None:
    """Checks that two states are equal to the bit."""
    arrays = zip(_arrays(found), _arrays(expected), strict=True)
    for name, array, other in ((name, array, other) for (name, array), (_, other) in arrays):
        check(
            array.dtype == other.dtype and array.tobytes() == other.tobytes(),
            what,
            name,
            "differ:",
            _worst(array, other),
        )


def _arrays(state: State) -> list[tuple[str, np.ndarray]]:
    kept = [(f"state {index}", array) for index, array in enumerate(state.optimizer_state)]
    return [("parameters", state.parameters), ("finite steps", state.finite_steps), ("losses", state.losses), *kept]


def _worst(array: np.ndarray, other: np.ndarray) -> str:
    if array.dtype != other.dtype or array.shape != other.shape:
        return f"{array.dtype} {array.shape} and {other.dtype} {other.shape}"
    as_bits = f"u{array.dtype.itemsize}"
    differs = array.view(as_bits) != other.view(as_bits)
    return f"{np.count_nonzero(differs)} of {array.size} numbers, such as {array[differs][:3]} and {other[differs][:3]}"


def models_of(state: State, chosen) -> State:
    """Returns the state of the models at some places."""
    kept = tuple(array[chosen] for array in state.optimizer_state)
    return State(state.step, state.parameters[chosen], kept, state.finite_steps[chosen], state.losses[chosen])


@contextmanager
def patched(module: ModuleType, **values: int) -> Iterator[None]:
    """Replaces constants of a module of the engine for a while."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)
