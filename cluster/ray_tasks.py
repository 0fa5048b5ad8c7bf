"""Runs a function over many arguments as Ray tasks, a bounded number at a time. Needs a `session`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import ray

from sumsquares.cluster.session import amounts
from sumsquares.cluster.workers import ClusterError, shortage

A = TypeVar("A")
B = TypeVar("B")
IN_FLIGHT_PER_CPU = 2
"""Keeps a task queued for each busy CPU, and few results in transit."""


def map_tasks(function: Callable[[A], B], arguments: Iterable[A], patience: float) -> Iterator[B]:
    """Yields the function's results as they arrive; re-raises the function's own exceptions.

    Raises:
        ClusterError: workers died more often than Ray retries, or no task ended within `patience` seconds.

    """
    remote: Any = ray.remote(num_cpus=1, max_retries=3)(
        lambda argument: function(argument)
    )  # Ray accepts no other kind of callable
    waiting = iter(arguments)
    limit = IN_FLIGHT_PER_CPU * max(1, int(amounts()[0].get("CPU", 0.0)))
    in_flight = [remote.remote(argument) for argument in islice(waiting, limit)]
    try:
        while in_flight:
            ready, in_flight = ray.wait(in_flight, num_returns=1, timeout=patience)
            if not ready:
                raise ClusterError(_stuck(patience))
            yield ray.get(ready[0])
            in_flight += [remote.remote(argument) for argument in islice(waiting, 1)]
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a task was lost: {' '.join(str(error).split())}; run again to resume") from error
    finally:
        for reference in in_flight:
            ray.cancel(reference, force=True)


def _stuck(patience: float) -> str:
    total, free = amounts()
    one = {"CPU": 1.0}
    what = shortage(one, total) or shortage(one, free, "free") or "CPUs are free"
    return f"no task has ended for {patience:.0f} s ({what}); add nodes, or wait longer with --patience"
