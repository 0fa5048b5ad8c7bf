"""What `sumsquares export` does: writes a finished run to MLflow, or as TensorBoard's event files."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs import exits
from sumsquares.jobs.commands.answering import Answerer, Question, answerers
from sumsquares.jobs.commands.asked import CHAMPION, Asked, asked_run, known_best
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.results.stored import read_losses, read_trials
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.results.tracked import TrackedVariant, tracked
from sumsquares.jobs.show.format import counted, describe_variant
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.stages.run_tables import read_file, read_table
from sumsquares.jobs.storage.address import SCHEME
from sumsquares.jobs.storage.store import Store

if TYPE_CHECKING:
    from sumsquares.jobs.show.trackers.mlflow import Logged, TrackedModel

_FILES = ("summary.parquet", "trials.parquet", "report.html")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    run: str
    mlflow: str | None
    """Address of a tracking server."""
    experiment: str | None
    tensorboard: Path | None
    """Folder for event files."""

    def check(self) -> None:
        """Raises a UsageError for what can't be done, before anything is read or written."""
        if self.mlflow is None and self.tensorboard is None:
            raise UsageError("name where to: --mlflow http://server:5000, --tensorboard FOLDER, or both")
        if self.mlflow is None and self.experiment is not None:
            raise UsageError("--experiment only applies to --mlflow: add it, or leave it out")
        if self.mlflow is not None:
            check_address(self.mlflow)
            with _package("mlflow"):
                import mlflow  # noqa: F401
                import onnx  # noqa: F401
        if self.tensorboard is not None:
            with _package("tensorboard"):
                import tensorboardX  # noqa: F401


def check_address(address: str) -> None:
    """Raises a UsageError for an address that is not that of a tracking server; what may be secret is not echoed."""
    try:
        parts = urlsplit(address)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError("--mlflow: the address begins with http:// or https://, such as http://server:5000")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            "--mlflow: the address seems to hold credentials: leave them out, and set MLFLOW_TRACKING_TOKEN, or "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )


def export(wanted: Wanted, shared: Shared) -> int:
    """Exports a finished run to the tools that are named."""
    progress = shared.progress()
    with progress.doing("loading the packages"):
        wanted.check()
    store = Store(shared.store)
    with progress.doing("reading the run"):
        asked = asked_run(store, wanted.run)
        has_best = bool(known_best(store, asked))  # raises unless the run is finished
        variants = [*_variants(store, asked)]
    facts: dict[str, Any] = {"run": asked.spec.name, "variants": len(variants)}
    lines: list[str] = []
    if wanted.tensorboard is not None:
        folder = _to_tensorboard(store, wanted.tensorboard, asked.spec.name, variants, progress)
        facts["tensorboard"] = str(folder)
        look = f"tensorboard --logdir {shlex.quote(str(wanted.tensorboard))}"
        lines.append(f"{counted(len(variants), 'variant')} in {folder}; look at them with: {look}")
    if wanted.mlflow is not None:
        logged = _to_mlflow(wanted.mlflow, wanted, store, asked, variants, has_best, progress)
        facts["mlflow"] = {"experiment": logged.experiment, "written": logged.written, "models": dict(logged.models)}
        had = logged.variants - logged.written
        lines.append(f"experiment {logged.experiment}: {counted(logged.written, 'variant')} written, {had:,} unchanged")
        lines += [f"model {name}, version {version}: alias {_alias(wanted)}" for name, version in logged.models.items()]
    shared.print(facts, "\n".join(lines))
    return exits.OK


def _variants(store: Store, asked: Asked) -> Iterator[TrackedVariant]:
    remedy = asked.summarize(store)
    tables = [read_table(store, asked.spec.name, name, remedy) for name in ("summary.parquet", "trials.parquet")]
    if None in tables:
        raise UsageError(f"an earlier version wrote run {asked.spec.name!r}, without all tables; {remedy}")
    summary, trials = tables
    return tracked(summary, trials, describe_variant, partial(_losses, store))


