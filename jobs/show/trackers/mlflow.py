"""Writes a run to an MLflow tracking server: a parent run with the files, a child run per variant, the best as models.

It can be repeated: what the server has already stays as it is, what has changed since is logged again, and an export
that was interrupted is completed.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sumsquares.jobs import exits
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.results.tracked import TrackedVariant
from sumsquares.jobs.show.progress import Progress

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent to anybody but the server that was named
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # the defaults take minutes to say that there is no server, these 7 s
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""Settings of the client that the environment may override."""
_REACH = (
    "see that the server runs and lets you write (MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD)"
)
_RENAME = "if it is the experiment that is refused, name another one with --experiment"
_TAG = "sumsquares."
_DIGEST, _ID = f"{_TAG}digest", f"{_TAG}id"
_METRICS_AT_ONCE = 1000
_FIRST = 850
"""Metrics beside all parameters and tags: the server accepts 1,000 of the three in one request."""
_LONGEST_TAG = 5000
"""Characters of a tag that every server takes."""
_AT_ONCE = 8
"""Requests at once."""
_RUNTIME = ("onnx", "onnxruntime", "numpy")
"""What a registered model needs where it is loaded."""


class TrackerError(RuntimeError):
    """The tracking server can't be reached, or refused something."""

    exit_code = exits.CLUSTER


@dataclass(frozen=True, slots=True)
class TrackedModel:
    """A model to be registered."""

    name: str
    """Under which it is registered; a new version where the model has changed."""
    alias: str
    """That points to this version: best or champion."""
    variant_id: str
    trial_id: str
    onnx: Callable[[], bytes]
    """Makes the model; called only where the server has not this version."""
    columns: tuple[str, ...]
    """Its inputs."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What an export did."""

    experiment: str
    """Its name."""
    variants: int
    written: int
    """Variants that were new to the server, or have changed."""
    models: Mapping[str, str]
    """Version by registered name."""


def log_run(
    address: str,
    experiment: str,
    run: str,
    digest: str,
    files: Mapping[str, bytes],
    variants: Sequence[TrackedVariant],
    models: Sequence[TrackedModel],
    progress: Progress,
) -> Logged:
    """Writes a run of this name and spec digest to the server at `address`.

    Raises:
        TrackerError: the server can't be reached, or refused something.

    """
    own = f"{run} {digest}"  # nights on the same rows have one digest
    with _errors(address):
        with progress.doing("connecting to MLflow"):
            client = _client(address)
            known = _Known(client, _experiment_id(client, experiment))
            parent = known.run(run, f"run {own}", run)
            _log_files(client, known, parent, files)
        write = partial(_log_variant, client, known, run, parent, f"variant {own} ")
        with progress.counting("variant", len(variants)) as advance:
            logged = _each(write, variants, advance)
        runs = {variant.id: run_id for variant, (run_id, _) in zip(variants, logged, strict=True)}
        with progress.doing("registering the models"):
            versions = {model.name: _register(client, runs.get(model.variant_id, parent), model) for model in models}
    return Logged(experiment, len(runs), sum(is_written for _, is_written in logged), versions)


def _each(
    write: Callable[[TrackedVariant], tuple[str, bool]],
    variants: Sequence[TrackedVariant],
    advance: Callable[[float], None],
) -> list[tuple[str, bool]]:
    """Writes the variants, several at once. An error or a signal ends it after the requests that are under way."""
    pool, done = ThreadPoolExecutor(_AT_ONCE), []
    try:
        for result in pool.map(write, variants):
            done.append(result)
            advance(len(done))
    finally:
        pool.shutdown(cancel_futures=True)
    return done


class _Known:
    """The runs of an experiment that an export has written before, by the tag that identifies them."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._ids: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        token: str | None = None
        while True:
            page = client.search_runs([experiment_id], f"tags.`{_ID}` LIKE '%'", page_token=token)
            for run in page:
                self._ids[run.data.tags[_ID]] = run.info.run_id
                if run.info.status == "FINISHED":  # else the export was interrupted while it wrote this one
                    self._digests[run.info.run_id] = run.data.tags.get(_DIGEST, "")
            token = page.token
            if not token:
                return

    def run(self, name: str, identity: str, of_run: str, parent: str | None = None) -> str:
        """Returns the id of the run with this identity, which is made if the server hasn't got it."""
        if (known := self._ids.get(identity)) is not None:
            return known
        tags = {_ID: identity, f"{_TAG}run": of_run, **({"mlflow.parentRunId": parent} if parent else {})}
        return str(self._client.create_run(self._experiment_id, tags=tags, run_name=name).info.run_id)

    def is_other(self, run_id: str, digest: str) -> bool:
        """Whether the run's content is not this one."""
        return self._digests.get(run_id) != digest

    def begin(self, run_id: str) -> None:
        """Marks a finished run as one that is being written, so that it is completed if that is interrupted."""
        if run_id in self._digests:
            self._client.update_run(run_id, "RUNNING")


