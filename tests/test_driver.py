"""The process that is connected to Ray: its death is an error here. Its requests are tested in test_ray_train.py, on
one Ray.
"""

from __future__ import annotations

import math
import os
import signal

import pytest
from driver_processes import driver_of

from sumsquares.cluster.driver import connected
from sumsquares.cluster.work import Target
from sumsquares.cluster.workers import ClusterError

pytestmark = pytest.mark.ray


@pytest.mark.chaos
def test_a_killed_driver_is_reported_as_killed():
    """At once, whatever it was doing; its local Ray ends as well."""
    with connected(Target(cpus=1)) as driver:
        driver.resources()
        os.kill(driver_of(os.getpid()), signal.SIGKILL)
        with pytest.raises(ClusterError, match="was killed by SIGKILL; finished work is kept"):
            list(driver.map_tasks(math.sqrt, [4], patience=60.0))
