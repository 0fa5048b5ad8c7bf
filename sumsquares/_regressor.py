"""A sweep by scikit-learn's protocol: a grid of networks is trained, validation rows choose, and one is trained again.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from sumsquares._open import open as open_run
from sumsquares._spec import spec_text
from sumsquares.datasets.source import LARGEST_REAL, MOST_INPUTS
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.default_grid import default_grid
from sumsquares.jobs.spec.job_spec import MAX_TRIALS, parse_spec
from sumsquares.jobs.stages.memory_tables import MemoryTable
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise UsageError(f'SweepRegressor needs scikit-learn: pip install "sumsquares[trees]" ({error})') from error

NAME, FINAL = "sweep", "sweep-final"
"""Runs in the store: of the grid, and of the chosen variant on all rows."""
_DATASET = "rows"
_MOST_NAME = 1_000  # characters of a column's name in a spec


class SweepRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # it has no types
    """Trains a grid of networks on a table, chooses by rows that it holds out, and trains the chosen one on all rows.

    Everything happens in this process, and the result is the same each time, whatever the engine's pack.

    Args:
        grid: values that replace those of the default grid, by hyperparameter, as a [[grid]] of a spec has them: lists
            vary, and `hidden` is a list of networks. The default grid depends on the table's size.
        validation_fraction: share of the rows that is held out to choose by, drawn by `random_state`.
        seeds: networks of each variant, instead of `seeds` in the grid; the choice goes by their median.
        epochs: passes over the rows; None for as many as the table's size allows.
        store: a folder or an address in which the two runs are kept, `sweep` and `sweep-final`, for `sumsquares.open`;
            None for a temporary one.
        random_state: a number or a RandomState, for the draw of validation rows and of initial weights; None is 0.

    Attributes:
        best_variant_: the chosen variant, a dictionary of hyperparameters.
        validation_rmse_: its RMSE on the validation rows, the median over seeds, in the target's units.
        baselines_: RMSEs on the same rows by name: the mean, least squares, boosted trees.
        results_: a pyarrow table with one row per variant, as `Run.summary`; measured on the validation rows.
        model_: the network that was trained on all rows, a `Model`: it has `module` and `to_onnx`.
        n_features_in_, feature_names_in_: as scikit-learn defines them.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (300, 2))
        >>> y = X[:, 0] * X[:, 1]
        >>> grid = {"hidden": [[], [16]], "activation": ["tanh"], "weight_decay": [0.0]}
        >>> regressor = sumsquares.SweepRegressor(grid=grid, epochs=50).fit(X, y)
        >>> regressor.predict([[0.6, 0.5], [0.6, -0.5]]).round(1)
        array([ 0.3, -0.3])
        >>> regressor.best_variant_["hidden"]
        [16]
        >>> regressor.validation_rmse_ < regressor.baselines_["least squares"]
        True

    """

    def __init__(
        self,
        grid: Mapping[str, Any] | None = None,
        *,
        validation_fraction: float = 0.2,
        seeds: int = 1,
        epochs: int | None = None,
        store: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.grid = grid
        self.validation_fraction = validation_fraction
        self.seeds = seeds
        self.epochs = epochs
        self.store = store
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Trains on rows X [N, I] with targets y [N]: numbers without gaps; a DataFrame's column names are kept.

        Raises:
            ValueError: of scikit-learn, or of the grid: the message says what is wrong.

        Example:
            >>> X = np.linspace(0, 1, 100).reshape(-1, 1)
            >>> sumsquares.SweepRegressor(grid={"hidden": [[]]}, epochs=5).fit(X, 2 * X[:, 0])
            SweepRegressor(epochs=5, grid={'hidden': [[]]})

        """
        self._check_parameters()
        x_NI, y_N = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        if x_NI.shape[1] > MOST_INPUTS:
            raise UsageError(f"X has {x_NI.shape[1]:,} columns, and networks take {MOST_INPUTS:,} at most")
        rows = self._table(x_NI, y_N)
        with ExitStack() as stack:
            folder = self.store or stack.enter_context(tempfile.TemporaryDirectory(prefix="sumsquares-"))
            store = Store(str(folder))
            self._train(store, MemoryTable(store, rows), len(y_N))
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Returns the answers [N] to rows X [N, I] of the network that was trained on all rows, not rounded.

        Raises:
            NotFittedError: `fit` was not called; of scikit-learn, a ValueError.
            ValueError: of scikit-learn: the rows are not like those of `fit`.

        Example:
            >>> X = np.linspace(0, 1, 100).reshape(-1, 1)
            >>> regressor = sumsquares.SweepRegressor(grid={"hidden": [[]], "readout": "solved"}).fit(X, 2 * X[:, 0])
            >>> regressor.predict([[0.25]]).round(2)
            array([0.5])

        """
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, dtype=np.float64, reset=False))

    def _check_parameters(self) -> None:
        """Raises a UsageError for the first parameter that has no valid value."""
        share, seeds, epochs = self.validation_fraction, self.seeds, self.epochs
        if not (isinstance(share, int | float) and 0 < share < 1):
            raise UsageError(f"validation_fraction is {share!r}; write a share above 0 and below 1, such as 0.2")
        if not (isinstance(seeds, int | np.integer) and seeds >= 1):
            raise UsageError(f"seeds is {seeds!r}; write a whole number from 1 on")
        if epochs is not None and not (isinstance(epochs, int | np.integer) and epochs >= 1):
            raise UsageError(f"epochs is {epochs!r}; write a whole number from 1 on, or None")
        if self.grid is not None and not isinstance(self.grid, Mapping):
            kind = type(self.grid).__name__
            raise UsageError(f'grid is a {kind}; write a dictionary such as {{"hidden": [[], [16]]}}, or None')
        for name in {"seeds", "dataset"} & {*(self.grid or {})}:
            instead = "write seeds=3 beside the grid" if name == "seeds" else "leave it out: there is one, X"
            raise UsageError(f"grid: {name!r} is no hyperparameter of this grid; {instead}")

    def _seed(self) -> int:
        """Returns the number that stands for `random_state`."""
        if isinstance(self.random_state, int | np.integer):
            if not 0 <= self.random_state < 2**32:
                raise UsageError(f"random_state is {self.random_state}; write a number from 0 to {2**32 - 1:,}")
            return int(self.random_state)
        return 0 if self.random_state is None else int(check_random_state(self.random_state).randint(2**31))

    def _table(self, x_NI: NDArray[np.float64], y_N: NDArray[Any]) -> pa.Table:
        """Returns the rows with names: those of a DataFrame's columns, or x1, x2 and so on."""
        given = [str(name) for name in getattr(self, "feature_names_in_", ())]
        are_usable = len(set(given)) == len(given) and all(0 < len(name) <= _MOST_NAME for name in given)
        names = given if given and are_usable else [f"x{number}" for number in range(1, x_NI.shape[1] + 1)]
        target = "target"
        while target in names:
            target += "_"
        is_integer = y_N.dtype.kind in "biu"
        columns = [*x_NI.T, y_N.astype(np.int64 if is_integer else np.float64)]
        for name, values_N in zip([*names, "y"], columns, strict=True):
            if not np.isfinite(values_N).all():
                raise UsageError(f"{name}: row {int(np.argmin(np.isfinite(values_N))):,} has no finite number")
            if not (np.abs(values_N) <= LARGEST_REAL).all():
                raise UsageError(
                    f"{name} has a number beyond {LARGEST_REAL:g}: its square is not finite; use another unit"
                )
        return pa.table(dict(zip([*names, target], columns, strict=True)))

    def _train(self, store: Store, tables: MemoryTable, rows: int) -> None:
        """Runs the grid and then the chosen variant, and keeps what they found."""
        seed = self._seed()
        held_out = {"file": "memory", "target": tables.target, "seed": seed}
        trained = rows - max(1, round(rows * self.validation_fraction))
        grid = default_grid(trained, tables.inputs, 1, self.epochs).values
        grid = {**grid, **(self.grid or {}), "seeds": [seed + number for number in range(self.seeds)]}

        # The grid, on the rows that aren't held out.
        summary = _run(NAME, {**held_out, "test": float(self.validation_fraction)}, grid, store, tables)
        best = summary.best[_DATASET]
        if best is None:
            raise UsageError(f"all {summary.counts.total:,} trials diverged; give a grid with lower learning rates")

        # The chosen one, on all rows.
        axes = {axis: best[axis] for axis in AXES} | {"hidden": [json.loads(best["hidden"])]}
        _run(FINAL, {**held_out, "test": 0.0}, {**axes, "seeds": [best["trial"]["seed"]]}, store, tables)
        self.model_ = open_run(FINAL, store.root).best()._with_weights()
        self.best_variant_ = {axis: value for axis, value in self.model_.variant.items() if axis != "variant_id"}
        self.validation_rmse_ = float(best["rmse_median"])
        self.results_ = summary.table
        self.baselines_ = {each["name"]: each["rmse_median"] for each in summary.datasets[_DATASET]["baselines"]}


def _run(name: str, table: Mapping[str, Any], grid: Mapping[str, Any], store: Store, tables: MemoryTable) -> Summary:
    text = spec_text({"name": name, "dataset": [{"name": _DATASET, **table}], "grid": [grid]})
    spec = parse_spec(text, "SweepRegressor", MAX_TRIALS, name == NAME, tables.resolve, ".")
    with Runtime(IN_PROCESS, store, Progress(quiet=True), tables=tables) as runtime:
        return run_spec(spec, runtime, is_derived=True).summary
