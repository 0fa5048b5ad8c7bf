"""The laws that the cuda engine keeps, checked on a GPU: `python tests/gpu_laws.py` in a clone, with numpy installed.

With `--emulated` the kernels run on the CPU, in threads that take turns (tests/emulated_gpu). It prints the device, then
each law with its figures, and exits with 1 if one is broken.

Suffixes: M models, P parameters, N rows, I inputs, E points of a loss curve.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import gpu_reference
import numpy as np
from gpu_cases import Case, case, every_kind, every_shape, some

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import compiler, driver
from sumsquares.jobs.engines.cuda.kernels import NotForCuda
from sumsquares.jobs.engines.cuda.layout import layout
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import State

FLOAT64_ERROR = 1e-8
"""Of the way that a model moved, at most: sums of other order, and functions of 2 units in the last place."""
FLOAT32_RATIO, FLOAT32_FLOOR = 4.0, 1e-6
"""The median error of float32 may be this many times numpy's own in float32, and so much more."""
FLOAT32_LARGEST = 0.02
"""Of the way that a model moved: a unit of a relu that flips is no error of a kernel."""


LOSS_ERROR = 1e-5
"""The median of the models' largest relative errors of a loss, in float32."""


class Broken(AssertionError):
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
        check(array.dtype == other.dtype and array.tobytes() == other.tobytes(), what, name, "differ:", _worst(array, other))


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
def patched(**values) -> Iterator[None]:
    """Replaces constants of the engine for a while."""
    before = {name: getattr(cuda_engine, name) for name in values}
    vars(cuda_engine).update(values)
    try:
        yield
    finally:
        vars(cuda_engine).update(before)


def reference(is_whole: bool) -> Iterator[str]:
    """Every activation, optimizer, output, loss and shape trains as plain numpy does."""
    errors = {"float64": [], "float32": [], "numpy's float32": []}
    for of in (*every_kind(is_whole), *every_shape(is_whole)):
        try:
            _against_numpy(of, errors)
        except NotForCuda as refusal:
            yield f"not trained: {of.name}: {refusal}"
        except Broken as broken:
            raise Broken(f"{of.name}: {broken}") from None
    for kind, found in errors.items():
        middle, high, most = np.quantile(np.concatenate(found), [0.5, 0.9, 1.0])
        yield f"error in {kind}, of the way moved: median {middle:.1e}, 90 % {high:.1e}, largest {most:.1e}; {len(found)} programs"


def _against_numpy(of: Case, errors: dict[str, list[np.ndarray]]) -> None:
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
    check(error_M.max() <= max(FLOAT32_LARGEST, 4 * own_M.max()), "largest error", error_M.max(), "numpy's", own_M.max())
    loss_M = (np.abs(found.losses - expected.losses) / (np.abs(expected.losses) + 1e-3)).max(axis=1)
    check(np.median(loss_M) < LOSS_ERROR and loss_M.max() < FLOAT32_LARGEST, "errors of losses", loss_M)


