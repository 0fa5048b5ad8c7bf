"""datasets/differences.py: each difference is named with what was expected and what was found."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sumsquares.datasets.differences import UNREADABLE, differences, open_parquet

SCHEMA = pa.schema([pa.field("number_1", pa.int32(), False), pa.field("target", pa.int64(), False)])
METADATA = {"sumsquares.split": "train"}
TABLE = pa.table([[1, 2], [1, 4]], SCHEMA)


def found(table, metadata=METADATA):
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    return differences(open_parquet(sink.getvalue().to_pybytes()), SCHEMA, 2, METADATA)


def replaced(name, kind, values, nullable=False):
    field = kind if isinstance(kind, pa.Field) else pa.field(name, kind, nullable)
    at = TABLE.schema.get_field_index(name)
    return TABLE.set_column(at, field, [pa.array(values, field.type)])


def test_a_file_that_is_as_expected_has_no_differences():
    """The list is empty."""
    assert found(TABLE) == []


UUID = pa.array([b"x" * 16] * 2, pa.binary(16))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TABLE.slice(1), "rows: expected 2, found 1"),
        (TABLE.drop(["target"]), "columns: expected number_1, target, found number_1"),
        (TABLE.rename_columns(["a", "b"]), "columns: expected number_1, target, found a, b"),
        (
            replaced("target", pa.float64(), [1.0, 4.0]),
            "column target: expected int64 without nulls, found double without nulls",
        ),
        (
            replaced("number_1", pa.int32(), [1, None], nullable=True),
            "column number_1: expected int32 without nulls, found int32 (1 nulls)",
        ),
        (
            replaced("number_1", pa.int32(), [1, 2], nullable=True),
            "column number_1: expected int32 without nulls, found int32 (0 nulls)",
        ),
        (
            TABLE.set_column(
                1, pa.field("target", pa.uuid(), False), [pa.ExtensionArray.from_storage(pa.uuid(), UUID)]
            ),
            "column target: expected int64 without nulls, found extension<arrow.uuid> without nulls",
        ),
        (
            replaced("target", pa.field("target", pa.int64(), False, {"ARROW:extension:name": "x.y"}), [1, 4]),
            "column target: expected int64 without nulls, found extension type x.y of int64 without nulls",
        ),
    ],
    ids=["rows", "missing column", "names", "type", "nulls", "nullable", "extension", "unknown extension"],
)
def test_what_differs_is_named_with_expected_and_found(table, expected):
    """Each kind of foreign file has exactly one difference, which names both sides."""
    assert found(table) == [expected]


def test_different_or_missing_metadata_is_named():
    """A file of another split is distinguished from one that isn't ours at all."""
    assert found(TABLE, {"sumsquares.split": "test"}) == ["sumsquares.split: expected train, found test"]
    assert found(TABLE, None) == ["sumsquares.split: expected train, found none"]


def test_all_differences_are_named_at_once():
    """One message is enough to see what a file is."""
    assert len(found(replaced("target", pa.string(), ["a", "b"]).slice(1), None)) == 3


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"\xff" * 1000])
def test_bytes_that_are_not_parquet_are_unreadable(data):
    """They raise one of UNREADABLE."""
    with pytest.raises(UNREADABLE):
        open_parquet(data)
