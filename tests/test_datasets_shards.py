"""datasets/shards.py: one law (any shard size, any order, the same rows), and damage that is always found."""

import functools
import hashlib
import zlib

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.columns import arrow_schema
from sumsquares.datasets.errors import DamagedShard, DataError, ForeignShard
from sumsquares.datasets.rows import BLOCK_ROWS, block
from sumsquares.datasets.shards import (
    SHARD_ROWS,
    _block_digest,
    add_digests,
    decode_shard,
    encode_shard,
    recover_shard,
    shard_count,
    shard_path,
)
from sumsquares.datasets.spec import SPLITS, DatasetSpec

SPEC = DatasetSpec(task="sum", largest=1000, rows=300_001, test_rows=5_000, seed=1)
SPECS = {
    "sums": SPEC,
    "squares": DatasetSpec(task="square", largest=1000, rows=70_000, test_rows=9, unused=1),
    "products": DatasetSpec(task="product", n_numbers=3, largest=2000, rows=70_000, test_rows=1),
    "wide": DatasetSpec(task="sum_of_squares", n_numbers=1, largest=1_518_500_249, rows=70_000),
    "real": DatasetSpec(formula="x1 * x2 - 0.5", low=[-3, 0], high=2, rows=70_000, test_rows=9, unused=1),
    "noisy": DatasetSpec(formula="sqrt(x)", low=0, high=1, rows=70_000, test_rows=4_000, noise=0.1),
    "negative": DatasetSpec(formula="x1 * x2", low=-30, high=1000, numbers="integer", rows=70_000),
    "far": DatasetSpec(formula="x", low=-(2**31) + 1, high=2**31 - 1, numbers="integer", rows=70_000),
    "digits": DatasetSpec(formula="x % 2", low=0, high=1023, numbers="integer", digits=2, rows=70_000),
}


@functools.cache
def encoded(name, split):
    return encode_shard(SPECS[name], split, 0)


def content_of(spec, split, shard_rows=SHARD_ROWS):
    indices = range(shard_count(spec, split, shard_rows))
    return add_digests(encode_shard(spec, split, index, shard_rows)[1].content for index in indices)


@pytest.mark.parametrize(
    ("name", "split", "content", "sha256"),
    [
        ("sums", "train", "484004e172a4bc15", "af3ad69b2c3083a0"),
        ("sums", "test", "f37228f3340b8f2d", "acca9087a93263af"),
        ("squares", "train", "c5bb6a7082f97c01", "d50a8f5ff56684c2"),
        ("squares", "test", "6f7c283f66a9f3a0", "3a20634f537e686b"),
        ("products", "train", "e0a2eed0787ee855", "2f821d0596cc0de7"),
        ("products", "test", "73f5ca496a7cbe19", "85a3aceea264eb4c"),
        ("wide", "train", "8a4301506bca3ea2", "9f3cc3c78f177e2f"),
        ("wide", "test", "92cb45775e46799a", "7e69f35c18f3b9bb"),
        ("real", "train", "e515df3be4723286", "256d7113756584ce"),
        ("real", "extrapolation", "4264ffe79a85a3dc", "f2631d8677c34fe7"),
        ("noisy", "train", "26aa3a697a416e5f", "1042cca1d4df27cc"),
        ("noisy", "extrapolation", "20553542a3c802bb", "a7e57d338bd76537"),
        ("negative", "train", "dae26af94a9bc43e", "19cde9b109bfc4f3"),
        ("negative", "extrapolation", "4ec135edff9e8ebc", "00de55cce101f46c"),
        ("far", "extrapolation", "04eb291aff4b05d0", "a10f311056ab4cd8"),
        ("digits", "train", "18aabcd346b2ff02", "b3e63765dbd95f6e"),
        ("digits", "extrapolation", "dd95436934d69cdc", "20cb0c2cf2df5996"),
    ],
)
def test_shards_never_change(name, split, content, sha256):
    """Content and file of a shard are these bytes for good: the store finds them by their digests."""
    _, entry = encoded(name, split)
    assert (entry.content[:16], entry.sha256[:16]) == (content, sha256)


