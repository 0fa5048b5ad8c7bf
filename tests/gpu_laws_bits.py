"""Laws of the cuda engine about bits: they depend on a model alone. And that an error of the device is an error.

Suffixes: M models.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import gpu_reference
import numpy as np
from gpu_cases import Case, case, some
from gpu_checks import check, check_same, models_of, patched, trained

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import driver, kernels, training
from sumsquares.jobs.engines.cuda.weights import initial_parameters
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import PerModel, State


def for_bits(is_whole: bool) -> list[Case]:
    """Cases of which the bits are compared: of one warp and of several, of several tiles, linear ones."""
    count = 1500 if is_whole else 7
    found = [
        case(((16, 16), 1, 20, 50), models=count, epochs=2, schedule="cosine", has_decay=True),
        case(((5, 3), 2, 7, 30), "tanh", "rmsprop", ("sigmoid", "bce"), "float64", models=count, epochs=2),
        case(((), 3, 7, 30), optimizer="nesterov", models=count, epochs=2),
        case(((), 20, 40, 50), optimizer="adamw", models=count, epochs=3, has_decay=True),
        case(((33, 17), 19, 8, 20), "gelu", "momentum", models=count, epochs=2),
        case(((64, 64), 1, 100, 150), models=count if is_whole else 3, epochs=1),
    ]
    more = [
        case(((128, 128), 1, 100, 150), "silu", models=500, epochs=2),
        case(((64, 64), 1, 2500, 2500), models=500, epochs=4),
        case(((64, 64), 1, 100, 150), "sigmoid", "sgd", models=500, epochs=2, dtype="float64"),
        case(((24, 12), 1, 100, 1000), "elu", "adam", models=3000, epochs=2),
    ]
    return found + more * is_whole


def bits(is_whole: bool) -> Iterator[str]:
    """A model's bits are the same alone, in packs of any size and in any place, with any launches, after a resume."""
    for of in for_bits(is_whole):
        whole, rows, draws = trained(of), in_memory(*of.rows), np.random.default_rng(1)
        sizes = [size for size in (1, 1, 2, 5, 64, 133, 700) if size < of.models]
        for size in sizes:
            chosen = draws.permutation(of.models)[:size]
            part = cuda_engine.train(of.program, some(of.per_model, chosen), rows)
            check_same(part, models_of(whole, chosen), f"{of.name}: models {chosen[:5]} in a pack of {size}")
        saved = _launched(of, whole)
        chosen = draws.permutation(len(saved))[: 8 if is_whole else 3]
        for state in (saved[index] for index in chosen):
            check_same(trained(of, state=state), whole, f"{of.name}: resumed at step {state.step}")
        resumed = sorted(saved[index].step for index in chosen)
        yield f"{of.name}: {of.models} models, packs of {sizes}, resumed at {resumed} of {of.program.steps}"


def _launched(of: Case, whole: State) -> list[State]:
    """Checks that launches of other lengths give the same bits, and returns the states after each of them."""
    saved: list[State] = []
    for steps in (1, 3, of.program.steps):
        with patched(training, LAUNCH_STEPS=steps):
            again = trained(of, on_progress=lambda _step, state: saved.append(state()))
        check_same(again, whole, f"{of.name}: launches of {steps} steps")
    return saved


def first_weights(is_whole: bool) -> Iterator[str]:
    """The first weights that the device draws have the bits of those of the other engines."""
    kinds, count = ("glorot_uniform", "he_uniform", "pytorch", "spread_knots"), 10_000 if is_whole else 20
    shapes = (
        ((16, 16), 1, 8, 8),
        ((5, 3), 2, 8, 8),
        ((), 3, 8, 8),
        ((1,), 20, 8, 8),
        ((33, 17), 19, 8, 8),
        ((64, 64), 1, 8, 8),
    )
    for shape, dtype in product(shapes, ("float32", "float64")):
        program = case(shape, dtype=dtype).program
        ranges = [(-1.0 - i, 2.0 + i / 3) for i in range(program.inputs)]
        models = PerModel(
            [(i * 0x9E3779B97F4A7C15) % 2**64 for i in range(count)],
            [kinds[i % 4] for i in range(count)],
            [0.1] * count,
            [0.0] * count,
            ["trained" if i % 3 else "solved" for i in range(count)],
            ranges,
        )
        began = time.monotonic()
        found = initial_parameters(cuda_engine._device(), program, models).get()
        seconds = time.monotonic() - began
        expected = gpu_reference.first_weights(program, models)
        check(found.dtype == expected.dtype and found.shape == expected.shape, "shape", found.shape, found.dtype)
        check(
            found.tobytes() == expected.tobytes(),
            shape,
            dtype,
            "differ in",
            np.count_nonzero(found != expected),
            "numbers",
        )
        yield f"{count} models, {program.inputs} inputs, {list(program.hidden)}, {dtype}: {seconds:.3f} s with the copy"


def errors(is_whole: bool) -> Iterator[str]:
    """A launch that goes wrong raises CudaError, and so does all that is asked of the device afterwards."""
    flags = [flag for flag in sys.argv[1:] if flag == "--emulated"]
    command = [sys.executable, str(Path(__file__).with_name("gpu_laws.py")), "--spoil", *flags]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    check(answer.returncode == 0, answer.stdout, answer.stderr)
    yield from answer.stdout.splitlines()


def spoil() -> int:
    """Trains, launches a kernel on addresses that nobody has, and tries to go on: what the law of errors starts."""
    of = case(((5, 3), 2, 8, 30))
    trained(of)
    device = cuda_engine._device()
    kernel, order = kernels.load(device, of.program, has_decay=False), device.put(np.zeros(32, np.int32))

    def wrong() -> None:
        kernel.gather.launch((1,), (32,), 0, None, None, order, 32, None, None)
        device.synchronize()

    again = partial(trained, of)
    predict = partial(cuda_engine.predictor, of.program, gpu_reference.first_weights(of.program, of.per_model))
    for what, call in {
        "the launch": wrong,
        "training": again,
        "a prediction": predict,
        "an array": partial(device.zeros, 4, "int32"),
    }.items():
        try:
            call()
        except driver.CudaError as error:
            check(error.ends_worker, "it does not end the worker")
            sys.stdout.write(f"{what}: {error}\n")
        else:
            sys.stdout.write(f"{what} raises nothing\n")
            return 1
    return 0
