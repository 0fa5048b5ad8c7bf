"""Proofs as text: what was measured before, after and in the control, and whether that proves the cause."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sumsquares.jobs.results.gate import Change as Judged
from sumsquares.jobs.results.proof import Proof, Rmse, Side, median_of
from sumsquares.jobs.show.format import counted, number

_WHERE = {"rmse_extrapolation": "measured on the numbers beyond the range"}
"""On which rows, where those aren't the test rows."""
_NO_P = 1e-15  # smaller p-values are no longer told apart


def lines_of(proof: Proof) -> Iterator[str]:
    """Yields the lines about a proof, the verdict last."""
    where = f", {_WHERE[proof.metric]}" if proof.metric in _WHERE else ""
    yield f"  {proof.cause.name}, {counted(len(proof.seeds), 'seed')}{_on_splits(proof)}{where}:"
    yield f"    before: {_median(proof.before_S, proof.after.paired_by)}"
    yield f"    after {proof.after.change}{_starts(proof)}: {_outcome(proof.after)}"
    if proof.control:
        yield f"    control {proof.control.change}: {_outcome(proof.control)}"
    yield f"  {verdict_words(proof)}"


def _on_splits(proof: Proof) -> str:
    """On how many splits they were trained, and what is compared then."""
    if proof.splits == 1:
        return ""
    return f" on each of {proof.splits} splits, paired by {proof.after.paired_by}"


def verdict_words(proof: Proof) -> str:
    """What the proof shows, in a sentence or two."""
    after, change = proof.after, proof.after.change
    if after.verdict in ("better", "worse") and after.judged and any(after.judged.diverged):
        words = f"{'Proved' if after.verdict == 'better' else 'Refuted'}: with {change} {_lost(after)}."
    elif after.verdict == "better":
        words = f"Proved: {change} alone lowers the RMSE, {_factor(after.judged)}."
    elif after.verdict == "worse":
        words = f"Refuted: {change} makes the RMSE larger, {_factor(after.judged)}."
    elif after.verdict == "same":
        words = f"Not proved: the test finds no difference with {change}."
    else:
        words = f"Not tested: fewer than two {after.paired_by}s have a result before and after."
    return f"{words}{_control_words(proof)}"


def _control_words(proof: Proof) -> str:
    if proof.control is None:
        return ""
    found = {
        "better": "lowers it too",
        "worse": "makes it larger",
        "same": "shows no difference that is more than chance",
        "untested": "was not tested",
    }
    judged = proof.control.judged
    if proof.control.verdict in ("better", "worse") and judged and any(judged.diverged):
        return f" With the control, {proof.control.change}, {_lost(proof.control)}."
    return f" The control, {proof.control.change}, {found[proof.control.verdict]}."


def _starts(proof: Proof) -> str:
    """What is made of more seeds."""
    return f" (the best of {proof.starts} starts, by training RMSE)" if proof.starts > 1 else ""


def _median(rmse_S: Sequence[Rmse], paired_by: str) -> str:
    middle = median_of(rmse_S)
    if middle is None:
        return "no result"
    return f"median RMSE {number(middle)}" if math.isfinite(middle) else f"most {paired_by}s diverged"


def _outcome(side: Side) -> str:
    if side.judged is None or side.judged.high is None:
        return f"{_median(side.rmse_S, side.paired_by)}, untested"
    found = _lost(side) if any(side.judged.diverged) else _ratio(side.judged)
    return f"{_median(side.rmse_S, side.paired_by)}, {found}, {p_words(side.judged)}: {side.verdict}"


def _lost(side: Side) -> str:
    """How many seeds, or splits with a seed, diverge; no ratio of RMSEs says it."""
    assert side.judged is not None
    after, before = side.judged.diverged
    pairs = counted(side.judged.seeds, side.paired_by)
    return f"{after} of {pairs} {'diverges' if after == 1 else 'diverge'} instead of {before}"


def p_words(judged: Judged) -> str:
    """The p-value: `p = 3e-06`."""
    return f"p = {judged.p:.1g}" if judged.p >= _NO_P else f"p < {_NO_P:g}"


def _ratio(judged: Judged) -> str:
    """The effect as a ratio, with its interval."""
    assert judged.high is not None
    return f"{number(1 + judged.effect)} times ({number(1 + judged.low)} to {number(1 + judged.high)})"


def _factor(judged: Judged | None) -> str:
    """By what factor the RMSE changes; at least, if RMSEs are too small to be told apart."""
    assert judged is not None
    ratio = 1 + judged.effect
    least = "at least " if judged.is_small else ""
    return f"by a factor of {least}{number(float(f'{ratio if ratio > 1 else 1 / ratio:.3g}'))}"
