"""Networks with an output activation and another loss, from a spec to the results, by each engine.

The reference is the stored model as a torch.nn.Sequential, on rows that are generated anew.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from test_measured import ENGINES, outputs, rms, rows_of
from test_run import run

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.rows import block
from sumsquares.jobs.results.evidence import with_evidence
from sumsquares.jobs.results.models import load_model
from sumsquares.jobs.results.predict import answers, errors_on
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

TEXT = """
name = "small"
[[dataset]]
name = "sides"
formula = "where(x1 > x2, 1, 0)"
low = -1
high = 1
rows = 60
test_rows = 40
[[dataset]]
name = "arc"
formula = "sqrt(x * (4 - x))"
low = 0
high = 4
rows = 60
test_rows = 40
[train]
epochs = 8
batch_size = 20
hidden = [5]
lr = 0.01
[[grid]]
dataset = "sides"
normalize_target = "none"
output = "sigmoid"
loss = ["bce", "mse"]
[[grid]]
dataset = "arc"
output = ["linear", "sigmoid", "tanh", "relu"]
loss = ["mae", "huber"]
"""
MODULES = {"linear": "Linear", "sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}


@cache
def every_trial():
    """The trials of the spec."""
    return trials(parse_spec(TEXT.encode(), "spec.toml"))


@pytest.fixture(scope="module", params=ENGINES)
def trained(request, tmp_path_factory):
    """The store of a run by each engine."""
    store, code = run(tmp_path_factory.mktemp(request.param), f'engine = "{request.param}"\n{TEXT}')
    assert code == 0
    return store


def test_every_stored_model_answers_as_its_sequential(trained):
    """Which ends with the module of the output; the RMSE is that of these answers."""
    rows = rows_of(trained)
    for trial in every_trial():
        row, variant = rows[trial.id], trial.variant
        network, scale = load_model(trained, row["pack"], trial).module().network, scale_of(trained, variant)
        assert type(network[-1]).__name__ == MODULES[variant.output]
        inputs_NI, target_N = block(variant.dataset, "test", 0)
        answered_N = scale.restore(outputs(network, scale.inputs(inputs_NI, "float32"))[:, 0])
        np.testing.assert_allclose(answers(trained, row["pack"], trial, inputs_NI), answered_N, rtol=1e-4, atol=1e-6)
        assert rms(answered_N - target_N) == pytest.approx(row["rmse"], rel=1e-4)


def test_accuracy_is_that_of_a_cross_entropy_alone(trained):
    """The share of test rows whose answer is on the target's side of 1/2; null with every other loss."""
    rows = rows_of(trained)
    for trial in every_trial():
        row, variant = rows[trial.id], trial.variant
        if variant.loss != "bce":
            assert row["accuracy"] is None
            continue
        inputs_NI, target_N = block(variant.dataset, "test", 0)
        is_above_N = answers(trained, row["pack"], trial, inputs_NI) >= 0.5
        assert row["accuracy"] == np.mean(is_above_N == (target_N >= 0.5))


def test_only_a_linear_output_is_solved_and_all_units_are_observed(trained):
    """So a summary has nothing to compute from the weights."""
    for trial in every_trial():
        row = rows_of(trained)[trial.id]
        assert (row["rmse_solved"] is not None) == (trial.variant.output == "linear")
        assert row["dead_share"] is not None
    table = read_results(trained).table
    assert with_evidence(trained, every_trial(), table, measure_facts) is table


def test_beyond_a_formulas_domain_there_is_no_error(trained):
    """There are no targets there at all, so that nothing is measured."""
    for trial in every_trial():
        row = rows_of(trained)[trial.id]
        assert (row["rmse_extrapolation"] is None) == (trial.variant.dataset.name == "arc")
    errors = errors_on(trained, row["pack"], [trial], trial.variant.dataset, "extrapolation")
    assert errors.count == 0
    assert np.isnan(errors.rmse).all()
