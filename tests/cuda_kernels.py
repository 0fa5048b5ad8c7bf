"""Runs the kernels of the cuda engine with macros of a test's own, and what they should give, by numpy in float64.

Suffixes: M models, S steps, B places for the rows of a batch, N rows, I inputs, P parameters of one model, E points.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import gpu_reference
import numpy as np

from sumsquares.jobs.engines.cuda import compiler, driver
from sumsquares.jobs.engines.cuda.kernels import FILES, shape_macros
from sumsquares.jobs.engines.cuda.layout import _shape
from sumsquares.jobs.engines.cuda.shapes import Tiling
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors

LAYOUT = {"WARPS": 1, "LC": 4, "CI": 4, "KS": 1, "MOM": 0, "MINB": 1, "TILE": 1 << 20, "LANEMAP": 1}
"""Macros of a layout: one warp, the whole batch at once."""
POINTS = 3
"""Of a loss curve."""


def program_of(inputs=1, hidden=(16, 16), rows=100, **given):
    """Returns a program with one batch per epoch."""
    plain = {"activation": "relu", "optimizer": "adam", "schedule": "constant", "dtype": "float32"}
    rest = {"batch_size": rows, "epochs": 6, "rows": rows, "shuffle_seed": 0}
    return Program(inputs=inputs, hidden=tuple(hidden), **(plain | rest | given))


@dataclass
class Arrays:
    """What training changes."""

    parameters: np.ndarray
    state: list[np.ndarray]
    finite: np.ndarray
    losses: np.ndarray

    def of(self, models: slice) -> Arrays:
        """A copy of some models' arrays."""
        state = [array[models].copy() for array in self.state]
        return Arrays(self.parameters[models].copy(), state, self.finite[models].copy(), self.losses[models].copy())

    def same_bits(self, other: Arrays) -> bool:
        """Whether every bit is the same; NaN is any NaN."""
        pairs = zip(
            [self.parameters, *self.state, self.losses], [other.parameters, *other.state, other.losses], strict=True
        )
        return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs) and bool((self.finite == other.finite).all())


