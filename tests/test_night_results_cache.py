"""The cache of results: it reads only packs that are new or were wrong, and answers as an uncached read does."""

from __future__ import annotations

import pytest
from result_rows import commit, row_of, variant

from sumsquares.jobs.night.context import ResultsCache
from sumsquares.jobs.results import stored
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store


def train(store, *seeds, **changes):
    """Commits a pack of trials of these seeds; returns its id."""
    return commit(store, [row_of(Trial(variant(lr=0.01), seed), **changes) for seed in seeds])


@pytest.fixture
def store(tmp_path):
    """A store for packs."""
    return Store(str(tmp_path))


@pytest.fixture
def packs(store):
    """Three packs of two trials each."""
    return [train(store, 2 * number, 2 * number + 1) for number in range(3)]


@pytest.fixture
def read(monkeypatch):
    """Records the paths of the packs that are decoded."""
    paths, real = [], stored.decode_pack
    monkeypatch.setattr(
        stored, "decode_pack", lambda data, path, *columns: (paths.append(path), real(data, path, *columns))[1]
    )
    return paths


def test_each_pack_is_read_once_and_new_ones_too(store, packs, read):
    """Reading again decodes only a new pack."""
    results = ResultsCache()
    for _ in range(3):
        results(store)
    assert sorted(read) == sorted(f"trials/{pack}.parquet" for pack in packs)
    new = train(store, 6, 7)
    assert results(store) == read_trials(store)
    assert read.count(f"trials/{new}.parquet") == 2
    assert len(results(store).table) == 8


def cut(store, pack):
    path = f"trials/{pack}.parquet"
    store.put(path, store.get(path)[:-9])


def rename(store, pack):
    for kind in ("parquet", "safetensors"):
        store.put(f"trials/0e.{kind}", store.get(f"trials/{pack}.{kind}"))


CHANGES = {
    "a pack is deleted": lambda store, packs: store.delete(f"trials/{packs[0]}.parquet"),
    "weights are deleted": lambda store, packs: store.delete(f"trials/{packs[1]}.safetensors"),
    "a trial comes twice": lambda store, packs: train(store, 0),
    "a trial comes twice with other numbers": lambda store, packs: train(store, 0, rmse=9.0),
    "something foreign comes": lambda store, packs: store.put("trials/what", b"x"),
    "a new pack is damaged": lambda store, packs: cut(store, train(store, 8)),
    "a pack comes under another name": lambda store, packs: rename(store, packs[0]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_cache_returns_what_an_uncached_read_returns(store, packs, change):
    """So does undoing the change."""
    results = ResultsCache()
    results(store)
    before = store.list("trials")
    CHANGES[change](store, packs)
    assert results(store) == read_trials(store)
    for number in range(3):
        train(store, 2 * number, 2 * number + 1)
    for path in {*store.list("trials")} - {*before}:
        store.delete(path)
    assert results(store) == read_trials(store)
    assert len(results(store).table) == 6


def test_a_pack_that_was_wrong_is_read_again(store, packs):
    """A damaged pack counts once it is replaced by an intact one of the same name."""
    cut(store, packs[1])
    results = ResultsCache()
    assert [problem.kind for problem in results(store).problems] == ["damaged"]
    train(store, 2, 3)
    assert not results(store).problems
    assert len(results(store).table) == 6
