"""Trains one pack in a worker: from rows in the store to a committed result. No Ray: a beat is all it calls.

Commit order: the saved state while it trains, then weights and rows (results.commit_pack), then the state is
deleted. A pack that is interrupted goes on from its last saved state, to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.spec import SPLITS, Split
from sumsquares.jobs.engines.choice import choose, engine, recorded
from sumsquares.jobs.engines.metrics import Errors, measure
from sumsquares.jobs.engines.state import PerModel, State, state_dicts
from sumsquares.jobs.results.stored import commit_pack, variant_columns
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.stages.checkpoints import load_state, save_state, state_path
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.rows import Reader
from sumsquares.jobs.storage.store import Store

SAVE_SECONDS = 60.0
"""Between two saved states of a pack; one is a few MB."""
Beat = Callable[[float], None]
_PER_MODEL = tuple(field.name for field in fields(PerModel) if field.name in AXES)


@dataclass(frozen=True)
class Outcome:
    """What a run wants to know of a pack at once; everything is in the store."""

    trials: int
    diverged: int
    best: tuple[str, float] | None
    """Name of the dataset and its lowest test RMSE in this pack."""
    seconds: float


@dataclass(frozen=True)
class Trainer:
    """Where a worker trains, and with what."""

    engine: str
    device: str


def worker(store_root: str, memory_limit: int, wanted: str, device: str) -> Callable[[Pack, Beat], Outcome]:
    """What each worker process calls once; the rest is done per pack by what it returns.

    Raises:
        EngineMissing: the engine that is asked for by name is not there.

    """
    trainer = Trainer(choose(wanted, device), device)
    engine(trainer.engine)  # heavy, and for workers alone
    store = Store(store_root)
    reader = Reader(store, memory_limit)
    return lambda pack, beat: train_pack(store, reader, pack, trainer, beat)


def train_pack(store: Store, reader: Reader, pack: Pack, trainer: Trainer, beat: Beat) -> Outcome:
    """Trains a pack from its saved state or from the beginning, measures it on all splits and commits it."""
    trains, name = engine(trainer.engine), recorded(trainer.engine)
    began = saved_at = time.monotonic()
    program, variant = pack.program, pack.variant

    def on_progress(step: int, snapshot: Callable[[], State]) -> None:
        nonlocal saved_at
        beat(step / program.steps)
        if time.monotonic() - saved_at > SAVE_SECONDS:
            save_state(store, pack.id, [trial.id for trial in pack.trials], name, snapshot())
            saved_at = time.monotonic()

    scale = normalization(variant.dataset, variant.normalize)
    state = trains.train(
        program,
        models_of(pack),
        reader.training_rows(variant.dataset, scale, variant.dtype),
        device=trainer.device,
        state=load_state(store, pack.id, name),
        on_progress=on_progress,
    )
    predict = trains.predictor(program, state.parameters, trainer.device)
    unseen_N = reader.unseen(variant.dataset)
    errors = {
        split: measure(
            predict,
            reader.evaluation_rows(variant.dataset, split, scale, variant.dtype),
            scale.restore,
            unseen_N if split == "test" else None,
        )
        for split in SPLITS
    }
    seconds = time.monotonic() - began
    rows = _rows(pack, state, errors, seconds, Trainer(name, trainer.device))
    commit_pack(store, pack.id, rows, state_dicts(program, state.parameters))
    store.delete(state_path(pack.id))
    return _outcome(pack, rows, seconds)


def models_of(pack: Pack) -> PerModel:
    """What differs between the pack's models."""
    return PerModel(
        seeds=[trial.seed for trial in pack.trials],
        **{name: [getattr(trial.variant, name) for trial in pack.trials] for name in _PER_MODEL},
    )


def _rows(pack: Pack, state: State, errors: dict[Split, Errors], seconds: float, by: Trainer) -> list[dict[str, Any]]:
    """One result row per trial, in the order of the pack."""
    test = errors["test"]
    steps = pack.program.steps
    metrics = {
        "rmse": test.rmse,
        "rmse_rounded": test.rmse_rounded,
        "rmse_train": errors["train"].rmse,
        "rmse_extrapolation": errors["extrapolation"].rmse,
        "max_abs_error": test.largest_M,
        "r2": test.r2,
        "exact_fraction": test.exact_fraction,
        "mae": test.mae,
        "rmse_unseen": test.rmse_chosen,
    }
    finite_M = (state.finite_steps == steps) & np.isfinite(test.rmse)
    return [
        {
            "trial_id": trial.id,
            **variant_columns(trial.variant),
            "seed": trial.seed,
            "status": "ok" if finite_M[index] else "diverged",
            **{name: float(values[index]) for name, values in metrics.items()},
            "steps": int(state.finite_steps[index]),
            "train_seconds": seconds / len(pack.trials),
            "engine": by.engine,
            "device": by.device,
        }
        for index, trial in enumerate(pack.trials)
    ]


def _outcome(pack: Pack, rows: list[dict[str, Any]], seconds: float) -> Outcome:
    best = min((row["rmse"] for row in rows if row["status"] == "ok"), default=None)
    name = pack.variant.dataset.name
    diverged = sum(row["status"] == "diverged" for row in rows)
    return Outcome(len(rows), diverged, None if best is None else (name, best), seconds)
