"""What `sumsquares predict RUN --input TABLE --output TABLE` does: streams rows, and adds a column of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sumsquares.datasets.tables.shown import show
from sumsquares.jobs import exits
from sumsquares.jobs.commands.answering import Answerer, Question, answerers
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.table_asked import as_options
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.results.models import TrainedNetwork
from sumsquares.jobs.results.predict_table import asked_columns, inputs_of, missing_columns
from sumsquares.jobs.show.links import linked
from sumsquares.jobs.stages.new_rows import NewRows
from sumsquares.jobs.stages.written_rows import check_output, writing
from sumsquares.jobs.storage.store import Store

PREDICTION = "prediction"
"""The column that is added."""


@dataclass(frozen=True)
class Files:
    """Where rows are read from, and where they are written with their predictions."""

    source: str
    """A file, a folder, a glob or an address."""
    output: Path
    csv: Mapping[str, str]
    """separator, decimal and encoding of CSV, where they were given."""


def predict_file(question: Question, files: Files, shared: Shared) -> int:
    """Writes the rows of a table with a column of predictions. A refusal writes nothing."""
    with as_options():
        return _predict_file(question, files, shared)


def _predict_file(question: Question, files: Files, shared: Shared) -> int:
    store = Store(shared.store)
    with shared.progress().doing(f"reading {files.source}"):
        asked = answerers(store, question)
        rows = NewRows(files.source, {**_csv_of(asked), **files.csv})
    answerer = _answerer(asked, rows)
    check_output(files.output, rows.paths)
    answerer.check()
    with shared.progress().doing(f"predicting {rows.shown}") as tell:
        written = _write(answerer, answerer.network(store), rows, files.output, tell)
    facts = {"run": question.run, **answerer.facts, "title": answerer.title(), "input": files.source}
    done = f"{counted(written, 'row')} with predictions: {linked(str(files.output), str(files.output))}"
    shared.print(
        {**facts, "output": str(files.output), "rows": written},
        f"{answerer.title()}\n{done}",
    )
    return exits.OK


def _csv_of(asked: Sequence[Answerer]) -> dict[str, str]:
    """Returns how the CSV was written that the models were trained on, if they were."""
    for each in asked:
        keys = each.asked.spec.tables.get(each.trial.variant.dataset.name)
        if keys is not None:
            return {key: getattr(keys, key) for key in ("separator", "decimal", "encoding")}
    return {}


def _write(
    answerer: Answerer, network: TrainedNetwork, rows: NewRows, output: Path, tell: Callable[[str], None]
) -> int:
    """Returns how many rows were written, which `tell` is told meanwhile."""
    dataset, written = answerer.trial.variant.dataset, 0
    schema = rows.schema.append(pa.field(PREDICTION, pa.float64()))
    with writing(output, schema, rows.separator, rows.decimal) as write:
        for batch, place in rows:
            try:
                predicted_N = network.answers(inputs_of(dataset, batch, place, rows.decimal))
            except UsageError as error:
                raise UsageError(f"{rows.shown}: {error}; nothing was written") from error
            if not np.isfinite(predicted_N).all():
                row = int(np.flatnonzero(~np.isfinite(predicted_N))[0])
                raise UsageError(
                    f"{rows.shown}: {place(row)}: the model has no finite answer for these inputs; nothing was written"
                )
            write(pa.RecordBatch.from_arrays([*batch.columns, pa.array(predicted_N)], schema=schema))
            written += len(batch)
            tell(counted(written, "row"))
    return written


def _answerer(asked: list[Answerer], rows: NewRows) -> Answerer:
    """Returns the trial whose columns the rows have, if it is one.

    Raises:
        UsageError: none has, or several datasets of the run have.

    """
    if PREDICTION in rows.schema.names:
        is_input = any(PREDICTION in asked_columns(each.trial.variant.dataset) for each in asked)
        remedy = "train on a table where that input has another name" if is_input else "rename it, or leave it out"
        raise UsageError(
            f"{rows.shown}: there is a column {show(PREDICTION)} already, and that is what is added; {remedy}"
        )
    problems = [missing_columns(each.trial.variant.dataset, rows.schema.names) for each in asked]
    fitting = [each for each, problem in zip(asked, problems, strict=True) if problem is None]
    if not fitting:
        raise UsageError(f"{rows.shown}: {'; '.join(problem for problem in problems if problem)}")
    if len(fitting) > 1:
        names = few_names([each.trial.variant.dataset.name for each in fitting])
        raise UsageError(
            f"{rows.shown}: its columns suit several datasets of the run: write --dataset with one of {names}"
        )
    return fitting[0]
