"""Networks and baselines in sentences: what each reaches on the test rows, and which of them is better.

With enough splits, differences are told with an interval, and "lower" is said of an interval below 0 alone. With
fewer, only numbers are told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from sumsquares.jobs.messages.numbers import counted, listed, number
from sumsquares.jobs.results.baselines import MEAN
from sumsquares.jobs.results.described import is_table, shared_of, tested_noun, train_rows
from sumsquares.jobs.results.middle import middle_or_infinite
from sumsquares.jobs.results.student_t import student_t975
from sumsquares.jobs.results.summary import Summary

LEAST_SPLITS = 5
"""From so many splits on, differences have an interval."""
Row = Mapping[str, Any]


class Difference(NamedTuple):
    """The RMSE of a variant minus that of a baseline, over splits."""

    mean: float
    half: float
    """Half of its 95 % interval."""

    @property
    def is_shown(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return abs(self.mean) > self.half


def difference(network_S: Sequence[float], baseline_S: Sequence[float], share: float) -> Difference:
    """Returns the paired difference over splits, of which each has `share` times as many test as training rows.

    Training rows are common to most splits, so that their differences are not independent. The interval is Student's
    with the variance of Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003).
    """
    differences_S = np.subtract(network_S, baseline_S)
    count = len(differences_S)
    error = float(np.std(differences_S, ddof=1)) * math.sqrt(1 / count + share)
    return Difference(float(differences_S.mean()), float(student_t975(np.array([count - 1]))[0]) * error)


def baseline_sentences(summary: Summary, name: str) -> list[str]:
    """Returns the sentences about a dataset: none without baselines; of a table with how the best variant compares."""
    about, best = summary.datasets[name], summary.best[name]
    baselines = about.get("baselines", ())
    if not baselines:
        return []
    sentences = [f"RMSE without a network: {listed([_reached(row, about) for row in baselines])}."]
    if best is None or not is_table(about):
        return sentences
    splits = means_of_splits(summary, best["variant_id"], about)
    if splits is not None and len(splits) >= LEAST_SPLITS:
        return [*sentences, _over_splits(splits, about)]
    return [*sentences, _in_numbers(best, about)]


def means_of_splits(summary: Summary, variant: str, about: Row) -> list[float] | None:
    """Returns a variant's mean RMSE over the seeds of each split in order; None if a split has no result."""
    if not is_table(about):
        return None
    rows = summary.trials.filter(pc.equal(summary.trials["variant_id"], variant))
    found: dict[str | None, list[float]] = {split["name"]: [] for split in about["split_rows"]}
    for split, rmse in zip(rows["split"].to_pylist(), rows["rmse"].to_pylist(), strict=True):
        if rmse is not None and split in found:
            found[split].append(rmse)
    return [math.fsum(each) / len(each) for each in found.values()] if all(found.values()) else None


def in_words(name: str) -> str:
    """Returns a baseline's name in a sentence."""
    return "the mean" if name == MEAN else name


def _which(about: Row) -> tuple[str, str]:
    """The best variant, and in a few words what its choice by the test rows does to it."""
    if about["variants"] == 1:
        return "The network", ""
    return f"The best variant, chosen by these {tested_noun(about)}s,", "its choice flatters it"


def _reached(row: Row, about: Row) -> str:
    """What a baseline reaches, and where it was fitted to a part of the training rows, to how many."""
    part = f" (fitted to {row['rows']:,} rows)" if row["rows"] < min(train_rows(about)) and row["name"] != MEAN else ""
    return f"{in_words(row['name'])}{part} {number(row['rmse_mean'])}"


def _in_numbers(best: Row, about: Row) -> str:
    """Which baselines have a higher RMSE than the best variant, and which have not."""
    (which, flattered), rmse = _which(about), middle_or_infinite(best)
    above = [in_words(each["name"]) for each in about["baselines"] if each["rmse_mean"] > rmse]
    others = [in_words(each["name"]) for each in about["baselines"] if each["rmse_mean"] <= rmse]
    reached, told = f"{which} has {number(rmse)}: ", f" ({flattered})" if flattered else ""
    if not others:
        return f"{reached}less than {'all of them' if len(above) > 1 else 'that'}{told}."
    if not above:
        return f"{reached}no less than {'any of them' if len(others) > 1 else 'that'}."
    return f"{reached}less than {listed(above)}{told}, but no less than {listed(others)}."


def _over_splits(network_S: Sequence[float], about: Row) -> str:
    """How the best variant differs from each baseline over the splits."""
    which, flattered = _which(about)
    shared = shared_of(about)
    told = [_against(row, difference(network_S, row["rmse_of_splits"], shared)) for row in about["baselines"]]
    count, mean = counted(len(network_S), "split"), number(math.fsum(network_S) / len(network_S))
    more = f"; {flattered}" if flattered else ""
    return f"{which} has a mean of {mean} over {count}: {'; '.join(told)} (95 % intervals{more})."


def _against(row: Row, found: Difference) -> str:
    name, low, high = in_words(row["name"]), found.mean - found.half, found.mean + found.half
    if not found.is_shown:
        return f"no difference from {name} is shown ({number(low)} to {number(high)})"
    ends = sorted((abs(low), abs(high)))
    which = "lower" if found.mean < 0 else "higher"
    return f"{number(abs(found.mean))} {which} than {name} ({number(ends[0])} to {number(ends[1])})"
