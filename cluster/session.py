"""A connection to Ray: a local one that is started and stopped here, or a cluster that is there already.

Ray is imported here, and may end this process whenever it likes: launchers use driver.py. Every error leaves this
folder as a ClusterError with what was tried and what to do.
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
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a relative --store means the same folder in the workers
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a lost worker is seen after 0.5 s rather than 2 s
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",  # a lost node is counted for 20 s more: room is asked for again
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def local(cpus: int, gpus: int, folder: str) -> Iterator[list[Resources]]:
    """Starts a Ray on this machine, with so many CPUs and GPUs, and ends it on leaving; `isolate` was called before.

    Its sockets and logs lie in `folder`, which must be this user's alone: everybody may write to Ray's default,
    and so replace a socket in it.

    Raises:
        ClusterError: it does not start.

    """
    assert get_authentication_mode() == AuthenticationMode.TOKEN, "a Ray that anybody could use"
    within = os.path.join(folder, "ray")  # noqa: PTH118  Ray opens the folder that it is given to everybody
    options = {"address": "local", "_temp_dir": within, "include_dashboard": False}
    with _connected("a local Ray", "--workers 0 runs without Ray", num_cpus=cpus, num_gpus=gpus, **options) as found:
        yield found


@contextmanager
def remote(address: str) -> Iterator[list[Resources]]:
    """Connects to the cluster at `auto` or `host:port`, and leaves it running.

    Raises:
        ClusterError: it does not answer, or has another version of Ray or Python, or refuses the token.

    """
    if address != "auto":
        check_answers(address, *_host_and_port(address))
    remedy = "check the address, RAY_AUTH_MODE and RAY_AUTH_TOKEN, and that this Ray and Python are the cluster's"
    environment = {"env_vars": dict(ENVIRONMENT)}
    with _connected(f"the cluster at {address}", remedy, address=address, runtime_env=environment) as found:
        try:
            yield found
        finally:
            # A job's working directory goes with its connection, and MKL ends a process that stands in none.
            os.chdir(os.sep)


@contextmanager
def _connected(what: str, remedy: str, **options: Any) -> Iterator[list[Resources]]:
    set_numbers(ENVIRONMENT)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises plain ones as well, such as when its start takes too long
        raise ClusterError(f"no connection to {what}: {' '.join(str(error).split())}; {remedy}") from error
    try:
        yield resources()
    finally:
        ray.shutdown()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def resources() -> list[Resources]:
    """What the nodes of the connected cluster have."""
    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [
        Resources(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0), node["Resources"], labels)
        for node in nodes
        for labels in [node.get("Labels") or {}]
    ]


def amounts() -> tuple[dict[str, float], Mapping[str, float]]:
    """What the connected cluster has in all, and what of it nobody has taken."""
    there: dict[str, float] = {}
    for node in resources():
        for name, amount in node.amounts().items():
            there[name] = there.get(name, 0.0) + amount
    return there, ray.available_resources()  # type: ignore[no-untyped-call]
