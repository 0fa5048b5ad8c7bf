"""The cuda engine on an emulated GPU: what is around its kernels, whose laws test_gpu_laws.py checks."""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace

import emulated_gpu
import gpu_reference
import numpy as np
import pytest
from gpu_cases import case
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.engines import cuda_engine, shuffle
from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.choice import recorded
from sumsquares.jobs.engines.cuda import driver, evaluation, kernels, training
from sumsquares.jobs.engines.cuda import rows as device_rows
from sumsquares.jobs.engines.objective import LOSSES
from sumsquares.jobs.engines.optimizers import OPTIMIZERS
from sumsquares.jobs.engines.shuffle import Rows, batches, in_memory

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason())),
]
FOLDED = ((5, 3), 2, 7, 30)


def same(found, expected):
    """Checks that two states are equal to the bit."""
    np.testing.assert_array_equal(found.parameters, expected.parameters)
    np.testing.assert_array_equal(found.losses, expected.losses)
    np.testing.assert_array_equal(found.finite_steps, expected.finite_steps)
    for array, other in zip(found.optimizer_state, expected.optimizer_state, strict=True):
        np.testing.assert_array_equal(array, other)


def test_the_emulated_gpu_is_found(emulated):
    """The engine is available, and results name its architecture, on which bits depend."""
    assert cuda_engine.available() is None
    assert recorded("cuda") == "cuda-sm_90"


@pytest.mark.parametrize("shape", [FOLDED, ((), 2, 7, 30)])
def test_a_pack_trains_as_plain_numpy_does(emulated, shape):
    """With weight decay, a cosine, a short last batch and rates that differ, to 1e-9 in float64."""
    of = case(shape, "tanh", "adamw", ("sigmoid", "bce"), "float64", schedule="cosine", has_decay=True)
    found = cuda_engine.train(of.program, of.per_model, in_memory(*of.rows))
    expected = gpu_reference.train(of.program, of.per_model, *of.rows)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)
    assert list(found.finite_steps) == [of.program.steps] * of.models
    x_NI = of.rows[0]
    predicted = cuda_engine.predictor(of.program, found.parameters)(x_NI)
    np.testing.assert_allclose(predicted, gpu_reference.predict(of.program, found.parameters, x_NI), rtol=1e-9)


def test_progress_is_told_after_each_launch_and_a_saved_state_is_a_copy(emulated, monkeypatch):
    """From each of them training resumes and ends with the same bits; it may be over already."""
    monkeypatch.setattr(training, "LAUNCH_STEPS", 4)
    of, saved = case(FOLDED), []
    rows = in_memory(*of.rows)
    last = cuda_engine.train(
        of.program, of.per_model, rows, on_progress=lambda step, state: saved.append((step, state()))
    )
    steps = [step for step, _ in saved]
    assert steps == [state.step for _, state in saved]
    assert steps == sorted(set(steps))
    assert steps[-1] == of.program.steps
    assert max(np.diff([0, *steps])) <= 4
    for _, state in saved:
        same(cuda_engine.train(of.program, of.per_model, rows, state=state), last)


def chunked(x_NI, y_N, calls=None, key=None):
    """Rows of two arrays in chunks of 8, whose reading is noted."""

    def chunk(index):
        if calls is not None:
            calls.append(index)
        return x_NI[8 * index : 8 * index + 8], y_N[8 * index : 8 * index + 8]

    return Rows(len(y_N), chunk, key)


@pytest.mark.parametrize("shape", [((5,), 2, 7, 30), ((), 9, 30, 30), ((4,), 1, 8, 24)])
def test_rows_on_the_device_and_rows_that_are_streamed_give_the_same_bits(emulated, monkeypatch, shape):
    """In one chunk and in several, also where batches span two of them."""
    of = case(shape, epochs=3)
    found = []
    for chunk_rows, share in itertools.product((8, 1 << 20), (8, 1 << 60)):
        monkeypatch.setattr(shuffle, "CHUNK_ROWS", chunk_rows)
        monkeypatch.setattr(device_rows, "RESIDENT_SHARE", share)
        rows = chunked(*of.rows) if chunk_rows == 8 else in_memory(*of.rows)
        found.append(cuda_engine.train(of.program, of.per_model, rows))
    same(found[1], found[0])
    same(found[3], found[2])


LAST = [("c", 20), ("d", 24), ("b", 24), ("e", 28), ("b", 28), ("a", 32)]
"""Further datasets, of which four stay, and how many chunks have been read: the one not used for longest goes."""


def test_a_dataset_stays_on_the_device_between_packs(emulated, monkeypatch):
    """Rows with the same key are not read again, unless others have taken their place; those without one are."""
    monkeypatch.setattr(shuffle, "CHUNK_ROWS", 8)
    monkeypatch.setattr(device_rows, "_resident", type(device_rows._resident)())
    of, calls = case(FOLDED), []
    for key, reads in (("a", 4), ("a", 4), (None, 8), (None, 12), ("b", 16), ("a", 16), *LAST):
        cuda_engine.train(of.program, of.per_model, chunked(*of.rows, calls, key))
        assert len(calls) == reads, key
    assert set(device_rows._resident) == {"d", "b", "e", "a"}


