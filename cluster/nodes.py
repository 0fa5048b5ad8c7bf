"""Asks every node of a cluster something, one small task on each. Needs a `session`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sumsquares.cluster.workers import ClusterError

A = TypeVar("A")
B = TypeVar("B")
PATIENCE = 30.0
"""Seconds until a node that does not answer is an error."""


def on_every_node(function: Callable[[A], B], argument: A) -> dict[str, B]:
    """The function's results by the node's address.

    Raises:
        ClusterError: a node did not answer.

    """
    found = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in found if node["Alive"]}
    remote: Any = ray.remote(num_cpus=0)(lambda asked: function(asked))  # Ray takes a function, and no other callable
    asked = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(argument): name
        for node, name in nodes.items()
    }
    try:
        results = ray.get(list(asked), timeout=PATIENCE)
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a node of the cluster did not answer: {' '.join(str(error).split())[:300]}") from error
    return dict(zip(asked.values(), results, strict=True))
