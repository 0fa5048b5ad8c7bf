"""datasets/columns.py: offsets, dictionaries, schema."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.columns import Column, arrow_schema, stored_columns
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec


@given(st.data())
def test_offsets_are_exact_in_the_narrowest_type(data):
    """low + offset is the value, whatever the range, in 2, 4 or 8 bytes as the range needs."""
    low = data.draw(st.integers(1, 2**62))
    high = low + data.draw(st.sampled_from([0, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**61]))
    values = [*data.draw(st.lists(st.integers(low, high), max_size=5)), low, high]
    offsets = Column("x", np.dtype(np.int64), low, high, 0, None).stored(np.array(values, np.int64))
    assert [low + offset for offset in offsets.tolist()] == values
    assert offsets.itemsize == (2 if high - low < 2**16 else 4 if high - low < 2**32 else 8)


@pytest.mark.parametrize("task", ["sum", "product", "square", "sum_of_squares"])
@pytest.mark.parametrize("split", ["train", "extrapolation"])
def test_a_dictionary_restores_the_values(task, split):
    """A column with a dictionary is dictionary[offsets of its source column], for every task."""
    spec = DatasetSpec(task=task, largest=20, rows=50_000, test_rows=50_000, unused=1)
    inputs_NI, target_N = block(spec, split, 0)
    arrays = [*inputs_NI.T, target_N]
    columns = stored_columns(spec, split, 50_000)
    offsets = [column.stored(values) for column, values in zip(columns, arrays, strict=True)]
    for column, values in zip(columns, arrays, strict=True):
        assert column.dictionary is not None
        assert np.array_equal(column.dictionary[offsets[column.source]], values)
        assert (column.low, column.high) == (column.dictionary[0], column.dictionary[-1])


@pytest.mark.parametrize(("largest", "rows"), [(1001, 16_000), (2**16 + 1, 2**20), (2**31 - 1, 2**20)])
def test_no_dictionary_where_it_would_cost_more_than_it_saves(largest, rows):
    """Fewer than 16 rows per value, or more than 2**16 values, and a column holds its values directly."""
    spec = DatasetSpec(task="sum", largest=largest, rows=rows)
    assert [column.dictionary for column in stored_columns(spec, "train", rows)] == [None] * 3


@pytest.mark.parametrize(("largest", "number"), [(2**30 - 1, pa.int32()), (2**30, pa.int64())])
def test_the_schema_is_the_same_for_all_splits(largest, number):
    """Numbers are int32 if those of the extrapolation split fit too; the target is int64; nothing is nullable."""
    schema = arrow_schema(DatasetSpec(task="sum", largest=largest, rows=9, unused=1))
    assert schema.names == ["number_1", "number_2", "unused_1", "target"]
    assert schema.types == [number, number, number, pa.int64()]
    assert not any(field.nullable for field in schema)


def test_columns_of_a_formula():
    """Real numbers have neither range nor dictionary; integers may begin below 0; digits have a dictionary of two."""
    real = DatasetSpec(formula="x1 * x2", low=-1, high=1, rows=9, unused=1)
    assert arrow_schema(real).types == [pa.float64()] * 4
    assert {(c.low, c.high, c.dictionary, c.is_real) for c in stored_columns(real, "train", 2**20)} == {
        (0, 0, None, True)
    }
    integer = DatasetSpec(formula="x", low=-5, high=5, numbers="integer", rows=9)
    number, target = stored_columns(integer, "extrapolation", 2**20)
    assert (number.low, number.high, number.dictionary.tolist()) == (-16, 16, list(range(-16, 17)))
    assert (target.dtype, target.source, target.dictionary) == (np.float64, 1, None)
    digits = DatasetSpec(task="square", largest=100, rows=9, digits=2)
    *places, target = stored_columns(digits, "train", 2**20)
    assert [place.dictionary.tolist() for place in places] == [[0, 1]] * 8
    assert (target.source, target.dictionary is None) == (8, False)
