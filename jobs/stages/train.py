"""Trains one pack in a worker, from rows in the store to a committed result. It knows Ray only as a heartbeat.

Commit order: checkpoints during training, then weights and rows (results.commit_pack), then the checkpoint is deleted.
An interrupted pack resumes from its last checkpoint and ends with the same bits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.source import Range
from sumsquares.jobs import exits
from sumsquares.jobs.engines.choice import choose, engine, instead, recorded
from sumsquares.jobs.engines.cuda.compiler import CompileError
from sumsquares.jobs.engines.metrics import Floats
from sumsquares.jobs.engines.state import PerModel, State
from sumsquares.jobs.results.measured import Models, measure_models
from sumsquares.jobs.results.scaling import ranges_in_training, scale_of
from sumsquares.jobs.results.stored import commit_pack
from sumsquares.jobs.results.trial_columns import trial_columns
from sumsquares.jobs.results.trial_metrics import METRICS, Source, metrics_of
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.stages.checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.rows import DatasetReader, NormalizedRows
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)
SAVE_SECONDS, SAVING_SECONDS = 60.0, 3.0
"""Between two checkpoints of a pack, and what saving one may take: after one that took n times as long, the next one
comes n times as late. Most are a few MB; that of 10,000 models of 1-64-64-1 has 526 MB, and took 6 s on a busy disk."""
Heartbeat = Callable[[float], None]
_PER_MODEL = tuple(field.name for field in fields(PerModel) if field.name in AXES)


class OtherVersion(RuntimeError):  # noqa: N818  named for the state of things, like EngineMissing and others
    """The package on this node would give the trials' ids other numbers than the one that planned them."""

    exit_code = exits.CLUSTER
    fatal = True


@dataclass(frozen=True)
class PackOutcome:
    """What the progress display needs of a finished pack; the results are in the store."""

    trials: int
    best: tuple[str, float] | None
    """Name of the dataset, and its lowest test RMSE in this pack; None if all trials diverged."""
    seconds: float
    """From when the worker took the pack until its results were committed."""
    share: float
    """Of the pack's steps, trained in that time; less than 1 if it resumed from a checkpoint."""
    is_first: bool = False
    """Whether it was its worker's first pack, for which rows were read and caches were filled."""


@dataclass(frozen=True)
class Trainer:
    """The engine and the device of a worker."""

    engine: str
    device: str


def worker(store_root: str, memory_limit: int, wanted: str, device: str) -> Callable[[Pack, Heartbeat], PackOutcome]:
    """Called once in each worker process; returns the function that trains a pack.

    Raises:
        EngineMissing: the engine that is asked for by name is missing.

    """
    engine(choose(wanted, device))  # heavy, and for workers alone
    store = Store(store_root)
    reader = DatasetReader(store, memory_limit)
    is_first = True

    def train(pack: Pack, heartbeat: Heartbeat) -> PackOutcome:
        nonlocal is_first
        name = choose(wanted, device, pack.program)
        try:
            outcome = train_pack(store, reader, pack, Trainer(name, device), heartbeat)
        except CompileError as error:  # as it will be each time
            name = instead(wanted, error)
            log.warning("%s trains pack %s: %s", name, pack.id, error)
            outcome = train_pack(store, reader, pack, Trainer(name, device), heartbeat)
        outcome, is_first = replace(outcome, is_first=is_first), False
        return outcome

    return train


