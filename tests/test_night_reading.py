"""Reading results again: only what is new or was wrong, with the same answer as from the start."""

from __future__ import annotations

import numpy as np
import pytest
from result_rows import row_of, variant

from jobs.night.reading import Reading
from jobs.results import stored
from jobs.results.stored import commit_pack, read_trials
from jobs.spec.variants import Trial
from jobs.storage.store import Store

PACKS = ["0a", "0b", "0c"]


def commit(store, pack, seeds, **changes):
    rows = [row_of(Trial(variant(lr=0.01), seed), **changes) for seed in seeds]
    commit_pack(store, pack, rows, {"0.weight": np.zeros((len(rows), 1, 1))})


@pytest.fixture
def store(tmp_path):
    """Three packs of two trials each."""
    store = Store(str(tmp_path))
    for number, pack in enumerate(PACKS):
        commit(store, pack, (2 * number, 2 * number + 1))
    return store


@pytest.fixture
def read(monkeypatch):
    """The paths of the packs that are decoded."""
    paths, real = [], stored.decode_pack
    monkeypatch.setattr(
        stored, "decode_pack", lambda data, path, *columns: (paths.append(path), real(data, path, *columns))[1]
    )
    return paths


def test_each_pack_is_read_once_and_new_ones_too(store, read):
    """However often it is asked for."""
    reading = Reading()
    for _ in range(3):
        reading(store)
    assert sorted(read) == [f"trials/{pack}.parquet" for pack in PACKS]
    commit(store, "0d", (6, 7))
    assert reading(store) == read_trials(store)
    assert read.count("trials/0d.parquet") == 2
    assert len(reading(store).table) == 8


def cut(store, path):
    store.put(path, store.get(path)[:-9])


CHANGES = {
    "a pack is deleted": lambda store: store.delete("trials/0a.parquet"),
    "weights are deleted": lambda store: store.delete("trials/0b.safetensors"),
    "a trial comes twice": lambda store: commit(store, "0e", (0,)),
    "a trial comes twice with other numbers": lambda store: commit(store, "0e", (0,), rmse=9.0),
    "something foreign comes": lambda store: store.put("trials/what", b"x"),
    "a new pack is damaged": lambda store: (commit(store, "0e", (8,)), cut(store, "trials/0e.parquet")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_gives_what_reading_anew_gives(store, change):
    """And so does mending it."""
    reading = Reading()
    reading(store)
    CHANGES[change](store)
    assert reading(store) == read_trials(store)
    for number, pack in enumerate(PACKS):
        commit(store, pack, (2 * number, 2 * number + 1))
    for path in ("trials/0e.parquet", "trials/what"):
        store.delete(path)
    assert reading(store) == read_trials(store)
    assert len(reading(store).table) == 6


def test_what_was_wrong_is_looked_at_again(store):
    """A damaged pack that was replaced by a whole one of the same name counts."""
    cut(store, "trials/0b.parquet")
    reading = Reading()
    assert [problem.kind for problem in reading(store).problems] == ["damaged"]
    commit(store, "0b", (2, 3))
    assert not reading(store).problems
    assert len(reading(store).table) == 6
