"""Runs one small task on every node of a cluster. Needs a `session`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sumsquares.cluster.workers import ClusterError

A = TypeVar("A")
B = TypeVar("B")
PATIENCE = 30.0
"""Seconds within which every node must answer."""


def on_every_node(function: Callable[[A], B], argument: A) -> dict[str, B]:
    """Returns the function's results by node address.

    Raises:
        ClusterError: a node did not answer.

    """
    found = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in found if node["Alive"]}
    remote: Any = ray.remote(num_cpus=0)(lambda value: function(value))  # Ray accepts no other kind of callable
    tasks = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(argument): name
        for node, name in nodes.items()
    }
    try:
        results = ray.get(list(tasks), timeout=PATIENCE)
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a node of the cluster did not answer: {' '.join(str(error).split())[:300]}") from error
    return dict(zip(tasks.values(), results, strict=True))
