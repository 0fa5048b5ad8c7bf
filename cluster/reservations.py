"""What Ray Train reserves for groups that can shrink, so that a run that ended doesn't hold it against the next.

Such groups register what they want with an actor that outlives the run, and take only what that has reserved for them.
A run that is stopped or killed never takes its wish back: Ray keeps it for 180 s, in which the same run started again
gets no worker. Ray has no setting for these times. The controllers import this module with their callbacks, before
they first ask.
"""

from __future__ import annotations

from ray.train.v2._internal.execution.scaling_policy import autoscaling_coordinator_client as client

RENEW_SECONDS = 3
"""Between two times that a controller says that it still wants what it has."""
EXPIRE_SECONDS = 10
"""Until what a killed run wanted is others' to have; the actor itself looks every 20 s."""

client.AUTOSCALING_REQUESTS_INTERVAL_S = RENEW_SECONDS
client.AUTOSCALING_REQUESTS_EXPIRE_TIME_S = EXPIRE_SECONDS


def give_back(run_id: str) -> None:
    """Takes back what the Ray Train run of this id wanted; it must not be waiting for workers any more."""
    client.TrainAutoscalingCoordinatorClient(f"train-{run_id}").cancel_resource_request()
