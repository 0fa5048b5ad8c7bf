"""Trains and observes many shapes with the library whose path is its argument, under the sanitizers, without torch."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.lanes.library import LAYOUTS, Library, Seen, Steps, Trained
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.recipe import Recipe
from sumsquares.jobs.engines.state import PerModel

HIDDEN = ((), (1,), (5, 3), (16,), (17, 33), (64, 2, 40), (2, 130))


def recipe_of(program: Program, models: int) -> Recipe:
    """Returns first weights of two kinds, one of which spreads knots."""
    return Recipe.of(
        program, PerModel(range(models), [("spread_knots", "pytorch")[m % 2] for m in range(models)], (), ())
    )


def train(path: Path) -> None:
    """Trains with every activation, optimizer, output and loss at least once, in several shapes, packs and layouts."""
    draws = np.random.default_rng(0)
    cuts = itertools.cycle([np.array([13, 26, 33]), np.arange(1, 34), np.array([33])])
    native = Library("sanitized", path)
    kinds = itertools.cycle(itertools.product(native.activations, native.optimizers))
    pairs = itertools.product(native.outputs, native.losses)
    objectives = itertools.cycle([pair for pair in pairs if pair[1] != "bce" or pair[0] == "sigmoid"])
    for hidden, inputs, dtype, models, layout in itertools.product(
        HIDDEN, (1, 3), ("float32", "float64"), (1, 7, 16, 19), LAYOUTS
    ):
        (activation, optimizer), objective = next(kinds), next(objectives)
        program = Program(inputs, hidden, activation, optimizer, "constant", 13, 1, 33, dtype, 0, *objective)
        native.initialize(program, recipe_of(program, models), np.empty((models, program.parameters), dtype))
        parameters = initialize(program, range(models), ["pytorch"] * models)
        trained = Trained(
            parameters,
            tuple(np.zeros_like(parameters) for _ in range(native.arrays_of(optimizer))),
            np.zeros(models, np.int64),
            np.zeros((models, 2)),
        )
        x_NI = draws.uniform(-1, 1, (33, inputs)).astype(dtype)
        ends_S = next(cuts)
        points_S = np.arange(len(ends_S)) % 3 - 1
        steps = Steps(x_NI, x_NI[:, 0].copy(), ends_S, np.ones(len(ends_S)), np.ones((2, len(ends_S))), points_S, 33)
        library = Library("sanitized", path, layout)
        library.train(program, steps, np.full(models, 0.01), np.full(models, 0.1), trained)
        library.predict(program, parameters, x_NI)
        if dtype == "float64":
            seen = Seen.of_no_rows(program, models)
            library.observe(program, parameters, x_NI, x_NI[:, 0].copy(), seen)
            library.solve(len(x_NI), seen.triangles_MCC)


if __name__ == "__main__":
    train(Path(sys.argv[1]))
    print("trained")  # noqa: T201  the test expects it