@settings(max_examples=10, deadline=None)
@given(data=st.data(), blocks=st.integers(1, 6), rows=st.integers(1, 5 * BLOCK_ROWS))
def test_content_is_the_same_for_any_shard_size_and_order(data, blocks, rows):
    """However a split is cut into shards, and in whatever order these are made, its content digest is the same."""
    kind = data.draw(st.sampled_from([SPEC, SPECS["noisy"]]))
    spec = kind.model_copy(update={"rows": rows})
    size = blocks * BLOCK_ROWS
    order = data.draw(st.permutations(range(shard_count(spec, "train", size))))
    contents = [encode_shard(spec, "train", index, size)[1].content for index in order]
    assert add_digests(contents) == content_of(spec, "train")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_content_distinguishes_real_numbers_by_value_bit_and_place(data):
    """A flipped bit, two equal flips, and two values in each other's place give other digests."""
    values_N = block(SPECS["real"], "train", 0)[0][:, 0].copy()
    first, second = data.draw(st.lists(st.integers(0, len(values_N) - 1), min_size=2, max_size=2, unique=True))
    bit = np.uint64(1 << data.draw(st.integers(0, 63)))
    flipped, both, swapped = (values_N.copy() for _ in range(3))
    flipped.view(np.uint64)[first] ^= bit
    both.view(np.uint64)[[first, second]] ^= bit
    swapped[[first, second]] = swapped[[second, first]]
    digests = [_block_digest(7, [x], [zlib.crc32(x.data)]) for x in (values_N, flipped, both, swapped)]
    assert len(set(digests)) == 4


def test_content_distinguishes_splits_seeds_and_lengths():
    """Other rows have another content digest; one row less is enough."""
    specs = [SPEC, SPEC.model_copy(update={"seed": 2}), SPEC.model_copy(update={"rows": 300_000})]
    contents = [content_of(spec, "train") for spec in specs]
    contents += [content_of(SPEC, split) for split in SPLITS[1:]]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("split", SPLITS)
