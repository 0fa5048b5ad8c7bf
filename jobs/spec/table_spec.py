"""A spec for a table that nobody has tuned yet: the grid that `fit` trains, and its text with comments. It reads nothing.

The grid is a function of the table's size alone, so that a table has the same trials on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from typing import Any

FOLDS = 5
MOST_ROWS_IN_FOLDS = 100_000
"""Larger tables have one split, whose test rows are many enough."""
FEW_ROWS = 500
"""Below this, a network of 4,900 parameters has many more of them than there are rows."""
MOST_EPOCHS = 100
_WORK = 1.5e9
"""Parameters x rows x epochs of the largest network: 16 variants of it take 7 s of a core on 10 splits."""
_BATCHES = ((5_000, 32), (100_000, 128))
"""Rows per step, below so many training rows."""
_LARGEST_BATCH = 512


@dataclass(frozen=True, slots=True)
class DefaultGrid:
    """What varies, and what doesn't, in the names of a spec. Weight decay is what keeps small tables from memorising."""

    hidden: tuple[tuple[int, ...], ...]
    batch_size: int
    epochs: int
    activation: tuple[str, ...] = ("relu", "tanh", "gelu")
    lr: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    weight_decay: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    optimizer: str = "adamw"
    schedule: str = "cosine"
    normalize: str = "zscore"

    @property
    def variants(self) -> int:
        """How many points it has; without a hidden layer all activations are the same."""
        shapes = sum(len(self.activation) if hidden else 1 for hidden in self.hidden)
        return shapes * len(self.lr) * len(self.weight_decay)


def default_grid(rows: int, inputs: int) -> DefaultGrid:
    """Returns the grid for so many training rows, those of the smallest split, and inputs."""
    hidden: tuple[tuple[int, ...], ...] = ((), (64,), (32, 32))
    hidden += ((64, 64),) if rows >= FEW_ROWS else ()
    batch = next((size for below, size in _BATCHES if rows < below), _LARGEST_BATCH)
    epochs = round(_WORK / (rows * max(_parameters(inputs, widths) for widths in hidden)))
    return DefaultGrid(hidden, min(batch, rows), min(max(epochs, 1), MOST_EPOCHS))


def _parameters(inputs: int, hidden: Sequence[int]) -> int:
    return sum((below + 1) * above for below, above in pairwise((inputs, *hidden, 1)))