def _client(address: str) -> MlflowClient:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(address, address)


def _experiment_id(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _log_files(client: MlflowClient, known: _Known, run_id: str, files: Mapping[str, bytes]) -> None:
    """Writes the files of the run, unless the server has them as they are."""
    digest = sha256_of(json.dumps({name: sha256_of(data) for name, data in files.items()}, sort_keys=True).encode())
    if not known.is_other(run_id, digest):
        return
    known.begin(run_id)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        client.log_artifacts(run_id, folder)
    client.log_batch(run_id, tags=_tags({_DIGEST: digest}))
    client.update_run(run_id, "FINISHED")


def _log_variant(
    client: MlflowClient, known: _Known, run: str, parent: str, prefix: str, variant: TrackedVariant
) -> tuple[str, bool]:
    """Returns the id of the variant's run, and whether anything was written to it."""
    from mlflow.entities import Param

    run_id = known.run(variant.name, prefix + variant.id, run, parent)
    if not known.is_other(run_id, variant.digest):
        return run_id, False
    params = [Param(name, str(value)) for name, value in variant.params.items()]
    tags = _tags(
        {
            "mlflow.note.content": variant.words,
            _DIGEST: variant.digest,
            **{f"{_TAG}{name}": value for name, value in variant.tags.items()},
        }
    )
    known.begin(run_id)
    # Of two values at one step MLflow takes the one with the later timestamp.
    metrics = [*_metrics(variant, time.time_ns() // 1_000_000)]
    client.log_batch(run_id, metrics[:_FIRST], params, tags)
    for first in range(_FIRST, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics[first : first + _METRICS_AT_ONCE])
    client.update_run(run_id, "FINISHED")
    return run_id, True


def _tags(values: Mapping[str, str]) -> list[RunTag]:
    from mlflow.entities import RunTag

    return [RunTag(name, value[:_LONGEST_TAG]) for name, value in values.items()]


def _metrics(variant: TrackedVariant, at: int) -> Iterator[Metric]:
    """Yields the numbers of the summary, the RMSE of each trial, and the loss of the best one by epoch."""
    from mlflow.entities import Metric

    for name, value in variant.metrics.items():
        yield Metric(name, value, at, 0)
    for place, rmse in enumerate(variant.rmse):
        yield Metric("rmse_of_trial", rmse, at, place)
    if variant.loss is not None:
        for epoch, loss in zip(*(axis.tolist() for axis in variant.loss), strict=True):
            yield Metric("loss", loss, at, epoch)


def _register(client: MlflowClient, run_id: str, model: TrackedModel) -> str:
    """Makes a version of a registered model unless there is one of the same trial, and points the alias to it."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(model.name)
    versions = client.search_model_versions(f"name = '{model.name}'")
    trial = f"{_TAG}trial_id"
    version = next((each for each in versions if each.tags.get(trial) == model.trial_id), None)
    if version is None:
        with tempfile.TemporaryDirectory() as folder:
            _save(model, Path(folder) / "model")
            client.log_artifacts(run_id, folder)
        source = f"{client.get_run(run_id).info.artifact_uri}/model"
        tags = {trial: model.trial_id}
        version = client.create_model_version(model.name, source, run_id, tags, await_creation_for=0)
    client.set_registered_model_alias(model.name, model.alias, version.version)
    return str(version.version)


def _save(model: TrackedModel, path: Path) -> None:
    """Writes the model in MLflow's ONNX flavour, which executes nothing when it is loaded."""
    import numpy as np
    from mlflow import onnx as flavour
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from onnx import load_from_string

    number = np.dtype(np.float64)
    signature = ModelSignature(
        Schema([TensorSpec(number, (-1, len(model.columns)), "inputs")]),
        Schema([TensorSpec(number, (-1,), "prediction")]),
    )
    flavour.save_model(
        load_from_string(model.onnx()),
        str(path),
        signature=signature,
        pip_requirements=[*_RUNTIME],
        metadata={"columns": [*model.columns], "trial_id": model.trial_id},
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )


@contextmanager
def _errors(address: str) -> Iterator[None]:
    """Translates errors of the client into ours."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        where = masked(address)
        remedy = _RENAME if error.error_code == "INVALID_PARAMETER_VALUE" else _REACH
        raise TrackerError(f"MLflow at {where}: {masked(str(error).splitlines()[0])[:500]}; {remedy}") from error
