"""A cluster of real raylets that loses nodes for good, and gains one, during a run."""

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
    """The summary of an undisturbed run."""
    return summary_of(run(tmp_path_factory.mktemp("quiet"), LONGER)[0])


@pytest.fixture
def cluster():
    """A separate cluster for each test: a head and two workers of one CPU each."""
    found = RayCluster()
    yield found
    found.stop()


class Started:
    """A run on the cluster, as a process, with its store and its log."""

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
    """Starts a run, which ends with the test."""
    found = []

    def start(*options):
        found.append(Started(cluster, tmp_path, *options))
        return found[0]

    yield start
    for each in found:
        each.process.kill()
        each.process.wait()


def test_a_run_continues_without_a_lost_node_and_ends_with_the_same_summary(cluster, start, quiet):
    """Without --workers the group shrinks to the remaining nodes."""
    running = start()
    running.wait_for_a_result()
    cluster.lose(cluster.nodes[-1])
    assert running.process.wait(timeout=150) == 0, running.log()
    assert "was resized from 3 to 2 workers" in running.log()
    assert "Traceback" not in running.log()
    assert summary_of(running.store) == quiet


def test_a_fixed_number_of_workers_is_waited_for_and_reported(cluster, start, quiet):
    """With requested and available; once a new node replaces the lost one, the run ends with the same summary."""
    running = start("--workers", "3")
    running.wait_for_a_result()
    cluster.lose(cluster.nodes[-1])
    running.wait_for(lambda: "no workers in group cpu-0" in running.log())
    assert "CPU: 3 requested, 2 available" in running.log()
    cluster.add_node()
    assert running.process.wait(timeout=120) == 0, running.log()
    assert summary_of(running.store) == quiet


def test_a_run_without_workers_ends_after_its_patience(cluster, start):
    """With exit code 5 and a remedy, soon after; finished training is kept."""
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
