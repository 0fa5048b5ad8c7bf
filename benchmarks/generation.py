"""Rows generated and written as Parquet per second: ours against DuckDB, on one core, in turns.

Run `python benchmarks/generation.py [--rows N] [--json]` in an environment with this package and duckdb; takes
about 10 seconds. Both write the same columns (random INTEGERs 1..1000 and a BIGINT target) to files in the same
temporary folder without fsync; ours also makes the digests of the content and of each file. DuckDB has one thread and
its defaults, and the fastest expression for such numbers that we know. Rates are medians; quote the ratio only, as
absolute rates don't hold from machine to machine. It does not measure reading, nor several cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from datasets.shards import encode_shard, shard_count
from datasets.spec import DatasetSpec

REPEATS = 7
# Rounding 0.5..1000.5 is as uniform as floor() and 5 % faster.
RANDOM = "(random() * 1000 + 0.5)::INTEGER"
QUERIES = {
    "sum": "SELECT a AS number_1, b AS number_2, (a + b)::BIGINT AS target "
    "FROM (SELECT {random} AS a, {random} AS b FROM range({rows}))",
    "square": "SELECT a AS number_1, a::BIGINT * a AS target FROM (SELECT {random} AS a FROM range({rows}))",
}


def main() -> None:
    """Measure each task and print one table, or one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=4 * 2**20, help="rows per file set (default 4 x 2**20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results = [measure(task, arguments.rows) for task in QUERIES]
    if arguments.json:
        print(json.dumps({"rows": arguments.rows, "repeats": REPEATS, "results": results}))
        return
    print(f"{arguments.rows:,} rows, one core, median of {REPEATS}, {sys.platform}, duckdb {duckdb.__version__}")
    print(f"{'task':8}{'ours':>12}{'DuckDB':>12}{'ratio':>8}{'ours':>12}{'DuckDB':>12}{'ratio':>8}")
    print(f"{'':8}{'M rows/s':>12}{'M rows/s':>12}{'':>8}{'bytes/row':>12}{'bytes/row':>12}")
    for r in results:
        rates = f"{r['ours_rows_per_s'] / 1e6:12.1f}{r['duckdb_rows_per_s'] / 1e6:12.1f}{r['rate_ratio']:8.2f}"
        sizes = f"{r['ours_bytes_per_row']:12.3f}{r['duckdb_bytes_per_row']:12.3f}{r['bytes_ratio']:8.2f}"
        print(f"{r['task']:8}{rates}{sizes}")


def measure(task: str, rows: int) -> dict[str, float | str]:
    """Let both write the rows in turns; REPEATS turns are measured after one that isn't."""
    connection = duckdb.connect(config={"threads": 1})
    query = QUERIES[task].format(random=RANDOM, rows=rows)
    spec = DatasetSpec.model_validate({"task": task, "largest": 1000, "rows": rows})
    seconds: dict[str, list[float]] = {"ours": [], "duckdb": []}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        writers: dict[str, Callable[[], int]] = {
            "ours": lambda: write_ours(spec, Path(folder)),
            "duckdb": lambda: write_duckdb(connection, query, Path(folder) / "x.parquet"),
        }
        for _ in range(REPEATS + 1):
            for name, write in writers.items():
                start = time.perf_counter()
                sizes[name] = write()
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    return {
        "task": task,
        **{f"{name}_rows_per_s": rows / median for name, median in medians.items()},
        **{f"{name}_bytes_per_row": size / rows for name, size in sizes.items()},
        "rate_ratio": medians["duckdb"] / medians["ours"],
        "bytes_ratio": sizes["ours"] / sizes["duckdb"],
    }


def write_ours(spec: DatasetSpec, folder: Path) -> int:
    """Write the train split as shards; returns the bytes written."""
    return sum(
        (folder / f"part-{index:05d}.parquet").write_bytes(encode_shard(spec, "train", index)[0])
        for index in range(shard_count(spec, "train"))
    )


def write_duckdb(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the query's rows as one file; returns the bytes written."""
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path.stat().st_size


if __name__ == "__main__":
    main()
