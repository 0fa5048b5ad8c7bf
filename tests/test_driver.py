"""The driver: requests to it are answered, and its death is an error in the launcher."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest
from pieces import patiently

from sumsquares.cluster.driver import connected
from sumsquares.cluster.process_table import processes
from sumsquares.cluster.work import Target
from sumsquares.cluster.workers import ClusterError

pytestmark = pytest.mark.ray


def test_a_driver_answers_requests_and_leaves_nothing_behind():
    """Results, and an exception with its remote traceback; the launcher's environment is unchanged."""
    before = dict(os.environ)
    with connected(Target(cpus=2)) as driver:
        assert sum(node.cpus for node in driver.resources()) == 2
        assert sorted(driver.map_tasks(math.sqrt, iter([1, 4, 9]), patience=60.0)) == [1, 2, 3]
        with pytest.raises(ValueError, match="math domain") as caught:
            list(driver.map_tasks(math.sqrt, [-1], patience=60.0))
        assert "in the process that is connected to Ray" in caught.value.__notes__[0]
        assert driver.on_every_node(abs, -3) == {"127.0.0.1": 3}
        leader = driver_of(os.getpid())
        (home,) = {
            Path(word.partition("=")[2]).parent.parent for word in words_of(leader) if word.startswith("--session_dir=")
        }
        assert home.stat().st_mode & 0o777 == 0o700
    assert dict(os.environ) == before
    assert not home.exists()
    patiently(lambda: not [each for each in processes() if each.session == leader])


def driver_of(launcher):
    return next(each.pid for each in processes() if each.parent == launcher and each.session == each.pid)


def words_of(session):
    """The words of the command lines of a session's processes."""
    lines = [Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in processes() if each.session == session]
    return [word.decode() for line in lines for word in line.split(b"\0")]


@pytest.mark.chaos
def test_a_killed_driver_is_reported_as_killed():
    """At once, whatever it was doing; its local Ray ends as well."""
    with connected(Target(cpus=1)) as driver:
        driver.resources()
        os.kill(driver_of(os.getpid()), signal.SIGKILL)
        with pytest.raises(ClusterError, match="was killed by SIGKILL; finished work is kept"):
            list(driver.map_tasks(math.sqrt, [4], patience=60.0))
