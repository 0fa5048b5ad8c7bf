"""Findings: the results on one dataset as plain sentences, to be read before any table.

They follow from the summary's rows and the dataset's facts alone, for any spec; nothing is measured or drawn here. Each
sentence is one claim, which tests/test_findings.py parses and checks against the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sumsquares.jobs.results.case import widths
from sumsquares.jobs.results.described import (
    SOLVED,
    first_targets,
    is_of_integers,
    is_table,
    measures_training,
    spec_of,
    target_spread,
    tested_noun,
    tested_rows,
    train_rows,
)
from sumsquares.jobs.results.middle import has_splits, middle
from sumsquares.jobs.results.networks import is_linear_in_raw
from sumsquares.jobs.results.scale import DIVERGED_FACTOR
from sumsquares.jobs.show.effects import Divergence, divergence, largest_effect
from sumsquares.jobs.show.format import (
    Row,
    at_most,
    between,
    counted,
    distinguish,
    listed,
    named,
    network_words,
    number,
    of_spread,
    over_words,
    share,
)
from sumsquares.jobs.show.table_findings import about_rows

Verdict = Literal[
    "exact", "memorised", "seen rows only", "constant", "not exact", "solved", "at noise", "not solved", "no result"
]
_OVERFIT = 2.0  # ratio of the RMSE on test rows to that on training rows from which on both are reported
_NAMED = 12  # exact variants that are named one by one
_VALUES = 6  # values of an axis that are named one by one
DIVERGED = f"a loss that is not finite, or an RMSE above {DIVERGED_FACTOR} times the largest target"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a dataset after a run."""

    verdict: Verdict
    """exact: some trial has every test row right after rounding, and that shows more than memory. memorised, seen rows
    only: the same, and why it shows no more. constant: there is nothing to learn. solved, not solved: the targets
    aren't integers, and the closest variant has an RMSE below SOLVED of their standard deviation, with unseen rows
    among the test rows, or hasn't. at noise: the closest variant is at the noise of its training rows."""
    sentences: tuple[str, ...]
    caveats: tuple[str, ...]
    """What happened to trials without a result; empty if there are none."""


def is_linear(row: Row) -> bool:
    """Whether a variant is one linear function of the inputs, however many layers it has."""
    return is_linear_in_raw(row, widths(row["hidden"]))


def finding(about: Row, rows: Sequence[Row], best_trial: Row | None, knows_limit: bool = False) -> Finding:
    """The finding on a dataset, from its entry in the summary, its variants, best first, and its best trial.

    A reader who `knows_limit` has been told below which RMSE no linear model gets.
    """
    caveats = tuple(_caveats(about["trials"], rows))
    measured = [row for row in rows if row["rmse_median"] is not None]
    if not measured or best_trial is None:
        return Finding("no result", ("No trial gave a result.", *_about_linear(about, rows, (), knows_limit)), caveats)
    exact = [row for row in measured if row["n_exact"] and not is_table(about)]
    constant = [_constant(about)] if about["facts"]["constant"] else []
    verdict: Verdict = "not exact"
    sentences = [*constant]
    if exact:
        verdict, opening = _exact(about, exact, best_trial)
        others = [row for row in measured if not row["n_exact"]]
        sentences += [] if constant else [opening]
        sentences.append(_named_exact(exact, rows))
        sentences += [f"Of the others {_closest(others, rows)}."] if others else []
    elif is_of_integers(about):
        sentences += [f"Not exact: {_closest(measured, rows)}.", *_about_seen(about, measured[0])]
    else:
        verdict, words = _how_close(about, measured, rows)
        sentences += [words, *_about_seen(about, measured[0])]
    if is_table(about):
        sentences += about_rows(about, measured[0])
    if not constant:
        sentences += _about_linear(about, rows, exact, knows_limit)
    sentences += _about_best(rows, measured[0], best_trial)
    sentences += _about_axes(rows)
    return Finding("constant" if constant else verdict, tuple(sentences), caveats)


