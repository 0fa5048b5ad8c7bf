"""Predictions of trained models against torch's own modules and plain arithmetic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import SQUARES, SUMS, commit, row_of, variant

from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.engines import choice, lanes_engine
from sumsquares.jobs.engines.activations import ACTIVATIONS
from sumsquares.jobs.engines.state import flat_parameters, state_dicts
from sumsquares.jobs.results.models import load_model
from sumsquares.jobs.results.predict import answers, errors_on
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

ROOT = Path(__file__).parent.parent
TOLERANCE = {"float32": 3e-4, "float64": 1e-11}
ENGINES = [pytest.param("lanes", marks=pytest.mark.skipif(bool(lanes_engine.available()), reason="not built")), "torch"]


def committed(folder, models, seed=0, **changes):
    """A store with a pack of models of one variant, their weights drawn at random; the pack's id, and its trials."""
    store, draw = Store(str(folder)), np.random.default_rng(seed)
    trials = [Trial(variant(**changes), number) for number in range(models)]
    program = program_of(trials[0].variant)
    parameters_MP = draw.normal(size=(models, program.parameters)).astype(program.dtype)
    pack = commit(store, [row_of(trial) for trial in trials], state_dicts(program, parameters_MP))
    return store, pack, trials


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("normalize", ["unit", "zscore"])
@pytest.mark.parametrize("hidden", [(), (7,), (9, 3)])
def test_answers_are_those_of_the_sequential(monkeypatch, tmp_path, engine, activation, dtype, normalize, hidden):
    """By either engine, whatever the network, up to the rounding of its type."""
    monkeypatch.setattr("sumsquares.jobs.results.predict.choose", lambda *_asked: engine)
    changes = {"hidden": hidden, "activation": activation, "dtype": dtype, "normalize": normalize}
    store, pack, trials = committed(tmp_path, 3, **changes)
    inputs_NI = block(SUMS, "test", 0)[0][:20]
    scale = normalization(SUMS, normalize)
    for trial in trials:
        network = load_model(store, pack, trial).module().network
        with torch.inference_mode():
            output_N1 = network(torch.from_numpy(scale.inputs(inputs_NI, dtype)))
        expected_N = scale.restore(output_N1.squeeze(1).numpy())
        found_N = answers(store, pack, trial, inputs_NI)
        assert found_N.dtype == np.float64
        assert np.abs(found_N - expected_N).max() <= TOLERANCE[dtype] * max(1.0, np.abs(expected_N).max())


GROWTH = NamedDataset(name="growth", formula="exp(x1) + x2", low=(0.5, 10.0), high=(3.0, 99.0), rows=400, unused=1)


