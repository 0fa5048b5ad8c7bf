"""Findings: what a run found on one dataset, as plain sentences for people who have not read a table yet.

They follow from the summary's rows and from the dataset's facts alone, whatever the spec; nothing is measured here, and
nothing drawn. Each sentence is one claim, which tests/test_findings.py reads back and checks against the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.results.scale import DIVERGED_FACTOR
from jobs.show.effects import divergence, largest_effect
from jobs.show.words import Row, counted, distinguish, listed, named, number

Verdict = Literal["exact", "memorised", "seen rows only", "constant", "not exact", "no result"]
_OVERFIT = 2.0  # times the RMSE on training rows from which on that of the test rows is told beside it
_NAMED = 6  # exact variants that are told one by one
_VALUES = 6  # of an axis that are told one by one
DIVERGED = f"a loss that is not finite, or an RMSE above {DIVERGED_FACTOR} times the largest target"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a dataset after a run."""

    verdict: Verdict
    """exact: some trial has every test row right after rounding, and that shows more than memory. memorised, seen rows
    only, constant: the same, and why it shows no more."""
    sentences: tuple[str, ...]
    caveats: tuple[str, ...]
    """What happened to the trials that gave no result; empty if all did."""


def is_linear(row: Row) -> bool:
    """Whether a variant is one linear function, however many layers it has."""
    return bool(row["hidden"] == "[]" or row["activation"] == "identity")


def finding(about: Row, rows: Sequence[Row], best_trial: Row | None) -> Finding:
    """The finding on a dataset: what the summary says of it, its variants, best first, and its best trial."""
    caveats = tuple(_caveats(about["trials"], rows))
    measured = [row for row in rows if row["rmse_median"] is not None]
    if not measured or best_trial is None:
        return Finding("no result", ("No trial gave a result, so nothing can be said.",), caveats)
    exact = [row for row in measured if row["n_exact"]]
    verdict, opening = _exact(about, exact) if exact else ("not exact", f"Not exact: {_closest(measured, rows)}.")
    sentences = [opening]
    if exact:
        sentences.append(_named_exact(exact, rows))
        others = [row for row in measured if not row["n_exact"]]
        sentences += [f"Of the others {_closest(others, rows)}."] if others else []
    if verdict != "constant":
        sentences += [] if exact else _about_seen(about, measured[0])
        sentences += _about_linear(about, rows, exact)
        sentences += _about_best(rows, measured[0], best_trial)
        sentences += _about_axes(rows)
    return Finding(verdict, tuple(sentences), caveats)


def seen_share(about: Row) -> str:
    """How many test rows also occur in training: `643 of 1,000 test rows occur in training`."""
    facts = about["facts"]
    seen, measured = facts["measured_rows"] - facts["unseen_rows"], facts["measured_rows"]
    of = f"{measured:,}" if measured == about["test_rows"] else f"the first {measured:,}"
    return f"{seen:,} of {of} test rows {'occurs' if seen == 1 else 'occur'} in training"


def _exact(about: Row, exact: Sequence[Row]) -> tuple[Verdict, str]:
    """What it means that some variants have every test row right after rounding."""
    facts = about["facts"]
    rows, unseen, distinct = about["test_rows"], facts["unseen_rows"], facts["distinct"]
    if facts["constant"]:
        return "constant", f"Constant: every target is {facts['largest_target']:,}, whatever the inputs."
    if unseen:
        some = f"{'at least ' if facts['measured_rows'] < rows else ''}{unseen:,} of them not in training"
        which = "none of them in training" if unseen == rows else some
        return "exact", f"Learnt exactly: all {rows:,} test rows are right after rounding, {which}."
    if not facts["covers_range"]:
        return "seen rows only", f"Seen rows only: all {rows:,} test rows are right after rounding, but {_seen(about)}."
    inputs = _inputs(about, distinct)
    if min(row["parameters"] for row in exact) >= distinct:
        proof = f"all {distinct:,} {inputs} of the range were in training, and every exact network has at least as many"
        return "memorised", f"Memorised: {proof} parameters."
    proof = f"all {distinct:,} {inputs} of the range are right after rounding; all of them were in training"
    return "exact", f"Exact on the whole range: {proof}."


def _seen(about: Row) -> str:
    measured = about["facts"]["measured_rows"]
    which = "all of them" if measured == about["test_rows"] else f"the first {measured:,}"
    return f"{which} also occur in training"


def _inputs(about: Row, count: int) -> str:
    noun = "number" if about["n_numbers"] + about["unused"] == 1 else "combination"
    return noun if count == 1 else f"{noun}s"


def _named_exact(exact: Sequence[Row], rows: Sequence[Row]) -> str:
    """All exact variants; of many their networks."""
    if len(exact) <= _NAMED:
        each = [f"{distinguish(row, rows)} ({row['n_exact']} of {counted(_results(row), 'seed')})" for row in exact]
        return f"Exact: {'; '.join(each)}."
    networks = Counter(
        "a linear model" if row["hidden"] == "[]" else f"{row['hidden']} {row['activation']}" for row in exact
    )
    each = [f"{network} ({counted(count, 'variant')})" for network, count in networks.most_common()]
    return f"Exact in some seed: {counted(len(exact), 'variant')}: {'; '.join(each)}."


