"""Which rows a seed draws: exact counts by rank, whatever the sizes of batches."""

import numpy as np
import plain_tables
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.tables import draws
from sumsquares.datasets.tables.draws import Place, keys, last_places, parts
from sumsquares.datasets.tables.roles import Drawing

SEEDS = st.integers(0, 2**63 - 1)


def batch(rows):
    """Rows of which only the number matters."""
    return pa.RecordBatch.from_arrays([pa.nulls(rows)], ["none"])


def roles(drawing, size):
    """The train and test rows of each split, found in batches of that size."""
    found = [(set(), set()) for _ in drawing.names]
    for first in range(0, drawing.rows, size):
        rows = batch(min(size, drawing.rows - first))
        for (train, test), (train_N, test_N) in zip(found, drawing.of_all(first, rows), strict=True):
            train.update((np.flatnonzero(train_N) + first).tolist())
            test.update((np.flatnonzero(test_N) + first).tolist())
    return found


@given(SEEDS, st.integers(2, 200), st.floats(0.01, 0.95), st.integers(1, 70))
def test_a_share_holds_out_the_rows_with_the_smallest_keys(seed, rows, share, size):
    """Exactly round(share * rows) of them, at least one."""
    ((train, test),) = roles(Drawing(seed, rows, share, None, None), size)
    assert test == plain_tables.drawn(seed, rows, share, None)[0]
    assert train == {*range(rows)} - test


@given(SEEDS, st.integers(2, 200), st.integers(2, 20), st.integers(1, 70))
def test_folds_are_equal_ranks(seed, rows, folds, size):
    """Each row is tested in one fold, and their sizes differ by one at most."""
    folds = min(folds, rows)
    found = roles(Drawing(seed, rows, None, folds, None), size)
    assert [test for _, test in found] == plain_tables.drawn(seed, rows, None, folds)
    assert all(train == {*range(rows)} - test for train, test in found)
    sizes = [len(test) for _, test in found]
    assert max(sizes) - min(sizes) <= 1


@given(SEEDS, st.integers(2, 100), st.floats(0.01, 0.95))
def test_validation_takes_training_rows_in_place_of_the_test_rows(seed, rows, share):
    """A row is measured on if its own key is below the share; the test rows are not used."""
    drawing = Drawing(seed, rows, 0.2, None, share)
    ((train, test),) = roles(drawing, 33)
    held_out, drawn = plain_tables.drawn(seed, rows, 0.2, None)[0], plain_tables.measured(seed, rows, share)
    assert test == drawn - held_out
    assert train == {*range(rows)} - held_out - drawn
    assert [*drawing.sizes()] == [(len(train), len(test))]


def test_without_test_rows_all_rows_are_trained_and_measured_on():
    """That is the split of a final model."""
    assert roles(Drawing(3, 10, 0.0, None, None), 4) == [({*range(10)}, {*range(10)})]


@pytest.mark.parametrize("chunk", [1 << 20, 64])
def test_a_million_rows_are_drawn_by_counting(chunk, monkeypatch):
    """The places are those of a sort of all keys, for any size of the chunks that are counted."""
    rows = 100_000 if chunk == 64 else 1_000_000
    last_places.cache_clear()
    monkeypatch.setattr(draws, "_CHUNK", chunk)
    counts = (1, 2, rows // 3, rows - 1, rows)
    sorted_N = np.argsort(keys(7, "test", 0, rows), kind="stable")
    assert [place.row for place in last_places(7, rows, counts)] == [int(sorted_N[count - 1]) for count in counts]


def test_equal_keys_are_in_the_order_of_their_rows(monkeypatch):
    """Ties are one pair in 2**64, and counts are exact all the same."""
    last_places.cache_clear()
    monkeypatch.setattr(draws, "keys", lambda seed, purpose, first, rows: np.full(rows, 5, np.uint64))
    assert last_places(1, 10, (3, 7)) == (Place(5, 2), Place(5, 6))
    assert parts(1, 0, 10, last_places(1, 10, (3, 7))).tolist() == [0] * 3 + [1] * 4 + [2] * 3
    last_places.cache_clear()


@given(SEEDS, st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=20)
def test_a_key_depends_on_seed_and_row_alone(seed, first, rows):
    """Any range of rows has the keys that these rows have among all."""
    found = keys(seed, "test", first, rows).tolist()
    assert found == [plain_tables.key(seed, 16, row) for row in range(first, first + rows)]
    assert keys(seed, "validation", first, rows).tolist() != found
