"""Loss curves: which epochs they have, what they say, and that both engines keep those of a plain training loop."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from test_torch_engine import models, program, rows_of, train_alone

from sumsquares.jobs.engines import lanes_engine, losses, shuffle, torch_engine
from sumsquares.jobs.engines.losses import curve_epochs, points, rise, slope
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.stages.checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from sumsquares.jobs.storage.store import Store

ENGINES = [torch_engine] if lanes_engine.available() else [torch_engine, lanes_engine]
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=[engine.__name__.split(".")[-1] for engine in ENGINES])
POSITIVE = st.floats(1e-9, 1e9)
IDS = ["a", "b"]
PACK = pack_id_of(IDS)


@given(st.integers(1, 10**7))
def test_a_curve_has_at_most_fifty_epochs_evenly_spaced_in_the_logarithm(epochs):
    """It has the first and the last one, and between two others at most a fiftieth of the way, or one epoch."""
    found = curve_epochs(epochs)
    assert found.dtype == np.int64
    assert len(found) <= losses.MOST_POINTS
    assert (found[0], found[-1]) == (1, epochs)
    assert (np.diff(found) > 0).all()
    ratio = epochs ** (1 / (losses.MOST_POINTS - 1))
    assert (np.diff(found) <= np.maximum(1, found[:-1] * (ratio - 1) + 1 + ratio / 2)).all()


@given(st.integers(1, 200), st.integers(1, 9), st.data())
def test_each_step_counts_for_the_point_of_its_epoch(epochs, steps_per_epoch, data):
    """Steps of other epochs count for none; this holds for any range of steps."""
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, epochs * steps_per_epoch)] * 2)))
    kept = [int(epoch) for epoch in curve_epochs(epochs)]
    epoch_of = [step // steps_per_epoch + 1 for step in range(begin, end)]
    expected = [kept.index(epoch) if epoch in kept else -1 for epoch in epoch_of]
    assert points(begin, end, epochs, steps_per_epoch).tolist() == expected


@given(st.integers(4, 10**5), st.floats(-3, 3), POSITIVE)
def test_the_slope_of_a_power_of_the_epoch_is_its_exponent(epochs, exponent, factor):
    """This holds whatever the loss was in the first half."""
    epochs_E = curve_epochs(epochs)
    curve_E = factor * (epochs_E / epochs) ** exponent
    curve_E[2 * epochs_E < epochs] = np.nan
    np.testing.assert_allclose(slope(epochs_E, curve_E[None]), exponent, rtol=1e-9, atol=1e-9)


@given(st.lists(POSITIVE, min_size=6, max_size=6))
def test_the_slope_is_that_of_least_squares(curve):
    """It is numpy's, over the last half of the epochs."""
    expected = np.polyfit(np.log(np.arange(5, 11)), np.log(curve), 1)[0]
    epochs_E, curve_E = np.arange(1, 11), np.array([1.0] * 4 + curve)
    np.testing.assert_allclose(slope(epochs_E, curve_E[None]), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("last", [np.nan, np.inf, 0.0])
def test_a_loss_without_a_logarithm_has_no_slope(last):
    """The other models keep theirs; three points are enough, and two are not."""
    curves_ME = np.array([[8.0, 4.0, 2.0, 1.0], [8.0, 4.0, 2.0, last]])
    assert np.isfinite(slope(curve_epochs(4), curves_ME)).tolist() == [True, False]
    assert np.isnan(slope(curve_epochs(3), curves_ME[:, :3])).all()
    assert slope(curve_epochs(1), curves_ME[:, :1]).shape == (2,)


@given(st.lists(POSITIVE | st.just(float("nan")), max_size=9), POSITIVE)
def test_the_rise_is_from_the_lowest_loss_to_the_last(before, last):
    """Epochs whose loss is unknown don't count; it is 0 where the last loss is the lowest."""
    curve = [*before, last]
    lowest = min(value for value in curve if value == value)
    np.testing.assert_allclose(rise(np.array([curve])), np.log(last / lowest), rtol=1e-12)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [([1.0, 0.0], 0), ([0.0, 1.0], np.nan), ([1.0, np.inf], np.nan), ([np.nan], np.nan), ([1.0, np.nan], np.nan)],
)
def test_a_rise_is_a_finite_number_or_unknown(curve, expected):
    """This includes curves that reach 0, and those of models that diverged."""
    np.testing.assert_array_equal(rise(np.array([curve])), [expected])


