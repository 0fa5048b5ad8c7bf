"""Laws of the cuda engine about its numbers: what it trains and predicts is what plain numpy does.

Suffixes: M models, P parameters, N rows, I inputs, E points of a loss curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gpu_reference
import numpy as np
from gpu_cases import Case, case, every_kind, every_shape, some
from gpu_checks import Broken, check, check_same, models_of, patched, trained

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import evaluation, training
from sumsquares.jobs.engines.cuda.compiler import CompileError
from sumsquares.jobs.engines.cuda.kernels import NotForCuda
from sumsquares.jobs.engines.readout import Observed, observe
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import State

Errors = dict[str, list[np.ndarray]]
"""Of each model, by dtype, of all programs."""
FLOAT64_ERROR = 1e-8
"""Of the way that a model moved, at most: sums of other order, and functions of 2 units in the last place."""
FLOAT32_RATIO, FLOAT32_FLOOR = 4.0, 1e-6
"""The median error of float32 may be this many times numpy's own in float32, and so much more."""
FLOAT32_MOST, FLOAT32_ANY = 0.02, 0.5
"""Of the way that nine of ten models moved, and that any of them did: where an error is near 0, its sign may differ,
which mae and relu make a step of. That is no error of a kernel, which would be one of all models."""
SOLVED_ERROR = 1e-6
"""By which share the error of a solved readout may be larger than that of numpy's least squares."""
LOSS_ERROR = 1e-5
"""The median of the models' largest relative errors of a loss, in float32."""


def reference(is_whole: bool) -> Iterator[str]:
    """Every activation, optimizer, output, loss and shape trains as plain numpy does."""
    errors: Errors = {"float64": [], "float32": [], "numpy's float32": []}
    broken = []
    for of in (*every_kind(is_whole), *every_shape(is_whole)):
        try:
            _against_numpy(of, errors)
        except NotForCuda as refusal:
            yield f"not trained: {of.name}: {refusal}"
        except (Broken, CompileError) as error:
            broken.append(f"{of.name}: {error}")
    for kind, found in errors.items():
        middle, high, most = np.quantile(np.concatenate(found), [0.5, 0.9, 1.0])
        figures = f"median {middle:.1e}, 90 % {high:.1e}, largest {most:.1e}"
        yield f"error in {kind}, of the way moved: {figures}; {len(found)} programs"
    check(not broken, "\n  ".join((f"{len(broken)} programs", *broken)))


def _against_numpy(of: Case, errors: Errors) -> None:
    found = trained(of)
    expected = gpu_reference.train(of.program, of.per_model, *of.rows)
    first = gpu_reference.first_weights(of.program, of.per_model)
    check(list(found.finite_steps) == [of.program.steps] * of.models, "finite steps", found.finite_steps)
    error_M = _error(found.parameters, expected.parameters, first)
    errors[of.program.dtype].append(error_M)
    if of.program.dtype == "float64":
        check(error_M.max() < FLOAT64_ERROR, "error", error_M.max())
        check(np.allclose(found.losses, expected.losses, rtol=FLOAT64_ERROR), "losses", found.losses, expected.losses)
        for array, other in zip(found.optimizer_state, expected.optimizer_state, strict=True):
            check(np.allclose(array, other, rtol=1e-6, atol=1e-9), "optimizer state")
        return
    numpys = gpu_reference.train(of.program, of.per_model, *of.rows, np.float32)
    own_M = _error(numpys.parameters, expected.parameters, first)
    errors["numpy's float32"].append(own_M)
    limit = FLOAT32_RATIO * np.median(own_M) + FLOAT32_FLOOR
    check(np.median(error_M) <= limit, "median error", np.median(error_M), "numpy's own", np.median(own_M))
    check(np.quantile(error_M, 0.9, method="lower") <= FLOAT32_MOST, "errors", error_M, "numpy's own", own_M)
    check(error_M.max() <= FLOAT32_ANY, "largest error", error_M.max(), "numpy's own", own_M.max())
    loss_M = (np.abs(found.losses - expected.losses) / (np.abs(expected.losses) + 1e-3)).max(axis=1)
    check(np.quantile(loss_M, 0.5, method="lower") < LOSS_ERROR, "errors of losses", loss_M)


