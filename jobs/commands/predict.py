"""What `sumsquares predict` does: asks trained models of a run about numbers, or about the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs import exits
from sumsquares.jobs.commands.answering import Answerer, Question, answerers
from sumsquares.jobs.commands.predict_file import Files, predict_file
from sumsquares.jobs.commands.predict_row import TableReply, ask_table
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.messages.values import number_in, shown
from sumsquares.jobs.results.described import dots, range_words
from sumsquares.jobs.results.number_rows import inputs_of_numbers, middle, misfit
from sumsquares.jobs.results.predict_table import asked_columns
from sumsquares.jobs.results.samples import Number, Sample, ask, short
from sumsquares.jobs.storage.store import Store

__all__ = ["Question", "ask_run", "files", "predict", "predict_file"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The predictions of one trial for numbers."""

    asked: str
    """The run or champion of the trial: `run small`, or `champion 2026-11-22-0123456789ab`."""
    dataset: str
    trial_id: str
    title: str
    """The trial in words, and why it was chosen."""
    samples: list[Sample]
    outside: list[bool]
    """For each sample, whether one of its numbers is outside the training range."""
    trained_on: str
    """That range, such as 1..1000."""

    @property
    def facts(self) -> dict[str, Any]:
        """The reply for --json."""
        pairs = zip(self.samples, self.outside, strict=True)
        samples = [asdict(sample) | {"error": sample.error, "outside_range": out} for sample, out in pairs]
        kept = {name: value for name, value in asdict(self).items() if name not in ("samples", "outside")}
        return {**kept, "samples": samples}

    @property
    def lines(self) -> list[str]:
        """The samples as text; those outside the training range say so."""
        note = f", outside the training range {self.trained_on}"
        return [f"{sample}{note if out else ''}" for sample, out in zip(self.samples, self.outside, strict=True)]


def predict(question: Question, values: Sequence[str], shared: Shared) -> int:
    """Prints the predictions of trained models for numbers, or for the input values of a table."""
    if not values:
        raise UsageError("nothing to predict for: write numbers after the run, or --input TABLE --output TABLE")
    replies = [*_answers(Store(shared.store), question, values)]
    facts = [reply.facts for reply in replies]
    lines = [line for reply in replies for line in (reply.title, *(f"  {line}" for line in reply.lines))]
    shared.print({"run": question.run, "answers": facts}, "\n".join(lines))
    return exits.OK


def files(source: str | None, output: Path | None, csv: Mapping[str, str], values: Sequence[str]) -> Files | None:
    """Returns the files that a command line names, or None if it has values instead.

    Raises:
        UsageError: only some of them are named, or values as well.

    """
    if source is None and output is None and not csv:
        return None
    if source is None or output is None:
        raise UsageError("--input and --output belong together: write --input new.parquet --output out.parquet")
    if values:
        raise UsageError(f"numbers: {shown(values[0])} beside --input: write values, or the table that has them")
    return Files(source, output, csv)


def ask_run(
    store: Store, run: str, numbers: Sequence[Number], dataset: str | None = None, trial_id: str | None = None
) -> list[Reply]:
    """Returns the predictions of a named trial, or of the best one of each generated dataset that takes these numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, no trial takes the numbers, or the trial diverged.
        DataError: the run's summary, or a file of the trial, is damaged or missing.

    """
    replies = _answers(store, Question(run, dataset, trial_id), [str(number) for number in numbers])
    return [reply for reply in replies if isinstance(reply, Reply)]


def _answers(store: Store, question: Question, values: Sequence[str]) -> Iterator[Reply | TableReply]:
    """Yields what each trial answers, of those that take so many values, or numbers of this size."""
    asked = answerers(store, question)
    misfits = [_misfit(each, values) for each in asked]
    fitting = [each for each, problem in zip(asked, misfits, strict=True) if problem is None]
    if not fitting:
        raise UsageError("; ".join(problem for problem in misfits if problem))
    for each in fitting:
        each.check()
        yield ask_table(store, each, values) if each.split else _reply(store, each, _numbers(values))


def _numbers(values: Sequence[str]) -> list[Number]:
    numbers = [number_in(value) for value in values]
    for value, number in zip(values, numbers, strict=True):
        if number is None:
            raise UsageError(f"numbers: {shown(value)} is not valid; write a number, in the digits 0 to 9")
    return [number for number in numbers if number is not None]


def _misfit(answerer: Answerer, values: Sequence[str]) -> str | None:
    """Returns why a trial doesn't take these values, or None."""
    dataset = answerer.trial.variant.dataset
    if isinstance(dataset, TableSplit):
        names = asked_columns(dataset)
        of = f"{dataset.name} takes {counted(len(names), 'value')} per row, of {', '.join(names)}"
        return f"{of}: give a multiple of {len(names)}, not {len(values)}" if len(values) % len(names) else None
    numbers = _numbers(values)
    if problem := next(filter(None, (misfit(dataset, number) for number in numbers)), None):
        return problem
    count = dataset.n_numbers
    if len(numbers) % count:
        return f"{dataset.name} takes {count} numbers per row: give a multiple of {count}, not {len(numbers)}"
    return None


def _reply(store: Store, answerer: Answerer, numbers: Sequence[Number]) -> Reply:
    """Returns a trial's predictions for numbers."""
    asked, trial = answerer.asked, answerer.trial
    dataset = trial.variant.dataset
    assert isinstance(dataset, NamedDataset)
    unused = f"; unused inputs at {short(middle(dataset))}" if dataset.unused else ""
    title = answerer.title(unused)
    rows_NK = np.array(numbers, np.float64 if dataset.is_real else np.int64).reshape(-1, dataset.n_numbers)
    try:
        samples = ask(store, answerer.row["pack"], trial, inputs_of_numbers(dataset, rows_NK))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; {asked.retrain}") from error
    (ranges,) = dataset.source.parts("train")
    outside = [
        not all(low <= number <= high for number, (low, high) in zip(sample.numbers, ranges, strict=True))
        for sample in samples
    ]
    trained_on = dots(ranges[0]) if len(set(ranges)) == 1 else range_words(dataset)
    return Reply(asked.words, dataset.name, trial.id, title, samples, outside, trained_on)
