"""Repair never mixes the rows of two versions in one dataset."""

from __future__ import annotations

import pytest
from test_generation import other_version
from verify_world import MINE, draw_for, files, flipped, mend, run

from sumsquares.jobs.storage.store import Store


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_shard_that_this_version_makes_with_other_rows_is_left_to_the_user(tmp_path, monkeypatch, harm):
    """Those of a task and of a formula; the remedy is what a run says."""
    store = Store(str(tmp_path / "store"))
    assert run(store, tmp_path, MINE) == 0
    paths = [path for path in store.list() if path.endswith("/test/part-00000.parquet")]
    for path in paths:
        data = store.get(path)
        store.delete(path)
        if harm == "flipped":
            store.put(path, flipped(data, draw_for(path)))
    harmed = files(store)
    other_version(monkeypatch)
    remains = mend(store)
    assert len(paths) == 2
    assert all("move the folder" in remains[path].remedy for path in paths)
    assert files(store) == harmed
    monkeypatch.undo()
    assert mend(store) == {}
