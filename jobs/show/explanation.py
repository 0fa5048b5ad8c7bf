"""Explanations of variants as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sumsquares.jobs.results.case import Cause, Row
from sumsquares.jobs.results.collapse import Linear
from sumsquares.jobs.results.explanation import Explanation
from sumsquares.jobs.results.middle import has_splits
from sumsquares.jobs.results.proof import change_facts
from sumsquares.jobs.show.format import at_most, counted, describe_variant, number, over_words, share
from sumsquares.jobs.spec.messages import plain

FLOORS = {
    "constant": "all targets of these rows are the same number",
    "linear": "a network without activation is a linear function, and none gets below it (least squares)",
    "relu_pieces": "no function of as many linear pieces as this network can form gets below it",
    "rows": "the network may form enough linear pieces for every row",
    "bound": "no such network gets below it; whether one gets this far is not known",
    "none": "none is known for this network",
}
"""Kinds of floors in words."""
_BY_INPUTS = ("linear", "relu_pieces", "bound")
_TERMS = 20
"""Inputs of a linear function that are shown, the first ones; all are in --json."""
_OF_LOGS = ", given the logarithms of the inputs"
"""Added to the words of floors that depend on what the inputs are."""


def lines_of(told: Explanation) -> Iterator[str]:
    """Yields the lines about a variant: what it is, how good it is, how good it could be, and why."""
    row = told.row
    roles = f", {' and '.join(told.roles)}" if told.roles else ""
    yield f"{describe_variant(row)} (variant {row['variant_id']}{roles})"
    yield f"  {rmse_words(row)}"
    yield from (f"  {words}" for words in (floor_words(row), exact_words(row)) if words)
    if told.linear:
        yield f"  the best trial {told.linear.trial_id} computes {formula(told.linear)}"
    for cause in told.causes:
        yield f"  {cause_words(cause)}"


def rmse_words(row: Row) -> str:
    """How good a variant is: the median and the best of its seeds, and the median with the readout solved."""
    if has_splits(row) and row["n"]:
        solved = row.get("rmse_solved_median")
        low, high = row["rmse_ci95_low"], row["rmse_ci95_high"]
        within = f"; 95 % interval {number(low)} to {number(high)}" if low is not None else ""
        words = f"RMSE {number(row['rmse_mean'])}, {over_words(row)}{within}; median {number(row['rmse_median'])}"
        return words + (f", with the readout solved {number(solved)}" if solved is not None else "")
    seeds = counted(row["n"] + row["n_diverged"], "trial" if has_splits(row) else "seed")
    some = f"{row['n']} of {seeds}" if row["n_diverged"] else seeds
    if not row["n"]:
        return f"RMSE unknown: {seeds} diverged" if row["n_diverged"] else "RMSE unknown: no trial has a result"
    best = f"; the best {number(row['rmse_best'])}" if row["n"] > 1 else ""
    words = f"RMSE {number(row['rmse_median'])}, {'median of ' if best else ''}{some}{best}"
    solved = row.get("rmse_solved_median")
    return words + (f"; with the readout solved {number(solved)}" if solved is not None else "")


def floor_words(row: Row) -> str | None:
    """The floor of a variant and its kind; None where it was not computed."""
    kind = row.get("floor_kind")
    if kind is None:
        return None
    words = str(FLOORS.get(kind, kind)) + (_OF_LOGS if row["normalize"] == "log" and kind in _BY_INPUTS else "")
    mean = f", a mean over {row['n_splits']} splits" if has_splits(row) else ""
    known = f"floor {at_most(row['floor'])}{mean}: {words}" if row.get("floor") is not None else f"floor: {words}"
    whole = row.get("floor_range")
    return known + (f"; on the whole range {at_most(whole)}" if whole is not None else "")


def exact_words(row: Row) -> str | None:
    """On which share of the range the best trial is exact; None where it was not checked."""
    exact = row.get("exact_everywhere")
    return f"the best trial is right after rounding on {share(exact)} of the range" if exact is not None else None


def formula(linear: Linear) -> str:
    """A linear function as a sum: `2 * number_1 - 3 * unused_1 + 4`."""
    inputs = [(value, f" * {plain(name)}") for name, value in linear.coefficients.items()]
    left_out = len(inputs) - _TERMS if len(inputs) > _TERMS + 1 else 0
    terms = [*inputs[: len(inputs) - left_out], (linear.constant, "")]
    first, *others = [(f"{abs(value):.6g}{name}", value < 0) for value, name in terms]
    rest = "".join(f" {'-' if is_negative else '+'} {words}" for words, is_negative in others)
    more = f" + {left_out:,} more terms" if left_out else ""
    return f"{'-' if first[1] else ''}{first[0]}{rest}{more}"


def cause_words(cause: Cause) -> str:
    """A cause with its sentence and its remedy."""
    remedy = f" Change: {cause.change}." if cause.change else ""
    return f"{cause.name}: {cause.sentence}{remedy}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def facts_of(told: Explanation) -> dict[str, Any]:
    """The explanation for --json; what is infinite is null."""
    return {
        "words": describe_variant(told.row),
        "roles": told.roles,
        "variant": dict(told.row),
        "linear": told.linear
        and {
            "trial_id": told.linear.trial_id,
            "coefficients": told.linear.coefficients,
            "constant": told.linear.constant,
        },
        "causes": [
            {
                "name": cause.name,
                "sentence": cause.sentence,
                "evidence": {name: _finite(value) for name, value in cause.evidence.items()},
                "change": change_facts(cause.change),
                "gain": _finite(cause.gain),
            }
            for cause in told.causes
        ],
    }
