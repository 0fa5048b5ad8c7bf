"""`sumsquares predict RUN VALUE...` of a table: the values of its input columns, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sumsquares.jobs.commands.answering import Answerer
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.predict_table import asked_columns, inputs_of
from sumsquares.jobs.results.samples import short
from sumsquares.jobs.spec.messages import plain
from sumsquares.jobs.storage.store import Store


@dataclass(frozen=True, slots=True)
class TableReply:
    """The predictions of one trial for rows of a table."""

    answerer: Answerer
    title: str
    """The trial in words, and why it was chosen."""
    rows: list[dict[str, str]]
    """Input values by column, as they were given."""
    predicted: list[float]

    @property
    def facts(self) -> dict[str, Any]:
        """The reply for --json."""
        pairs = zip(self.rows, self.predicted, strict=True)
        samples = [{"inputs": row, "predicted": predicted} for row, predicted in pairs]
        return {**self.answerer.facts, "title": self.title, "samples": samples}

    @property
    def lines(self) -> list[str]:
        """`area=50, rooms=2: price = 123.4` for each row."""
        split = self.answerer.split
        assert split is not None
        told = [", ".join(f"{plain(name)}={plain(value)}" for name, value in row.items()) for row in self.rows]
        pairs = zip(told, self.predicted, strict=True)
        return [f"{words}: {plain(split.table.target)} = {short(predicted)}" for words, predicted in pairs]


def ask_table(store: Store, answerer: Answerer, values: Sequence[str]) -> TableReply:
    """Returns a trial's predictions for the values of one or more rows.

    Raises:
        UsageError: a value can't be an input, or there is no finite answer for a row.
        DataError: the trial's weights are damaged or missing.

    """
    split = answerer.split
    assert split is not None
    names = asked_columns(split)
    rows = [dict(zip(names, values[at : at + len(names)], strict=True)) for at in range(0, len(values), len(names))]
    table = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})
    predicted_N = answerer.network(store).answers(inputs_of(split, table))
    if not np.isfinite(predicted_N).all():
        row = rows[int(np.flatnonzero(~np.isfinite(predicted_N))[0])]
        raise UsageError(f"trial {answerer.trial.id} has no finite answer for {row}; ask about values as in the table")
    return TableReply(answerer, answerer.title(), rows, predicted_N.tolist())
