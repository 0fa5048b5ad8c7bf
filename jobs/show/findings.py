"""Findings: what a run found on one dataset, as plain sentences for people who have not read a table yet.

They follow from the summary's rows alone, whatever the spec; nothing is measured here, and nothing drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.show.words import Row, number


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a dataset after a run."""

    verdict: Literal["exact", "not exact", "no result"]
    """Whether the best seed of some variant has every test row right after rounding."""
    sentence: str
    caveat: str
    """What happened to the trials that gave no result; empty if all did."""


def is_linear(row: Row) -> bool:
    """Whether a variant is one linear function, however many layers it has."""
    return bool(row["hidden"] == "[]" or row["activation"] == "identity")


def finding(facts: Row, rows: Sequence[Row]) -> Finding:
    """The finding on a dataset: its facts in the summary, and its variants, best first."""
    measured = [row for row in rows if row["rmse_median"] is not None]
    caveat = _caveat(facts["trials"])
    if not measured:
        return Finding("no result", "No trial gave a result, so nothing can be said.", caveat)
    linear = [row for row in measured if is_linear(row)]
    others = [row for row in measured if not is_linear(row)]
    if any(map(_is_exact, measured)):
        return Finding("exact", _exact(facts, rows, linear, others), caveat)
    return Finding("not exact", _inexact(rows, linear, others), caveat)


def _exact(facts: Row, rows: Sequence[Row], linear: Sequence[Row], others: Sequence[Row]) -> str:
    proof = f"all {facts['test_rows']:,} test answers are right after rounding (rounded RMSE 0)"
    exact_other = next(filter(_is_exact, others), None)
    if not any(map(_is_exact, linear)):
        assert exact_other is not None
        learnt = f"Learnt exactly with the activation {exact_other['activation']}: {proof}."
        next_best = next((row for row in others if row["activation"] != exact_other["activation"]), None)
        return f"{learnt} {_limit(rows, linear)}{f'; with {_reached(next_best)}' if next_best else ''}."
    learnt = f"Learnt exactly by a linear model: {proof}."
    if exact_other:
        return f"{learnt} A network with the activation {exact_other['activation']} learns it exactly as well."
    remains = [row for row in others if row["rmse_rounded_best"] is not None]
    if not remains:
        return learnt
    nearest = min(remains, key=lambda row: row["rmse_rounded_best"])
    return f"{learnt} With {nearest['activation']} a rounded RMSE of {number(nearest['rmse_rounded_best'])} remains."


def _inexact(rows: Sequence[Row], linear: Sequence[Row], others: Sequence[Row]) -> str:
    if not others:
        alone = "only linear models were trained" if all(map(is_linear, rows)) else "nothing else gave a result"
        return f"{_limit(rows, linear)}; {alone}."
    if linear and linear[0]["rmse_median"] <= others[0]["rmse_median"]:
        return f"A linear model comes closest: {_errors(linear[0])}. With {_reached(others[0])}."
    return f"{_limit(rows, linear)}; with {_reached(others[0])}."


def _limit(rows: Sequence[Row], linear: Sequence[Row]) -> str:
    """How far linear models get: none of their trials is better."""
    if linear:
        return f"No linear model gets below an RMSE of {number(min(row['rmse_best'] for row in linear))}"
    return "No linear model gave a result" if any(map(is_linear, rows)) else "No linear model was trained"


def _reached(row: Row) -> str:
    return f"{row['activation']} it is {_errors(row).removeprefix('RMSE ')}"


def _errors(row: Row) -> str:
    seeds = f" (median of {row['n']} seeds, the best {number(row['rmse_best'])})" if row["n"] > 1 else ""
    return f"RMSE {number(row['rmse_median'])}{seeds}"


def _is_exact(row: Row) -> bool:
    return bool(row["rmse_rounded_best"] == 0)


def _caveat(counts: Row) -> str:
    """What became of the trials that are not ok."""
    parts = []
    if lost := counts["diverged"]:
        parts.append(f"{lost:,} of {counts['total']:,} trials diverged: their numbers ran out of bounds.")
    if lost := counts["missing"]:
        parts.append(f"{lost:,} of {counts['total']:,} trials have no result yet, so this may change.")
    return " ".join(parts)