@pytest.mark.parametrize("dataset", [SUMS, GROWTH], ids=["task", "formula"])
@pytest.mark.parametrize("normalize", ["unit", "symmetric", "zscore", "none", "log"])
@pytest.mark.parametrize("target", ["same", "unit", "symmetric", "zscore", "none", "log"])
def test_answers_are_those_of_the_sequential_between_the_scales_of_inputs_and_target(
    tmp_path, dataset, normalize, target
):
    """Whatever the two kinds: scaled here by hand, from the fields of the scale."""
    store, pack, [trial] = committed(
        tmp_path, 1, dataset=dataset, dtype="float64", normalize=normalize, normalize_target=target
    )
    assert trial.variant.normalize_target == ("same" if target == normalize else target)
    scale = scale_of(store, trial.variant)
    inputs_NI = block(dataset, "test", 0)[0][:20]
    raw_NI = np.log(inputs_NI) if normalize == "log" else inputs_NI
    x_NI = (raw_NI - np.array(scale.input_shift)) / np.array(scale.input_scale)
    with torch.inference_mode():
        output_N = load_model(store, pack, trial).module().network(torch.from_numpy(x_NI)).squeeze(1).numpy()
    expected_N = output_N * scale.target_scale + scale.target_shift
    if "log" in (target, normalize if target == "same" else ""):
        with np.errstate(over="ignore"):  # of raw numbers in the hundreds
            expected_N = np.exp(expected_N)
    np.testing.assert_allclose(answers(store, pack, trial, inputs_NI), expected_N, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_input_without_a_logarithm_has_no_answer(monkeypatch, tmp_path, engine):
    """Though a ReLU would make a number of it; other rows have theirs."""
    monkeypatch.setattr("sumsquares.jobs.results.predict.choose", lambda *_asked: engine)
    store, pack, [trial] = committed(tmp_path, 1, dataset=SQUARES, normalize="log")
    found_N = answers(store, pack, trial, np.array([[5], [-5], [0], [7]]))
    assert np.isnan(found_N).tolist() == [False, True, True, False]


def test_rows_without_a_target_are_not_measured(tmp_path):
    """Beyond its range a formula may have none: the errors are those of the other rows."""
    roots = NamedDataset(name="roots", formula="sqrt(x)", low=0.5, high=2.0, rows=400, test_rows=60)
    store, pack, trials = committed(tmp_path, 2, dataset=roots, dtype="float64")
    inputs_NI, target_N = block(roots, "extrapolation", 0)
    is_there_N = np.isfinite(target_N)
    assert 0 < is_there_N.sum() < 60
    errors = errors_on(store, pack, trials, roots, "extrapolation")
    assert errors.count == is_there_N.sum()
    for place, trial in enumerate(trials):
        error_N = (answers(store, pack, trial, inputs_NI) - target_N)[is_there_N]
        assert errors.rmse[place] == pytest.approx(np.sqrt(np.mean(error_N**2)), rel=1e-9)


@given(seed=st.integers(0, 99), chosen=st.lists(st.booleans(), max_size=SUMS.test_rows))
@settings(max_examples=10)
def test_errors_are_what_the_answers_give_in_plain_arithmetic(tmp_path_factory, seed, chosen):
    """Of any trials of a pack, in any order, on rows of another dataset than the one that trained them."""
    store, pack, trials = committed(tmp_path_factory.mktemp("store"), 5, seed, dtype="float64")
    asked = [trials[place] for place in np.random.default_rng(seed).permutation(5)[:3]]
    other = SUMS.model_copy(update={"seed": 7, "test_rows": 50})
    inputs_NI, target_N = block(other, "test", 0)
    chosen_N = np.array(chosen[:50], bool)
    errors = errors_on(store, pack, asked, other, "test", chosen_N)
    for place, trial in enumerate(asked):
        error_N = answers(store, pack, trial, inputs_NI) - target_N
        assert errors.rmse[place] == pytest.approx(np.sqrt(np.mean(error_N**2)), rel=1e-9)
        picked_N = error_N[: len(chosen_N)][chosen_N]
        expected = np.sqrt(np.mean(picked_N**2)) if len(picked_N) else np.nan
        assert errors.rmse_chosen[place] == pytest.approx(expected, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("hidden", [(), (3,), (4, 1, 2)])
def test_stacked_tensors_and_flat_parameters_are_one_another(hidden):
    """There and back, to the bit."""
    program = program_of(variant(SQUARES, hidden=hidden))
    flat_MP = np.random.default_rng(1).normal(size=(4, program.parameters)).astype(np.float32)
    assert np.array_equal(flat_parameters(program, state_dicts(program, flat_MP)), flat_MP)


@pytest.mark.skipif(choice.choose("auto", "cpu") != "lanes", reason="torch answers where lanes was not built")
def test_predicting_imports_no_torch(tmp_path):
    """It takes longer to import than everything else that `predict` does."""
    store, pack, trials = committed(tmp_path, 1)
    program = f"""
import sys
from result_rows import variant
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.models import load_model
from sumsquares.jobs.results.rows_of import block_of
from sumsquares.jobs.results.samples import samples
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store
store, trial = Store({store.root!r}), Trial(variant(), {trials[0].seed})
rows = block_of(store, trial.variant.dataset, "test", 0)
print(len(samples(trial, load_model(store, {pack!r}, trial).answers, rows)), "torch" in sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/tests"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["1000", "False"]
