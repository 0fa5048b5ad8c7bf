"""The native library: arguments that it rejects, how it is found, and that it accesses no memory beyond its arrays."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes_builds import needs_lanes, peak_of
from test_torch_engine import program

from sumsquares.jobs.engines import choice, lanes_engine
from sumsquares.jobs.engines.lanes import library
from sumsquares.jobs.engines.lanes.library import Steps, Trained
from sumsquares.jobs.engines.optimizers import OPTIMIZERS
from sumsquares.jobs.stages import cpu_cost

ROOT = Path(__file__).parent.parent
COMPILER = shutil.which("g++")
M, N, S, E = 3, 24, 3, 2


def arguments(shape):
    """Returns valid arguments for `train`."""
    dtype, P = shape.dtype, shape.parameters
    steps = Steps(
        np.ones((N, shape.inputs), dtype),
        np.ones(N, dtype),
        np.array([8, 16, 24]),
        np.ones(S),
        np.ones((2, S)),
        np.array([-1, 0, E - 1]),
        N,
    )
    optimizer_state = tuple(np.zeros((M, P), dtype) for _ in range(OPTIMIZERS[shape.optimizer].arrays))
    return (
        steps,
        np.full(M, 0.01),
        np.zeros(M),
        Trained(np.zeros((M, P), dtype), optimizer_state, np.zeros(M, np.int64), np.zeros((M, E))),
    )


def harmed(array, how):
    """Returns the array with another dtype, shape or memory layout."""
    return {
        "type": lambda: array.astype(np.float16),
        "shorter": lambda: array[:-1].copy(),
        "longer": lambda: np.concatenate((array, array)),
        "deeper": lambda: array[None].copy(),
        "strided": lambda: np.repeat(array, 2, axis=0)[::2],
    }[how]()


@needs_lanes
@pytest.mark.parametrize("how", ["type", "shorter", "longer", "deeper", "strided"])
@pytest.mark.parametrize(
    "name",
    [
        "x_NI",
        "y_N",
        "ends_S",
        "lr_factor_S",
        "bias_corrections_2S",
        "point_S",
        "lr",
        "decay",
        "parameters_MP",
        "state",
        "finite_M",
        "losses_ME",
    ],
)
def test_an_array_of_another_dtype_shape_or_layout_is_refused(name, how):
    """It is refused before any of its numbers are read."""
    steps, lr, decay, trained = arguments(program())
    if hasattr(steps, name):
        steps = replace(steps, **{name: harmed(getattr(steps, name), how)})
    elif name == "state":
        first, second = trained.optimizer_state
        trained = replace(trained, optimizer_state=(harmed(first, how), second))
    elif hasattr(trained, name):
        trained = replace(trained, **{name: harmed(getattr(trained, name), how)})
    lr, decay = (harmed(lr, how) if name == "lr" else lr, harmed(decay, how) if name == "decay" else decay)
    with pytest.raises(ValueError, match=r"in one piece|refuses|arrays of state"):
        library.load().train(program(), steps, lr, decay, trained)


@needs_lanes
@pytest.mark.parametrize("ends", [[0, 8, 16], [8, 8, 16], [16, 8, 24], [-1, 8, 24], [8, 16, 25], [8, 16, 2**62]])
def test_steps_that_do_not_follow_each_other_within_the_rows_are_refused(ends):
    """A step also has at least one row."""
    steps, *rest = arguments(program())
    with pytest.raises(ValueError, match=r"refuses|ends after row"):
        library.load().train(program(), replace(steps, ends_S=np.array(ends)), *rest)


@needs_lanes
@pytest.mark.parametrize("points", [[0, 1, E], [0, -2, 1], [2**62, 0, 0]])
def test_points_that_the_loss_curves_do_not_have_are_refused(points):
    """The squared errors of a step are never written elsewhere."""
    steps, *rest = arguments(program())
    with pytest.raises(ValueError, match="refuses"):
        library.load().train(program(), replace(steps, point_S=np.array(points)), *rest)


@needs_lanes
@pytest.mark.parametrize("rows", [0, -1])
def test_an_epoch_without_rows_is_refused(rows):
    """Losses are divided by them."""
    steps, *rest = arguments(program())
    with pytest.raises(ValueError, match="refuses"):
        library.load().train(program(), replace(steps, epoch_rows=rows), *rest)


@needs_lanes
def test_an_error_is_a_new_one_each_time():
    """One object raised each time would keep the frames, and so the arrays, of all earlier calls alive."""
    steps, *rest = arguments(program())
    found = []
    for _ in range(2):
        with pytest.raises(ValueError, match="refuses") as raised:
            library.load().train(program(), replace(steps, ends_S=np.array([16, 8, 24])), *rest)
        found.append(raised.value)
    assert found[0] is not found[1]


PREPARE = """
import numpy as np
from sumsquares.jobs.engines.lanes.library import load
from tests.test_torch_engine import program
shape = program(hidden=(3000, 3000), dtype="float32")
parameters = np.ones((1, shape.parameters), np.float32)
"""


@needs_lanes
@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes on Linux")
def test_predictions_take_the_memory_of_the_parameters_once():
    """There is no gradient, and no second copy of the weights."""
    work = "load().predict(shape, parameters, np.ones((8, 2), np.float32))"
    assert peak_of(PREPARE, work, "parameters") < 1.5


@needs_lanes
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 9), min_size=13, max_size=13))
@settings(max_examples=300, deadline=None)
def test_invalid_numbers_give_an_error_and_no_crash(numbers):
    """This calls the C function without the checks in Python; pointers are null, or to more memory than is read."""
    functions = library.load()._functions
    inputs, depth, width, activation, output, layout, optimizer, loss, steps, models, null, epoch_rows, points = numbers
    room = np.ones(4096)
    hidden = np.full(1001, width, np.int64)
    pointer = None if null % 2 else room.ctypes.data_as(ctypes.c_void_p)
    if 1 <= inputs <= 9 and 0 <= depth <= 9 and 1 <= models <= 9 and 0 <= steps <= 9:
        steps = -1  # otherwise all arguments may be valid, and the call would succeed
    head = [inputs, depth, hidden.ctypes.data_as(ctypes.c_void_p), activation, output, layout]
    ints = [ctypes.c_int64(v) if isinstance(v, int) else v for v in [*head, optimizer, loss, steps]]
    ints += [*[pointer] * 7, ctypes.c_int64(epoch_rows), ctypes.c_int64(models), *[pointer] * 6]
    code = functions.lanes_train_f64(*ints, ctypes.c_int64(points), pointer)
    assert code in (1, 2)


@needs_lanes
def test_a_network_that_does_not_fit_into_memory_is_an_error():
    """The layer has 2^38 units."""
    functions = library.load()._functions
    room = np.ones(8)
    hidden = np.array([2**38], np.int64)
    pointer = room.ctypes.data_as(ctypes.c_void_p)
    head = [ctypes.c_int64(1), ctypes.c_int64(1), hidden.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(0)]
    tail = [ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_int64(1), pointer, ctypes.c_int64(1), pointer, pointer]
    assert functions.lanes_predict_f64(*head, *tail) == 2


def test_without_a_library_torch_trains_and_the_reason_is_given(tmp_path, monkeypatch):
    """This is the case without a compiler. lanes by name is an error with a remedy."""
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    library.load.cache_clear()
    try:
        assert "C++ compiler" in lanes_engine.available()
        assert choice.choose("auto", "cpu") == "torch"
        assert "C++ compiler" in choice.expect("auto", "cpu", program()).why
        with pytest.raises(choice.EngineMissing, match='write engine = "auto"'):
            choice.choose("lanes", "cpu")
        with pytest.raises(RuntimeError, match="not there"):
            lanes_engine.prepare()
    finally:
        library.load.cache_clear()


@needs_lanes
def test_a_library_of_another_version_is_not_used(monkeypatch):
    """This is the case after an update of the sources without a new installation."""
    digest = library.sources_digest()
    monkeypatch.setattr(library, "sources_digest", lambda: digest[::-1])
    library.load.cache_clear()
    try:
        assert "install sumsquares again" in lanes_engine.available()
        assert choice.choose("auto", "cpu") == "torch"
    finally:
        library.load.cache_clear()


@needs_lanes
def test_lanes_trains_on_cpus():
    """This holds for any shape; torch can be chosen by name."""
    assert choice.choose("auto", "cpu") == choice.choose("lanes", "cpu") == "lanes"
    assert choice.choose("torch", "cpu") == "torch"


@needs_lanes
def test_the_best_library_that_can_be_loaded_is_used(tmp_path, monkeypatch):
    """A variant is skipped if it was not built, as with compilers without AVX-512, or can't be loaded."""
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    for path in (ROOT / "jobs/engines/lanes").glob("*.*"):
        if path.suffix in (".cpp", ".h") or path.name == "lanes_baseline.so":
            shutil.copy(path, tmp_path)
    for variant in library.VARIANTS[1:]:
        (tmp_path / f"lanes_{variant}.so").write_bytes(b"of long ago")
    library.load.cache_clear()
    try:
        assert library.load().variant == "baseline"
    finally:
        library.load.cache_clear()


