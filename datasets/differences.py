"""Describes how a Parquet file differs from what it should be. It reads rows only to count nulls."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

# What pyarrow raises for bytes that aren't Parquet: its own errors, names that aren't UTF-8, absurd sizes.
UNREADABLE = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError)


def open_parquet(data: bytes) -> pq.ParquetFile:
    """Opens the file in these bytes, to be read with page checksums verified. Raises one of UNREADABLE."""
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)


def differences(file: pq.ParquetFile, schema: pa.Schema, rows: int, metadata: Mapping[str, str]) -> list[str]:
    """Lists what differs, each as `what: expected this, found that`. Raises one of UNREADABLE."""
    found = file.metadata.metadata or {}
    checks = [(key, value, _decoded(found.get(key.encode()))) for key, value in metadata.items()]
    checks += _column_checks(file, schema)
    checks.append(("rows", str(rows), str(file.metadata.num_rows)))
    return [f"{what}: expected {want}, found {have}" for what, want, have in checks if want != have]


def _decoded(value: bytes | None) -> str:
    return "none" if value is None else value.decode(errors="backslashreplace")


def _column_checks(file: pq.ParquetFile, schema: pa.Schema) -> list[tuple[str, str, str]]:
    found = file.schema_arrow
    if found.names != schema.names:
        return [("columns", ", ".join(schema.names), ", ".join(found.names))]
    pairs = zip(schema, found, strict=True)
    return [(f"column {want.name}", _kind(want, 0), _kind(have, _nulls(file, have))) for want, have in pairs]


def _nulls(file: pq.ParquetFile, field: pa.Field) -> int:
    return file.read([field.name], use_threads=False).column(0).null_count if field.nullable else 0


def _kind(field: pa.Field, nulls: int) -> str:
    extension = (field.metadata or {}).get(b"ARROW:extension:name")
    kind = f"extension type {_decoded(extension)} of {field.type}" if extension else str(field.type)
    return f"{kind} ({nulls} nulls)" if field.nullable else f"{kind} without nulls"
