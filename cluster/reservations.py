"""What Ray Train reserves for a run, so that one that has ended doesn't hold it against the next.

Groups register what they want with an actor that outlives the run, and those that can shrink take only what that has
reserved for them. A run that is stopped or killed never takes its wish back: Ray keeps it for 180 s, in which the same
run started again gets no worker. Ray has no setting for these times. The controllers import this module with their
callbacks, before they first ask.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import ray

try:
    from ray.train.v2._internal.execution.scaling_policy import autoscaling_coordinator_client as _client
except ImportError:  # another Ray, which keeps its own times; a test says whether ours has these
    _client = None  # type: ignore[assignment]

RENEW_SECONDS = 10
"""Between two times that a controller says that it still wants what it has."""
EXPIRE_SECONDS = 45
"""Until what a killed run wanted is others' to have, when the actor looks next (every 20 s). A controller that waits
for the start of its workers is silent for some 30 s."""
GIVE_BACK_SECONDS = 1.0
"""Most that it may take: 3 s after it has asked a job to stop Ray kills it."""

for _name, _seconds in (
    ("AUTOSCALING_REQUESTS_INTERVAL_S", RENEW_SECONDS),
    ("AUTOSCALING_REQUESTS_EXPIRE_TIME_S", EXPIRE_SECONDS),
):
    if hasattr(_client, _name):
        setattr(_client, _name, _seconds)


def give_back(run_ids: Sequence[str]) -> None:
    """Takes back what the Ray Train runs of these ids want; a controller that asks again thereafter has it until then.

    Best effort, and never longer than `GIVE_BACK_SECONDS`, whatever state Ray is in.
    """
    asking = threading.Thread(target=_cancel, args=(run_ids,), daemon=True)
    asking.start()
    asking.join(GIVE_BACK_SECONDS)


def _cancel(run_ids: Sequence[str]) -> None:
    with suppress(ValueError, ray.exceptions.RayError):  # there is no such actor, or no Ray any more
        actor = ray.get_actor("AutoscalingCoordinator", namespace="AutoscalingCoordinator")
        ray.get([actor.cancel_request.remote(f"train-{run_id}") for run_id in run_ids])
