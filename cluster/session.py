"""A connection to Ray: a local one that is started and stopped here, or a cluster that is there already.

Every error leaves this folder as a ClusterError with what was tried and what to do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import ray

LOCAL_ENVIRONMENT: Mapping[str, str] = {
    "RAY_AUTH_MODE": "disabled",  # a local Ray listens on loopback alone; unset, ray.init writes a token into HOME
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a relative --store means the same folder in the workers
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a lost worker is seen after 0.5 s rather than 2 s
    "RAY_USAGE_STATS_ENABLED": "0",
}


class ClusterError(RuntimeError):
    """Ray can't be started or reached, or has not got what is asked for (exit code 5)."""


@dataclass(frozen=True)
class Resources:
    """What a cluster has in all."""

    cpus: int
    gpus: int


@contextmanager
def session(cpus: int, gpus: int = 0, address: str | None = None) -> Iterator[Resources]:
    """Connects, or starts a local Ray, and gives what there is; on leaving, ends what it began.

    Raises:
        ClusterError: when Ray does not start or answer.

    """
    for name, value in LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    local = {"num_cpus": cpus, "num_gpus": gpus, "include_dashboard": False}
    try:
        ray.init(**({"address": address} if address else local), log_to_driver=False, logging_level=logging.ERROR)
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        where = address or "a local Ray"
        raise ClusterError(f"no connection to {where}: {' '.join(str(error).split())}; try --workers 0") from error
    try:
        yield resources()
    finally:
        ray.shutdown()


def resources() -> Resources:
    """What the connected cluster has now."""
    total = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return Resources(int(total.get("CPU", 0)), int(total.get("GPU", 0)))