def test_decoding_gives_the_rows_that_were_generated(name, split):
    """decode(encode) is exactly block(), in the promised schema and without leftovers in the metadata."""
    spec, (data, entry) = SPECS[name], encoded(name, split)
    table = decode_shard(data, spec, entry)
    assert table.schema.equals(arrow_schema(spec), check_metadata=True)
    assert entry.rows == table.num_rows == min(SHARD_ROWS, spec.rows_in(split))
    assert entry.bytes == len(data)
    blocks = [block(spec, split, i) for i in range(-(-entry.rows // BLOCK_ROWS))]
    for i, column in enumerate(spec.columns):
        parts = [target_N if column == "target" else inputs_NI[:, i] for inputs_NI, target_N in blocks]
        assert table.column(column).to_numpy().tobytes() == np.concatenate(parts).tobytes()


def test_real_numbers_are_stored_plain_and_read_by_another_program(tmp_path):
    """DuckDB reads the same bits, NaN included; the columns are required doubles."""
    data, _ = encoded("noisy", "extrapolation")
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    inputs_NI, target_N = block(SPECS["noisy"], "extrapolation", 0)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT x, target FROM read_parquet(?)", [str(path)]).fetchnumpy()
        kinds = connection.execute("SELECT name, type, repetition_type FROM parquet_schema(?)", [str(path)]).fetchall()
    assert found["x"].tobytes() == inputs_NI.tobytes()
    assert np.ma.getdata(found["target"]).tobytes() == target_N.tobytes()
    assert np.isnan(target_N[::2]).all()
    assert kinds[1:] == [("x", "DOUBLE", "REQUIRED"), ("target", "DOUBLE", "REQUIRED")]


def test_later_shards_continue_where_the_first_one_ends():
    """Shards of one split, decoded and joined, are the split's rows."""
    size = 2 * BLOCK_ROWS
    shards = [encode_shard(SPEC, "train", i, size) for i in range(shard_count(SPEC, "train", size))]
    joined = pa.concat_tables(decode_shard(data, SPEC, entry) for data, entry in shards)
    assert joined.equals(decode_shard(*[encoded("sums", "train")[0], SPEC, encoded("sums", "train")[1]]))
    assert [entry.path for _, entry in shards] == [shard_path("train", i) for i in range(3)]


@pytest.mark.parametrize(
    ("name", "split"), [("sums", "test"), ("squares", "test"), ("products", "train"), ("noisy", "extrapolation")]
)
def test_every_flipped_bit_is_found(name, split):
    """Wherever a bit flips, decoding names the shard and recovery refuses it."""
    data, entry = encoded(name, split)
    for at in {*range(0, len(data), len(data) // 150 or 1), *range(len(data) - 60, len(data))}:
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(DataError, match=entry.path):
            decode_shard(bytes(flipped), SPECS[name], entry)
        assert recover_shard(bytes(flipped), SPECS[name], split, 0) is None


def test_every_truncation_is_found():
    """However much is missing at the end, the shard is damaged, and the message says both sizes."""
    data, entry = encoded("sums", "test")
    for size in range(0, len(data), len(data) // 100):
        with pytest.raises(DamagedShard, match=rf"expected {len(data)} bytes .* found {size} bytes"):
            decode_shard(data[:size], SPEC, entry)
        assert recover_shard(data[:size], SPEC, "test", 0) is None


def test_a_shard_at_another_shards_place_is_foreign():
    """A shard of another split, place or dataset is distinguished from damage, and each difference is named."""
    entry = encode_shard(SPEC, "train", 1, 2 * BLOCK_ROWS)[1]
    first, _ = encode_shard(SPEC, "train", 0, 2 * BLOCK_ROWS)
    with pytest.raises(ForeignShard, match=r"train/part-00001.parquet .*sumsquares.shard: expected 1, found 0"):
        decode_shard(first, SPEC, entry)
    with pytest.raises(ForeignShard, match=r"sumsquares.split: expected train, found test; .*rows: expected 131072"):
        decode_shard(encoded("sums", "test")[0], SPEC, entry)
    other = SPEC.model_copy(update={"seed": 2})
    with pytest.raises(ForeignShard, match=f"sumsquares.dataset: expected {other.digest}, found {SPEC.digest}"):
        decode_shard(first, other, entry)
    assert recover_shard(first, other, "train", 0, 2 * BLOCK_ROWS) is None
    assert recover_shard(first, SPEC, "train", 1, 2 * BLOCK_ROWS) is None


def test_a_shard_rewritten_by_another_program_is_foreign():
    """The same rows and metadata with a nullable column are rejected, with what was expected and found."""
    data, entry = encoded("sums", "test")
    file = pq.ParquetFile(pa.BufferReader(data))
    table = file.read()
    nullable = table.cast(pa.schema([field.with_nullable(True) for field in table.schema], table.schema.metadata))
    sink = pa.BufferOutputStream()
    pq.write_table(nullable, sink)
    with pytest.raises(ForeignShard, match=r"number_1: expected int32 without nulls, found int32 \(0 nulls\)"):
        decode_shard(sink.getvalue().to_pybytes(), SPEC, entry)


def test_a_foreign_file_is_named_even_if_an_entry_vouches_for_its_bytes():
    """A right digest does not make other columns ours."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1.5]}), sink)
    data, (_, entry) = sink.getvalue().to_pybytes(), encoded("sums", "test")
    forged = entry.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    with pytest.raises(ForeignShard, match="columns: expected number_1, number_2, target, found x"):
        decode_shard(data, SPEC, forged)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("split", SPLITS)
def test_an_intact_shard_is_recovered_without_its_manifest(name, split):
    """A half-written dataset keeps its intact shards: recovery returns the entry that encoding returned."""
    data, entry = encoded(name, split)
    assert recover_shard(data, SPECS[name], split, 0) == entry


def test_a_shard_whose_rows_are_not_those_it_states_is_not_recovered():
    """Other rows under our metadata, with valid checksums, are found by hashing the rows again."""
    data, _ = encoded("sums", "test")
    other, _ = encode_shard(SPEC.model_copy(update={"seed": 2}), "test", 0)
    ours, theirs = (pq.ParquetFile(pa.BufferReader(file)).metadata.metadata for file in (data, other))
    forged = other
    for key in (b"sumsquares.dataset", b"sumsquares.content"):
        forged = forged.replace(theirs[key], ours[key])
    assert recover_shard(forged, SPEC, "test", 0) is None
