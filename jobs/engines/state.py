"""What differs between the models of a pack, and the state that a training goes on from. Plain arrays, no torch.

Suffixes: M models, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Models:
    """What differs between the M models of a pack."""

    seeds: Sequence[int]
    """Of the first weights."""
    inits: Sequence[str]
    """glorot_uniform, he_uniform or pytorch."""
    lr: Sequence[float]
    """Learning rates of the first step."""
    weight_decay: Sequence[float]


@dataclass(frozen=True)
class State:
    """Everything a training goes on from, and its result once `step` is the last."""

    step: int
    """Optimizer steps made."""
    parameters: NDArray[np.floating]
    """[M, P]"""
    slots: tuple[NDArray[np.floating], ...]
    """The optimizer's memory, each [M, P]."""
    finite_steps: NDArray[np.int64]
    """[M]; fewer than `step`: the loss stopped being finite after so many steps."""