def seen_share(about: Row) -> str:
    """How many test rows also occur in training: `643 of 1,000 test rows occur in training`."""
    facts = about["facts"]
    seen, measured = facts["measured_rows"] - facts["unseen_rows"], facts["measured_rows"]
    noun = tested_noun(about)
    of = counted(measured, noun) if measured == tested_rows(about) else f"the first {measured:,} {noun}s"
    text = f"{seen:,} of {of} {'occurs' if 1 in (seen, measured) else 'occur'} in training"
    if not about.get("unused"):
        return text
    numbers = measured - facts["unseen_numbers"]
    return f"{text}, {numbers:,} without the unused {'input' if about['unused'] == 1 else 'inputs'}"


def _constant(about: Row) -> str:
    if is_table(about):
        return f"Constant: all targets are {number(about['facts']['moments']['target_min'])}."
    targets, spec = counted(about["rows"] + about["test_rows"], "target"), spec_of(about)
    value = f"{about['facts']['largest_target']:,}" if spec.task else number(float(first_targets(spec, "test")[0]))
    return f"Constant: {targets} of training and test, and all are {value}."


def _how_close(about: Row, measured: Sequence[Row], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """The verdict, and its sentence, where targets aren't integers."""
    best, spread = measured[0], target_spread(about)
    rmse = middle(best)
    assert rmse is not None
    is_solved = rmse < SOLVED * spread and about["facts"]["unseen_numbers"]
    told = _closest(measured, rows)
    if spread:
        told += f"; that is {of_spread(rmse / spread)} the target's standard deviation"
    if is_table(about) and (r2 := best.get("r2_mean")) is not None:
        told += f", and R^2 is {number(r2)}" + (" on average" if best["n"] > 1 else "")
    if (accuracy := best.get("accuracy_median")) is not None:
        told += f", and {share(accuracy)} of the test rows are on the right side of 1/2"
    verdict: Verdict = "at noise" if best.get("cause") == "at_noise" else "solved" if is_solved else "not solved"
    return verdict, f"{told[0].upper()}{told[1:]}."


def _exact(about: Row, exact: Sequence[Row], best_trial: Row) -> tuple[Verdict, str]:
    """The verdict, and its sentence, where some variants have every test row right after rounding."""
    facts = about["facts"]
    unseen, distinct = facts["unseen_numbers"], facts["distinct"]
    right = f"{_all(about['test_rows'], 'test row')} right after rounding"
    if unseen:
        least = "at least " if facts["measured_rows"] < about["test_rows"] else ""
        new = "with numbers that are not in training" if about["unused"] else "not in training"
        which = f"none of {'them' if unseen > 1 else 'it'} in training" if unseen == about["test_rows"] else None
        return "exact", f"Learnt exactly: {right}, {which or f'{least}{unseen:,} of them {new}'}."
    if not facts["covers_range"]:
        return "seen rows only", f"Seen rows only: {right}, but {_seen(about)}."
    inputs = f"all {distinct:,} {_inputs(about, distinct)} of the range were in training"
    if _is_right_beyond(about, best_trial):
        return (
            "exact",
            f"Learnt exactly: {inputs}, and the numbers beyond it that were tested are right after rounding too.",
        )
    beyond = "beyond the range nothing could be measured"
    if best_trial["rmse_extrapolation"] is not None:
        beyond = f"beyond the range the best trial has an RMSE of {number(best_trial['rmse_extrapolation'])}"
    if min(row["parameters"] for row in exact) >= distinct:
        fewer = f"no exact network has fewer parameters, and {beyond}"
        return "memorised", f"Memorised, as far as the test can tell: {inputs}, {fewer}."
    return "exact", f"Exact on the whole range: {inputs}, and are right after rounding; {beyond}."


def _is_right_beyond(about: Row, trial: Row) -> bool:
    """Whether every extrapolation row is right after rounding: no error exceeds the root of their summed squares."""
    rmse = trial["rmse_extrapolation"]
    return bool(trial["exact_fraction"] == 1 and rmse is not None and rmse * about["test_rows"] ** 0.5 < 0.5)


def _all(count: int, noun: str) -> str:
    return f"the only {noun} is" if count == 1 else f"all {count:,} {noun}s are"


def _seen(about: Row) -> str:
    measured = about["facts"]["measured_rows"]
    if about["test_rows"] == 1:
        return "it is in training"
    which = "all of them" if measured == about["test_rows"] else f"the first {measured:,}"
    what = " but for the unused inputs" if about["facts"]["unseen_rows"] else ""
    return f"{which} also occur in training{what}"


def _inputs(about: Row, count: int) -> str:
    noun = "number" if about["n_numbers"] == 1 else "combination"
    return noun if count == 1 else f"{noun}s"


def _named_exact(exact: Sequence[Row], rows: Sequence[Row]) -> str:
    """The exact variants or, if they are many, their networks."""
    if len(exact) <= _NAMED:
        each = [f"{distinguish(row, rows)} ({row['n_exact']} of {counted(_results(row), 'seed')})" for row in exact]
        return f"Exact: {'; '.join(each)}."
    networks = Counter(map(network_words, exact))
    each = [f"{network} ({counted(count, 'variant')})" for network, count in networks.most_common()]
    return f"Exact in some seed: {counted(len(exact), 'variant')}: {'; '.join(each)}."


def _results(row: Row) -> int:
    return int(row["n"] + row["n_diverged"])


def _closest(measured: Sequence[Row], rows: Sequence[Row]) -> str:
    best = measured[0]
    rmse = middle(best)
    assert rmse is not None
    opening = f"closest is {distinguish(best, rows)}, RMSE {number(rmse)}"
    if has_splits(best):
        low, high = best["rmse_ci95_low"], best["rmse_ci95_high"]
        within = f", 95 % interval {number(low)} to {number(high)}" if low is not None else ""
        return f"{opening} ({over_words(best)}{within})"
    lost = f" of {_results(best):,}, as the others diverged" if best["n_diverged"] else ""
    seeds = f"median of {counted(best['n'], 'seed')}{lost}, the best {number(best['rmse_best'])}"
    told = f" ({seeds})" if best["n"] > 1 or lost else ""
    return f"{opening}{told}"


def _about_linear(about: Row, rows: Sequence[Row], exact: Sequence[Row], knows_limit: bool) -> Iterator[str]:
    """The limit of linear models, by least squares, and how close the trained ones get."""
    facts, is_integer = about["facts"], is_of_integers(about)
    trained = [row["rmse_best"] for row in rows if is_linear(row) and row["rmse_best"] is not None]
    is_fitted = facts["linear_exact"] or not (is_integer or facts["linear_rmse"])
    if is_table(about):
        yield from () if knows_limit else _limit_on_table(about)
    elif facts["linear_rmse"] and not facts["linear_exact"]:
        if not knows_limit:
            yield _limit(facts, rows)
    elif is_fitted and not any(map(is_linear, exact)):
        can = "can get every test row right after rounding" if is_integer else "fits all test rows"
        yield f"A linear model {can} (least squares)."
        if trained:
            yield f"The best linear trial has an RMSE of {number(min(trained))}."
    if all(map(is_linear, rows)):
        yield "Only linear models were trained."


def _limit(facts: Row, rows: Sequence[Row]) -> str:
    limit = at_most(facts["linear_rmse"])
    logs = " of the inputs" if any("log" in (row["normalize"], row["normalize_target"]) for row in rows) else ""
    return f"No linear model{logs} gets below an RMSE of {limit} on these test rows (least squares)."


def _limit_on_table(about: Row) -> Iterator[str]:
    """The limit of linear models on a table; where they have an input for nearly every test row, it says nothing."""
    if limit := about["facts"]["linear_rmse"]:
        mean = f", mean over {len(about['split_rows'])} splits" if len(about["split_rows"]) > 1 else ""
        rows = f"these {tested_noun(about)}s"
        fitted = "least squares fitted to these very rows"  # unlike the baseline
        yield f"No linear model gets below an RMSE of {at_most(limit)} on {rows} ({fitted}{mean})."


def _about_seen(about: Row, best: Row) -> Iterator[str]:
    """Whether the closest variant does better on training rows."""
    facts = about["facts"]
    train, test, unseen = best["rmse_train_median"], best["rmse_median"], best["rmse_unseen_median"]
    median = " (median)" if best["n"] > 1 else ""
    if train is not None and test > _OVERFIT * train:
        some = train_rows(about)
        rows = counted(some[0], "training row") if len(set(some)) == 1 else f"{between(some)} training rows"
        has = "each split" if len(some) > 1 else "the dataset"
        yield f"On training rows its RMSE is {number(train)}{median}; {has} has {rows}."
    if measures_training(about):
        return
    if not facts["unseen_rows"]:
        rest = "these are all that there are" if facts["covers_range"] else "nothing is known of its errors on others"
        yield f"{seen_share(about)}: {rest}."
    elif facts["unseen_rows"] < facts["measured_rows"]:
        rest = "" if unseen is None else f"; on the others its RMSE is {number(unseen)}{median}"
        yield f"{seen_share(about)}{rest}."


def _about_best(rows: Sequence[Row], best: Row, best_trial: Row) -> Iterator[str]:
    """The best trial, if it isn't of the best variant; trials on different splits are not compared."""
    if has_splits(best):
        return
    if best_trial["variant_id"] != best["variant_id"] and best_trial["rmse"] < best["rmse_best"]:
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
    if effect.only:
        pairs += f"; in {counted(effect.only, 'more pair')} it alone has a result, or has no error at all"
    better, worse = named(effect.axis, effect.better), named(effect.axis, effect.worse)
    factor = _times(effect.mean)
    kind = "mean" if has_splits(rows[0]) else "median"
    yield f"With {better} the {kind} RMSE is {factor} times smaller than with {worse}, everything else equal ({pairs})."


def _times(factor: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{float(f'{factor:.3g}'):,.0f}" if factor >= 100 else f"{factor:.3g}"


def _caveats(counts: Row, rows: Sequence[Row]) -> Iterator[str]:
    """How the trials that are not ok ended."""
    if lost := counts["diverged"]:
        yield f"{lost:,} of {counted(counts['total'], 'trial')} diverged ({DIVERGED})."
        yield from map(_where, divergence(rows))
    if lost := counts["missing"]:
        have = "has" if lost == 1 else "have"
        yield f"{lost:,} of {counted(counts['total'], 'trial')} {have} no result yet, so this may change."


def _where(found: Divergence) -> str:
    """How many trials diverged with each value of an axis."""
    bad = [(value, lost, total) for value, (lost, total) in found.counts.items() if lost]
    good = [named(found.axis, value) for value, (lost, _) in found.counts.items() if not lost]
    told = len(bad) if len(bad) <= _VALUES + 1 else _VALUES  # no single one is left over
    parts = [f"{_of(lost, total)} with {named(found.axis, value)}" for value, lost, total in bad[:told]]
    if rest := bad[told:]:
        lost, total = sum(lost for _, lost, _ in rest), sum(total for _, _, total in rest)
        parts.append(f"{lost:,} of {total:,} with {len(rest):,} other values of {found.axis}")
    if good:
        known = listed(good, "or") if len(good) <= _VALUES else f"the other {len(good):,} values of {found.axis}"
        parts.append(f"none with {known}")
    alike = f" ({listed(found.alike)} {'tells' if len(found.alike) == 1 else 'tell'} as much)" if found.alike else ""
    return f"Diverged by {found.axis}: {'; '.join(parts)}{alike}."


def _of(lost: int, total: int) -> str:
    if lost < total:
        return f"{lost:,} of {total:,}"
    return "the only one" if total == 1 else f"all {total:,}"
