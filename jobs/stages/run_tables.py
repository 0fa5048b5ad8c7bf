"""The tables of a finished run, as its summary.json lists them."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.summary_file import SUMMARY, read_summary, sha256_of
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.store import Store


def read_file(store: Store, run: str, name: str, remedy: str) -> bytes | None:
    """Returns a file of a run's folder; None if an earlier version wrote none of this name.

    Raises:
        DataError: it is not the file that the summary lists; the message ends with `remedy`.
        FileNotFoundError: the run has no summary.

    """
    folder = run_folder(run)
    path = f"{folder}/{SUMMARY}"
    listed = read_summary(store.get(path), path)["files"].get(name)
    if listed is None:
        return None
    try:
        data = store.get(f"{folder}/{name}")
    except FileNotFoundError:
        data = b""
    if sha256_of(data) != listed["sha256"]:
        found = "damaged, it is not the file that summary.json lists"
        raise DataError(f"{store.root}/{folder}/{name}: {found}; {remedy}")
    return data


def read_table(store: Store, run: str, name: str, remedy: str) -> pa.Table | None:
    """Returns a Parquet file of a run's folder as a table, as `read_file` does."""
    data = read_file(store, run, name, remedy)
    return None if data is None else pq.read_table(io.BytesIO(data))
