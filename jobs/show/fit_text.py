"""What `fit` says: the chosen network beside the baselines, which of them wins, and why. Texts and JSON; no files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.results.validated import Choice, Measured
from sumsquares.jobs.show.answer import answer
from sumsquares.jobs.show.baselines_text import difference, in_words
from sumsquares.jobs.show.format import counted, describe_variant, number
from sumsquares.jobs.show.table_words import left_out_words
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.messages import plain

Baselines = Mapping[str, Measured]
"""By name, on the test rows of the same splits."""


def table_lines(table: TableDataset) -> Iterator[str]:
    """Yields what the table holds and what of it was left out."""
    inputs = [plain(each.name) for each in table.input_columns]
    yield (
        f"{table.name}: {counted(table.rows, 'row')}, target {plain(table.target)}, "
        f"{counted(len(inputs), 'input')}: {few_names(inputs)}"
    )
    yield from (f"{line}." for line in left_out_words(table))


def split_words(table: TableDataset) -> str:
    """What is measured on: `test rows, mean over 5 folds`, `4,000 test rows`."""
    if table.folds is not None:
        return f"test rows, mean over {table.folds} folds"
    if len(table.split_rows) > 1:
        return f"test rows, mean over {len(table.split_rows)} splits"
    return counted(table.split_rows[0].test, "test row")


def choice_lines(choice: Choice, table: TableDataset, baselines: Baselines) -> Iterator[str]:
    """Yields the chosen network, a table of RMSEs and a sentence on who wins."""
    yield chosen_words(choice)
    yield f"RMSE on {split_words(table)}:"
    rows = {**measured_networks(choice), **baselines}
    width = max(map(len, rows))
    has_intervals = any(each.interval for each in rows.values())
    for name, each in rows.items():
        interval = each.interval
        more = f"   95% interval {number(interval[0])} to {number(interval[1])}" if interval else ""
        yield f"  {name:{width}}  {number(each.mean):>10}{more if has_intervals else ''}"
    yield verdict(choice, baselines, table)


def chosen_words(choice: Choice) -> str:
    """The chosen network, and what chose it."""
    return (
        f"Chosen by validation rows among the training rows, RMSE {number(choice.validation_rmse)} on them: "
        f"{describe_variant(choice.row)}."
    )


def choice_facts(choice: Choice) -> dict[str, Any]:
    """The chosen variant for --json."""
    axes = {axis: choice.row[axis] for axis in AXES} | {"hidden": json.loads(choice.row["hidden"])}
    return {
        "variant_id": choice.row["variant_id"],
        "hyperparameters": axes,
        "validation_rmse_mean": choice.validation_rmse,
        "test": choice.chosen.facts,
        "test_chosen_anew_in_each_split": choice.anew.facts,
        "splits": choice.splits,
    }


def measured_networks(choice: Choice) -> dict[str, Measured]:
    """The chosen network, and where it makes a difference the one that each split would choose by itself."""
    found = {"the chosen network": choice.chosen}
    if choice.anew.rmse != choice.chosen.rmse:
        found["chosen anew in each split"] = choice.anew
    return found


def verdict(choice: Choice, baselines: Baselines, table: TableDataset) -> str:
    """Who wins, by the difference in each split: the network that the split chooses itself against the best baseline.

    No test row has a say in that network, which makes the comparison fair. The interval is that of `difference`.
    """
    if not baselines:
        return "There is no baseline to compare with."
    name = min(baselines, key=lambda each: baselines[each].mean)
    mean = choice.anew.mean - baselines[name].mean
    network = "the network" if choice.anew.rmse == choice.chosen.rmse else "the network chosen anew in each split"
    first, second = (
        f"{network} with {number(choice.anew.mean)}",
        f"{in_words(name)} with {number(baselines[name].mean)}",
    )
    first, second = (second, first) if mean > 0 else (first, second)
    told = f"{first} against {second}"
    if len(table.split_rows) == 1:
        return f"Ahead on these test rows: {told}; how much of that is chance, one split can't tell."
    share = fmean(split.test / split.train for split in table.split_rows)
    found = difference(choice.anew.rmse, baselines[name].rmse, share)
    low, high = (number(abs(mean) + sign * found.half) for sign in (-1, 1))
    if not found.is_shown:
        return (
            f"No winner: {told}, and the difference may be chance: {number(abs(mean))}, 95% interval {low} to {high}."
        )
    return f"Winner: {told}, a difference of {number(abs(mean))}, 95% interval {low} to {high}."


def why_lines(summary: Summary, choice: Choice | None, name: str) -> Iterator[str]:
    """Yields why the chosen network ends where it does, or without a choice the first one."""
    yield from answer(summary, name, name, None if choice is None else choice.row)
