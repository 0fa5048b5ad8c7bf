"""The tables of what benchmarks/gpu_shapes.py measured. It measures nothing."""

from __future__ import annotations

from typing import Any

from tables import markdown

SHOWN = (
    *("1-8-8-1", "1-16-16-1", "1-32-32-1", "1-64-64-1", "1-128-128-1", "1-64-1", "1-64-64-64-1"),
    *("1-16-16-1 tanh", "1-64-64-1 tanh", "1-16-16-1 gelu", "1-64-64-1 gelu"),
    *("1-16-16-1 batch 32", "1-64-64-1 batch 32", "1-64-64-1 batch 1000", "1-16-16-1 float64", "1-64-64-1 float64"),
    *("20-16-16-1", "20-64-64-1", "1-1"),
)
"""Rows of the page."""
MODELS = 10_000
MACROS = "WARPS", "LC", "CI", "KS", "MOM", "MINB", "TILE"
HEAD = ("ns", "expected", "ratio", "TFLOP/s", "blocks", "registers", "spilt")


def head_of(group: str) -> str:
    """Returns the line above the rows of a group."""
    return f"\n{group:44}" + "".join(f"{each:>10}" for each in HEAD)


def line_of(row: dict[str, Any]) -> str:
    """Returns a row of the table."""
    name = row["name"] + f", {row['models']:,} models" * (row["group"] == "packs")
    if "rule" in row:
        chosen = " ".join(str(row["layout"][each]) for each in MACROS)
        name = f"{'*' if row['rule'] else ' '} {chosen}"
    if "missing" in row:
        return f"{name:44}  none: {row['missing']}"
    numbers = "".join(f"{row[each]:10.2f}" for each in HEAD[:4])
    return f"{name:44}{numbers}" + "".join(f"{row[each] if row[each] is not None else '':>10}" for each in HEAD[4:])


def shapes_table(found: dict[str, Any], layouts: list[dict[str, str]]) -> str:
    """Returns a Markdown table of some of the rows, with the fastest layout of each where several were timed."""
    own = {row["name"]: row for row in reversed(found["rows"]) if row["models"] == MODELS}
    fastest = {name: min(float(row["ns"]) for row in layouts if row["name"] == name) for name in names_of(layouts)}
    head = [
        f"{MODELS:,} networks on one {found['card']}",
        "ns per model and step",
        "TFLOP/s",
        "fastest of several layouts, ns",
    ]
    rows = [
        [
            name,
            f"{own[name]['ns']:.2f}",
            f"{own[name]['TFLOP/s']:.1f}",
            f"{fastest[name]:.2f}" if name in fastest else "",
        ]
        for name in SHOWN
    ]
    return markdown(head, rows) + "\n"


def names_of(layouts: list[dict[str, str]]) -> list[str]:
    """The programs whose layouts were timed, each once."""
    return list(dict.fromkeys(row["name"] for row in layouts))


def csv_of(rows: list[dict[str, Any]]) -> str:
    """Returns the layouts that were timed as CSV."""
    timed = [
        [row["name"], *(row["layout"][each] for each in MACROS), round(row["ns"], 3)] for row in rows if "ns" in row
    ]
    return "\n".join(",".join(map(str, line)) for line in [["name", *MACROS, "ns"], *timed])


def compared(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Returns how many times as long as the fastest layout the rule's own takes, by shape."""
    own = {row["group"]: row["ns"] for row in rows if row.get("rule") and "ns" in row}
    return [
        (name, ns / min(row["ns"] for row in rows if row["group"] == name and "ns" in row)) for name, ns in own.items()
    ]
