"""Releases what Ray Train has reserved for a run, so that a run that has ended doesn't block the next one.

Groups register the resources they want with an actor that outlives the run, and elastic groups use only what it has
reserved for them. A run that is stopped or killed never withdraws its request. Ray keeps the request for 180 s; during
that time the same run, started again, gets no worker. Ray has no setting for these times, so its constants are changed
here. Ray Train's controllers import this module with their callbacks, before they make their first request.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import ray

try:
    from ray.train.v2._internal.execution.scaling_policy import autoscaling_coordinator_client as _client
except ImportError:  # another version of Ray, which keeps its own times; a test checks that ours has these constants
    _client = None  # type: ignore[assignment]

RENEW_SECONDS = 10
"""Between two renewals of a controller's request."""
EXPIRE_SECONDS = 45
"""After which a killed run's request expires; the actor checks every 20 s. A controller that waits for its workers to
start does not renew for some 30 s."""
GIVE_BACK_SECONDS = 1.0
"""Upper limit: Ray kills a job 3 s after asking it to stop."""

for _name, _seconds in (
    ("AUTOSCALING_REQUESTS_INTERVAL_S", RENEW_SECONDS),
    ("AUTOSCALING_REQUESTS_EXPIRE_TIME_S", EXPIRE_SECONDS),
):
    if hasattr(_client, _name):
        setattr(_client, _name, _seconds)


def give_back(run_ids: Sequence[str]) -> None:
    """Cancels the requests of these Ray Train runs; a controller that still runs may register its own again.

    Best effort, and limited to `GIVE_BACK_SECONDS` in whatever state Ray is.
    """
    thread = threading.Thread(target=_cancel, args=(run_ids,), daemon=True)
    thread.start()
    thread.join(GIVE_BACK_SECONDS)


def _cancel(run_ids: Sequence[str]) -> None:
    with suppress(ValueError, ray.exceptions.RayError):  # no such actor, or Ray is gone
        actor = ray.get_actor("AutoscalingCoordinator", namespace="AutoscalingCoordinator")
        ray.get([actor.cancel_request.remote(f"train-{run_id}") for run_id in run_ids])
