"""The grid for a table that nobody has tuned yet: what `fit` trains and `init --from` writes.

It is a function of the table's size alone, so that a table has the same trials on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sumsquares.jobs.spec.size import parameters_of

FOLDS = 5
MOST_ROWS_IN_FOLDS = 100_000
"""A larger table has one split by default: a fifth of its rows is enough to measure on."""
FEW_ROWS = 500
"""Training rows below which networks stay smaller, since one of [64, 64] has some 5,000 parameters, and train for half
as long."""
MOST_EPOCHS = 100
_WORK = 1e9
"""Parameters x rows x epochs of the largest network."""
_BATCHES = ((5_000, 32), (100_000, 128))
"""Rows per step, below so many training rows."""
_LARGEST_BATCH = 512


@dataclass(frozen=True)
class DefaultGrid:
    """Hyperparameters by their names in a spec: lists vary, numbers and texts don't."""

    hidden: tuple[tuple[int, ...], ...]
    activation: tuple[str, ...] = ("relu", "tanh", "gelu")
    optimizer: str = "adamw"
    lr: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    """Learning rates and weight decays share their packs, so 16 pairs of them take hardly longer than one."""
    schedule: str = "cosine"
    weight_decay: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    batch_size: int = _LARGEST_BATCH
    epochs: int = MOST_EPOCHS
    normalize: str = "zscore"
    seeds: int = 1

    @property
    def variants(self) -> int:
        """How many variants it has: without a hidden layer all activations are the same."""
        shapes = sum(len(self.activation) if widths else 1 for widths in self.hidden)
        return shapes * len(self.lr) * len(self.weight_decay)

    @property
    def values(self) -> dict[str, Any]:
        """The keys of a [[grid]]."""
        return asdict(self)


def default_grid(rows: int, inputs: int, seeds: int = 1, epochs: int | None = None) -> DefaultGrid:
    """Returns the grid for a table whose smallest split has so many training rows; `epochs` replaces its own."""
    hidden: tuple[tuple[int, ...], ...] = ((), (64,), (32, 32))
    hidden += ((64, 64),) if rows >= FEW_ROWS else ()
    batch = next((size for below, size in _BATCHES if rows < below), _LARGEST_BATCH)
    # Half of the rows, as the choice by validation rows trains on fewer of them.
    batch = max(1, min(batch, rows // 2))
    return DefaultGrid(hidden, batch_size=batch, epochs=epochs or _epochs(rows, inputs, hidden), seeds=seeds)


def held_out(rows: int) -> dict[str, Any]:
    """Returns the key of a [[dataset]] that says which of so many rows are test rows, if nobody has said it."""
    return {"folds": FOLDS} if rows <= MOST_ROWS_IN_FOLDS else {"test": 1 / FOLDS}


def _epochs(rows: int, inputs: int, hidden: Sequence[Sequence[int]]) -> int:
    """As many as the largest network has time for: the more rows, the fewer."""
    largest = max(parameters_of(inputs, widths) for widths in hidden)
    most = MOST_EPOCHS if rows >= FEW_ROWS else MOST_EPOCHS // 2
    return min(most, max(1, round(_WORK / (rows * largest))))