@each_engine
@pytest.mark.parametrize("batch_size", [5, 4, 10])
@pytest.mark.parametrize("epochs", [1, 2, 49, 50, 51, 500])
def test_the_curves_are_those_of_a_plain_training_loop(engine, epochs, batch_size):
    """They agree to 1e-8 in float64, for equal batches, shorter last ones, and a single one."""
    shape = program(rows=10, batch_size=batch_size, epochs=epochs, hidden=(3,))
    expected = train_alone(shape, models(2), 1, *rows_of(shape))[1][curve_epochs(epochs) - 1]
    found = engine.train(shape, models(2), in_memory(*rows_of(shape))).losses
    assert found.shape == (2, len(curve_epochs(epochs)))
    np.testing.assert_allclose(found[1], expected, rtol=1e-8)


@each_engine
def test_the_curves_of_a_streamed_dataset_are_those_of_a_plain_training_loop(engine, monkeypatch):
    """Batches span its chunks, and training may be interrupted after any step of them."""
    monkeypatch.setattr(shuffle, "CHUNK_ROWS", 7)
    monkeypatch.setattr(torch_engine, "REPORT_STEPS", 1)
    monkeypatch.setattr(lanes_engine, "CALL_FLOPS", 1)
    shape, saved = program(rows=30, batch_size=4, epochs=3), []
    rows = in_memory(*rows_of(shape))
    assert rows.chunks == 5
    found = engine.train(shape, models(2), rows, on_progress=lambda _step, state: saved.append(state())).losses
    for index in range(2):
        expected = train_alone(shape, models(2), index, *rows_of(shape))[1]
        np.testing.assert_allclose(found[index], expected, rtol=1e-9)
    assert len(saved) == shape.steps
    for state in saved:
        np.testing.assert_array_equal(engine.train(shape, models(2), rows, state=state).losses, found)


@each_engine
def test_curves_in_float32_are_summed_in_float64(engine):
    """The sum over 1,000 batches of one row is as exact as the losses of the batches."""
    shape = program(dtype="float32", rows=1000, batch_size=1, epochs=1, optimizer="sgd")
    still = replace(models(1), lr=[0.0])
    x_NI, y_N = rows_of(shape)
    found = engine.train(shape, still, in_memory(x_NI, y_N))
    error_N = engine.predictor(shape, found.parameters)(x_NI)[0] - y_N
    np.testing.assert_allclose(found.losses, [[np.square(error_N).mean()]], rtol=1e-7)


@each_engine
def test_a_checkpoint_keeps_the_curves_to_the_bit(engine, tmp_path, monkeypatch):
    """This includes the sum of the epoch that is under way."""
    store, saved, _ = saved_states(engine, tmp_path, monkeypatch)
    for state in saved:
        save_checkpoint(store, PACK, IDS, "x", state)
        np.testing.assert_array_equal(load_checkpoint(store, PACK, "x").losses, state.losses)
    assert 0 < saved[1].losses[0, 0] < saved[3].losses[0, 0]
    assert not saved[3].losses[:, 1:].any()


@each_engine
@pytest.mark.parametrize("step", [1, 4, 5, 8, 16])
def test_from_a_checkpoint_without_losses_the_epochs_that_had_begun_are_unknown(engine, step, tmp_path, monkeypatch):
    """Earlier versions kept none. All later epochs are known, and the weights are the same."""
    store, saved, again = saved_states(engine, tmp_path, monkeypatch)
    save_checkpoint(store, PACK, IDS, "x", saved[step - 1])
    remove_losses(store, checkpoint_path(PACK))
    state = load_checkpoint(store, PACK, "x")
    assert len(state.optimizer_state) == 2
    found, begun = again(state), -(-step // 4)
    np.testing.assert_array_equal(found.parameters, saved[-1].parameters)
    assert np.isnan(found.losses[:, :begun]).all()
    np.testing.assert_array_equal(found.losses[:, begun:], saved[-1].losses[:, begun:])


def saved_states(engine, folder, monkeypatch):
    """Returns a store, the states after each of 16 steps in 4 epochs, and a function that resumes from one."""
    monkeypatch.setattr(torch_engine, "REPORT_STEPS", 1)
    monkeypatch.setattr(lanes_engine, "CALL_FLOPS", 1)
    shape, saved = program(), []
    assert (shape.steps_per_epoch, shape.epochs) == (4, 4)
    rows = in_memory(*rows_of(shape))
    engine.train(shape, models(2), rows, on_progress=lambda _step, state: saved.append(state()))
    return Store(str(folder)), saved, lambda state: engine.train(shape, models(2), rows, state=state)


def remove_losses(store, path):
    """Makes a checkpoint one of the version before."""
    data = store.get(path)[32:]
    about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors = safetensors.numpy.load(data)
    del tensors["losses"]
    data = bytes(safetensors.numpy.save(tensors, about))
    store.put(path, hashlib.sha256(data).digest() + data)
