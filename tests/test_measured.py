"""What is measured and stored of trained packs, with the readout trained or solved, against torch and numpy.

The reference is a torch.nn.Sequential of the stored hidden layers in float64, and numpy's least squares on their
features.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes_builds import needs_lanes
from test_run import TRAINER, interrupt_at, run, summary_of

from sumsquares.cluster.workers import WorkerRequest
from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.jobs.engines import readout
from sumsquares.jobs.engines.sequential import sequential
from sumsquares.jobs.results.evidence import with_evidence
from sumsquares.jobs.results.models import load_model
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_results, read_weights
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRIC_NAMES
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import train as stages
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack
from sumsquares.jobs.storage.store import Store

TEXT = """
name = "small"
[[dataset]]
name = "squares"
task = "square"
largest = 200
rows = 60
test_rows = 40
seed = 1
[[dataset]]
name = "products"
task = "product"
largest = 20
rows = 60
test_rows = 40
seed = 1
[train]
epochs = 8
batch_size = 20
[[grid]]
dataset = ["squares", "products"]
hidden = [[], [4], [3, 2]]
activation = ["tanh", "relu"]
init = ["pytorch", "spread_knots"]
lr = [0.01]
readout = ["trained", "solved"]
seeds = 2
"""
WITH_SOLVED = {"train": "rmse_train", "test": "rmse", "extrapolation": "rmse_extrapolation"}
ENGINES = [pytest.param("lanes", marks=needs_lanes), "torch"]


@cache
def every_trial():
    """The trials of the spec."""
    return trials(parse_spec(TEXT.encode(), "spec.toml"))


SOLVED = [trial for trial in every_trial() if trial.variant.readout == "solved"]


@pytest.fixture(scope="module", params=ENGINES)
def trained(request, tmp_path_factory):
    """The store of a run by each engine; tests must not change it."""
    store, code = run(tmp_path_factory.mktemp(request.param), f'engine = "{request.param}"\n{TEXT}')
    assert code == 0
    return store


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The store of a run by the engine that is chosen; tests must not change it."""
    store, code = run(tmp_path_factory.mktemp("finished"), TEXT)
    assert code == 0
    return store


def rows_of(store):
    """The stored rows by trial id."""
    return {row["trial_id"]: row for row in read_results(store).table.to_pylist()}


def weights_of(store, row):
    """The stored tensors of the trial of a row."""
    tensors, ids = read_weights(store, row["pack"])
    return {name: stacked[ids.index(row["trial_id"])] for name, stacked in tensors.items()}


def in_float64(program, tensors):
    """The network as a Sequential in float64."""
    return sequential(replace(program, dtype="float64"), {name: each.astype(float) for name, each in tensors.items()})


def outputs(network, x_NI):
    """The normalised outputs of a Sequential, or of a part of it."""
    with torch.inference_mode():
        return network(torch.from_numpy(x_NI)).numpy()


def reference(trial, tensors):
    """The RMSE on each split with the last layer solved by numpy on the features of the stored hidden layers."""
    variant = trial.variant
    scale = normalization(variant.dataset, variant.normalize)
    hidden = in_float64(program_of(variant), tensors)[:-1]

    def columns(split):
        inputs_NI, target_N = block(variant.dataset, split, 0)
        features_NU = outputs(hidden, scale.inputs(inputs_NI, "float64"))
        return np.column_stack([features_NU, np.ones(len(target_N))]), target_N

    features_NK, target_N = columns("train")
    cut = np.finfo(float).eps * max(features_NK.shape)
    weights, *_ = np.linalg.lstsq(features_NK, scale.target(target_N, "float64"), rcond=cut)
    found = {}
    for split in WITH_SOLVED:
        features_NK, target_N = columns(split)
        found[split] = rms(scale.restore(features_NK @ weights) - target_N)
    return found


def rms(error_N):
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(error_N))))


def check_solved(store, trial, row):
    """Asserts that a trial's errors with the solved readout are those of the reference."""
    expected = reference(trial, weights_of(store, row))
    assert row["rmse_solved"] == pytest.approx(expected["test"], rel=1e-6, abs=1e-7)
    if trial.variant.readout == "solved":
        assert row["rmse"] == row["rmse_solved"]
        for split, name in WITH_SOLVED.items():
            assert row[name] == pytest.approx(expected[split], rel=1e-6, abs=1e-7)


def test_the_solved_readout_is_numpys_least_squares_on_the_features_of_a_sequential(trained):
    """Also of a trial with readout = "trained", for which it is evidence; in one with "solved" it is the answer."""
    rows = rows_of(trained)
    for trial in every_trial():
        check_solved(trained, trial, rows[trial.id])


def test_a_solved_readout_fits_the_training_rows_at_least_as_well_as_the_trained_one(trained):
    """It is the best one for them, with the hidden layers as they are."""
    rows = rows_of(trained)
    for trial in SOLVED:
        other = twin(trial, "trained")
        if trial.variant.init != "spread_knots":  # of which the first weights depend on the readout
            assert rows[trial.id]["rmse_train"] <= rows[other.id]["rmse_train"] * (1 + 1e-6)