def _error(found: np.ndarray, expected: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The distance from the expected parameters, in shares of the way that each model moved."""
    way_M = np.linalg.norm(expected - first, axis=1) + 1e-12
    return np.linalg.norm(found.astype(np.float64) - expected, axis=1) / way_M


def predictions(is_whole: bool) -> Iterator[str]:
    """Predictions are those of plain numpy, for any number of rows, and take bounded memory."""
    shapes = (
        ((), 2, 8, 30),
        ((), 30, 8, 30),
        ((16, 16), 1, 100, 1000),
        ((33, 17), 19, 8, 20),
        ((64, 64), 1, 100, 1000),
    )
    kinds = (("relu", "linear"), ("sigmoid", "tanh"), ("gelu", "sigmoid"), ("tanh", "relu"), ("silu", "linear"))
    for (shape, (activation, output)), dtype in (
        (pair, dtype) for pair in zip(shapes, kinds, strict=True) for dtype in ("float32", "float64")
    ):
        of = case(shape, activation, objective=(output, "mse"), dtype=dtype, models=300 if is_whole else 3)
        parameters = gpu_reference.first_weights(of.program, of.per_model)
        predict, largest = cuda_engine.predictor(of.program, parameters), 0.0
        for rows in (1, 7, 257, 5000 if is_whole else 300):
            x_NI = np.random.default_rng(rows).uniform(-2, 2, (rows, of.program.inputs)).astype(dtype)
            found = predict(x_NI)
            check(found.shape == (of.models, rows) and found.dtype == np.float64, "shape", found.shape, found.dtype)
            expected = gpu_reference.predict(of.program, parameters.astype(np.float64), x_NI.astype(np.float64))
            largest = max(largest, np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
        check(largest < (1e-5 if dtype == "float32" else 1e-12), of.name, "error", largest)
        with patched(evaluation, OUTPUT_BYTES=8 * of.models * 10):
            parts = cuda_engine.predictor(of.program, parameters)(x_NI)
        check(np.array_equal(parts, found), of.name, "other bits in parts")
        yield f"{of.name}: error {largest:.1e} of the largest prediction"


def solved(is_whole: bool) -> Iterator[str]:
    """Solved readouts fit as numpy's least squares do, and dead and saturated units are counted as by numpy."""
    kinds = (("relu", (16, 16), 1), ("tanh", (5, 3), 2), ("sigmoid", (40,), 3), ("relu", (64, 64), 1), ("relu", (), 5))
    for activation, hidden, inputs in kinds:
        of = case((hidden, inputs, 100, 1000 if is_whole else 200), activation, models=300 if is_whole else 5)
        program, (x_NI, y_N) = of.program, (array.astype(np.float64) for array in of.rows)
        observer = cuda_engine.observer(program)
        check(observer is not None, of.name, "is left to the CPU")
        steep = np.float32(3 if activation == "relu" else 40)
        parameters_MP = steep * gpu_reference.first_weights(program, of.per_model)
        found = observe(program, parameters_MP, in_memory(x_NI, y_N), observer)
        alone = observe(program, parameters_MP[3:4], in_memory(x_NI, y_N), observer)
        check(found.solver == "cuda" and np.array_equal(alone.readout_MK[0], found.readout_MK[3]), "other bits alone")
        _, into = gpu_reference.forward(program, parameters_MP.astype(np.float64), x_NI)
        excess = max(
            _excess(features, y_N, readout) for features, readout in zip(into[-2], found.readout_MK, strict=True)
        )
        check(excess < SOLVED_ERROR, of.name, "RMSE is larger than numpy's by a share of", excess)
        _check_units(activation, into[1:-1], found)
        dead, saturated = (np.nan_to_num(share_M).mean() for share_M in (found.dead_share_M, found.saturated_share_M))
        yield f"{of.name}: RMSE at most {excess:.1e} above numpy's; dead {dead:.3f}, saturated {saturated:.3f}"


def _excess(features_NK: np.ndarray, y_N: np.ndarray, readout_K: np.ndarray) -> float:
    """By which share the error of a readout is larger than that of numpy's, or 0."""
    rows_NK = np.column_stack((features_NK, np.ones(len(y_N))))
    best_K = np.linalg.lstsq(rows_NK, y_N, rcond=None)[0]
    best, error = (np.linalg.norm(rows_NK @ each - y_N) for each in (best_K, readout_K))
    return max(0.0, error - best) / (best + 1e-9 * np.linalg.norm(y_N))


def _check_units(activation: str, hidden: list[np.ndarray], found: Observed) -> None:
    """Checks the shares of dead and of saturated units."""
    ends = {"tanh": (-0.98, 0.98), "sigmoid": (0.02, 0.98)}
    values_MNU = np.concatenate(hidden, axis=2) if hidden else np.empty((len(found.readout_MK), 1, 0))
    if activation == "relu" and hidden:
        check(np.array_equal(found.dead_share_M, (values_MNU.max(1) <= 0).mean(1)), "dead", found.dead_share_M)
    elif activation in ends:
        low, high = ends[activation]
        outside_MU = ((values_MNU <= low) | (values_MNU >= high)).mean(1)
        check(np.array_equal(found.saturated_share_M, (outside_MU >= 0.99).mean(1)), "saturated", outside_MU)


def divergence(is_whole: bool) -> Iterator[str]:
    """A model that diverges counts its finite steps as numpy does, and changes no other model."""
    count = 1000 if is_whole else 4
    for shape, dtype in ((((16,), 1, 8, 30), "float64"), (((16,), 1, 8, 30), "float32"), (((), 2, 8, 30), "float32")):
        of = case(shape, optimizer="sgd", dtype=dtype, models=count, epochs=40)
        wild = replace(of.per_model, lr=[1e6 if i == 1 else lr for i, lr in enumerate(of.per_model.lr)])
        rows, others = in_memory(*of.rows), [i for i in range(count) if i != 1]
        found = cuda_engine.train(of.program, wild, rows)
        expected = gpu_reference.train(of.program, some(wild, [0, 1]), *of.rows, dtype)
        steps = int(found.finite_steps[1])
        check(0 < steps < of.program.steps, of.name, "finite steps", steps)
        check(
            abs(steps - int(expected.finite_steps[1])) <= 1,
            of.name,
            steps,
            "finite steps; numpy",
            expected.finite_steps,
        )
        check(not np.isfinite(found.losses[1, -1]), of.name, "last loss", found.losses[1, -1])
        calm = cuda_engine.train(of.program, some(wild, others), rows)
        check_same(models_of(found, others), calm, f"{of.name}: beside a diverging model")
        yield f"{of.name}: {steps} finite steps, numpy {expected.finite_steps[1]}, of {of.program.steps}"


def curves(is_whole: bool) -> Iterator[str]:
    """Loss curves are those of numpy, with more epochs than points, and a checkpoint without them has unknown ones."""
    for shape, loss in ((((5, 3), 2, 8, 30), "huber"), (((), 2, 8, 30), "mae")):
        of = case(shape, "tanh", "sgd", ("linear", loss), "float64", epochs=130, models=40 if is_whole else 2)
        found, saved = _watched(of)
        expected = gpu_reference.train(of.program, of.per_model, *of.rows)
        check(np.allclose(found.losses, expected.losses, rtol=1e-9), of.name, "losses", found.losses, expected.losses)
        early = replace(saved[1], losses=np.empty((of.models, 0)))
        again = trained(of, state=early).losses
        known = np.isfinite(again[0])
        check(0 < known.sum() < len(known), of.name, "known points", known.sum())
        check(np.array_equal(again[:, known], found.losses[:, known]), of.name, "other losses after a resume")
        told = f"resumed without them at step {early.step}, {known.sum()} are known"
        yield f"{of.name}: {len(known)} points of 130 epochs; {told}"


def _watched(of: Case) -> tuple[State, list[State]]:
    """Trains in launches of 37 steps; returns the end and the states on the way."""
    saved: list[State] = []
    with patched(training, LAUNCH_STEPS=37):
        return trained(of, on_progress=lambda _step, state: saved.append(state())), saved
