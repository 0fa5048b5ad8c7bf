"""Submitting to a real cluster: three raylets on this machine with token authentication, over the Jobs API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from ray_cluster import ROOT
from specs import LONGER, SMALL
from test_run import run, summary_of

from sumsquares.cluster.submission import Job
from sumsquares.jobs.commands.submit import endpoint, entrypoint, exit_code_of, job_name
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.stages.placement import PlacementOptions
from sumsquares.jobs.storage.store import Store


@pytest.fixture
def cli(cluster, tmp_path):
    """Runs the command line as a user's process, with the cluster's address and token in its environment."""

    def call(*arguments, **environment):
        known = {**cluster.environment, "RAY_API_SERVER_ADDRESS": cluster.address, **environment}
        command = [sys.executable, "-m", "sumsquares", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=known, capture_output=True, text=True, check=False, timeout=150
        )

    return call


@pytest.mark.cluster
def test_a_submitted_run_is_the_local_run(cli, tmp_path):
    """Same log, exit code and summary; submitting again finds all trials trained."""
    (tmp_path / "spec.toml").write_text(SMALL)
    ended = cli("submit", "spec.toml", "--store", "store", "--wait")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "summary: " in ended.stdout
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    assert summary_of(Store(str(tmp_path / "store"))) == summary_of(run(quiet)[0])
    again = cli("submit", "spec.toml", "--store", "store", "--wait")
    assert "60 trained before, 0 to train" in again.stdout
    (name,) = {job["job"].rpartition(".")[0] for job in json.loads(cli("list", "--json").stdout)["jobs"]}
    assert json.loads(cli("status", name, "--json").stdout)["job"] == f"{name}.2"


@pytest.mark.cluster
def test_a_second_submit_attaches_and_after_a_stop_a_third_resumes(cli, tmp_path):
    """One job at a time per spec and store; after a stop, a new attempt."""
    (tmp_path / "spec.toml").write_text(LONGER.replace('"small"', '"longer"').replace("epochs = 1500", "epochs = 6000"))
    first, second = (json.loads(cli("submit", "spec.toml", "--store", "store", "--json").stdout) for _ in range(2))
    assert first["new"]
    assert second == {"job": first["job"], "new": False}
    store, end = Store(str(tmp_path / "store")), time.monotonic() + 60
    while not store.list("trials") and time.monotonic() < end:
        time.sleep(0.3)
    stopped = cli("stop", first["job"])
    assert stopped.returncode == 0, stopped.stderr
    assert "STOPPED" in stopped.stdout
    assert "to train" in cli("logs", first["job"]).stdout
    kept = set(store.list("trials"))
    assert kept
    third = json.loads(cli("submit", "spec.toml", "--store", "store", "--json").stdout)
    assert third["job"] == first["job"].removesuffix(".1") + ".2"
    log = cli("logs", third["job"], "--follow")
    assert log.returncode == 0, log.stdout
    assert " 0 to train" not in log.stdout  # otherwise the stop came too late to prove anything
    assert kept <= set(store.list("trials"))


@pytest.mark.cluster
def test_the_jobs_exit_code_is_returned(cli, tmp_path):
    """4 here, since the store is a file."""
    (tmp_path / "spec.toml").write_text(SMALL)
    (tmp_path / "store").write_text("in the way")
    ended = cli("submit", "spec.toml", "--store", "store", "--wait")
    assert ended.returncode == 4
    assert "choose another --store" in ended.stdout


@pytest.mark.cluster
@pytest.mark.parametrize(
    "environment", [{"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": "disabled"}]
)
def test_a_wrong_or_missing_token_is_rejected_and_never_shown(cli, cluster, environment):
    """Exit code 5, naming the variables to set."""
    ended = cli("list", **environment)
    assert ended.returncode == 5
    assert "RAY_AUTH_TOKEN" in ended.stderr
    assert cluster.token not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.cluster
def test_the_job_rejects_more_workers_than_the_cluster_has(cli, tmp_path):
    """With requested and available and exit code 5, instead of pending forever."""
    (tmp_path / "spec.toml").write_text(SMALL.replace('"small"', '"greedy"'))
    ended = cli("submit", "spec.toml", "--store", "store", "--wait", "--workers", "50")
    assert ended.returncode == 5
    assert "CPU: 50 requested, 3 available" in ended.stdout


@pytest.mark.parametrize("address", ["jobs://x", "ray://head:10001", "http://", "head:8265", "http://a:99999"])
def test_an_address_that_is_not_http_is_rejected(address):
    """Ray would import a module named like an unknown scheme."""
    with pytest.raises(UsageError, match="http"):
        endpoint(address, [], None, {})


def test_the_address_comes_from_the_option_then_from_the_environment():
    """RAY_API_SERVER_ADDRESS before RAY_ADDRESS; no address, or one with a secret, is an error with a remedy."""
    environment = {"RAY_API_SERVER_ADDRESS": "http://a:1", "RAY_ADDRESS": "http://b:2"}
    assert endpoint("https://c:3/", ["X-Key: 1"], "false", environment).address == "https://c:3"
    assert endpoint(None, [], None, environment).address == "http://a:1"
    assert endpoint(None, [], None, {"RAY_ADDRESS": "http://b:2"}).address == "http://b:2"
    with pytest.raises(UsageError, match="--address"):
        endpoint(None, [], None, {})
    with pytest.raises(UsageError) as refused:
        endpoint("http://me:secret@a:1", [], None, {})
    assert "secret" not in str(refused.value)


def test_an_unreachable_cluster_is_exit_code_5_within_seconds(tmp_path):
    """Here a port that is bound but does not listen."""
    (tmp_path / "spec.toml").write_text(SMALL)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        command = [sys.executable, "-m", "sumsquares", "submit", "spec.toml", "--address", address]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
        )
    assert ended.returncode == 5
    assert "nothing answers" in ended.stderr


def test_the_entry_point_is_the_same_command_quoted_for_a_shell():
    """Only options that differ from their defaults are passed on."""
    store = Store("s3://bucket/some prefix")
    options = PlacementOptions(workers="2:8", label=["zone=a b"])
    assert entrypoint(store, options, 100) == (
        "sumsquares run spec.toml --address auto --store 's3://bucket/some prefix' "
        "--workers 2:8 --label 'zone=a b' --max-trials 100"
    )


def test_a_job_is_named_by_its_spec_and_store():
    """A different spec or store is a different job."""
    spec, other = parse_spec(SMALL.encode(), "a"), parse_spec(LONGER.encode(), "b")
    names = {job_name(s, Store(root)) for s in (spec, other) for root in ("s3://a/x", "s3://a/y")}
    assert len(names) == 4
    assert all(name.startswith("small-") for name in names)


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (Job("a.1", "SUCCEEDED", "", 0, 1.0, 2.0), 0),
        (Job("a.1", "FAILED", "", 7, 1.0, 2.0), 7),
        (Job("a.1", "FAILED", "failed with exit code 4, logs", None, 1.0, 2.0), 4),
        (Job("a.1", "STOPPED", "", None, 1.0, 2.0), 143),
        (Job("a.1", "FAILED", "", -9, 1.0, 2.0), 137),
        (Job("a.1", "FAILED", "the node died", None, 1.0, 2.0), 5),
    ],
)
def test_the_end_of_a_job_maps_to_an_exit_code(job, code):
    """The job's own if the cluster knows it."""
    assert exit_code_of(job) == code