def _results(row: Row) -> int:
    return int(row["n"] + row["n_diverged"])


def _closest(measured: Sequence[Row], rows: Sequence[Row]) -> str:
    best = measured[0]
    seeds = f" (median of {best['n']} seeds, the best {number(best['rmse_best'])})" if best["n"] > 1 else ""
    return f"closest is {distinguish(best, rows)}, RMSE {number(best['rmse_median'])}{seeds}"


def _about_linear(about: Row, rows: Sequence[Row], exact: Sequence[Row]) -> Iterator[str]:
    """How far a linear model can get, by least squares, and how far those that were trained are from it."""
    facts = about["facts"]
    trained = [row["rmse_best"] for row in rows if is_linear(row) and row["rmse_best"] is not None]
    if not facts["linear_exact"]:
        limit = number(facts["linear_rmse"])
        yield f"No linear model gets below an RMSE of {limit} on these test rows (least squares)."
    elif not any(map(is_linear, exact)):
        yield "A linear model can get every test row right after rounding (least squares)."
        if trained:
            yield f"The linear models that were trained got to an RMSE of {number(min(trained))}."
    if all(map(is_linear, rows)):
        yield "Only linear models were trained."


def _about_seen(about: Row, best: Row) -> Iterator[str]:
    """Whether the closest variant does better on rows that it has seen."""
    facts = about["facts"]
    train, test, unseen = best["rmse_train_median"], best["rmse_median"], best["rmse_unseen_median"]
    if train is not None and test > _OVERFIT * train:
        rows = counted(about["rows"], "training row")
        yield f"On training rows its RMSE is {number(train)} (median); the dataset has {rows}."
    if not facts["unseen_rows"]:
        yield f"{seen_share(about)}: nothing is known of its errors on others."
    elif facts["unseen_rows"] < facts["measured_rows"]:
        rest = "" if unseen is None else f"; on the others its RMSE is {number(unseen)} (median)"
        yield f"{seen_share(about)}{rest}."


def _about_best(rows: Sequence[Row], best: Row, best_trial: Row) -> Iterator[str]:
    """The best trial, where it is none of the best variant's."""
    if best_trial["variant_id"] != best["variant_id"]:
        trial = f"{distinguish(best_trial, rows)}, seed {best_trial['seed']}"
        yield f"The best single trial is of another variant: {trial}, RMSE {number(best_trial['rmse'])}."


def _about_axes(rows: Sequence[Row]) -> Iterator[str]:
    """The axis that matters most."""
    effect = largest_effect(rows)
    if effect is None:
        return
    low, high = effect.factors[0], effect.factors[-1]
    count = counted(len(effect.factors), "pair")
    pairs = count if count == "1 pair" else f"{count}, {_times(low)} to {_times(high)} times"
    yield (
        f"With {named(effect.axis, effect.better)} the median RMSE is {_times(effect.mean)} times smaller than with "
        f"{named(effect.axis, effect.worse)}, everything else equal ({pairs})."
    )


def _times(factor: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{float(f'{factor:.3g}'):,.0f}" if factor >= 100 else f"{factor:.3g}"


def _caveats(counts: Row, rows: Sequence[Row]) -> Iterator[str]:
    """What became of the trials that are not ok."""
    if lost := counts["diverged"]:
        where = _where_diverged(rows)
        of_all = counted(counts["total"], "trial")
        yield f"{lost:,} of {of_all} diverged ({DIVERGED}){where}."
    if lost := counts["missing"]:
        have = "has" if lost == 1 else "have"
        yield f"{lost:,} of {counted(counts['total'], 'trial')} {have} no result yet, so this may change."


def _where_diverged(rows: Sequence[Row]) -> str:
    found = divergence(rows)
    if found is None:
        return ""
    bad = [(value, lost, total) for value, (lost, total) in found.counts.items() if lost]
    good = [named(found.axis, value) for value, (lost, _) in found.counts.items() if not lost]
    told = len(bad) if len(bad) <= _VALUES + 1 else _VALUES  # no single one is left over
    parts = [
        f"{'all' if lost == total else f'{lost:,} of'} {total:,} with {named(found.axis, value)}"
        for value, lost, total in bad[:told]
    ]
    if rest := bad[told:]:
        lost, total = sum(lost for _, lost, _ in rest), sum(total for _, _, total in rest)
        parts.append(f"{lost:,} of {total:,} with {len(rest):,} other values of {found.axis}")
    if good:
        known = listed(good, "or") if len(good) <= _VALUES else f"the other {len(good):,} values of {found.axis}"
        parts.append(f"none with {known}")
    return f": {'; '.join(parts)}"
