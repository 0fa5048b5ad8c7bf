"""The tables that a run prints for people, each fit for a terminal of 100 columns. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from jobs.results.samples import ROWS
from jobs.results.summary import Summary
from jobs.show.findings import finding
from jobs.show.words import describe_variant, number
from jobs.spec.grid import AXES

BEST, WORST = 12, 3
"""Variants shown per dataset; all are in summary.parquet."""


def result_tables(summary: Summary) -> Iterator[Table | Text]:
    """For each dataset its variants, best first, and the question's own table for the best; what was found, last."""
    found = []
    rows = sorted(summary.table.to_pylist(), key=_rank)
    for name, facts in summary.datasets.items():
        mine = [row for row in rows if row["dataset"] == name]
        known = finding(facts, mine)
        found.append(Text(f"{name}: {known.sentence} {known.caveat}".rstrip(), style="bold"))
        yield _variants_table(name, facts, mine)
        best = summary.best[name]
        if best is not None:
            yield Text(f"{name}: the best is {describe_variant(best)}", style="bold")
            for sample in best["samples"][:ROWS]:
                expected, predicted, error = sample["expected"], sample["predicted"], sample["error"]
                yield Text(f"  Expected={expected}, Predicted={predicted} (err={error})")
        yield Text()
    yield from found


def _rank(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    return row["rmse_median"] is None, row["rmse_median"] or 0.0, row["variant_id"]


def _variants_table(name: str, facts: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Table:
    """The best and the worst variants; an axis has a column if its values differ."""
    axes = [axis for axis in AXES if len({row[axis] for row in rows}) > 1]
    counted = facts["trials"]
    lost = "".join(f", {counted[key]} {key}" for key in ("diverged", "missing") if counted[key])
    title = f"{name}: {facts['task']} of 1..{facts['largest']}, {len(rows)} variants, {counted['ok']} trials{lost}"
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    for axis in axes:
        table.add_column(axis.replace("_", "\n"), overflow="fold")
    for header in ("n", "RMSE\nmedian", "RMSE\nbest", "rounded\nbest", "beyond\nrange", "exact\nbest"):
        table.add_column(header, justify="right", no_wrap=True)
    shown = list(rows) if len(rows) <= BEST + WORST + 1 else [*rows[:BEST], None, *rows[-WORST:]]
    for row in shown:
        if row is None:
            table.add_row(f"... {len(rows) - BEST - WORST} more", style="dim")
            continue
        table.add_row(*(_value(row[axis]) for axis in axes), *_metrics(row))
    return table


def _metrics(row: dict[str, Any]) -> list[str]:
    n = f"{row['n']}" + (f" ({row['n_diverged']} diverged)" if row["n_diverged"] else "")
    names = ("rmse_median", "rmse_best", "rmse_rounded_best", "rmse_extrapolation_median")
    exact = row["exact_fraction_best"]
    return [n, *(number(row[name]) for name in names), "-" if exact is None else f"{100 * exact:.1f}%"]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
