"""A connection to Ray: a local one that is started and stopped here, or an existing cluster.

This module imports Ray, which may end the process at any time: launchers use driver.py instead. Every error is
translated into a ClusterError that says what was tried and what to do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]  # compiled

from sumsquares.cluster.connect import check_answers, set_numbers
from sumsquares.cluster.workers import ClusterError, Resources

ENVIRONMENT: Mapping[str, str] = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a relative --store must mean the same folder in the workers
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a lost worker is noticed after 0.5 s instead of 2 s
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",  # Ray still counts a lost node for 20 s: place the group again
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def local(cpus: int, gpus: int, folder: str) -> Iterator[list[Resources]]:
    """Starts a Ray with these CPUs and GPUs on this machine, and stops it on exit; call `isolate` first.

    Its sockets and logs lie in `folder`, which must be private to this user: anyone can write to Ray's default folder,
    and so replace a socket in it.

    Raises:
        ClusterError: Ray does not start.

    """
    assert get_authentication_mode() == AuthenticationMode.TOKEN, "without a token anyone could use this Ray"
    within = os.path.join(folder, "ray")  # noqa: PTH118  a subfolder: Ray makes this one accessible to everyone
    options = {"address": "local", "_temp_dir": within, "include_dashboard": False}
    with _connected("a local Ray", "--workers 0 runs without Ray", num_cpus=cpus, num_gpus=gpus, **options) as found:
        yield found


@contextmanager
def remote(address: str) -> Iterator[list[Resources]]:
    """Connects to the cluster at `auto` or `host:port`; on exit it keeps running.

    Raises:
        ClusterError: it does not answer, runs another version of Ray or Python, or rejects the token.

    """
    if address != "auto":
        check_answers(address, *_host_and_port(address))
    remedy = "check the address, RAY_AUTH_MODE and RAY_AUTH_TOKEN, and that the cluster has the same Ray and Python"
    environment = {"env_vars": dict(ENVIRONMENT)}
    with _connected(f"the cluster at {address}", remedy, address=address, runtime_env=environment) as found:
        try:
            yield found
        finally:
            # A job's working directory is deleted when it disconnects, and MKL ends a process without one.
            os.chdir(os.sep)


@contextmanager
def _connected(what: str, remedy: str, **options: Any) -> Iterator[list[Resources]]:
    set_numbers(ENVIRONMENT)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray also raises plain exceptions, such as when its start takes too long
        raise ClusterError(f"no connection to {what}: {' '.join(str(error).split())}; {remedy}") from error
    try:
        yield resources()
    finally:
        ray.shutdown()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def resources() -> list[Resources]:
    """Returns the resources of each node of the connected cluster."""
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [
        Resources(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0), node["Resources"], labels)
        for node in nodes
        for labels in [node.get("Labels") or {}]
    ]


def amounts() -> tuple[dict[str, float], Mapping[str, float]]:
    """Returns the connected cluster's total and free resources."""
    total: dict[str, float] = {}
    for node in resources():
        for name, amount in node.amounts().items():
            total[name] = total.get(name, 0.0) + amount
    return total, ray.available_resources()  # type: ignore[no-untyped-call]