@pytest.mark.skipif(COMPILER is None, reason="no g++")
@pytest.mark.kernel
@pytest.mark.timeout(900)  # compiling with sanitizers takes most of a minute on an idle core
@pytest.mark.parametrize("flags", [["-mavx2", "-mfma"], ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512vl"]])
def test_no_access_beyond_an_array_and_no_undefined_behaviour(tmp_path, flags):
    """AddressSanitizer and UndefinedBehaviorSanitizer find nothing in any shape, activation and optimizer."""
    if len(flags) > 2 and (isinstance(library.load(), str) or library.load().variant != "avx512"):
        pytest.skip("this processor has no AVX-512")
    built = tmp_path / "lanes.so"
    source = ROOT / "jobs/engines/lanes/lanes.cpp"
    # Not optimized: that takes two thirds of the time, most of it the compiler's, and no access is optimized away.
    options = ["-std=c++17", "-O0", "-ffp-contract=off", "-fno-strict-aliasing", "-Wno-ignored-attributes"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-shared", "-fPIC"]
    options.append(f'-DLANES_SOURCES="{library.sources_digest()}"')
    subprocess.run([COMPILER, *options, *checks, *flags, str(source), "-o", str(built)], check=True)
    runtime = [
        subprocess.run(
            [COMPILER, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(runtime),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(ROOT),
    }
    completed = subprocess.run(
        [sys.executable, str(ROOT / "tests/lanes_shapes.py"), str(built)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (completed.returncode, completed.stdout) == (0, "trained\n"), completed.stderr


@needs_lanes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(1,), (16,), (17,), (16, 16), (40, 5, 200)])
def test_planning_has_the_costs_by_which_the_kernel_chooses(hidden, dtype):
    """With AVX-512 and without exponential functions: with few and with many inputs."""
    native = library.load()
    if native.variant != "avx512":
        pytest.skip("this processor has no AVX-512")
    for inputs in (1, 2, 3, 100):
        shape = replace(program(hidden=hidden), dtype=dtype, inputs=inputs, activation="relu", batch_size=37)
        assert native.costs(shape) == pytest.approx(cpu_cost.lanes_cycles(shape)[1:], rel=1e-12)


@needs_lanes
def test_the_costs_of_a_linear_model_are_refused():
    """It has only one layout."""
    with pytest.raises(ValueError, match="refuses these numbers"):
        library.load().costs(program(hidden=()))
