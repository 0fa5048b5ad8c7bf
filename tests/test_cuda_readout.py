"""The cuda engine's readout and predictions in float64, on an emulated GPU: to the bits of the lanes kernel."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import emulated_gpu
import gpu_laws_readout
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes_builds import REASON
from test_readout import DEGENERATE as ALIKE
from test_readout import SHAPES, observed_by, parameters_of
from test_torch_engine import program, rows_of

from sumsquares.jobs.engines import lanes_engine, metrics, readout, readout_numpy, shuffle
from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.cuda import driver, evaluation, exact
from sumsquares.jobs.engines.cuda import readout as cuda_readout
from sumsquares.jobs.engines.cuda.evaluation import Predictor
from sumsquares.jobs.engines.lanes import library
from sumsquares.jobs.engines.shuffle import in_memory

pytestmark = pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason()))
needs_fused = pytest.mark.skipif(
    REASON is not None or not lanes_engine.fused(), reason="no lanes engine with these bits"
)
WIDE = [(125,), (64, 64), (200, 3)]
"""The first has the widest triangle."""
QUICK = ("tanh", "relu")
"""Activations whose kernels are compiled by `make test`; `make test-kernel` compiles all."""
DEGENERATE = ALIKE | {"dead": ((7,), 40, lambda shape: -abs(parameters_of(shape)))}
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.kernel) for name in ACTIVATIONS]


@pytest.fixture(scope="module")
def device(emulated):
    """The emulated GPU."""
    return driver.Device()


def known_of(device, shape, parameters, x_NI, y_N, cuts=()):
    """Returns what is known after all rows, which come in several calls, and the triangles."""
    observing = cuda_readout.observer(device, shape).begin(parameters)
    for first, last in zip([0, *cuts], [*cuts, len(y_N)], strict=True):
        observing.add(x_NI[first:last], y_N[first:last])
    return observing.known(len(y_N)), observing.triangles_MCC.get()


def same_as_lanes(device, shape, parameters, x_NI, y_N, cuts=()):
    """Checks that the bits are those of the lanes kernel; returns what is known."""
    known, triangles_MCC = known_of(device, shape, parameters, x_NI, y_N, cuts)
    wide = replace(shape, dtype="float64")
    seen, readout_MK = observed_by(library.load(), wide, np.float64(parameters), np.float64(x_NI), np.float64(y_N))
    np.testing.assert_array_equal(triangles_MCC, seen.triangles_MCC)
    np.testing.assert_array_equal(known.highest_MU, seen.highest_MU)
    np.testing.assert_array_equal(known.saturated_MU, seen.saturated_MU)
    np.testing.assert_array_equal(known.readout_MK, readout_MK)
    return known


@needs_fused
@pytest.mark.parametrize("hidden", [*SHAPES, *WIDE])
@pytest.mark.parametrize("activation", EACH)
def test_the_readout_has_the_bits_of_lanes(device, activation, hidden):
    """So have the triangles and the statistics of units, of parameters in float32 and in float64."""
    for dtype in ("float32", "float64"):
        shape = program(activation=activation, hidden=hidden, rows=101, dtype=dtype)
        parameters = parameters_of(shape, scale=3.0).astype(dtype)
        same_as_lanes(device, shape, parameters, *rows_of(shape))


@needs_fused
@pytest.mark.parametrize("hidden", [*SHAPES, *WIDE])
@pytest.mark.parametrize("activation", EACH)
def test_predictions_in_float64_have_the_bits_of_lanes(device, activation, hidden):
    """They are those of networks with a solved readout."""
    shape = program(activation=activation, hidden=hidden, rows=101)
    parameters, x_NI = parameters_of(shape, scale=3.0), rows_of(shape)[0]
    found = exact.predictor(device, shape, parameters)(x_NI)
    np.testing.assert_array_equal(found, lanes_engine.predictor(shape, parameters)(x_NI))


@needs_fused
@pytest.mark.kernel
@pytest.mark.parametrize("output", OUTPUTS)
def test_any_output_is_predicted_and_only_a_linear_one_has_a_readout(device, output):
    """Units are observed all the same."""
    shape = program(activation="relu", hidden=(7, 5), output=output, rows=70)
    parameters, (x_NI, y_N) = parameters_of(shape), rows_of(shape)
    parameters[1] = np.nan
    predicted = exact.predictor(device, shape, parameters)(x_NI)
    np.testing.assert_array_equal(predicted, lanes_engine.predictor(shape, parameters)(x_NI))
    observer = cuda_readout.observer(device, shape)
    found, expected = (readout.observe(shape, parameters, in_memory(x_NI, y_N), each) for each in (observer, None))
    np.testing.assert_array_equal(found.readout_MK, expected.readout_MK)
    np.testing.assert_array_equal(found.dead_share_M, expected.dead_share_M)
    assert np.isnan(found.readout_MK).all() == (output != "linear")


@needs_fused
@pytest.mark.parametrize("order", ["0", "1", "drawn"])
@pytest.mark.parametrize(
    ("hidden", "inputs", "rows"), [((), 3, 40), ((), 120, 33), ((16, 16), 1, 96), ((70, 40), 9, 65)]
)
def test_the_order_of_threads_does_not_matter(device, monkeypatch, order, hidden, inputs, rows):
    """So nothing is read before all that it needs was written."""
    monkeypatch.setenv("EMULATED_ORDER", {"drawn": "7"}.get(order, order))
    shape = program(inputs=inputs, activation="tanh", hidden=hidden, rows=rows)
    parameters, (x_NI, y_N) = parameters_of(shape), rows_of(shape)
    same_as_lanes(device, shape, parameters, x_NI, y_N)
    found = exact.predictor(device, shape, parameters)(x_NI)
    np.testing.assert_array_equal(found, lanes_engine.predictor(shape, parameters)(x_NI))


@needs_fused
@pytest.mark.parametrize(("hidden", "rows", "changed"), DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("activation", QUICK)
def test_degenerate_features_have_the_bits_of_lanes(device, activation, hidden, rows, changed):
    """The answer is the one of smallest norm, also by numpy's least squares."""
    shape = program(activation=activation, hidden=hidden, rows=rows)
    (x_NI, y_N), parameters = rows_of(shape), changed(shape)
    known = same_as_lanes(device, shape, parameters, abs(x_NI), y_N)
    _, expected = observed_by(readout_numpy, shape, parameters, abs(x_NI), y_N)
    for readout_K, expected_K in zip(known.readout_MK, expected, strict=True):
        np.testing.assert_allclose(readout_K, expected_K, rtol=1e-7, atol=1e-7 * np.linalg.norm(expected_K))


