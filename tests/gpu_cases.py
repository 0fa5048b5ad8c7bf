"""The programs with which the laws of the cuda engine are checked, and the rows and models that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice, product

import numpy as np
from gpu_reference import ACTIVATIONS, OBJECTIVES, OPTIMIZERS

from sumsquares.jobs.engines.cuda import kernels
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import PerModel

RATES = {"adam": 0.003, "adamw": 0.003, "rmsprop": 0.003, "sgd": 0.01, "momentum": 0.002, "nesterov": 0.002}
SMALL = (
    ((5, 3), 2, 8, 30),
    ((16, 16), 1, 20, 50),
    ((6,), 3, 7, 30),
    ((), 2, 8, 30),
    ((9, 4, 12), 1, 10, 35),
    ((20,), 1, 8, 24),
)
"""Hidden widths, inputs, rows of a batch, rows: each of which ends an epoch with a short batch or not."""
ODD = (
    ((1,), 1, 1, 3),
    ((1, 1), 2, 5, 5),
    ((24, 12), 4, 37, 100),
    ((33, 17), 19, 8, 20),
    ((13,), 100, 6, 13),
    ((), 40, 33, 70),
    ((), 1, 100, 250),
    ((7, 6, 5, 4), 3, 16, 40),
    ((3, 1, 2), 1, 4, 10),
    ((20, 12), 2, 1501, 1501),
    ((10,), 1, 700, 1000),
)
LARGE = (
    ((64, 64), 1, 100, 250),
    ((16, 16), 1, 100, 1000),
    ((32, 32), 2, 100, 130),
    ((96, 96), 1, 100, 150),
    ((128, 128), 1, 100, 150),
    ((64, 64, 64), 1, 100, 150),
    ((130, 70), 5, 64, 100),
    ((200,), 1, 100, 150),
    ((64, 64), 1, 5000, 5000),
    ((16, 16), 1, 32, 150),
    ((16, 16), 20, 100, 150),
    ((16, 16), 300, 100, 150),
    ((64,), 100, 100, 150),
    ((40, 20, 60), 2, 32, 100),
    ((), 1000, 100, 150),
    ((8, 8), 1, 20000, 20000),
)


@dataclass(frozen=True)
class Case:
    """A program with the number of its models, and whether they have weight decay."""

    program: Program
    models: int
    has_decay: bool

    @property
    def name(self) -> str:
        """Says what is particular to it."""
        p = self.program
        widths = "-".join(map(str, (p.inputs, *p.hidden, 1)))
        kinds = f"{p.activation} {p.optimizer} {p.output}/{p.loss} {p.schedule}"
        return f"{widths} {kinds} {p.batch_size} of {p.rows} {p.dtype}{' decay' * self.has_decay}"

    @property
    def per_model(self) -> PerModel:
        """Seeds, kinds of first weights, rates and decays that differ from model to model."""
        kinds = ("glorot_uniform", "he_uniform", "pytorch")
        rate, numbers = RATES[self.program.optimizer], range(self.models)
        return PerModel(
            [7 + i for i in numbers],
            [kinds[i % 3] for i in numbers],
            [rate * (1 + i % 7 / 4) for i in numbers],
            [0.1 * (i % 4) * self.has_decay for i in numbers],
        )

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [N, I] from -1 to 1 and targets [N] from 0 to 1, in the program's type."""
        return rows_of(self.program)

    def source(self, architecture: str) -> str:
        """The source of its kernels."""
        return kernels.text(self.program, architecture, self.has_decay)


def rows_of(program: Program, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs and targets for a program."""
    draws = np.random.default_rng(seed)
    x_NI = draws.uniform(-1, 1, (program.rows, program.inputs)).astype(program.dtype)
    return x_NI, (x_NI**2).mean(1).astype(program.dtype)


def some(models: PerModel, chosen) -> PerModel:
    """Returns the models at some places, in that order."""
    names = ("seeds", "init", "lr", "weight_decay")
    return replace(models, **{name: [getattr(models, name)[i] for i in chosen] for name in names})


def case(shape, activation="relu", optimizer="adam", objective=("linear", "mse"), dtype="float32", **more) -> Case:
    """Returns a case; other values are `epochs`, `schedule`, `models` and `has_decay`."""
    hidden, inputs, batch_size, rows = shape
    program = Program(
        inputs=inputs,
        hidden=hidden,
        activation=activation,
        optimizer=optimizer,
        schedule=more.get("schedule", "constant"),
        batch_size=batch_size,
        epochs=more.get("epochs", max(2, 12 * batch_size // rows)),
        rows=rows,
        dtype=dtype,
        shuffle_seed=3,
        output=objective[0],
        loss=objective[1],
    )
    return Case(program, more.get("models", 3), more.get("has_decay", False))


def every_kind(is_whole: bool) -> list[Case]:
    """Returns cases that have every activation, optimizer, output and loss in both dtypes; the whole every pair.

    The pairs are those of an activation and an optimizer, and those of an output and a loss.
    """
    pairs = (
        list(product(ACTIVATIONS, OPTIMIZERS))
        if is_whole
        else list(islice(zip(cycle(ACTIVATIONS), cycle(OPTIMIZERS), strict=False), 18))
    )
    shapes, objectives = cycle(SMALL), cycle(OBJECTIVES)
    dtypes = cycle(["float32", "float64"])
    found = [
        case(
            next(shapes),
            activation,
            optimizer,
            next(objectives),
            next(dtypes),
            schedule=("constant", "cosine")[index // 2 % 2],
            has_decay=index % 3 > 0,
            models=40 if is_whole else 5,
        )
        for index, (activation, optimizer) in enumerate(pairs)
    ]
    if is_whole:
        found += [
            case(shape, "tanh", "momentum", objective, dtype, has_decay=True, models=40)
            for shape, objective, dtype in product((SMALL[2], SMALL[3]), OBJECTIVES, ("float32", "float64"))
        ]
    return found


def every_shape(is_whole: bool) -> list[Case]:
    """Returns cases of odd widths, batches and numbers of inputs, of several tiles, and the whole of large ones too."""
    activations, dtypes = cycle(("relu", "sigmoid", "tanh", "gelu")), cycle(["float32", "float64"])
    odd = [case(shape, next(activations), dtype=next(dtypes), models=40 if is_whole else 3, epochs=2) for shape in ODD]
    large = [case(shape, dtype=dtype, epochs=2, models=40) for shape in LARGE for dtype in ("float32", "float64")]
    large += [case(((units, units), 1, 100, 150), "gelu", epochs=2, models=40) for units in (16, 64)]
    return odd + large * is_whole
