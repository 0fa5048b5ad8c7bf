"""Exports to a real MLflow server on loopback. Its package needs an older pyarrow than ours, so it has an environment
of its own: `make test-trackers` makes it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from api_world import SPEC
from api_world import world as world
from night_world import TINY
from typer.testing import CliRunner

import sumsquares
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.commands.asked import asked_run
from sumsquares.jobs.commands.export import Wanted, _variants, export
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.show.trackers.mlflow import TrackerError, log_run
from sumsquares.jobs.spec.axes import AXES

ROOT = Path(__file__).parent.parent
SERVER = ROOT / ".venv-mlflow" / "bin" / "mlflow"
mlflow = pytest.importorskip("mlflow")
pytestmark = [
    pytest.mark.filterwarnings("default"),  # MLflow warns about its own modules
    pytest.mark.trackers,
    pytest.mark.timeout(600),  # the server takes ten seconds to start, and minutes on a busy machine
    pytest.mark.skipif(not SERVER.exists(), reason="there is no MLflow server: `make test-trackers` installs it"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(SERVER), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""}
    address = f"http://127.0.0.1:{port}"
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder) as process,
    ):
        try:
            _wait(address, process, folder / "log")
            yield address
        finally:
            process.terminate()


def _wait(address, process, log):
    end = time.monotonic() + 300
    while True:
        try:
            requests.get(f"{address}/health", timeout=5).raise_for_status()
        except requests.RequestException:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        else:
            return


@pytest.fixture
def client(server):
    """MLflow's own client."""
    return mlflow.MlflowClient(server, server)


def send(world, server, run="small", experiment=None):
    """Exports the run."""
    return export(Wanted(run, server, experiment, None), Shared(str(world.folder / "store"), json=False, quiet=True))


def runs_of(client, experiment):
    """All runs of an experiment by their names."""
    found = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([found.experiment_id])}


def test_there_is_a_run_for_each_variant_below_one_with_the_files(world, server, client):
    """With all hyperparameters, the summary's numbers, and the loss by epoch."""
    assert send(world, server, experiment="first") == 0
    runs = runs_of(client, "first")
    rows = world.run.summary.to_pylist()
    assert len(runs) == len(rows) + 1
    parent = runs["small"]
    assert {"job.toml", "summary.json", "report.html"} <= {
        each.path for each in client.list_artifacts(parent.info.run_id)
    }
    for row in rows:
        run = runs[f"{row['dataset']}-{row['variant_id'][:12]}"]
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert {*AXES} <= {*run.data.params}
        assert run.data.metrics["rmse_median"] == row["rmse_median"]
        assert client.get_metric_history(run.info.run_id, "loss")[-1].step == row["epochs"]
        assert len(client.get_metric_history(run.info.run_id, "rmse_of_trial")) == row["n"]


def test_a_second_export_changes_nothing(world, server, client, capsys):
    """No run and no version twice."""
    send(world, server, experiment="twice")
    before = {name: run.to_dictionary() for name, run in runs_of(client, "twice").items()}
    versions = len(client.search_model_versions("name = 'small-squares'"))
    capsys.readouterr()
    send(world, server, experiment="twice")
    assert f"0 variants written, {world.run.summary.num_rows} unchanged" in capsys.readouterr().out
    assert {name: run.to_dictionary() for name, run in runs_of(client, "twice").items()} == before
    assert len(client.search_model_versions("name = 'small-squares'")) == versions


def test_an_interrupted_export_is_completed(world, server, client):
    """A run that was not finished is written again, under its own id."""
    send(world, server, experiment="stopped")
    stopped = next(run for name, run in runs_of(client, "stopped").items() if name != "small")
    client.update_run(stopped.info.run_id, "RUNNING")
    send(world, server, experiment="stopped")
    after = runs_of(client, "stopped")
    assert len(after) == world.run.summary.num_rows + 1
    assert after[stopped.info.run_name].info.run_id == stopped.info.run_id
    assert after[stopped.info.run_name].info.status == "FINISHED"


