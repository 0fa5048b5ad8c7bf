"""Rows generated and written as Parquet per second: ours against DuckDB, Polars and pyarrow, on one core, in turns.

    python benchmarks/generation.py [--rows N] [--rounds 7] [--json]

Takes about three minutes. All write the same columns (random INTEGERs 1..1000 and a BIGINT target) to files in a
temporary folder, without fsync; only ours computes digests of the content and of each file. Formulas of random real
numbers, of which all columns are DOUBLE, are measured against DuckDB alone. Every contender is a
process of its own with one thread, pinned to the same core; those of other projects run in build/peers. Each ratio is
measured within a round. Quote only the ratios: absolute rates differ between machines. It measures neither reading nor
several cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from typing import Any

from peers.contender import Contender, machine, ratio, rounds, versions
from peers.environment import peers_python

ENTRIES: dict[str, tuple[str, str, dict[str, object]]] = {
    "ours": ("ours", "ours", {}),
    "duckdb": ("DuckDB, its defaults", "duckdb", {}),
    "duckdb_large": ("DuckDB, groups of 1 Mi rows", "duckdb", {"ROW_GROUP_SIZE": 2**20}),
    "duckdb_plain": ("DuckDB, uncompressed", "duckdb", {"COMPRESSION": "uncompressed"}),
    "polars": ("Polars, its defaults", "polars", {}),
    "polars_plain": ("Polars, uncompressed", "polars", {"compression": "uncompressed", "statistics": False}),
    "pyarrow": ("pyarrow, its defaults", "pyarrow", {}),
    "pyarrow_plain": (
        "pyarrow, uncompressed",
        "pyarrow",
        {"compression": "none", "write_statistics": False},
    ),
    "pyarrow_widest": (
        "pyarrow, plain values",
        "pyarrow",
        {"compression": "none", "write_statistics": False, "use_dictionary": False},
    ),
}
"""By name: label, library, and its options."""
FORMULAS: dict[str, dict[str, object]] = {
    "sin(x1) + 0.5*x2**2": {"low": -3, "high": 3, "names": ["x1", "x2"], "sql": "sin(x1) + 0.5 * x2 * x2"},
    "x1*x2": {"low": -3, "high": 3, "names": ["x1", "x2"], "sql": "x1 * x2"},
    "exp(-x**2)": {"low": -3, "high": 3, "names": ["x"], "sql": "exp(-x * x)"},
    "sqrt(x)": {"low": 0, "high": 9, "names": ["x"], "sql": "sqrt(x)"},
}
"""By formula: its inputs and their range, and the same in SQL, without pow(), which would take DuckDB longer."""


def main() -> None:
    """Measures each task and prints tables, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4 * 2**20, help="rows per set of files (default 4 x 2**20)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--only", nargs="+", default=list(ENTRIES), choices=ENTRIES, help="contenders to measure; ours always is"
    )
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin every process to")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    tasks = [measure(task, options.only, options) for task in ("sum", "square")]
    those_of_formulas = [name for name in options.only if ENTRIES[name][1] in ("ours", "duckdb")]
    formulas = [measure(formula, those_of_formulas, options) for formula in FORMULAS]
    if not options.json:
        print("\n".join(table(found) for found in (*tasks, *formulas)))
        return
    shown = {"rows": options.rows, "rounds": options.rounds, "clock": options.clock}
    known = versions(("numpy", "pyarrow"), ("duckdb", "polars"))
    print(
        json.dumps(
            {"machine": machine(options.core), **shown, "versions": known, "tasks": tasks, "formulas": formulas},
            indent=1,
        )
    )


def measure(task: str, only: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Measures these contenders on one task or formula: rows per second, and ratios of ours to theirs."""
    names = dict.fromkeys(["ours", *only])
    with ExitStack() as stack:
        contenders = {name: stack.enter_context(start(name, task, options)) for name in names}
        sizes = {name: one.seconds(1)["bytes"] / options.rows for name, one in contenders.items()}
        seconds = rounds(contenders, options.rounds, 0, options.clock)
    entries = []
    for name, times in seconds.items():
        rate = ratio([options.rows] * len(times), times)
        against = {"rate_ratio": ratio(times, seconds["ours"]), "bytes_ratio": sizes["ours"] / sizes[name]}
        label = ENTRIES[name][0]
        entries.append({"name": name, "label": label, "rows_per_s": rate, "bytes_per_row": sizes[name], **against})
    return {"task": task, "entries": entries}


def start(name: str, task: str, options: argparse.Namespace) -> Contender:
    """Starts the process of one contender."""
    _, library, settings = ENTRIES[name]
    python = sys.executable if library == "ours" else peers_python()
    question = {"core": options.core, "library": library, "task": task, "rows": options.rows, "options": settings}
    question["formula"] = FORMULAS.get(task)
    return Contender(python, "peers/parquet_rows.py", question)


def table(found: dict[str, Any]) -> str:
    """Formats one task as text."""
    lines = [f"\n{found['task']:30}{'M rows/s':>10}{'bytes/row':>11}  ours is faster by"]
    for row in found["entries"]:
        ratios = row["rate_ratio"]
        text = f"{row['label']:30}{row['rows_per_s']['median'] / 1e6:>10.1f}{row['bytes_per_row']:>11.3f}"
        lines.append(f"{text}  {ratios['median']:.2f} ({ratios['min']:.2f}..{ratios['max']:.2f})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
