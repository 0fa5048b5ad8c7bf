"""Reads a user's table: every row once or twice, in batches of bounded size, and finds what a spec leaves open."""

from __future__ import annotations

from sumsquares.datasets.tables.files import Stamp
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset


def resolve(keys: TableKeys, folder: str) -> TableDataset:
    """Returns the table that the keys stand for.

    Args:
        keys: the [[dataset]] of the spec.
        folder: where a relative `file` starts: a local folder, or an address such as s3://bucket/specs.

    Raises:
        TableMissing: there is no such file.
        TableError: the file or the spec has to be changed; all problems are listed.
        DamagedTable: its bytes are no whole Parquet or compressed file.
        TableUnreachable: an object store doesn't answer.

    """
    raise NotImplementedError


def stamps(keys: TableKeys, folder: str) -> tuple[Stamp, ...]:
    """Returns path, size and time of change of each file, without reading one; it raises as `resolve` does."""
    raise NotImplementedError
