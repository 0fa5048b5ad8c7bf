"""A finished run as people use it: tables, models and reasons out of it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares._model import Model
from sumsquares.datasets.errors import DataError
from sumsquares.jobs.commands.answering import final_run
from sumsquares.jobs.commands.asked import Asked
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.pipeline.summarizing import summary_of_run
from sumsquares.jobs.results.stored import read_losses, read_trials
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.results.where import Where, matching
from sumsquares.jobs.show.format import counted, describe_variant, number
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.stages.run_tables import read_table
from sumsquares.jobs.storage.store import Store

WHERE = ("dataset", "variant_id", *AXES, "seed", "split")
"""What models can be chosen by."""
_RANK = ("rmse", "parameters", "variant_id", "seed")
"""Order of a dataset's models: that of the best trial in the summary."""


class Run:
    """A finished run: `open` and `run` return it. Its tables are pyarrow's; `.to_pandas()` makes DataFrames of them.

    Example:
        >>> run = sumsquares.open("small", store=folder / "store")
        >>> run.datasets
        ('sums', 'squares')
        >>> run
        <Run small: 2 datasets, 12 variants, 24 trials>

    """

    def __init__(self, store: Store, asked: Asked) -> None:
        self._store, self._asked = store, asked

    @property
    def name(self) -> str:
        """Name of the run in the store."""
        return self._asked.spec.name

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets, in the order of the spec."""
        return tuple(dataset.name for dataset in self._asked.spec.datasets)

    @cached_property
    def summary(self) -> pa.Table:
        """One row per variant, in the order of the spec: hyperparameters, statistics over seeds, floor and cause.

        Example:
            >>> frame = run.summary.to_pandas()
            >>> frame.sort_values("rmse_median")[["dataset", "hidden", "rmse_median", "cause"]].head(1)
              dataset hidden   rmse_median   cause
            3    sums   [16]  ...  solved

        """
        return self._table("summary.parquet", lambda: self._summary.table)

    @cached_property
    def trials(self) -> pa.Table:
        """One row per trial, in the order of the spec: its hyperparameters, seed, status and errors on the test rows.

        Example:
            >>> run.trials.column_names[:4]
            ['trial_id', 'variant_id', 'dataset', 'dataset_digest']

        """
        return self._table("trials.parquet", lambda: self._summary.trials)

    @property
    def report(self) -> str:
        """Path or address of the run's report, one HTML file that needs nothing else."""
        return f"{self._store.root}/{run_folder(self.name)}/report.html"

    def best(self, dataset: str | None = None) -> Model:
        """Returns the model with the lowest test RMSE on a dataset, which needs no name where the run has only one.

        Of a run that `sumsquares fit` has made it is the chosen variant, trained on all rows: what `sumsquares predict`
        asks, too.

        Raises:
            UsageError: there is no such dataset, or several and none was named, or no trial gave a result.

        Example:
            >>> run.best("sums").predict([[3, 4]]).round()
            array([7.])

        """
        self._asked.check_dataset(dataset)
        if dataset is None and len(self.datasets) > 1:
            raise UsageError(
                f"run {self.name!r} has {len(self.datasets)} datasets; name one: {few_names(self.datasets)}"
            )
        if (final := final_run(self._store, self._asked)) is not None:
            return Run(self._store, final).best(dataset)
        return self._model(self._ranked([Where("dataset", dataset or self.datasets[0])])[0])

    def model(self, trial_id: str) -> Model:
        """Returns the model of a trial, which has its id in the columns `trial_id`.

        Raises:
            UsageError: the run has no such trial, or it diverged.

        Example:
            >>> run.model(run.trials["trial_id"][0].as_py())
            <Model sums: a linear model, adam lr 0.01, unit, 60 epochs, ..., seed 0, test RMSE ...>

        """
        return self._model(self._row_of(trial_id))

    def models(self, where: Mapping[str, Any] | None = None) -> list[Model]:
        """Returns the models that meet all conditions, those of each dataset with the lowest test RMSE first.

        `where` has values as a spec writes them, by dataset, hyperparameter, seed, split or variant_id. Diverged trials
        are left out.

        Raises:
            UsageError: a name is unknown, or no trial meets all conditions; it says which values there are.

        Example:
            >>> [model.seed for model in run.models(where={"dataset": "squares", "hidden": [16], "activation": "tanh"})]
            [..., ..., ..., ...]

        """
        if not isinstance(where, Mapping | None):
            raise UsageError(f'where is {where!r}; write a dictionary, such as {{"activation": "tanh"}}')
        conditions = [_condition(name, value) for name, value in (where or {}).items()]
        return [self._model(row) for row in self._ranked(conditions)]

    def causes(self) -> pa.Table:
        """Returns why each variant ends where it does: a row for each cause, the one whose remedy gains most first.

        `sentence` says what shows it, with its numbers; `remedy` is the change of the spec that should mend it, null
        where none is known; `gain` is by what factor the RMSE should fall at least, roughly.

        Example:
            >>> causes = run.causes()
            >>> causes.column_names
            ['dataset', 'variant_id', 'cause', 'sentence', 'remedy', 'gain']
            >>> causes.filter(pc.equal(causes["cause"], "no_activation"))["remedy"][0].as_py()
            'hidden = [[16]], activation = "relu"'

        """
        summary = self._summary
        ids = zip(summary.table["dataset"].to_pylist(), summary.table["variant_id"].to_pylist(), strict=True)
        rows = [
            (dataset, variant, cause.name, cause.sentence, cause.change and str(cause.change), cause.gain)
            for dataset, variant in ids
            for cause in summary.causes.get(variant, ())
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(_CAUSES)
        return pa.table([pa.array(values, kind) for values, kind in zip(columns, _CAUSES.types, strict=True)], _CAUSES)

    def losses(self, trial_id: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the loss curve of a trial: about 50 epochs, counted from 1, and the mean loss of each.

        The loss is that of the training, in normalised units; a diverged trial has one too.

        Raises:
            UsageError: the run has no such trial, or an earlier version trained it, which kept no losses.
            DataError: the trial's file is damaged or gone.

        Example:
            >>> epochs, loss = run.losses(run.best("squares").trial_id)
            >>> int(epochs[-1]), bool(loss[-1] < loss[0])
            (60, True)

        """
        trial, pack = self._trials[self._row_of(trial_id)["trial_id"]], self._pack_of(trial_id)
        try:
            found = read_losses(self._store, pack)
        except FileNotFoundError as error:
            raise DataError(f"{error.filename}: missing; {self._asked.retrain}") from error
        if found is None:
            raise UsageError(f"trial {trial_id} has no losses: an earlier version trained it, which did not keep them")
        losses_ME, ids = found
        return curve_epochs(trial.variant.epochs), losses_ME[ids.index(trial_id)].astype(np.float64)

    def __repr__(self) -> str:
        """Says what it has: `<Run question: 2 datasets, 48 variants, 144 trials>`."""
        has = [counted(len(self.datasets), "dataset"), counted(len(self.summary), "variant")]
        return f"<Run {self.name}: {', '.join(has)}, {counted(len(self.trials), 'trial')}>"

    def _repr_html_(self) -> str:
        """Returns what a notebook shows: each dataset with its best network, and the first cause of most variants."""
        head = "".join(f"<th>{name}</th>" for name in ("dataset", "variants", "best network", "test RMSE", "causes"))
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in self._cells())
        return f"<b>Run {html.escape(self.name)}</b><table><tr>{head}</tr>{rows}</table>"

    def _cells(self) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for name in self.datasets:
            own = [row for row in self.summary.to_pylist() if row["dataset"] == name]
            known = sorted((row["rmse_median"], row["parameters"], row["variant_id"]) for row in own if row["n"])
            best = next((row for row in own if known and row["variant_id"] == known[0][2]), None)
            causes = pc.value_counts(pa.array([row.get("cause") for row in own])).to_pylist()
            words = ", ".join(f"{each['values']} {each['counts']:,}" for each in causes if each["values"])
            network, rmse = (
                (describe_variant(best), number(best["rmse_median"])) if best else ("none gave a result", "")
            )
            found.append((name, f"{len(own):,}", network, rmse, words))
        return found

    def _model(self, row: Mapping[str, Any]) -> Model:
        if row["status"] != "ok":
            raise UsageError(f"trial {row['trial_id']} diverged at step {row['steps']:,}, it predicts nothing")
        return Model(self._store, self._pack_of(row["trial_id"]), self._trials[row["trial_id"]], row["rmse"])

    def _row_of(self, trial_id: str) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = self.trials.filter(
            pc.equal(self.trials["trial_id"], str(trial_id))
        ).to_pylist()
        if not found:
            raise UsageError(f"run {self.name!r} has no trial {shown(str(trial_id))}; `trials` has the column trial_id")
        return found[0]

    def _ranked(self, conditions: Sequence[Where]) -> list[Mapping[str, Any]]:
        """Returns the rows of trials that meet all conditions and gave a result, the best of each dataset first."""
        found = [row for row in matching(self.trials.to_pylist(), conditions, "where") if row["rmse"] is not None]
        if not found:
            raise UsageError(f"run {self.name!r} has no trial of this kind that gave a result")
        order = {name: place for place, name in enumerate(self.datasets)}
        return sorted(found, key=lambda row: (order[row["dataset"]], *(row[name] for name in _RANK)))

    @cached_property
    def _trials(self) -> dict[str, Trial]:
        """By id."""
        return {trial.id: trial for trial in trials(self._asked.spec)}

    @cached_property
    def _stored(self) -> dict[str, str]:
        """The pack of each trial of the store."""
        table = read_trials(self._store).table
        return dict(zip(table["trial_id"].to_pylist(), table["pack"].to_pylist(), strict=True))

    def _pack_of(self, trial_id: str) -> str:
        if trial_id not in self._stored:
            raise DataError(f"the result of trial {trial_id} is gone, or damaged: {self._asked.retrain}")
        return self._stored[trial_id]

    @cached_property
    def _summary(self) -> Summary:
        """All that is known of the run, computed from the stored trials."""
        return summary_of_run(self._asked.spec, self._store, read_trials(self._store))

    def _table(self, name: str, instead: Callable[[], pa.Table]) -> pa.Table:
        """Returns a table of the run's folder, or what stands in its place if an earlier version wrote none.

        Raises:
            DataError: it is not the file that the summary lists.

        """
        table = read_table(self._store, self.name, name, self._asked.summarize(self._store))
        return instead() if table is None else table


_CAUSES = pa.schema(
    {
        "dataset": pa.string(),
        "variant_id": pa.string(),
        "cause": pa.string(),
        "sentence": pa.string(),
        "remedy": pa.string(),
        "gain": pa.float64(),
    }
)


def _condition(name: str, value: Any) -> Where:
    if name not in WHERE:
        raise UsageError(f"where: {shown(str(name))} is not known; it takes {', '.join(WHERE)}")
    return Where(name, str(list(value)) if isinstance(value, list | tuple) else value)
