"""Datasets of formulas from their rows to the metrics of trained packs, in every scale of inputs and target."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from result_rows import SUMS, variant
from test_measured import ENGINES, rms

from sumsquares.cluster import inline
from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.normalize import needs_moments, normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results import scaling
from sumsquares.jobs.results.dataset_facts import facts_of, facts_path
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.scale import diverged_from
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.stages.generate import generate, plan_dataset
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, input_range, train_pack
from sumsquares.jobs.storage.store import Store

SIZES = {"rows": 120, "test_rows": 50}
WAVES = NamedDataset(name="waves", formula="sin(x1) + exp(x2)", low=(-3.0, 0.1), high=(3.0, 2.0), noise=0.05, **SIZES)
ROOTS = NamedDataset(name="roots", formula="sqrt(x) + 1", low=1.0, high=4.0, **SIZES, unused=1)
NOWHERE = NamedDataset(name="nowhere", formula="sqrt(x * (4 - x))", low=0.0, high=4.0, **SIZES)
PARITY = NamedDataset(name="parity", formula="x % 2", low=0, high=60, numbers="integer", digits=2, **SIZES)
SCALED = [
    (WAVES, "zscore", "same"),
    (WAVES, "unit", "zscore"),
    (WAVES, "none", "symmetric"),
    (ROOTS, "log", "same"),
    (ROOTS, "log", "unit"),
    (ROOTS, "symmetric", "log"),
    (PARITY, "symmetric", "none"),
    (PARITY, "zscore", "unit"),
    (SUMS.model_copy(update=SIZES), "log", "none"),
]


@pytest.fixture
def store(tmp_path):
    scaling._scale.cache_clear()
    return Store(str(tmp_path))


def trained(store, engine, one):
    """Generates the rows of a variant, trains a pack of it, and returns the rows of its two trials."""
    generate(store, [plan_dataset(store, one.dataset)], inline.map_tasks, lambda _made: None)
    pack = Pack(tuple(Trial(one, seed) for seed in range(2)))
    train_pack(store, DatasetReader(store), pack, Trainer(engine, "cpu"), lambda _share: None)
    return read_results(store).table.to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("dataset", "kind", "target_kind"), SCALED)
def test_metrics_of_a_trained_pack_are_those_of_its_answers(store, engine, dataset, kind, target_kind):
    """In the target's own units, on every split; rows without a target, and answers without a logarithm, give none."""
    one = variant(dataset, hidden=(4,), epochs=3, batch_size=20, normalize=kind, normalize_target=target_kind)
    for row in trained(store, engine, one):
        assert row["status"] == "ok"
        trial = Trial(one, row["seed"])
        for split, name in (("train", "rmse_train"), ("test", "rmse"), ("extrapolation", "rmse_extrapolation")):
            inputs_NI, target_N = block(dataset, split, 0)
            error_N = (answers(store, row["pack"], trial, inputs_NI) - target_N)[np.isfinite(target_N)]
            expected = rms(error_N)
            assert row[name] == (pytest.approx(expected, rel=1e-3) if math.isfinite(expected) else None)
        is_exact = dataset.source.has_integer_target
        assert (row["rmse_rounded"] is not None) == (row["exact_fraction"] is not None) == is_exact


def test_a_split_without_any_target_has_no_error(store):
    """The others have theirs."""
    one = variant(NOWHERE, hidden=(4,), epochs=2, batch_size=20)
    for row in trained(store, "torch", one):
        assert row["rmse_extrapolation"] is None
        assert row["rmse"] > 0


def test_the_scale_is_made_of_the_facts_in_the_store(store, monkeypatch):
    """They are read once, whatever the store; for a task nothing is read."""
    facts_of(store, WAVES)
    monkeypatch.setattr("sumsquares.jobs.results.dataset_facts.measure_facts", lambda _: pytest.fail("measured"))
    one = variant(WAVES, normalize="zscore")
    moments = measure_facts(WAVES).moments
    assert scale_of(store, one) == normalization(WAVES, "zscore", "same", moments)
    store.delete(facts_path(WAVES))
    assert scale_of(Store(f"{store.root}/other"), replace(one, lr=0.5)) == scale_of(store, one)
    assert scale_of(store, variant(SUMS, normalize="zscore")) == normalization(SUMS, "zscore")


def test_scaling_writes_nothing(store):
    """Facts that the store lacks are measured, as for the commands that only read."""
    assert needs_moments(WAVES, "zscore")
    scale_of(store, variant(WAVES, normalize="zscore"))
    assert not store.exists(facts_path(WAVES))


@pytest.mark.parametrize(("dataset", "kind", "target_kind"), SCALED)
def test_every_input_lies_in_the_range_that_its_initial_weights_are_made_for(store, dataset, kind, target_kind):
    """That of the normalised training rows, column by column, unused ones and digits too."""
    scale = scale_of(store, variant(dataset, normalize=kind, normalize_target=target_kind))
    low_I, high_I = np.array(input_range(dataset.input_ranges("train"), scale)).T
    x_NI = scale.inputs(block(dataset, "train", 0)[0], np.float64)
    assert len(low_I) == dataset.inputs
    width_I = high_I - low_I
    assert (low_I <= x_NI.min(0)).all()
    assert (x_NI.max(0) <= high_I).all()
    if dataset is not PARITY and kind != "log":  # the highest digits are 0 in training, small numbers are rare
        assert (x_NI.max(0) - x_NI.min(0) > 0.9 * width_I).all()


def test_a_target_scaled_like_the_inputs_is_the_same_variant():
    """So that it is trained once, with the id that it has without a scale of its own."""
    for kind in ("unit", "symmetric", "zscore", "none", "log"):
        plain, same = variant(SUMS, normalize=kind), variant(SUMS, normalize=kind, normalize_target=kind)
        assert (same, same.id) == (plain, plain.id)
    assert variant(SUMS, normalize_target="zscore").id != variant(SUMS).id


def test_a_target_that_is_always_zero_makes_no_trial_diverge():
    """Any RMSE is above ten times 0; it counts as if its largest target were 1."""
    zero = NamedDataset(name="zero", formula="0 * x", low=0, high=9, **SIZES)
    assert diverged_from(zero) == 10
    assert diverged_from(SUMS) == 10 * max(block(SUMS, "test", 0)[1])