def test_the_readout_fits_as_well_as_numpys(device):
    """Without the lanes kernel too."""
    shape = program(activation="tanh", hidden=(5, 13), rows=101)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape)
    found = readout.observe(shape, parameters, in_memory(x_NI, y_N), cuda_readout.observer(device, shape))
    seen, _ = observed_by(readout_numpy, shape, parameters, x_NI, y_N)
    predicted = exact.predictor(device, *readout.with_readout(shape, parameters, found.readout_MK))(x_NI)
    residuals = np.linalg.norm(predicted - y_N, axis=1)
    np.testing.assert_allclose(residuals, abs(seen.triangles_MCC[:, -1, -1]), rtol=1e-6)
    assert found.solver == "cuda"


def test_a_model_that_is_not_finite_affects_no_other(device):
    """Weights of NaN, infinity and 1e200 have NaN as their readout; the others have the bits they have alone."""
    shape = program(activation="relu", hidden=(5, 3), rows=70)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 6)
    calm = [0, 2, 4]
    expected, _ = known_of(device, shape, parameters[calm], x_NI, y_N)
    parameters[1, :10], parameters[3], parameters[5] = np.nan, np.inf, 1e200
    found, _ = known_of(device, shape, parameters, x_NI, y_N)
    np.testing.assert_array_equal(found.readout_MK[calm], expected.readout_MK)
    assert np.isnan(found.readout_MK[[1, 3, 5]]).all()
    np.testing.assert_array_equal(found.is_finite_M, np.isin(np.arange(6), calm))


@given(
    hidden=st.lists(st.integers(1, 30), max_size=3),
    rows=st.integers(1, 200),
    calls=st.lists(st.integers(0, 6), max_size=3),
    chosen=st.lists(st.integers(0, 9), min_size=1, max_size=10, unique=True),
)
@settings(max_examples=20, deadline=None)
def test_a_model_has_the_same_bits_wherever_it_is_observed(device, hidden, rows, calls, chosen):
    """The bits are the same in any pack, in any order, and with the rows in any calls."""
    shape = program(activation="tanh", hidden=tuple(hidden), rows=rows)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 10)
    whole, triangles_MCC = known_of(device, shape, parameters, x_NI, y_N)
    cuts = sorted(min(rows, call * exact.TILE_ROWS) for call in calls)
    found, triangles = known_of(device, shape, parameters[chosen], x_NI, y_N, cuts)
    np.testing.assert_array_equal(triangles, triangles_MCC[chosen])
    for array, expected in zip(found, whole, strict=True):
        np.testing.assert_array_equal(array, expected[chosen])


