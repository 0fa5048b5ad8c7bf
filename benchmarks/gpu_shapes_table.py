"""The tables of what benchmarks/gpu_shapes.py measured. It measures nothing."""

from __future__ import annotations

from typing import Any

HEAD = ("ns", "expected", "ratio", "TFLOP/s", "blocks", "registers", "spilt")


def head_of(group: str) -> str:
    """Returns the line above the rows of a group."""
    return f"\n{group:44}" + "".join(f"{each:>10}" for each in HEAD)


def line_of(row: dict[str, Any]) -> str:
    """Returns a row of the table."""
    name = row["name"] + f", {row['models']:,} models" * (row["group"] == "packs")
    if "layout" in row:
        chosen = " ".join(str(row["layout"][each]) for each in ("WARPS", "LC", "CI", "KS", "MOM", "MINB", "TILE"))
        name = f"{'*' if row['rule'] else ' '} {chosen}"
    if "missing" in row:
        return f"{name:44}  none: {row['missing']}"
    numbers = "".join(f"{row[each]:10.2f}" for each in HEAD[:4])
    return f"{name:44}{numbers}" + "".join(f"{row[each] if row[each] is not None else '':>10}" for each in HEAD[4:])


def compared(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Returns how many times as long as the fastest layout the rule's own takes, by shape."""
    own = {row["group"]: row["ns"] for row in rows if row.get("rule") and "ns" in row}
    return [
        (name, ns / min(row["ns"] for row in rows if row["group"] == name and "ns" in row)) for name, ns in own.items()
    ]