@dataclass
class Problem:
    """A program's first weights, rows and rates, drawn by a seed; batches have `rows_S` rows."""

    program: Program
    models: int = 2
    rows_S: tuple[int, ...] = ()
    has_decay: bool = False
    seed: int = 0
    lr_M: np.ndarray = field(init=False)
    decay_M: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Draws everything."""
        program, draw = self.program, np.random.default_rng(self.seed)
        self.rows_S = self.rows_S or (program.batch_size,) * 3 + (max(1, program.batch_size - 3),)
        pieces = []
        for layer in program.layers:
            scale = np.sqrt(6 / (layer.inputs + layer.outputs))
            pieces.append(draw.uniform(-scale, scale, (self.models, layer.inputs * layer.outputs)))
            pieces.append(draw.uniform(-0.3, 0.3, (self.models, layer.outputs)))
        self.first = Arrays(
            np.concatenate(pieces, 1).astype(program.dtype),
            [np.zeros((self.models, program.parameters), program.dtype) for _ in range(self.arrays)],
            np.zeros(self.models, np.int64),
            np.zeros((self.models, POINTS)),
        )
        self.batches = []
        for rows in self.rows_S:
            x_NI = draw.uniform(-1, 1, (rows, program.inputs)).astype(program.dtype)
            self.batches.append((x_NI, ((x_NI**2).mean(1) + 0.1 * draw.uniform(0, 1, rows)).astype(program.dtype)))
        self.lr_M = np.linspace(1e-3, 1e-2, self.models)
        self.decay_M = np.linspace(0.0, 0.1, self.models) if self.has_decay else np.zeros(self.models)

    def alone(self, model: int) -> Problem:
        """The same steps for one model."""
        one = copy.copy(self)
        one.lr_M, one.decay_M = self.lr_M[model : model + 1], self.decay_M[model : model + 1]
        return one

    @property
    def arrays(self) -> int:
        """Numbers of state per parameter."""
        return gpu_reference.OPTIMIZERS[self.program.optimizer]

    @property
    def points(self) -> np.ndarray:
        """The point of the loss curve that each step counts for."""
        return np.array([step % (POINTS + 1) - 1 for step in range(len(self.rows_S))], np.int32)

    @property
    def factors(self) -> np.ndarray:
        """Of the learning rate."""
        return lr_factors(self.program.schedule, 0, len(self.rows_S), len(self.rows_S) + 2)

    @property
    def loss_factor(self) -> int:
        """By which the slopes of the loss are multiplied."""
        return 2 if self.program.loss == "mse" else 1

    def expected(self, dtype=np.float64) -> Arrays:
        """What training gives in a precision."""
        trained, (first, second) = self.first.of(slice(None)), bias_corrections(0, len(self.rows_S))
        p, state = trained.parameters.astype(dtype), [array.astype(dtype) for array in trained.state]
        decay_M1 = self.decay_M.astype(dtype)[:, None]
        for step, (x_NI, y_N) in enumerate(self.batches):
            loss_M, gradient = gpu_reference.derive(self.program, p, x_NI.astype(dtype), y_N.astype(dtype))
            trained.finite += np.isfinite(loss_M)
            if (point := self.points[step]) >= 0:
                trained.losses[:, point] += loss_M / self.program.rows
            rate_M1 = (self.lr_M * self.factors[step]).astype(dtype)[:, None]
            corrections = np.array([first[step], second[step]], dtype)
            gpu_reference._update(self.program.optimizer, p, gradient, state, rate_M1, decay_M1, corrections)
        return Arrays(p, state, trained.finite, trained.losses)


class Kernels:
    """The compiled kernels of a program and a layout."""

    def __init__(self, program: Program, has_decay: bool = False, **layout: int) -> None:
        """Compiles and loads them."""
        macros = shape_macros(program, has_decay) | LAYOUT | layout
        self.program, self.device = program, driver.Device()
        self.module = self.device.load(compiled(source(macros, FILES), self.device.architecture))
        self.info = self.module.constant("info", 8)
        (
            self.shared,
            self.threads,
            self.parameters,
            self.far,
            self.stride,
            self.places,
            self.predict_shared,
            self.arrays,
        ) = (int(number) for number in self.info)
        assert self.parameters == program.parameters
        assert self.shared == tiling(program, **layout).shared_bytes

    def train(
        self, problem: Problem, before: Arrays, begin: int = 0, end: int | None = None, models=slice(None)
    ) -> Arrays:
        """Trains some models from a step to another, in one launch."""
        put, program = self.device.put, self.program
        steps = range(begin, len(problem.rows_S) if end is None else end)
        x_SBI = np.zeros((len(steps), self.places, self.stride), program.dtype)
        y_SB = np.zeros((len(steps), self.places), program.dtype)
        for index, step in enumerate(steps):
            x_NI, y_N = problem.batches[step]
            x_SBI[index, : len(x_NI), : program.inputs], y_SB[index, : len(y_N)] = x_NI, y_N
        rows_S = np.array([problem.rows_S[step] for step in steps])
        corrections = bias_corrections(steps.start, steps.stop)
        numbers = np.stack([*corrections, problem.loss_factor / rows_S, rows_S], 1).astype(program.dtype)
        some = before.of(models)
        count = len(some.parameters)
        parameters, state = put(some.parameters), [put(array) for array in some.state]
        finite, losses = put(some.finite), put(some.losses)
        far = self.device.zeros((max(16, count * self.far),), np.uint8)
        self.module.function("train").launch(
            (count, 1, 1),
            (self.threads, 1, 1),
            self.shared,
            *(put(x_SBI), put(y_SB), put(numbers)),
            *(put(problem.factors[steps.start : steps.stop]), put(problem.points[steps.start : steps.stop])),
            *(len(steps), float(program.rows), put(problem.lr_M[models]), put(problem.decay_M[models])),
            *(parameters, *[*state, None, None][:2], finite, losses, POINTS, far),
        )
        self.device.synchronize()
        return Arrays(parameters.get(), [array.get() for array in state], finite.get(), losses.get())

    def predict(self, parameters_MP: np.ndarray, x_NI: np.ndarray, slices: int = 1) -> np.ndarray:
        """Returns predictions [M, N]."""
        x = np.zeros((len(x_NI), self.stride), self.program.dtype)
        x[:, : self.program.inputs] = x_NI
        out = self.device.empty((len(parameters_MP), len(x_NI)), self.program.dtype)
        arguments = (self.device.put(x), len(x_NI), self.device.put(parameters_MP), out)
        grid, block = (len(parameters_MP), slices, 1), (self.threads, 1, 1)
        self.module.function("predict").launch(grid, block, self.predict_shared, *arguments)
        self.device.synchronize()
        return out.get()


def tiling(program: Program, **layout: int) -> Tiling:
    """Returns what the Python side knows of a layout."""
    macros = LAYOUT | layout
    return Tiling(_shape(program), *(macros[name] for name in ("WARPS", "LC", "CI", "KS", "TILE")))


def compiled(text: str, architecture: str) -> bytes:
    """Returns a kernel's image."""
    return compiler.compiled(text, architecture).image


def distance(found: Arrays, expected: Arrays, first: Arrays) -> float:
    """The largest relative error of a model: of the way its parameters moved, of its state, of its losses."""
    errors = [_relative(found.parameters - first.parameters, expected.parameters - first.parameters)]
    errors += [_relative(a, b) for a, b in zip(found.state, expected.state, strict=True)]
    return float(np.max([*errors, _relative(found.losses, expected.losses)]))


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    lengths = np.linalg.norm(expected.astype(np.float64), axis=1)
    return float((np.linalg.norm(found.astype(np.float64) - expected, axis=1) / np.maximum(lengths, 1e-300)).max())