def test_the_best_network_is_a_registered_model_that_answers_alike(world, server, client):
    """Loaded by its alias, in MLflow's ONNX flavour: no pickle among its files."""
    send(world, server)
    model = world.run.best("squares")
    version = client.get_model_version_by_alias("small-squares", "best")
    assert version.tags["sumsquares.trial_id"] == model.trial_id
    mlflow.set_tracking_uri(server)
    loaded = mlflow.pyfunc.load_model("models:/small-squares@best")
    rows = np.arange(1.0, 51.0)[:, np.newaxis]
    np.testing.assert_allclose(loaded.predict(rows)["prediction"], model.predict(rows), rtol=1e-9)
    names = [each.path for each in client.list_artifacts(version.run_id, "model")]
    assert names
    assert not [name for name in names if name.endswith((".pkl", ".pth", ".pickle"))]


def test_the_champion_of_the_nights_is_an_alias(server, client, tmp_path, cli_night):
    """Under the name of the nights' spec, and it moves with the champion."""
    cli_night("2026-11-01")
    export(Wanted("champion", server, None, None), Shared(str(tmp_path / "store"), json=False, quiet=True))
    first = client.get_model_version_by_alias("tiny-sums", "champion")
    run = sumsquares.open("champion", store=tmp_path / "store")
    assert first.tags["sumsquares.trial_id"] == run.best("sums").trial_id


@pytest.fixture
def cli_night(tmp_path):
    """Runs one night of a tiny spec."""
    (tmp_path / "tiny.toml").write_text(TINY)

    def night(date):
        command = ["nightly", "tiny.toml", "--store", "store", "--date", date, "--workers", "0", "--quiet"]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 0, ended.output

    return night


def test_a_server_that_is_not_there_ends_with_exit_code_5(world, monkeypatch):
    """The message names its address."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackerError, match=r"127\.0\.0\.1:9\b") as refused:
        send(world, "http://127.0.0.1:9")
    assert refused.value.exit_code == 5


def test_the_datasets_of_the_spec_are_those_of_the_models(world, server, client):
    """One registered model for each."""
    send(world, server)
    names = {f"small-{dataset['name']}" for dataset in SPEC["dataset"]}
    assert names <= {model.name for model in client.search_registered_models()}


def test_what_has_changed_is_shown_as_it_is_now(world, server, client):
    """Also a number that has become smaller, and a file of the run."""
    variants = [*_variants(world.store, asked_run(world.store, "small"))][:1]
    changed = [replace(each, metrics={"rmse_median": each.metrics["rmse_median"] / 2}) for each in variants]
    for files, sent in ({"a.txt": b"first"}, variants), ({"a.txt": b"second"}, changed):
        log_run(server, "changed", "small", "d" * 64, files, sent, [], Progress(quiet=True))
    runs = runs_of(client, "changed")
    assert len(runs) == 2
    assert runs[variants[0].name].data.metrics["rmse_median"] == changed[0].metrics["rmse_median"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert Path(client.download_artifacts(runs["small"].info.run_id, "a.txt")).read_text() == "second"


def test_a_run_without_any_result_is_exported_without_models(server, client, tmp_path):
    """All its trials diverged."""
    spec = {
        "name": "diverged",
        "dataset": [SPEC["dataset"][0]],
        "train": {"epochs": 4, "batch_size": 20, "optimizer": "sgd"},
        "grid": [{"hidden": [[4]], "lr": [1e6, 1e7], "activation": "relu"}],
    }
    sumsquares.run(spec, store=tmp_path / "store")
    wanted = Wanted("diverged", server, None, None)
    assert export(wanted, Shared(str(tmp_path / "store"), json=False, quiet=True)) == 0
    assert len(runs_of(client, "diverged")) == 3
    assert not [each.name for each in client.search_registered_models() if each.name.startswith("diverged")]


def test_a_night_is_exported_under_the_name_of_its_spec(server, client, tmp_path, cli_night):
    """Whether it is named or the champion."""
    cli_night("2026-11-02")
    (run,) = (path.name for path in (tmp_path / "store" / "runs").iterdir())
    export(Wanted(run, server, None, None), Shared(str(tmp_path / "store"), json=False, quiet=True))
    assert run in runs_of(client, "tiny")
    assert client.get_model_version_by_alias("tiny-sums", "best")


def test_a_deleted_experiment_is_refused_with_the_option_that_names_another(world, server, client):
    """MLflow keeps the name of one that was deleted."""
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(TrackerError, match=r"deleted.*--experiment"):
        send(world, server, experiment="gone")
