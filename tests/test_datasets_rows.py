"""datasets/rows.py: pinned rows, plain Python references, uniformity."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.rows import BLOCK_ROWS, _scale, block, block_count
from sumsquares.datasets.spec import SPLITS, DatasetSpec

SPECS = {
    "sums": DatasetSpec(task="sum", largest=1000, rows=100_000, seed=1),
    "squares": DatasetSpec(task="square", largest=1000, rows=100_000, seed=1),
    "wide": DatasetSpec(task="sum", largest=2**31 - 1, rows=70_000, seed=2**63 - 1, unused=1),
    "products": DatasetSpec(task="product", n_numbers=3, largest=1000, rows=70_000),
    "edge": DatasetSpec(task="sum_of_squares", largest=2**16, rows=70_000, unused=2),
}
PINNED = {
    ("sums", "train"): "aeee765e5e4792f6",
    ("sums", "test"): "ca434f824427debf",
    ("sums", "extrapolation"): "b77a69361952826a",
    ("squares", "train"): "4b215f1e2c0a42e9",
    ("squares", "extrapolation"): "a9880af536787b0b",
    ("wide", "train"): "83b39368e9a4c914",
    ("wide", "extrapolation"): "92a9e72622b5cd70",
    ("products", "train"): "81a797fc7dbf4857",
    ("products", "extrapolation"): "2340f4cbb7acc4d2",
    ("edge", "train"): "65c28ce44ac02618",
    ("edge", "extrapolation"): "a4a75f1987ea8691",
}
PLAIN = {
    "sum": sum,
    "product": math.prod,
    "square": lambda numbers: numbers[0] ** 2,
    "sum_of_squares": lambda numbers: sum(number**2 for number in numbers),
}


def digest_of(spec, split):
    digest = hashlib.sha256()
    for index in range(block_count(spec, split)):
        inputs_NI, target_N = block(spec, split, index)
        digest.update(inputs_NI.astype("<i8").tobytes())
        digest.update(target_N.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize(("name", "split"), PINNED)
def test_rows_never_change(name, split):
    """The rows of a spec are these for good, on every machine and with every numpy: raise GENERATOR_VERSION if not."""
    assert digest_of(SPECS[name], split) == PINNED[name, split]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("split", SPLITS)
def test_targets_are_the_arithmetic_of_the_numbers_of_their_row(name, split):
    """Each target equals plain Python's on the row's numbers, which are in range; unused columns play no part."""
    spec = SPECS[name]
    inputs_NI, target_N = block(spec, split, 0)
    low, high = spec.input_ranges(split)[0]
    assert inputs_NI.min() >= low
    assert inputs_NI.max() <= high
    numbers = inputs_NI[:3000, : spec.n_numbers].tolist()
    assert target_N[:3000].tolist() == [PLAIN[spec.task](row) for row in numbers]


@given(words=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20), span=st.integers(1, 2**31 - 1))
def test_words_are_scaled_exactly(words, span):
    """A word of 64 or 32 bits becomes floor(word * span / 2**bits), as in exact arithmetic."""
    assert _scale(np.array(words, np.uint64), span).tolist() == [word * span >> 64 for word in words]
    small, short = min(span, 2**16), [word % 2**32 for word in words]
    assert _scale(np.array(short, np.uint32), small).tolist() == [word * small >> 32 for word in short]


@settings(max_examples=15, deadline=None)
@given(few=st.integers(1, 140_000), many=st.integers(1, 140_000), largest=st.sampled_from([7, 1000, 10**6]))
def test_more_rows_begin_with_the_same_rows(few, many, largest):
    """The first k rows are the same for any number of rows."""
    few, many = sorted((few, many))
    short, long = (DatasetSpec(task="sum", largest=largest, rows=rows, seed=3) for rows in (few, many))
    index = block_count(short, "train") - 1
    kept = few - index * BLOCK_ROWS
    for found, expected in zip(block(short, "train", index), block(long, "train", index), strict=True):
        assert len(found) == kept
        assert np.array_equal(found, expected[:kept])


@pytest.mark.parametrize("largest", [10, 1000, 10**6])
@pytest.mark.parametrize("split", SPLITS)
def test_every_column_is_uniform(largest, split):
    """Chi-squared over 10 equal bins stays below its 1e-6 quantile (df 9: 45.1), for each column and split."""
    spec = DatasetSpec(task="sum", largest=largest, rows=BLOCK_ROWS, test_rows=BLOCK_ROWS, unused=1)
    inputs_NI, _ = block(spec, split, 0)
    low, _ = spec.input_ranges(split)[0]
    for column_N in inputs_NI.T:
        counts = np.bincount((column_N.astype(np.int64) - low) * 10 // largest, minlength=10)
        assert len(counts) == 10
        assert ((counts - BLOCK_ROWS / 10) ** 2).sum() / (BLOCK_ROWS / 10) < 45.1


def test_streams_are_unrelated():
    """Columns, blocks, splits and seeds do not correlate: |r| of 65,536 rows stays below 5 / sqrt(65,536)."""
    specs = [
        DatasetSpec(task="sum", largest=1000, rows=2 * BLOCK_ROWS, test_rows=BLOCK_ROWS, seed=seed) for seed in (0, 1)
    ]
    blocks = [(specs[0], "train", 0), (specs[0], "train", 1), (specs[0], "test", 0), (specs[0], "extrapolation", 0)]
    blocks += [(specs[1], "train", 0), (specs[1], "train", 1), (specs[1], "test", 0)]
    columns = np.concatenate([block(*place)[0].T for place in blocks])
    correlations = np.corrcoef(columns)[np.triu_indices(len(columns), 1)]
    assert np.abs(correlations).max() < 5 / math.sqrt(BLOCK_ROWS)


def test_columns_are_contiguous_and_as_narrow_as_the_numbers_of_all_splits():
    """int32 holds numbers up to 2 * largest or the column is int64; encoding reads each column in one piece."""
    for largest, dtype in [(1000, np.int32), (2**30 - 1, np.int32), (2**30, np.int64)]:
        inputs_NI, target_N = block(DatasetSpec(task="sum", largest=largest, rows=10), "train", 0)
        assert (inputs_NI.dtype, target_N.dtype) == (dtype, np.int64)
        assert all(column_N.flags.c_contiguous for column_N in inputs_NI.T)