def twin(trial, kind):
    """The trial that differs in nothing but its readout."""
    return replace(trial, variant=replace(trial.variant, readout=kind))


def test_hidden_layers_are_stored_as_they_were_trained_and_a_solved_readout_in_float64(trained):
    """The hidden layers have the bits that they have with readout = "trained", and the same curve of the loss."""
    rows = rows_of(trained)
    for trial in SOLVED:
        row = rows[trial.id]
        tensors, last = weights_of(trained, row), f"{2 * len(trial.variant.hidden)}."
        hidden = {name: each for name, each in tensors.items() if not name.startswith(last)}
        assert {each.dtype for each in hidden.values()} <= {np.dtype("float32")}
        assert [tensors[f"{last}{part}"].dtype for part in ("weight", "bias")] == [np.dtype("float64")] * 2
        if trial.variant.init != "spread_knots":
            other = rows[twin(trial, "trained").id]
            with_trained = weights_of(trained, other)
            assert {each.dtype for each in with_trained.values()} == {np.dtype("float32")}
            for name, each in hidden.items():
                np.testing.assert_array_equal(each, with_trained[name])
            same = ("rmse_solved", "dead_share", "saturated_share", "loss_slope", "loss_rise", "steps")
            assert {name: row[name] for name in same} == {name: other[name] for name in same}


def test_a_model_that_is_loaded_or_asked_answers_what_its_metrics_say(trained):
    """By `predict` and by a torch.nn.Sequential, in float64 where the readout is solved."""
    rows = rows_of(trained)
    for trial in every_trial():
        row, variant = rows[trial.id], trial.variant
        scale, dtype = normalization(variant.dataset, variant.normalize), "float32"
        network = load_model(trained, row["pack"], trial).module().network
        if variant.readout == "solved":
            dtype = "float64"
            assert {each.dtype for each in network.parameters()} == {torch.float64}
        for split, name in WITH_SOLVED.items():
            inputs_NI, target_N = block(variant.dataset, split, 0)
            asked_N = answers(trained, row["pack"], trial, inputs_NI)
            loaded_N = scale.restore(outputs(network, scale.inputs(inputs_NI, dtype))[:, 0])
            for found_N in (asked_N, loaded_N):
                assert rms(found_N - target_N) == pytest.approx(row[name], rel=1e-4 if dtype == "float32" else 1e-7)


def test_samples_of_the_best_model_are_its_answers(trained):
    """The summary's table of the question shows what the solved network predicts."""
    for about in json.loads(trained.get("runs/small/summary.json"))["best"].values():
        assert about["readout"] == "solved"
        [trial] = [each for each in every_trial() if each.id == about["trial"]["trial_id"]]
        inputs_NI, _ = block(trial.variant.dataset, "test", 0)
        expected_N = answers(trained, rows_of(trained)[trial.id]["pack"], trial, inputs_NI[: len(about["samples"])])
        assert [sample["predicted"] for sample in about["samples"]] == np.rint(expected_N).tolist()


def test_evidence_that_follows_from_stored_weights_is_what_the_worker_measured(trained):
    """The last digits may differ where another engine trained; those of the losses aren't computed anew."""
    whole = read_results(trained).table
    later = [name for name in EVIDENCE if not name.startswith("loss")]
    lacking = whole
    for name in later:
        nulls = pa.nulls(len(whole), pa.float64())
        lacking = lacking.set_column(lacking.schema.get_field_index(name), SCHEMA.field(name), nulls)
    found = with_evidence(trained, every_trial(), lacking, measure_facts)
    for name in later:
        for ours, theirs in zip(found[name].to_pylist(), whole[name].to_pylist(), strict=True):
            assert ours == (theirs if theirs is None else pytest.approx(theirs, rel=1e-4))


def kept(rows):
    """The columns of rows by trial id that don't tell when or in which pack a trial was trained."""
    return {
        key: {name: value for name, value in row.items() if name not in ("train_seconds", "pack")}
        for key, row in rows.items()
    }


def same_bits(store, finished, ids):
    """Whether trials have the numbers and weights of the finished run."""
    found, expected = rows_of(store), rows_of(finished)
    assert kept({key: found[key] for key in ids}) == kept({key: expected[key] for key in ids})
    for key in ids:
        ours, theirs = weights_of(store, found[key]), weights_of(finished, expected[key])
        assert {name: each.tobytes() for name, each in ours.items()} == {
            name: each.tobytes() for name, each in theirs.items()
        }
    return True