@given(
    rows=st.integers(1, 60),
    batch=st.integers(1, 70),
    steps=st.integers(1, 9),
    skip=st.integers(0, 5),
    is_resident=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_blocks_have_the_batches_of_the_other_engines_in_order(emulated, rows, batch, steps, skip, is_resident):
    """Whatever the number of steps of a block, and from whatever step on."""
    program = case(((3,), 1, batch, rows), epochs=4).program
    x_NI, y_N = np.arange(rows, dtype=np.float32)[:, None], np.arange(rows, dtype=np.float32)
    begin, padded = min(skip, program.steps), min(batch, rows) + 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_rows, "RESIDENT_SHARE", 1 if is_resident else 1 << 60)
        found = list(
            device_rows.blocks(cuda_engine._device(), program, in_memory(x_NI, y_N), begin, padded, lambda: steps)
        )
    told = [block.rows.y_N.get()[row[row >= 0]] for block in found for row in block.order_SR]
    expected = [y for epoch in range(4) for _, y in batches(in_memory(x_NI, y_N), batch, program.shuffle_seed, epoch)]
    assert [list(each) for each in told] == [list(each) for each in expected[begin:]]
    assert all(len(block.counts_S) <= steps and block.order_SR.shape[1] == padded for block in found)


@pytest.mark.parametrize("models", [1, 100, 10_000])
def test_a_launch_takes_a_bounded_time(emulated, models):
    """Whatever it is at first, a device of any speed soon takes some 0.15 s; batches have bounded memory."""
    of = case(((16, 16), 1, 100, 1000), epochs=10**6)
    kernel = kernels.load(cuda_engine._device(), of.program, has_decay=False)
    for seconds in (1e-7, 1e-4, 0.01, 10.0):
        pace = training.Pace(of.program, models, kernel)
        for _ in range(20):
            pace.took(pace.steps(), pace.steps() * seconds)
        steps = pace.steps()
        assert steps * kernel.info.batch_rows * (kernel.info.row_stride + 1) * 4 <= training.BATCH_BYTES
        assert steps == 1 or steps * seconds <= 1.01 * training.LAUNCH_SECONDS


def test_a_launch_that_seems_to_take_no_time_makes_the_next_one_longer_by_a_factor_alone(emulated):
    """A clock that jumps, or a first launch that waits for nothing, is no reason for one that takes minutes."""
    of = case(((16, 16), 1, 100, 1000), epochs=10**6)
    pace = training.Pace(of.program, 100, kernels.load(cuda_engine._device(), of.program, has_decay=False))
    pace.took(10, 0.0)
    assert 10 < pace.steps() <= 100


def test_what_the_kernels_know_of_the_lists_is_what_the_torch_engine_knows(emulated):
    """Factors of losses, and arrays of optimizers."""
    assert {name: training.LOSS_FACTORS.get(name, 1.0) for name in LOSSES} == {
        name: loss.factor for name, loss in LOSSES.items()
    }
    found = {}
    for optimizer in OPTIMIZERS:
        of = case(((), 1, 8, 8), optimizer=optimizer)
        found[optimizer] = kernels.load(cuda_engine._device(), of.program, has_decay=False).info.arrays
    assert found == {name: optimizer.arrays for name, optimizer in OPTIMIZERS.items()} == gpu_reference.OPTIMIZERS


def test_the_reference_has_every_name_of_the_lists():
    """So the laws leave none out."""
    assert list(gpu_reference.ACTIVATIONS) == list(ACTIVATIONS)
    assert list(gpu_reference.OUTPUTS) == list(OUTPUTS)
    assert set(gpu_reference.OBJECTIVES) == {
        (output, loss) for output in OUTPUTS for loss in LOSSES if loss != "bce" or output == "sigmoid"
    }


def test_a_program_that_does_not_fit_is_refused_with_the_reason(emulated):
    """Whoever chooses the engine asks before."""
    of = case(((4096, 4096), 1, 8, 8))
    with pytest.raises(kernels.NotForCuda, match="shared memory"):
        cuda_engine.train(of.program, of.per_model, in_memory(*of.rows))


def test_predictions_take_bounded_memory_and_have_the_same_bits_in_parts(emulated, monkeypatch):
    """No array on the device is larger than the limit, however many rows there are."""
    of = case(FOLDED, models=4)
    parameters = gpu_reference.first_weights(of.program, of.per_model)
    x_NI = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    whole = cuda_engine.predictor(of.program, parameters)(x_NI)
    sizes, empty = [], driver.Device.empty
    monkeypatch.setattr(driver.Device, "empty", lambda self, *of: sizes.append(empty(self, *of)) or sizes[-1])
    monkeypatch.setattr(evaluation, "OUTPUT_BYTES", 1000)
    np.testing.assert_array_equal(cuda_engine.predictor(of.program, parameters)(x_NI), whole)
    assert max(array.nbytes for array in sizes) <= 1000


def test_a_training_leaves_nothing_on_the_device(emulated):
    """All its memory is free again, and so is that of predictions."""
    of, device = case(FOLDED, models=50), cuda_engine._device()

    def everything():
        found = cuda_engine.train(of.program, of.per_model, in_memory(*of.rows))
        cuda_engine.predictor(of.program, found.parameters)(of.rows[0])
        return device.memory()[0]

    everything()
    gc.collect()  # what earlier tests have left is freed now, and not in between
    assert everything() == everything()


def test_two_models_that_differ_in_their_decay_alone_need_no_kernel_of_their_own(emulated):
    """A model without weight decay has the same bits beside models that have it."""
    of = case(FOLDED, optimizer="momentum", models=3)
    rows = in_memory(*of.rows)
    mixed = replace(of.per_model, weight_decay=[0.0, 0.3, 0.0])
    found = cuda_engine.train(of.program, mixed, rows).parameters
    plain = cuda_engine.train(of.program, of.per_model, rows).parameters
    np.testing.assert_array_equal(found[[0, 2]], plain[[0, 2]])
    assert not np.array_equal(found[1], plain[1])
