"""The facts of a dataset in the store: measured once, and again if they are missing, damaged or of another dataset."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.results import dataset_facts as module
from sumsquares.jobs.results.dataset_facts import encode_facts, facts_of, facts_path
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.store import StorageError, Store

SPEC = DatasetSpec(task="square", largest=60, rows=40, test_rows=50)
OTHER = DatasetSpec(task="square", largest=60, rows=40, test_rows=50, seed=1)

WAVES = DatasetSpec(formula="sin(x1) * x2", low=(-3.0, 0.1), high=3.0, noise=0.3, rows=70, test_rows=50, unused=1)


def equal(one, other):
    """Whether two facts are equal."""
    return all(np.array_equal(vars(one)[name], vars(other)[name]) for name in vars(one))


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.mark.parametrize("spec", [SPEC, WAVES], ids=["task", "formula"])
def test_facts_are_measured_once(store, monkeypatch, spec):
    """The second call reads from the file what the first measured, to the bit."""
    measured = facts_of(store, spec)
    assert equal(measured, measure_facts(spec))
    monkeypatch.setattr(module, "measure_facts", lambda _: pytest.fail("measured twice"))
    assert equal(facts_of(store, spec), measured)


def test_the_facts_of_a_task_lack_what_only_formulas_have(store):
    """So that their bytes are those of earlier versions."""
    body = json.loads(encode_facts(SPEC, measure_facts(SPEC)))
    names = "format dataset measured_rows seen unseen_numbers distinct covers_range constant largest_target"
    assert [*body] == [*names.split(), "linear_rmse", "linear_exact", "sha256"]
    assert isinstance(body["largest_target"], int)
    facts_of(store, WAVES)
    assert {*json.loads(store.get(facts_path(WAVES)))} == {*body, "moments", "noise_rmse"}


def test_facts_of_a_formula_without_moments_are_measured_again(store):
    """Its rows could not be scaled without them."""
    body = json.loads(encode_facts(WAVES, measure_facts(WAVES)))
    del body["sha256"], body["moments"]
    store.put(facts_path(WAVES), seal(body))
    assert equal(facts_of(store, WAVES), measure_facts(WAVES))


def sealed(**changes):
    """A file with a valid seal and the wrong content."""
    body = json.loads(encode_facts(SPEC, measure_facts(SPEC)))
    del body["sha256"]
    return seal({**body, **changes})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{\n "format": 1}',
        b'{\n "format": ' + b"[" * 100_000,
        encode_facts(OTHER, measure_facts(OTHER)),
        sealed(seen="no base64!"),
        sealed(seen="AAAA"),
        sealed(measured_rows=10**15),
    ],
)
def test_facts_that_are_not_those_of_the_dataset_are_measured_again(store, content):
    """Damaged facts, and facts of another dataset, are replaced."""
    store.put(facts_path(SPEC), content)
    assert equal(facts_of(store, SPEC), measure_facts(SPEC))
    assert store.get(facts_path(SPEC)) == encode_facts(SPEC, measure_facts(SPEC))


def test_any_flipped_byte_of_the_facts_is_found(store):
    """It is never trusted, and the file is written again."""
    whole = encode_facts(SPEC, measure_facts(SPEC))
    for place in range(0, len(whole), 7):
        store.put(facts_path(SPEC), whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert equal(facts_of(store, SPEC), measure_facts(SPEC))


def test_facts_of_an_unwritable_store_are_returned_as_well(store, monkeypatch):
    """They are then measured each time."""

    def refuse(*_):
        raise StorageError("read-only")

    monkeypatch.setattr(Store, "put", refuse)
    assert equal(facts_of(store, SPEC), measure_facts(SPEC))


def test_a_worker_measures_the_errors_on_unseen_rows(store):
    """The reader says which rows these are."""
    assert (DatasetReader(store).unseen(SPEC) == ~measure_facts(SPEC).seen_N).all()


def test_a_foreign_file_in_their_place_stays(store):
    """The facts are measured nevertheless."""
    store.put(facts_path(SPEC), b"my only copy")
    assert equal(facts_of(store, SPEC), measure_facts(SPEC))
    assert store.get(facts_path(SPEC)) == b"my only copy"
