"""How datasets and variants are written, and how variants are ordered, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from sumsquares.jobs.messages.numbers import at_most as at_most
from sumsquares.jobs.messages.numbers import counted as counted
from sumsquares.jobs.messages.numbers import listed as listed
from sumsquares.jobs.messages.numbers import number as number
from sumsquares.jobs.messages.numbers import percent as percent
from sumsquares.jobs.messages.numbers import plain as plain
from sumsquares.jobs.messages.numbers import share as share
from sumsquares.jobs.results.described import (
    formula_words,
    is_table,
    measures_training,
    range_words,
    spec_of,
    splits_of,
)
from sumsquares.jobs.results.middle import has_splits, middle
from sumsquares.jobs.spec.axes import AXES, DEFAULTS, LATER

Row = Mapping[str, Any]
"""A row of the summary's table: one variant."""
TOLD = ("hidden", "activation", "optimizer", "lr", "normalize", "epochs")
"""Axes that a variant's description always names; it names others only if they don't have their default."""
_IN_WORDS = frozenset(
    {"hidden", "activation", "optimizer", "init", "normalize", "dtype", "loss"}
)  # need no name before them


def describe_task(about: Row) -> str:
    """Returns what a dataset's target is, from the fields of its spec.

    `sum of 2 numbers 1..1000`, `square of 1..1000`, `sin(x1) + x2**2 for x1, x2 in -3..3, noise 0.1`, `price of
    houses.csv by 8 inputs, 506 rows in 20 splits`.
    """
    if is_table(about):
        return _describe_table(about)
    extras = f", {counted(about['unused'], 'unused input')}" if about["unused"] else ""
    if about.get("digits"):
        extras += f", by the {spec_of(about).n_digits} binary digits"
    if about.get("task") is None:
        return _describe_formula(about) + extras
    numbers = f"1..{about['largest']}"
    if about["task"] != "square":
        numbers = f"{counted(about['n_numbers'], 'number')} {numbers}"
    task = "sum of the squares" if about["task"] == "sum_of_squares" else about["task"]
    return f"{task} of {numbers}{extras}"


def _describe_formula(about: Row) -> str:
    spec = spec_of(about)
    kind = "" if spec.is_real else "integers " if spec.n_numbers > 1 else "integer "
    noise = f", noise {plain(spec.noise)}" if spec.noise else ""
    return f"{formula_words(spec)} for {kind}{range_words(spec)}{noise}"


def _describe_table(about: Row) -> str:
    splits = f" in {splits_of(about)} splits" if splits_of(about) > 1 else ""
    inputs = counted(len(about["input_columns"]), "input")
    whole = ", trained on and measured on" if measures_training(about) else ""
    return f"{about['target']} of {about['file']} by {inputs}, {counted(about['rows'], 'row')}{splits}{whole}"


def between(counts: Sequence[int]) -> str:
    """The smallest and the largest of some counts: `404`, `403 to 404`."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def over_words(row: Row) -> str:
    """Over which trials a variant's RMSE is, empty for a single one: `median of 5 seeds`, `mean of 60 trials on 20
    splits`."""
    n, lost = row["n"], row["n_diverged"]
    kind, noun, where = "median", "seed", ""
    if has_splits(row):
        kind, noun, where = "mean", "trial", f" on {row['n_splits']} splits"
    if lost:
        return f"{kind} of {n} of {counted(n + lost, noun)}{where}; the others diverged"
    return f"{kind} of {counted(n, noun)}{where}" if n > 1 or where else ""


def of_spread(ratio: float) -> str:
    """How an RMSE compares with the target's standard deviation: `0.02134% of`, `16.07 times`."""
    return f"{percent(ratio)} of" if ratio < 1 else f"{number(ratio)} times"


def describe_variant(row: Row) -> str:
    """Returns a variant's description: its network, its training, and the other axes that aren't at their defaults."""
    training = [f"{row['optimizer']} lr {plain(row['lr'])}", row["normalize"], counted(row["epochs"], "epoch")]
    others = [axis for axis in AXES if axis not in TOLD and row[axis] != DEFAULTS[axis]]
    return ", ".join([network_words(row), *training, *(named(axis, row[axis]) for axis in others)])


def best_words(row: Row) -> str:
    """The best variant's description, with the number of seeds in its median where some diverged."""
    lost = f" ({over_words(row).partition(';')[0]})" if row["n_diverged"] else ""
    return f"{describe_variant(row)}{lost}"


def distinguish(row: Row, rows: Sequence[Row]) -> str:
    """What distinguishes a variant from the others; its whole description if there is no other."""
    return by_axes(row, varying(rows))


def by_axes(row: Row, varied: Iterable[str]) -> str:
    """A variant's values of the axes in which it and others differ; its whole description if there are none."""
    axes = told_of(row, varied)
    if row["hidden"] == "[]":  # without hidden layers, no activation is applied
        words = [
            network_words(row),
            *(named(axis, row[axis]) for axis in axes if axis not in ("hidden", "activation")),
        ]
        return ", ".join(words) if axes else describe_variant(row)
    return ", ".join(named(axis, row[axis]) for axis in axes) or describe_variant(row)


def network_words(row: Row) -> str:
    """The hidden layers: `[16, 16] relu`."""
    if row["hidden"] != "[]":
        return f"{row['hidden']} {row['activation']}"
    return "a linear model" if row["output"] == "linear" else "no hidden layer"


class Variants(tuple[dict[str, Any], ...]):
    """The variants of a dataset, which look only once for the axes in which they differ: for 10,000 it takes 0.1 s."""

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Those axes."""
        return _varying(self)


def varying(rows: Sequence[Row]) -> tuple[str, ...]:
    """The axes in which these variants differ."""
    return rows.axes if isinstance(rows, Variants) else _varying(rows)


def _varying(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(axis for axis in AXES if len(set(map(itemgetter(axis), rows))) > 1)


def told_of(row: Row, axes: Iterable[str]) -> list[str]:
    """Those of the axes that a variant's description names: later ones only where they aren't at their defaults."""
    return [axis for axis in axes if axis not in LATER or row[axis] != DEFAULTS[axis]]


def constants(rows: Sequence[Row]) -> str:
    """The other axes, with their values."""
    differ = varying(rows)
    return ", ".join(named(axis, rows[0][axis]) for axis in told_of(rows[0], AXES) if axis not in differ)


def named(axis: str, value: Any) -> str:
    """The value of an axis, with the axis's name where it needs one: `relu`, `lr 0.001`."""
    if axis == "hidden" and value == "[]":
        return "no hidden layer"
    is_clear = axis in _IN_WORDS and value not in ("none", "log")
    return plain(value) if is_clear else f"{axis} {plain(value)}"


def best_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Variants in the order of Summary.best: median or mean, parameters, id; those without a result last."""
    return sorted(rows, key=_rank)


def _rank(row: Row) -> tuple[bool, float, int, str]:
    rmse = middle(row)
    return rmse is None, rmse or 0.0, row["parameters"], row["variant_id"]
