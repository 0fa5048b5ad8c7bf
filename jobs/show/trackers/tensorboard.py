"""Writes a run as TensorBoard's event files, a folder per variant: hyperparameters, metrics and the loss.

https://www.tensorflow.org/tensorboard/hyperparameter_tuning_with_hparams describes what its HParams page reads.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams, scalar, text

from sumsquares.jobs.results.tracked import TrackedVariant


def write_events(folder: Path, variants: Sequence[TrackedVariant], on_variant: Callable[[int], object]) -> None:
    """Writes one folder with an event file for each variant; `on_variant` is told how many are written.

    The folder appears once it is complete: an export that fails or is stopped leaves nothing.

    The scalar `loss` has the loss of the best trial by epoch, `rmse_of_trial` the RMSE of each trial by its place in
    the order of splits and seeds, and each number of the summary is a scalar of its own.

    Raises:
        OSError: a file can't be written.

    """
    made = [each for each in (folder.parent, *folder.parent.parents) if not each.exists()]
    own = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        own.mkdir(parents=True)
        for count, variant in enumerate(variants, 1):
            _write(own / variant.name, variant)
            on_variant(count)
        own.rename(folder)
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        with suppress(OSError):
            for each in made:
                each.rmdir()
        raise


def _write(folder: Path, variant: TrackedVariant) -> None:
    """Writes the event file of one variant."""
    folder.mkdir()
    # SummaryWriter takes 0.2 s for each folder, since its thread reads a queue between processes.
    writer = EventsWriter(str(folder / "events"))
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
