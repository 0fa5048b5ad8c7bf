"""Laws of the cuda engine about solved readouts and the measuring of models.

Whatever is computed in float64 has the same bits on all GPUs, and those of the lanes engine on CPUs: digests of them
stand here, which tests/test_cuda_readout.py compares with lanes.

Suffixes: M models, P parameters, N rows, I inputs.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import fields
from functools import partial

import numpy as np
from gpu_checks import check

from sumsquares.jobs.engines import cuda_engine, readout
from sumsquares.jobs.engines.metrics import Errors, measure
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import in_memory

SHAPES = ((1, (16, 16), 200), (3, (9, 4, 11), 101), (2, (64, 40), 150), (5, (), 70), (1, (100,), 260))
"""Inputs, hidden widths, rows."""
DIGESTS = {
    "identity": "a0e68387d1a81115",
    "relu": "6a431e3ba601d214",
    "leaky_relu": "3d2a3823b922a662",
    "elu": "9d0018660206dbfa",
    "tanh": "290a3f7a3aa4af7b",
    "sigmoid": "710e0268474383f7",
    "gelu": "f0770507a98e0a63",
    "silu": "5a57420337b0547a",
    "square": "f52624451107472a",
}
"""Of what `bits_of` returns, by activation."""


def readouts(is_whole: bool) -> Iterator[str]:
    """Solved readouts have the same bits on every GPU, in every pack, and by lanes on CPUs."""
    for activation, digest in DIGESTS.items():
        found = bits_of(activation)
        check(found == digest, activation, "has other bits:", found, "in place of", digest)
    yield f"{len(DIGESTS)} activations x {len(SHAPES)} shapes: the bits of lanes"
    program, (x_NI, y_N) = program_of("tanh", *SHAPES[0]), rows_of(*SHAPES[0])
    parameters = parameters_of(program, 1000 if is_whole else 20)
    solved = observed(program, parameters, x_NI, y_N)
    for chosen in ([7], [3, 19, 0]):
        alone = observed(program, parameters[chosen], x_NI, y_N)
        check(np.array_equal(alone.readout_MK, solved.readout_MK[chosen]), "other bits in another pack")
    yield from _seconds(10_000 if is_whole else 20)


def measuring(is_whole: bool) -> Iterator[str]:
    """Errors that are summed up on the device are those of its predictions."""
    for dtype in ("float32", "float64"):
        program = program_of("tanh", 1, (16, 16), 100, dtype)
        parameters = parameters_of(program, 300 if is_whole else 5).astype(dtype)
        parameters[1] = np.nan
        predictor = cuda_engine.predictor(program, parameters)
        x_NI, _ = rows_of(1, (), 3000 if is_whole else 1500)
        rows = [(x_NI.astype(dtype), np.rint(1e3 * x_NI[:, 0] ** 2))]
        sums = partial(predictor.sums, scale=500.0, shift=500.0)
        chosen_N = x_NI[:, 0] > 0
        found, expected = (
            measure(predictor, rows, lambda z: z * 500.0 + 500.0, chosen_N, each) for each in (sums, None)
        )
        for field in fields(Errors):
            pair = getattr(found, field.name), getattr(expected, field.name)
            check(np.allclose(*pair, rtol=1e-13, equal_nan=True), dtype, field.name, *pair)
        yield f"{dtype}: {len(parameters)} models, {len(x_NI)} rows: the sums of numpy"


def _seconds(models: int) -> Iterator[str]:
    program, (x_NI, y_N) = program_of("tanh", 1, (16, 16), 1000, "float32"), rows_of(1, (16, 16), 1000)
    parameters = parameters_of(program, models).astype(np.float32)
    for _ in range(2):
        began = time.monotonic()
        observed(program, parameters, x_NI, y_N)
        solving = time.monotonic() - began
    predictor = cuda_engine.predictor(program, parameters)
    for _ in range(2):
        began = time.monotonic()
        measure(
            predictor, [(x_NI.astype(np.float32), y_N)], lambda z: z, None, partial(predictor.sums, scale=1, shift=0)
        )
        errors = time.monotonic() - began
    yield f"{models} models of 1-16-16-1 and {len(x_NI)} rows: readouts {solving:.3f} s, errors {errors:.3f} s"


def bits_of(activation: str, observer_of=cuda_engine.observer, predictor_of=cuda_engine.predictor) -> str:
    """A digest of readouts, shares of units and predictions, of all shapes."""
    digest = hashlib.sha256()
    for inputs, hidden, rows in SHAPES:
        program, (x_NI, y_N) = program_of(activation, inputs, hidden, rows), rows_of(inputs, hidden, rows)
        parameters = parameters_of(program, 3)
        found = readout.observe(program, parameters, in_memory(x_NI, y_N), observer_of(program))
        predicted = predictor_of(*readout.with_readout(program, parameters, found.readout_MK))(x_NI)
        for array in (found.readout_MK, found.dead_share_M, found.saturated_share_M, predicted):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def observed(program: Program, parameters_MP, x_NI, y_N) -> readout.Observed:
    """Observes models by the engine."""
    return readout.observe(program, parameters_MP, in_memory(x_NI, y_N), cuda_engine.observer(program))


def program_of(activation: str, inputs: int, hidden: tuple[int, ...], rows: int, dtype: str = "float64") -> Program:
    """A program of a shape."""
    return Program(inputs, hidden, activation, "adam", "constant", 10, 1, rows, dtype, 1)


def rows_of(inputs: int, hidden: tuple[int, ...], rows: int):
    """Inputs and targets between -1 and 1."""
    numbers = _uniform(len(hidden), rows * (inputs + 1))
    return numbers[rows:].reshape(rows, inputs), numbers[:rows]


def parameters_of(program: Program, models: int):
    """Parameters between -2 and 2."""
    return 2 * _uniform(99, models * program.parameters).reshape(models, -1)


def _uniform(seed: int, count: int):
    """Numbers between -1 and 1, which no version of numpy changes."""
    return (np.random.Philox(key=seed).random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
