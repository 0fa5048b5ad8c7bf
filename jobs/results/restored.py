"""The summary of a finished run from the files in its folder: what was printed then, without its trials.

Causes are not stored with their sentences. They are found again from the stored tables, from which they follow.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.jobs.results.explained import with_reasons
from sumsquares.jobs.results.summary import COLUMNS, Counts, Summary
from sumsquares.jobs.results.summary_file import sha256_of

TABLES = ("summary.parquet", "trials.parquet")


def restored(content: Mapping[str, Any], files: Mapping[str, bytes]) -> Summary | None:
    """Returns the summary of these files, by name, and of the content of its summary.json.

    None if an earlier version wrote them, which kept less, or if they are not those that it names.
    """
    if any(sha256_of(files.get(name, b"")) != content["files"].get(name, {}).get("sha256") for name in TABLES):
        return None
    table, trials = (_read(files[name]) for name in TABLES)
    if not set(COLUMNS) <= set(table.column_names):
        return None
    counts = {name: content["trials"][name] for name in ("total", "ok", "diverged", "missing")}
    summary = Summary(
        table=table,
        trials=trials,
        counts=Counts(**counts),
        missing=tuple(content["trials"]["missing_ids"]),
        datasets=content["datasets"],
        best=content["best"],
        best_trial=content["best_trial"],
        engines=content["engines"],
        devices=content["devices"],
        below_floor=tuple(content["below_floor"]),
    )
    return with_reasons(summary)


def _read(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))
