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
from sumsquares.jobs.results.described import is_table, train_rows
from sumsquares.jobs.results.middle import middle, middle_or_infinite
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


def baseline_sentences(summary: Summary, name: str, chosen: str | None = None) -> list[str]:
    """Returns the sentences about a dataset: none without baselines.

    `chosen` is the id of a variant that was chosen by other rows than the test rows; else the best one is compared.
    """
    about = summary.datasets[name]
    baselines = about.get("baselines", ())
    if not baselines:
        return []
    sentences = [f"RMSE without a network: {listed([_reached(row, about) for row in baselines])}."]
    row = _row(summary, name, chosen)
    if row is None or middle(row) is None:
        return sentences
    which = _which(about, chosen)
    splits = means_of_splits(summary, row["variant_id"], about)
    if splits is not None and len(splits) >= LEAST_SPLITS:
        return [*sentences, _over_splits(which, splits, about)]
    return [*sentences, _in_numbers(row, baselines, which)]


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


def _row(summary: Summary, name: str, chosen: str | None) -> Row | None:
    if chosen is None:
        return summary.best[name]
    rows = summary.table.filter(pc.equal(summary.table["variant_id"], chosen)).to_pylist()
    return rows[0] if rows else None


def _which(about: Row, chosen: str | None) -> str:
    if chosen is not None:
        return "The variant that validation chose"
    if about["variants"] == 1:
        return "The network"
    return "The best variant, chosen by these test rows,"


def _reached(row: Row, about: Row) -> str:
    """What a baseline reaches, and where it was fitted to a part of the training rows, to how many."""
    part = f" (fitted to {row['rows']:,} rows)" if row["rows"] < min(train_rows(about)) and row["name"] != MEAN else ""
    return f"{in_words(row['name'])}{part} {number(row['rmse_mean'])}"


def _in_numbers(row: Row, baselines: Sequence[Row], how: str) -> str:
    """Which baselines have a higher RMSE than the variant, and which have not."""
    rmse, flattered = middle_or_infinite(row), " (that flatters it)" if how.endswith("test rows,") else ""
    above = [in_words(each["name"]) for each in baselines if each["rmse_mean"] > rmse]
    others = [in_words(each["name"]) for each in baselines if each["rmse_mean"] <= rmse]
    reached = f"{how} has {number(rmse)}: "
    if not others:
        return f"{reached}less than all of them{flattered}."
    if not above:
        return f"{reached}no less than any of them."
    return f"{reached}less than {listed(above)}{flattered}, but no less than {listed(others)}."


def _over_splits(which: str, network_S: Sequence[float], about: Row) -> str:
    """How a variant differs from each baseline over the splits."""
    share = float(np.mean([split["test"] / split["train"] for split in about["split_rows"]]))
    told = [_against(row, difference(network_S, row["rmse_of_splits"], share)) for row in about["baselines"]]
    flattered = "; its choice flatters it" if which.endswith("test rows,") else ""
    count, mean = counted(len(network_S), "split"), number(math.fsum(network_S) / len(network_S))
    return f"{which} has a mean of {mean} over {count}: {'; '.join(told)} (95 % intervals{flattered})."


def _against(row: Row, found: Difference) -> str:
    name, low, high = in_words(row["name"]), found.mean - found.half, found.mean + found.half
    if not found.is_shown:
        return f"no difference from {name} is shown ({number(low)} to {number(high)})"
    ends = sorted((abs(low), abs(high)))
    which = "lower" if found.mean < 0 else "higher"
    return f"{number(abs(found.mean))} {which} than {name} ({number(ends[0])} to {number(ends[1])})"
