"""Networks without activation as linear functions, against the answers of the networks themselves."""

from __future__ import annotations

import numpy as np
import pytest
from result_rows import SQUARES, SUMS, commit, row_of, variant

from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.engines.state import state_dicts
from sumsquares.jobs.results.collapse import collapse
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

PLANE = NamedDataset(name="plane", formula="2 * x1 - x2", low=(-3.0, 10.0), high=(3.0, 500.0), rows=300, unused=1)
PARITY = NamedDataset(name="parity", task="square", largest=100, rows=300, digits=2)
DATASETS = {"sums": SUMS, "squares": SQUARES.model_copy(update={"unused": 2}), "plane": PLANE, "parity": PARITY}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("normalize", ["unit", "symmetric", "zscore", "none"])
@pytest.mark.parametrize("target", ["same", "zscore"])
@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize("hidden", [(), (7,), (5, 3, 4)])
def test_the_linear_function_answers_as_the_network_does(tmp_path, hidden, dataset, normalize, target, dtype):
    """For every row, in the raw numbers, unused columns included, up to the rounding of the network's type."""
    store, draw = Store(str(tmp_path)), np.random.default_rng(len(hidden))
    changes = {"hidden": hidden, "activation": "identity", "normalize": normalize, "dtype": dtype}
    changes["normalize_target"] = target
    trials = [Trial(variant(dataset, **changes), seed) for seed in range(3)]
    program = program_of(trials[0].variant)
    parameters_MP = draw.normal(size=(3, program.parameters)).astype(dtype)
    pack = commit(store, [row_of(trial) for trial in trials], state_dicts(program, parameters_MP))
    inputs_NI = block(dataset, "test", 0)[0][:50]
    tensors, ids = read_weights(store, pack)
    for trial in trials:
        linear = collapse(trial, tensors, ids.index(trial.id), scale_of(store, trial.variant))
        assert (*linear.coefficients, "target") == dataset.columns
        found_N = inputs_NI @ np.array([*linear.coefficients.values()]) + linear.constant
        expected_N = answers(store, pack, trial, inputs_NI)
        assert np.abs(found_N - expected_N).max() <= TOLERANCE[dtype] * _size(linear, inputs_NI, expected_N)


def _size(linear, inputs_NI, expected_N):
    """The largest number that the answer is computed from."""
    terms = np.abs(np.array([*linear.coefficients.values()])) @ np.abs(inputs_NI).T
    return max(1.0, np.abs(expected_N).max(), terms.max())


@pytest.mark.parametrize(
    "changes", [{"normalize": "log"}, {"normalize_target": "log"}, {"output": "relu"}, {"output": "sigmoid"}]
)
def test_what_is_not_linear_in_the_raw_numbers_is_not_told_as_a_line(tmp_path, changes):
    """With a logarithm, or with an activation on the output."""
    trial = Trial(variant(SUMS, hidden=(), **changes), 0)
    program = program_of(trial.variant)
    tensors = state_dicts(program, np.ones((1, program.parameters)))
    assert collapse(trial, tensors, 0, scale_of(Store(str(tmp_path)), trial.variant)) is None
