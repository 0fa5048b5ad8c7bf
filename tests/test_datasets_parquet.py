"""datasets/parquet.py: what it writes is read back by two independent readers."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.columns import Column
from sumsquares.datasets.parquet import data_page, parquet_file


def written(pages, low, high, dtype, dictionary=None):
    """A file of one column `x` with these pages of values."""
    column = Column("x", np.dtype(dtype), low, high, 0, dictionary)
    encoded = [data_page(column, column.stored(np.array(values, dtype))) for values in pages]
    return parquet_file([column], [encoded], sum(map(len, pages)), {"key": "värde"})


def read(data):
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)


@settings(deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.int32, np.int64]), reach=st.integers(0, 62))
def test_any_bounded_integers_are_read_back_without_a_dictionary(data, dtype, reach):
    """Values of any range, down to one value and up to all of the type's positive ones, survive in any pages."""
    low = 1
    high = min(low + 2**reach, np.iinfo(dtype).max)
    values = st.lists(st.integers(low, high) | st.sampled_from([low, high]), min_size=1, max_size=300)
    pages = data.draw(st.lists(values, min_size=1, max_size=3))
    file = read(written(pages, low, high, dtype))
    assert file.read().column("x").to_pylist() == [value for page in pages for value in page]
    assert file.metadata.metadata == {b"key": "värde".encode()}


@settings(deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.int32, np.int64]), span=st.integers(1, 2**16))
def test_any_bounded_integers_are_read_back_with_a_dictionary(data, dtype, span):
    """Indices of 1 to 16 bits survive in any pages."""
    low, high = 7, 6 + span
    values = st.lists(st.integers(low, high), min_size=1, max_size=40)
    pages = data.draw(st.lists(values, min_size=1, max_size=3))
    found = read(written(pages, low, high, dtype, np.arange(low, high + 1, dtype=dtype)))
    assert found.read().column("x").to_pylist() == [value for page in pages for value in page]


@settings(deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.int32, np.int64]), reach=st.integers(0, 33))
def test_integers_below_zero_are_read_back(data, dtype, reach):
    """Ranges on both sides of 0, as wide as int32 allows or wider, with and without a dictionary."""
    span = min(2**reach, 2**31 - 1) if dtype is np.int32 else 2**reach
    low = -data.draw(st.integers(0, min(span, 2**31)))
    high = low + span
    values = st.lists(st.integers(low, high) | st.sampled_from([low, high]), min_size=1, max_size=300)
    pages = data.draw(st.lists(values, min_size=1, max_size=3))
    dictionary = np.arange(low, high + 1, dtype=dtype) if span < 2**16 and data.draw(st.booleans()) else None
    found = read(written(pages, low, high, dtype, dictionary)).read().column("x").to_pylist()
    assert found == [value for page in pages for value in page]


@settings(deadline=None)
@given(pages=st.lists(st.lists(st.floats(), min_size=1, max_size=300), min_size=1, max_size=3))
def test_any_real_numbers_are_read_back_to_the_bit(pages):
    """NaN, infinities, zeros of both signs and the smallest numbers included."""
    found = read(written(pages, 0, 0, np.float64)).read().column("x").to_numpy()
    assert found.tobytes() == np.concatenate([np.array(page) for page in pages]).tobytes()


@pytest.mark.parametrize("span", [1, 1000, 2**16, 2**20, 2**31, 2**62])
def test_a_second_reader_sees_the_same_rows(tmp_path, span):
    """DuckDB reads large and small pages, with and without a dictionary, as pyarrow does."""
    low, high = 1, span
    values = np.random.default_rng(0).integers(low, high, 70_000, endpoint=True)
    pages = [values[:65_536], values[65_536:]]
    dictionary = np.arange(low, high + 1) if span <= 2**16 else None
    path = tmp_path / "x.parquet"
    path.write_bytes(written(pages, low, high, np.int64, dictionary))
    with duckdb.connect() as connection:
        found = connection.execute("SELECT x FROM read_parquet(?)", [str(path)]).fetchnumpy()["x"]
    assert np.array_equal(found, values)
    assert np.array_equal(pq.read_table(path).column("x").to_numpy(), values)


def test_the_footer_says_what_readers_need():
    """One row group of required columns, uncompressed, no statistics and no embedded Arrow schema."""
    file = read(written([[1, 2, 3]], 1, 3, np.int32))
    chunk = file.metadata.row_group(0).column(0)
    assert (file.metadata.num_row_groups, file.metadata.num_rows) == (1, 3)
    assert (chunk.physical_type, chunk.compression, chunk.is_stats_set) == ("INT32", "UNCOMPRESSED", False)
    assert file.schema_arrow == pa.schema([pa.field("x", pa.int32(), nullable=False)], metadata={"key": "värde"})


def test_a_flipped_bit_in_a_page_fails_its_checksum():
    """A reader that verifies page checksums, and knows none of our digests, finds the damage."""
    data = bytearray(written([list(range(1, 1000))], 1, 1000, np.int32))
    data[500] ^= 1
    with pytest.raises(OSError, match="CRC checksum"):
        read(bytes(data)).read()