def test_models_and_rows_in_parts_of_any_size_have_the_same_bits(device, monkeypatch):
    """So memory and the time of a launch are bounded, and a dataset may be streamed."""
    shape = program(activation="tanh", hidden=(5,), rows=300)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 11)
    observer = cuda_readout.observer(device, shape)
    expected = readout.observe(shape, parameters, in_memory(x_NI, y_N), observer)
    predicted = exact.predictor(device, shape, parameters)(x_NI)
    small = dict.fromkeys(("CALL_FLOPS", "MODEL_FLOPS", "GROUP_BYTES", "ROW_BYTES"), cuda_readout)
    small |= {"PARAMETER_BYTES": exact, "OUTPUT_BYTES": evaluation}
    for name, place in {**small, "CHUNK_ROWS": shuffle}.items():
        monkeypatch.setattr(place, name, 96 if name == "CHUNK_ROWS" else 1)
        found = readout.observe(shape, parameters, in_memory(x_NI, y_N), observer)
        np.testing.assert_array_equal(found.readout_MK, expected.readout_MK)
        np.testing.assert_array_equal(exact.predictor(device, shape, parameters)(x_NI[:20]), predicted[:, :20])


@given(st.lists(st.integers(1, 2000), max_size=5), st.integers(1, 2000))
def test_a_group_takes_bounded_memory_and_what_does_not_fit_is_left_to_the_cpu(device, hidden, inputs):
    """A last layer of up to 125 units fits, if those before it have 330 at most."""
    shape = program(inputs=inputs, hidden=tuple(hidden))
    observer = cuda_readout.observer(device, shape)
    features = shape.layers[-1].inputs
    if observer is None:
        assert features > 125 or max(hidden) > 330 or sum(hidden) > 1000
        return
    assert features <= 125
    triangles_and_parameters = 8 * ((features + 2) ** 2 + shape.parameters)
    assert observer.group == 1 or observer.group * triangles_and_parameters <= cuda_readout.GROUP_BYTES


def test_networks_too_wide_for_a_block_are_predicted_and_observed_elsewhere(device):
    """A layer of 3,000 units, and a triangle of 128 columns."""
    assert exact.predictor(device, program(hidden=(3000,)), np.zeros((1, 12_001))) is None
    assert cuda_readout.observer(device, program(hidden=(3000,))) is None
    assert cuda_readout.observer(device, program(hidden=(126,))) is None


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_are_summed_on_the_device_as_numpy_sums_them(device, dtype, most):
    """Counts and maxima are equal, sums are to 1e-14, and a model that isn't finite is so in the same places."""
    generator, rows, models = np.random.default_rng(3), 301, 5
    predicted_MN = generator.normal(size=(models, rows)).astype(dtype)
    predicted_MN[1, 200], predicted_MN[2, 5] = np.nan, np.inf
    expected_N, chosen = np.rint(generator.normal(scale=3, size=rows)), np.flatnonzero(generator.random(rows) < 0.3)
    indices = np.arange(rows)[:, None]
    predictor = Predictor(
        device, models, lambda x_NI: device.put(np.ascontiguousarray(predicted_MN[:, x_NI[:, 0]])), most
    )
    np.testing.assert_array_equal(predictor(indices), predicted_MN)
    targets = [
        (indices[:100], expected_N[:100]),
        (indices[100:], np.where(indices[100:, 0] == 150, np.nan, expected_N[100:])),
    ]
    marks_N = np.isin(np.arange(rows), chosen)
    found, expected = (
        metrics.measure(predictor, targets, lambda z: z * 2.5 + 0.25, marks_N, sums)
        for sums in (partial(predictor.sums, scale=2.5, shift=0.25), None)
    )
    for field in fields(metrics.Errors):
        close = 0 if field.name in ("exact_M", "right_side_M", "largest_M", "count", "chosen") else 1e-14
        np.testing.assert_allclose(getattr(found, field.name), getattr(expected, field.name), rtol=close)


def test_no_rows_have_sums_of_zero(device):
    """As where no target of a part is known."""
    predictor = Predictor(device, 3, lambda _x_NI: device.zeros((3, 0), "float32"), 10)
    found = predictor.sums(np.empty((0, 1)), np.empty(0), np.empty(0, np.intp), 1.0, 0.0)
    assert not np.any(found)


@needs_fused
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_bits_that_every_gpu_must_give_are_those_of_lanes(activation):
    """These digests are compared on a GPU by `python tests/gpu_laws.py`."""
    found = gpu_laws_readout.bits_of(activation, lanes_engine.observer, lanes_engine.predictor)
    assert found == gpu_laws_readout.DIGESTS[activation]
