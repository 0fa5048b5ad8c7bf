"""A cluster of real raylets that loses nodes for good, and gets one back, while a run is going."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from ray_cluster import RayCluster
from specs import LONGER
from test_run import run, summary_of

from sumsquares.jobs.storage.store import Store

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The summary of the run that nothing happens to."""
    return summary_of(run(tmp_path_factory.mktemp("quiet"), LONGER)[0])


@pytest.fixture
def cluster():
    """A cluster of one's own: head and two workers of a CPU each."""
    found = RayCluster()
    yield found
    found.stop()


class Started:
    """A run on the cluster, as a process; its store and what it has printed."""

    def __init__(self, cluster, folder, *options):
        (folder / "spec.toml").write_text(LONGER)
        self.store, self._log = Store(str(folder / "store")), folder / "log"
        command = [
            sys.executable,
            "-m",
            "sumsquares",
            "run",
            "spec.toml",
            "--address",
            f"127.0.0.1:{cluster.gcs}",
            *options,
        ]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=cluster.environment, stdout=log, stderr=log)

    def log(self):
        return self._log.read_text()

    def wait_for(self, condition):
        end = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.1)

    def wait_for_a_result(self):
        self.wait_for(lambda: self.store.list("trials"))


@pytest.fixture
def start(cluster, tmp_path):
    """Starts a run; it is ended with the test."""
    found = []

    def start(*options):
        found.append(Started(cluster, tmp_path, *options))
        return found[0]

    yield start
    for each in found:
        each.process.kill()
        each.process.wait()


def test_a_run_goes_on_without_a_lost_node_and_ends_as_the_quiet_one(cluster, start, quiet):
    """Nothing was said of workers: the group shrinks to what is left."""
    running = start()
    running.wait_for_a_result()
    cluster.lose(cluster.nodes[-1])
    assert running.process.wait(timeout=150) == 0, running.log()
    assert "was resized from 3 to 2 workers" in running.log()
    assert "Traceback" not in running.log()
    assert summary_of(running.store) == quiet


def test_a_number_of_workers_that_is_no_longer_there_is_waited_for_and_told_of(cluster, start, quiet):
    """Asked against available; another node in place of the lost one, and the run ends as the quiet one."""
    running = start("--workers", "3")
    running.wait_for_a_result()
    cluster.lose(cluster.nodes[-1])
    running.wait_for(lambda: "no workers in group cpu-0" in running.log())
    assert "CPU: 3 requested, 2 available" in running.log()
    cluster.add_node()
    assert running.process.wait(timeout=120) == 0, running.log()
    assert summary_of(running.store) == quiet


def test_patience_has_an_end(cluster, start):
    """Exit code 5 and what to do, not long after; what was trained is kept."""
    running = start("--workers", "3", "--patience", "35")
    running.wait_for_a_result()
    cluster.lose(cluster.nodes[-1])
    began = time.monotonic()
    assert running.process.wait(timeout=120) == 5, running.log()
    assert time.monotonic() - began < 90
    assert "CPU: 3 requested, 2 available" in running.log()
    assert "run again to resume" in running.log()
    assert "Traceback" not in running.log()
    assert running.store.list("trials")
