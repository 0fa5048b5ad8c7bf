"""Writes a run as TensorBoard's event files, a folder per variant: hyperparameters, metrics and the loss.

https://www.tensorflow.org/tensorboard/hyperparameter_tuning_with_hparams describes what its HParams page reads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams, scalar, text

from sumsquares.jobs.results.tracked import TrackedVariant


def write_events(folder: Path, variants: Iterable[TrackedVariant]) -> None:
    """Writes one folder with an event file for each variant.

    The scalar `loss` has the loss of the best trial by epoch, `rmse_of_trial` the RMSE of each trial by its place in
    the order of splits and seeds, and each number of the summary is a scalar of its own.

    Raises:
        OSError: a file can't be written.

    """
    for variant in variants:
        own = folder / variant.name
        own.mkdir(parents=True)
        # SummaryWriter takes 0.2 s for each folder, since its thread reads a queue between processes.
        writer = EventsWriter(str(own / "events"))
        for step, summary in _summaries(variant):
            writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
        writer.close()


def _summaries(variant: TrackedVariant) -> Iterator[tuple[int, Summary]]:
    """Yields (step, summary)."""
    for summary in hparams(dict(variant.params), dict(variant.metrics)):
        yield 0, summary
    for name, value in variant.metrics.items():
        yield 0, scalar(name, value)
    for place, rmse in enumerate(variant.rmse):
        yield place, scalar("rmse_of_trial", rmse)
    if variant.loss is not None:
        for epoch, loss in zip(*(axis.tolist() for axis in variant.loss), strict=True):
            yield epoch, scalar("loss", loss)
    lines = [variant.words, *(f"{name}: {value}" for name, value in variant.tags.items())]
    yield 0, text("variant", "  \n".join(lines))