def _losses(store: Store, trial_ids: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
    """Returns the loss curve of each trial that has one; each pack is read once."""
    table = read_trials(store).table
    packs = dict(zip(table["trial_id"].to_pylist(), table["pack"].to_pylist(), strict=True))
    of_pack: dict[str, list[str]] = defaultdict(list)
    for each in trial_ids:
        if each in packs:
            of_pack[packs[each]].append(each)
    found: dict[str, NDArray[np.float32]] = {}
    for pack, wanted in of_pack.items():
        if (losses := read_losses(store, pack)) is not None:
            curves_ME, ids = losses
            found.update((each, curves_ME[ids.index(each)]) for each in wanted)
    return found


def _to_tensorboard(
    store: Store, folder: Path, run: str, variants: Sequence[TrackedVariant], progress: Progress
) -> Path:
    from sumsquares.jobs.show.trackers.tensorboard import write_events

    own = folder / run
    try:
        if not SCHEME.match(store.root) and own.resolve().is_relative_to(Path(store.root).resolve()):
            raise UsageError(
                f"--tensorboard: {shown(str(folder))} lies in the store, which keeps its own files alone: "
                "name another folder"
            )
        if own.exists():
            raise UsageError(f"--tensorboard: {shown(str(own))} exists already: delete it, or name another folder")
        with progress.counting("variant", len(variants)) as advance:
            write_events(own, variants, advance)
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = getattr(error, "strerror", None) or "it is no path"
        raise UsageError(f"--tensorboard {shown(str(folder))}: {reason}; name another folder") from error
    return own


def _to_mlflow(
    address: str,
    wanted: Wanted,
    store: Store,
    asked: Asked,
    variants: Sequence[TrackedVariant],
    has_best: bool,
    progress: Progress,
) -> Logged:
    from sumsquares.jobs.show.trackers.mlflow import log_run

    run, remedy, name = asked.spec.name, asked.summarize(store), _lasting_name(store, asked)
    with progress.doing("reading the best networks"):
        files = {each: read_file(store, run, each, remedy) for each in _FILES}
        files |= {each: store.get(f"{run_folder(run)}/{each}") for each in (SPEC, SUMMARY)}
        there = {each: data for each, data in files.items() if data is not None}
        models = [*_models(store, wanted, name)] if has_best else []
    return log_run(address, wanted.experiment or name, run, asked.spec.digest, there, variants, models, progress)


def _lasting_name(store: Store, asked: Asked) -> str:
    """Returns the name under which runs of one kind are kept: that of the spec, also of nights."""
    record = read_night(store, asked.night) if asked.night else None
    return record.spec_name if record else asked.spec.name


def _alias(wanted: Wanted) -> str:
    return CHAMPION if wanted.run == CHAMPION else "best"


def _models(store: Store, wanted: Wanted, name: str) -> Iterator[TrackedModel]:
    """Yields the best trial of each dataset that has one."""
    from sumsquares.jobs.show.trackers.mlflow import TrackedModel

    for answerer in answerers(store, Question(wanted.run)):
        variant, dataset = answerer.trial.variant, answerer.trial.variant.dataset
        yield TrackedModel(
            f"{name}-{dataset.name}",
            _alias(wanted),
            variant.group,
            answerer.trial.id,
            partial(_onnx, store, answerer),
            dataset.columns[:-1],
        )


def _onnx(store: Store, answerer: Answerer) -> bytes:
    from sumsquares.jobs.engines.onnx_graph import onnx_model

    network, dataset = answerer.network(store), answerer.trial.variant.dataset
    about = {"trial_id": answerer.trial.id, "dataset": dataset.name, "columns": json.dumps(dataset.columns[:-1])}
    return bytes(onnx_model(network.program, network.tensors, network.scale, about).SerializeToString())


@contextmanager
def _package(extra: str) -> Iterator[None]:
    """Says which extra is missing."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f'--{extra} needs more packages: pip install "sumsquares[{extra}]" ({error})') from error
