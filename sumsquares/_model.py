"""A trained network as people use it: raw numbers in, answers in the target's own units out.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from sumsquares import _rows
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.models import TrainedNetwork, load_model
from sumsquares.jobs.results.number_rows import first_misfit, inputs_of_numbers
from sumsquares.jobs.results.predict_table import asked_columns, inputs_of
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.show.format import counted, describe_variant, number
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

if TYPE_CHECKING:
    from sumsquares.jobs.engines.sequential import ScaledNetwork


class Model:
    """A trained network of a run: one trial. `Run.best`, `Run.model` and `Run.models` return them.

    Its weights are read when they are first needed. It can be pickled, with its weights.

    Example:
        >>> model = run.best("squares")
        >>> model.predict([[12]]).round(1)
        array([144.])
        >>> model.variant["activation"], model.dataset
        ('tanh', 'squares')

    """

    def __init__(self, store: Store, pack: str, trial: Trial, rmse: float) -> None:
        self._store, self._pack, self._trial = store, pack, trial
        self.rmse = rmse
        """Root mean square error on the test rows, in the target's own units; on the training rows if these are all."""

    @property
    def trial_id(self) -> str:
        """The trial's id, as in the column `trial_id` of `Run.trials`."""
        return self._trial.id

    @property
    def seed(self) -> int:
        """Seed of the initial weights."""
        return self._trial.seed

    @property
    def dataset(self) -> str:
        """Name of the dataset in the spec."""
        return self._trial.variant.dataset.name

    @property
    def split(self) -> str | None:
        """The split of a table with several, on whose training rows it was trained; else None."""
        return self._trial.variant.dataset.split

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the inputs [I], in the order in which the network takes them."""
        return self._trial.variant.dataset.columns[:-1]

    @property
    def variant(self) -> dict[str, Any]:
        """All hyperparameters, as a spec writes them, and the variant's id under `variant_id`.

        Example:
            >>> run.best("squares").variant["hidden"]
            [16]

        """
        values = {name: getattr(self._trial.variant, name) for name in AXES}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"variant_id": self._trial.variant.group, **plain}

    def predict(self, rows: Any) -> NDArray[np.float64]:
        """Returns the answers [N], float64, in the target's own units and not rounded.

        `rows` are raw numbers [N, I]: a list of rows, an array, or a table of pandas, pyarrow or polars that has the
        columns of `columns`; others are ignored. A dataset with digits or unused columns also takes its numbers alone.
        Where a table of one's own has categories, a table has their text, and an array the columns of zeros and ones;
        where its spec says `missing = "mean"`, a table may have gaps. An answer may be NaN where an input has no
        logarithm, and infinite far beyond what was learnt.

        Raises:
            UsageError: the rows have another number of columns, or a value that is not a finite number; a ValueError.
            DataError: the model's file in the store is damaged or gone; a ValueError.

        Example:
            >>> run.best("squares").predict([[12], [20]]).round()
            array([144., 400.])

        """
        return self._network.answers(self._inputs(rows))

    @cached_property
    def module(self) -> ScaledNetwork:
        """The network as a torch.nn.Module with its scaling inside: raw [N, I] in, the target's units [N] out.

        `module.parameters()` are the trained weights, which training can continue; `module.network` is the
        torch.nn.Sequential alone, from normalised inputs to normalised outputs. It is in float64 where the readout was
        solved, else in the variant's dtype; its scales are in float64 until `.float()` is called. It is made once:
        `predict` keeps the stored weights, whatever is done to it.

        Example:
            >>> import torch
            >>> module = run.best("squares").module
            >>> with torch.no_grad():
            ...     module(torch.tensor([[12.0]])).round()
            tensor([144.], dtype=torch.float64)

        """
        return self._network.module()

    def to_onnx(self, path: str | Path) -> Path:
        """Writes the network with its scaling as an ONNX file in float64, and returns the path.

        Its input `inputs` [N, I] takes raw numbers in the order of `columns`, its output `prediction` [N] is in the
        target's own units. All operators have float64 kernels in onnxruntime, so that every model is written without a
        loss; it answers as `module.double()` does, to the last digits. The metadata name trial, dataset and columns.

        Raises:
            UsageError: the package onnx is not installed; a ValueError.
            OSError: the file can't be written.

        Example:
            >>> path = run.best("squares").to_onnx(folder / "squares.onnx")
            >>> import onnxruntime
            >>> session = onnxruntime.InferenceSession(path)
            >>> session.run(None, {"inputs": [[12.0]]})[0].round()
            array([144.])

        """
        try:
            from sumsquares.jobs.engines.onnx_graph import onnx_model
        except ImportError as error:
            raise UsageError(f'to_onnx needs the package onnx: pip install "sumsquares[onnx]" ({error})') from error
        network = self._network
        graph = onnx_model(network.program, network.tensors, network.scale, self._about())
        Path(path).write_bytes(graph.SerializeToString())
        return Path(path)

    def __repr__(self) -> str:
        """Says what it is: `<Model squares: [16] tanh, ..., seed 0, test RMSE 0.5>`."""
        split = f", split {self.split}" if self.split else ""
        words = describe_variant(variant_columns(self._trial.variant))
        dataset = self._trial.variant.dataset
        is_whole = isinstance(dataset, TableSplit) and dataset.table.test == 0
        of = "RMSE on its training rows" if is_whole else "test RMSE"
        return f"<Model {self.dataset}{split}: {words}, seed {self.seed}, {of} {number(self.rmse)}>"

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is pickled: the weights, and no torch module."""
        return {name: value for name, value in vars(self._with_weights()).items() if name != "module"}

    def _with_weights(self) -> Self:
        """Returns itself, once its weights are read: from then on it needs no store."""
        assert self._network
        return self

    @cached_property
    def _network(self) -> TrainedNetwork:
        try:
            return load_model(self._store, self._pack, self._trial)
        except FileNotFoundError as error:
            remedy = "run the spec again to restore it"
            raise DataError(
                f"{error.filename}: missing, it has the weights of trial {self.trial_id}; {remedy}"
            ) from error

    def _inputs(self, rows: Any) -> NDArray[Any]:
        """Returns raw inputs [N, I]."""
        dataset = self._trial.variant.dataset
        if isinstance(dataset, TableSplit):
            if _rows.is_table(rows):
                return inputs_of(dataset, _rows.columns_of(rows, asked_columns(dataset)), _rows.place_of)
            numbers_NK = _rows.numbers_of(rows)
        elif _rows.is_table(rows):
            has_all = set(self.columns) <= {*_rows.names_in(rows)}
            names = self.columns if has_all else dataset.source.names
            chosen = _rows.columns_of(rows, names)
            numbers_NK = _rows.numbers_of(np.column_stack([chosen[name].to_numpy() for name in names]), names)
        else:
            numbers_NK = _rows.numbers_of(rows)
        if numbers_NK.shape[1] == dataset.inputs:
            return numbers_NK
        if isinstance(dataset, TableSplit) or numbers_NK.shape[1] != dataset.n_numbers:
            width = counted(numbers_NK.shape[1], "column")
            raise UsageError(f"rows have {width}, and {self.dataset} has {_names(self.columns)}")
        if wrong := first_misfit(dataset, numbers_NK):
            raise UsageError(f"{_rows.place_of(wrong[0])}: {wrong[1]}")
        return inputs_of_numbers(dataset, numbers_NK)

    def _about(self) -> Mapping[str, str]:
        """Returns the metadata of a file."""
        dataset = self._trial.variant.dataset
        return {
            "trial_id": self.trial_id,
            "dataset": self.dataset,
            "columns": json.dumps(self.columns),
            "target": dataset.columns[-1],
            "rmse": json.dumps(self.rmse),
            "variant": json.dumps(self.variant),
        }


def _names(columns: tuple[str, ...]) -> str:
    shown = ", ".join(columns[:10]) + (", ..." if len(columns) > 10 else "")
    return f"{len(columns)}: {shown}"