def train_pack(store: Store, reader: DatasetReader, pack: Pack, trainer: Trainer, heartbeat: Heartbeat) -> PackOutcome:
    """Trains a pack from its checkpoint or from the beginning, measures it on all splits and commits it."""
    trains, name = engine(trainer.engine), recorded(trainer.engine, trainer.device)
    began = saved_at = time.monotonic()
    pause = SAVE_SECONDS
    program, variant = pack.program, pack.variant
    if variant.training_version != TRAINING_VERSION:
        raise OtherVersion(
            f"the package on this node has training version {TRAINING_VERSION}, the run has "
            f"{variant.training_version}: install the same version of sumsquares on all nodes"
        )

    # Checkpoints follow the clock, not the step count: a step may take microseconds or seconds.
    def on_progress(step: int, snapshot: Callable[[], State]) -> None:
        nonlocal saved_at, pause
        heartbeat(step / program.steps)
        if (now := time.monotonic()) - saved_at > pause:
            save_checkpoint(store, pack.id, pack.trial_ids, name, snapshot())
            saved_at = time.monotonic()
            pause = SAVE_SECONDS * max(1.0, (saved_at - now) / SAVING_SECONDS)

    read = NormalizedRows(reader, variant.dataset, scale_of(store, variant))
    saved = load_checkpoint(store, pack.id, name)
    state = trains.train(
        program,
        replace(models_of(pack), input_range=input_range(ranges_in_training(store, variant), read.scale)),
        read.training_rows(variant.dtype),
        device=trainer.device,
        state=saved,
        on_progress=on_progress,
    )

    # Measured here, while parameters and rows are in memory, and not when the run is summarised.
    trained = Models(program, state.parameters)
    predictor = partial(trains.predictor, device=trainer.device)
    measured = measure_models(trained, variant.readout, state.losses, read, predictor, observer=trains.observer)
    if measured.solver is not None:
        name = f"{name}, readout by {measured.solver}"

    # The checkpoint goes last: whoever is killed before that finds either the results or the checkpoint.
    seconds = time.monotonic() - began
    metrics = _metrics(pack, measured.sources)
    is_ok_M = (state.finite_steps == program.steps) & np.isfinite(metrics["rmse"])
    by = Trainer(name, trainer.device)
    commit_pack(
        store, pack.id, _columns(pack, state, metrics, is_ok_M, seconds, by), measured.tensors(trained), state.losses
    )
    store.delete(checkpoint_path(pack.id))
    share = 1.0 - (saved.step / program.steps if saved else 0.0)
    return PackOutcome(len(pack.trials), _best(pack, metrics["rmse"][is_ok_M]), time.monotonic() - began, share)


def models_of(pack: Pack) -> PerModel:
    """The values in which the pack's models differ; the ranges of its inputs are left out."""
    return PerModel(
        seeds=[trial.seed for trial in pack.trials],
        **{name: [getattr(trial.variant, name) for trial in pack.trials] for name in _PER_MODEL},
    )


def input_range(ranges: Sequence[Range], scale: Normalization) -> list[tuple[float, float]]:
    """Returns the smallest and the largest normalised number of each input column, by the range of its numbers."""
    ends_2I = scale.inputs(np.array(ranges).T, np.float64)
    return list(zip(*ends_2I.tolist(), strict=True))


def _metrics(pack: Pack, sources: Mapping[Source, Any]) -> dict[str, Floats]:
    """Returns the metrics of all models; those of rounded answers are NaN where targets are no integers."""
    unknown_M = np.full(len(pack.trials), np.nan)
    metrics = metrics_of(sources, len(pack.trials), loss=pack.program.loss)
    if not pack.variant.dataset.has_integer_target:
        metrics |= {metric.name: unknown_M for metric in METRICS if metric.needs_exactness}
    return metrics


def _columns(
    pack: Pack,
    state: State,
    metrics: Mapping[str, Floats],
    is_ok_M: NDArray[np.bool_],
    seconds: float,
    by: Trainer,
) -> dict[str, Any]:
    """The result rows of all trials by column, in the order of the pack."""
    models = len(pack.trials)
    return {
        "trial_id": pack.trial_ids,
        **trial_columns(pack.trials),
        "seed": [trial.seed for trial in pack.trials],
        "status": np.where(is_ok_M, "ok", "diverged"),
        **metrics,
        "steps": state.finite_steps,
        "train_seconds": np.full(models, seconds / models),
        "engine": [by.engine] * models,
        "device": [by.device] * models,
    }


def _best(pack: Pack, rmse_M: Floats) -> tuple[str, float] | None:
    """The dataset's name, and the lowest RMSE of those of the trials that did not diverge."""
    return (pack.variant.dataset.name, float(rmse_M.min())) if len(rmse_M) else None