def _error(found: np.ndarray, expected: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The distance from the expected parameters, in shares of the way that each model moved."""
    way_M = np.linalg.norm(expected - first, axis=1) + 1e-12
    return np.linalg.norm(found.astype(np.float64) - expected, axis=1) / way_M


def _for_bits(is_whole: bool) -> list[Case]:
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
        case(((24, 12), 1, 100, 1000), "elu", "adam", models=10_000, epochs=2),
    ]
    return found + more * is_whole


def bits(is_whole: bool) -> Iterator[str]:
    """A model's bits are the same alone, in packs of any size and in any place, with any launches, after a resume."""
    for of in _for_bits(is_whole):
        whole, rows, draws = trained(of), in_memory(*of.rows), np.random.default_rng(1)
        sizes = [size for size in (1, 1, 2, 5, 64, 133, 700) if size < of.models]
        for size in sizes:
            chosen = draws.permutation(of.models)[:size]
            part = cuda_engine.train(of.program, some(of.per_model, chosen), rows)
            check_same(part, models_of(whole, chosen), f"{of.name}: models {chosen[:5]} in a pack of {size}")
        saved: list[State] = []
        for steps in (1, 3, of.program.steps):
            with patched(LAUNCH_STEPS=steps):
                again = trained(of, on_progress=lambda _step, state: saved.append(state()))
            check_same(again, whole, f"{of.name}: launches of {steps} steps")
        chosen = draws.permutation(len(saved))[: 8 if is_whole else 3]
        for state in (saved[index] for index in chosen):
            check_same(trained(of, state=state), whole, f"{of.name}: resumed at step {state.step}")
        resumed = sorted(saved[index].step for index in chosen)
        yield f"{of.name}: {of.models} models, packs of {sizes}, resumed at {resumed} of {of.program.steps}"


def predictions(is_whole: bool) -> Iterator[str]:
    """Predictions are those of plain numpy, for any number of rows, and take bounded memory."""
    shapes = (((), 2, 8, 30), ((), 30, 8, 30), ((16, 16), 1, 100, 1000), ((33, 17), 19, 8, 20), ((64, 64), 1, 100, 1000))
    kinds = (("relu", "linear"), ("sigmoid", "tanh"), ("gelu", "sigmoid"), ("tanh", "relu"), ("silu", "linear"))
    for (shape, (activation, output)), dtype in ((pair, dtype) for pair in zip(shapes, kinds, strict=True) for dtype in ("float32", "float64")):
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
        with patched(OUTPUT_BYTES=4 * of.models * 10):
            check(np.array_equal(predict(x_NI), found), of.name, "other bits in parts")
        yield f"{of.name}: error {largest:.1e} of the largest prediction"


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
        check(abs(steps - int(expected.finite_steps[1])) <= 1, of.name, steps, "finite steps; numpy", expected.finite_steps)
        check(not np.isfinite(found.losses[1, -1]), of.name, "last loss", found.losses[1, -1])
        calm = cuda_engine.train(of.program, some(wild, others), rows)
        check_same(models_of(found, others), calm, f"{of.name}: beside a diverging model")
        yield f"{of.name}: {steps} finite steps, numpy {expected.finite_steps[1]}, of {of.program.steps}"


def curves(is_whole: bool) -> Iterator[str]:
    """Loss curves are those of numpy, with more epochs than points, and a checkpoint without them has unknown ones."""
    for shape, loss in ((((5, 3), 2, 8, 30), "huber"), (((), 2, 8, 30), "mae")):
        of = case(shape, "tanh", "sgd", ("linear", loss), "float64", epochs=130, models=40 if is_whole else 2)
        with patched(LAUNCH_STEPS=37):
            saved: list[State] = []
            found = trained(of, on_progress=lambda _step, state: saved.append(state()))
        expected = gpu_reference.train(of.program, of.per_model, *of.rows)
        check(np.allclose(found.losses, expected.losses, rtol=1e-9), of.name, "losses", found.losses, expected.losses)
        early = replace(saved[1], losses=np.empty((of.models, 0)))
        again = trained(of, state=early).losses
        known = np.isfinite(again[0])
        check(0 < known.sum() < len(known), of.name, "known points", known.sum())
        check(np.array_equal(again[:, known], found.losses[:, known]), of.name, "other losses after a resume")
        yield f"{of.name}: {len(known)} points of 130 epochs; resumed without them at step {early.step}, {known.sum()} are known"


LAWS: dict[str, Callable[[bool], Iterator[str]]] = {
    law.__name__: law for law in (reference, bits, predictions, divergence, curves)
}
"""By name."""


def programs(law: str, is_whole: bool) -> list[Case]:
    """The cases of the laws that have many, to be compiled at the same time."""
    if law == "reference":
        return [*every_kind(is_whole), *every_shape(is_whole)]
    return _for_bits(is_whole) if law == "bits" else []


def _compile(text: str, architecture: str, libraries: tuple[str, str | None]) -> None:
    driver.LIBRARY, compiler.LIBRARY = libraries
    compiler.compiled(text, architecture)


def compile_all(names: list[str], is_whole: bool) -> None:
    """Compiles what the laws need, in several processes."""
    architecture = cuda_engine.architecture()
    cases = [of for name in names for of in programs(name, is_whole)]
    texts = sorted({of.source(architecture) for of in cases if not isinstance(layout(of.program, architecture), str)})
    workers = min(os.cpu_count() or 1, 16)
    began, libraries = time.monotonic(), (driver.LIBRARY, compiler.LIBRARY)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for done in [pool.submit(_compile, text, architecture, libraries) for text in texts]:
            done.result()
    print(f"compiled {len(texts)} modules in {time.monotonic() - began:.0f} s, {workers} at a time", flush=True)


def main() -> int:
    """Checks the laws that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulated", action="store_true", help="on the CPU, and fewer cases")
    parser.add_argument("--whole", action="store_true", help="all cases, also with --emulated")
    parser.add_argument("--law", action="append", choices=LAWS, help="only this one; may be repeated")
    options = parser.parse_args()
    if options.emulated:
        import emulated_gpu

        emulated_gpu.install()
    reason = cuda_engine.available()
    if reason is not None:
        print(f"no GPU to check the laws on: {reason}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        return check_laws(options.law or list(LAWS), options.whole or not options.emulated)


def check_laws(names: list[str], is_whole: bool) -> int:
    """Prints the machine, and each law with its figures; returns the exit code."""
    device = cuda_engine._device()
    print(f"{device.name}, {device.architecture}, {device.multiprocessors} multiprocessors; {platform.platform()}")
    print(f"Python {platform.python_version()}, numpy {np.__version__}", flush=True)
    compile_all(names, is_whole)
    broken = 0
    for name in names:
        began = time.monotonic()
        print(f"\n{name}: {LAWS[name].__doc__}")
        try:
            for line in LAWS[name](is_whole):
                print(f"  {line}", flush=True)
            print(f"  holds; {time.monotonic() - began:.1f} s", flush=True)
        except Broken as error:
            broken += 1
            print(f"  BROKEN: {error}", flush=True)
    print(f"\n{len(names) - broken} of {len(names)} laws hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
