"""The models and loss curves of chosen trials, read from the store: each pack once, and a limited number of packs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.jobs.results.figures.data import Chosen, Floats
from sumsquares.jobs.results.models import TrainedNetwork, model_in
from sumsquares.jobs.results.pack_files import DamagedResult
from sumsquares.jobs.results.stored import LOSSES, read_tensors
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

MOST_PACKS = 64
"""Packs up to which others than needed ones are read: 0.2 s, and 5 s from an object store."""
OnLost = Callable[[str, Exception], object]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store has of a trial beside its numbers."""

    trial: Trial
    network: TrainedNetwork
    losses_E: Floats | None
    """None if an earlier version trained it."""


class Asked(NamedTuple):
    """A variant that is drawn, with what the store has of the trial that is asked."""

    chosen: Chosen
    kept: Kept

    @property
    def dataset(self) -> Named:
        """What the trial was trained on: of a table one split."""
        return self.kept.trial.variant.dataset


def read_kept(
    store: Store, needed: Sequence[Trial], others: Sequence[Trial], results: pa.Table, on_lost: OnLost
) -> dict[str, Kept]:
    """Returns what the store has of these trials, by trial id; `results` has the column `pack`.

    Missing are others in further packs than MOST_PACKS, and those of packs whose weights are damaged or gone, which
    `on_lost` gets.
    """
    found: dict[str, Kept] = {}
    for pack, trials in _by_pack(needed, others, results).items():
        try:
            tensors, ids = read_tensors(store, pack)
        except (DamagedResult, FileNotFoundError) as error:
            on_lost(pack, error)
        else:
            found |= {trial.id: _kept(store, tensors, ids, trial) for trial in trials}
    return found


def _by_pack(needed: Sequence[Trial], others: Sequence[Trial], results: pa.Table) -> dict[str, list[Trial]]:
    wanted = {trial.id: trial for trial in (*needed, *others)}
    places = pc.index_in(pa.array(wanted, pa.string()), value_set=results["trial_id"])
    packs: dict[str, list[Trial]] = {}
    for index, (trial, pack) in enumerate(zip(wanted.values(), results["pack"].take(places).to_pylist(), strict=True)):
        if pack is not None and (pack in packs or index < len(needed) or len(packs) < MOST_PACKS):
            packs.setdefault(pack, []).append(trial)
    return packs


def _kept(store: Store, tensors: Mapping[str, NDArray[Any]], ids: Sequence[str], trial: Trial) -> Kept:
    weights = {name: tensor for name, tensor in tensors.items() if name != LOSSES}
    losses_ME = tensors.get(LOSSES)
    losses_E = None if losses_ME is None else losses_ME[ids.index(trial.id)].astype(np.float64)
    return Kept(trial, model_in(store, (weights, ids), trial), losses_E)
