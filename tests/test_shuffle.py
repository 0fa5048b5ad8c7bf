"""The order of rows: shuffled, every row once per epoch, and the same for rows in memory and streamed rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.engines import shuffle
from sumsquares.jobs.engines.shuffle import Rows, batches, in_memory, step_blocks


def numbered(count):
    return np.arange(count, dtype=np.float64)[:, None], np.arange(count, dtype=np.float64)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 25), st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_an_epoch_has_every_row_once_in_batches_of_one_size(count, batch_size, chunk_rows, seed, epoch):
    """This holds for any chunk size. Only the last batch may be smaller, and any number of batches can be skipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "CHUNK_ROWS", chunk_rows)
        got = list(batches(in_memory(*numbered(count)), batch_size, seed, epoch))
        assert sorted(np.concatenate([y for _, y in got])) == list(range(count))
        assert [len(y) for _, y in got[:-1]] == [batch_size] * (len(got) - 1)
        for skip in range(len(got)):
            rest = list(batches(in_memory(*numbered(count)), batch_size, seed, epoch, skip))
            assert [y.tolist() for _, y in rest] == [y.tolist() for _, y in got[skip:]]


@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from([3, 64]), st.integers(0, 15), st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_blocks_of_steps_of_many_epochs_are_the_batches_of_each(count, batch_size, chunk_rows, step, enough):
    """This holds from any step on, for any size of the blocks of steps and of orders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "CHUNK_ROWS", chunk_rows)
        patch.setattr(shuffle, "BLOCK_ROWS", 90)
        patch.setattr(shuffle, "_cached_orders", shuffle._orders)
        rows, epochs = in_memory(*numbered(count)), 7
        expected = [y.tolist() for epoch in range(epochs) for _, y in batches(rows, batch_size, 3, epoch)][step:]
        found = list(step_blocks(rows, batch_size, 3, epochs, step, enough))
        cut = [y[begin:end] for _, y, ends in found for begin, end in pairwise([0, *ends])]
        assert [y.tolist() for y in cut] == expected
        assert all(x[:, 0].tolist() == y.tolist() and ends[-1] == len(y) for x, y, ends in found)
        assert all(len(y) >= enough for _, y, _ in found[1:-1]) or rows.chunks > 1


def test_streamed_rows_have_the_order_of_rows_in_memory(monkeypatch):
    """Each chunk is read once per epoch, and the batches are the same."""
    monkeypatch.setattr(shuffle, "CHUNK_ROWS", 7)
    held = in_memory(*numbered(30))
    asked = []

    def chunk(index):
        asked.append(index)
        return held.chunk(index)

    streamed = list(batches(Rows(30, chunk), 4, 1, 2))
    assert [y.tolist() for _, y in streamed] == [y.tolist() for _, y in batches(held, 4, 1, 2)]
    assert sorted(asked) == list(range(5))


def test_each_epoch_and_seed_has_its_own_order():
    """The orders never change: the first rows of one of them are pinned."""
    first = {
        (seed, epoch): tuple(next(batches(in_memory(*numbered(1000)), 5, seed, epoch))[1].astype(int).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(first.values())) == 9
    assert first[0, 0] == (300, 40, 613, 417, 681)
