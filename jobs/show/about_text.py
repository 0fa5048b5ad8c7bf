"""A dataset in a few sentences, as the report opens its section: what its rows are, and how many of them are known."""

from __future__ import annotations

from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import target_range
from sumsquares.jobs.results.described import (
    formula_words,
    is_table,
    measures_training,
    range_words,
    spec_of,
    table_of,
)
from sumsquares.jobs.show.findings import seen_share
from sumsquares.jobs.show.format import Row, counted, plain
from sumsquares.jobs.show.table_words import left_out_words, rows_words


def about_words(facts: Row, knows_seen: bool = False) -> str:
    """A dataset in words, for a reader who may be told elsewhere how many test rows occur in training."""
    seen = [] if knows_seen or measures_training(facts) else [_sentence(seen_share(facts))]
    if is_table(facts):
        table = table_of(facts)
        return " ".join([*map(_sentence, (rows_words(table), *left_out_words(table))), *seen])
    return " ".join([f"{_of_generated(facts)}.", *seen, _rows(facts)])


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _rows(facts: Row) -> str:
    return f"{counted(facts['rows'], 'row')} to train on, {facts['test_rows']:,} to test."


def _of_generated(facts: Row) -> str:
    spec = spec_of(facts)
    if spec.task is None:
        return _of_formula(spec)
    n, largest = facts["n_numbers"], facts["largest"]
    numbers = "a number" if n == 1 else f"{n} numbers"
    task = "sum of the squares" if facts["task"] == "sum_of_squares" else facts["task"]
    _, top = target_range(spec.task, n, 1, largest)
    count = facts["unused"]
    unused = f", beside {count} unused input{'s' if count > 1 else ''}" if count else ""
    return f"The {task} of {numbers} from 1 to {largest:,}{unused}; answers go up to {top:,}"


def _of_formula(spec: DatasetSpec) -> str:
    """A formula's dataset in words."""
    kind = "real numbers" if spec.is_real else "integers"
    words = f"{formula_words(spec)} of {kind}: {range_words(spec)}"
    if spec.digits:
        words += f", each by its {spec.n_digits} binary digits"
    if spec.unused:
        words += f", beside {counted(spec.unused, 'unused input')}"
    return words + (
        f"; the training targets have noise of standard deviation {plain(spec.noise)}" if spec.noise else ""
    )
