"""Numbers and variants in words, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_variant(row: Mapping[str, Any]) -> str:
    """A variant in words: its layers, activation and optimizer."""
    hidden = row["hidden"]
    network = "a linear model" if hidden == "[]" else f"{hidden} {row['activation']}"
    return f"{network}, {row['optimizer']} lr {row['lr']:g}, {row['normalize']}, {row['epochs']} epochs"


def number(value: float | None) -> str:
    """Four significant digits, without an exponent where that is readable."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