def copied(finished, folder):
    """A store that has the datasets alone."""
    store = Store(str(folder))
    for path in finished.list("datasets"):
        store.put(path, finished.get(path))
    return store


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_a_solved_trial_has_the_same_bits_in_any_pack(finished, tmp_path_factory, data):
    """Alone, and with any others of its shape, in any order."""
    shape = data.draw(st.sampled_from(plan_packs(SOLVED)))
    chosen = data.draw(st.lists(st.sampled_from(shape.trials), min_size=1, unique=True))
    store = copied(finished, tmp_path_factory.mktemp("store"))
    train_pack(store, DatasetReader(store), Pack(tuple(chosen)), TRAINER, lambda _share: None)
    assert same_bits(store, finished, [trial.id for trial in chosen])


def test_a_solved_trial_that_was_interrupted_has_the_same_bits(finished, tmp_path, monkeypatch):
    """The checkpoint has the weights of the training, and the readout is solved after its end."""
    monkeypatch.setattr("sumsquares.jobs.stages.train.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("sumsquares.jobs.engines.torch_engine.REPORT_STEPS", 5)
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.CALL_FLOPS", 1)
    store = copied(finished, tmp_path)
    for pack in plan_packs(SOLVED)[:3]:
        interrupt_at(store, pack, 0.6)
        began = []
        train_pack(store, DatasetReader(store), pack, TRAINER, began.append)
        assert began[0] > 0.4
        assert same_bits(store, finished, [trial.id for trial in pack.trials])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_has_the_same_bits_with_any_number_of_workers(finished, tmp_path, workers):
    """In this process, in one of its own, and in two."""
    place = Placement(WorkerRequest(workers=workers, gpu_workers=0), processes=workers)
    store, code = run(tmp_path, TEXT, place)
    assert code == 0
    assert same_bits(store, finished, rows_of(finished))
    assert summary_of(store) == summary_of(finished)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_trial_that_diverged_stays_diverged_with_a_solved_readout(tmp_path, engine):
    """It has no metrics, though its hidden layers may be finite, and it affects no other trial of its pack."""
    text = TEXT.replace("[train]", '[train]\noptimizer = "sgd"').replace("lr = [0.01]", "lr = [0.01, {}]")
    text = text.replace('"spread_knots"', '"he_uniform"').replace("[], [4], ", "")
    text = f'engine = "{engine}"\n{text}'
    stores = {}
    for rate in ("1e30", "0.02"):
        (tmp_path / rate).mkdir()
        stores[rate], code = run(tmp_path / rate, text.format(rate))
        assert code == (7 if rate == "1e30" else 0)
    wild, calm = (kept(rows_of(store)) for store in stores.values())
    lost = {key: row for key, row in wild.items() if row["lr"] == 1e30}
    assert {row["readout"] for row in lost.values()} == {"trained", "solved"}
    for row in lost.values():
        assert row["status"] == "diverged"
        assert row["steps"] < 24
        assert {row[name] for name in METRIC_NAMES} == {None}
    common = wild.keys() & calm.keys()
    assert common == wild.keys() - lost.keys()
    assert {key: wild[key] for key in common} == {key: calm[key] for key in common}


def test_a_trial_whose_loss_was_not_finite_once_stays_diverged_although_its_weights_are(
    finished, tmp_path, monkeypatch
):
    """A readout can be solved for them, but it is not that of a training that went well."""
    [pack, *_] = plan_packs(SOLVED)
    real, store = stages.engine(TRAINER.engine), copied(finished, tmp_path)

    def train(*given, **named):
        state = real.train(*given, **named)
        return replace(state, finite_steps=np.where(np.arange(len(pack.trials)), state.finite_steps, 1))

    monkeypatch.setattr(
        stages, "engine", lambda _name: SimpleNamespace(train=train, predictor=real.predictor, observer=real.observer)
    )
    train_pack(store, DatasetReader(store), pack, TRAINER, lambda _share: None)
    rows = rows_of(store)
    lost = rows[pack.trials[0].id]
    assert (lost["status"], lost["steps"]) == ("diverged", 1)
    assert {lost[name] for name in METRIC_NAMES} == {None}
    assert same_bits(store, finished, [trial.id for trial in pack.trials[1:]])


def test_without_the_kernel_numpy_solves_the_readout_and_the_engine_says_so(finished, tmp_path, monkeypatch):
    """The numbers are those of the kernel, but for what float32 rounds otherwise in training."""
    monkeypatch.setattr(readout, "load", lambda: "it was not built")
    monkeypatch.setattr("sumsquares.jobs.engines.lanes_engine.load", lambda: "it was not built")
    packs = plan_packs(every_trial())
    store = copied(finished, tmp_path)
    for pack in packs:
        train_pack(store, DatasetReader(store), pack, Trainer("torch", "cpu"), lambda _share: None)
    expected = rows_of(finished)
    for key, row in rows_of(store).items():
        is_solved = row["readout"] == "solved"
        assert row["engine"] == ("torch, readout by numpy" if is_solved else "torch")
        assert row["rmse"] == pytest.approx(expected[key]["rmse"], rel=0.01)
        assert row["rmse_solved"] == pytest.approx(expected[key]["rmse_solved"], rel=0.01)
