"""Tables of submitted specs: read into a store that the cluster sees, or refused; and what the job then reads."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from table_specs import HOUSES

from sumsquares.cluster.submission import Job
from sumsquares.cluster.workers import ClusterError
from sumsquares.jobs.commands import cluster as commands
from sumsquares.jobs.commands import run
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.submit_tables import check_seen
from sumsquares.jobs.stages.placement import IN_PROCESS, PlacementOptions
from sumsquares.jobs.stages.run_files import stored_spec
from sumsquares.jobs.storage.store import Store

CSV = "area,price\n" + "".join(f"{i},{i * i}\n" for i in range(100))
SPEC = HOUSES.replace("[train]", "folds = 2\n[train]")


class Head:
    """A cluster's Jobs API, whose jobs run at once on this machine, or elsewhere: then they see no file of it."""

    def __init__(self, is_here: bool) -> None:
        self._is_here = is_here
        self.submitted: list[bytes] = []

    def submit(self, name, entrypoint, folder, _metadata):
        """Keeps the spec of a run, and runs any other command."""
        if folder is not None:
            self.submitted.append((Path(folder) / "spec.toml").read_bytes())
            return f"{name}.1", True
        command = shlex.split(entrypoint) if self._is_here else ["false"]
        self._code = subprocess.run(command, check=False).returncode
        return f"{name}.1", True

    def get(self, job_id):
        """Returns the job, which has ended."""
        return Job(job_id, "FAILED" if self._code else "SUCCEEDED", "", self._code, 1.0, 2.0)


@pytest.fixture
def spec(tmp_path):
    """The path of a spec beside its table."""
    (tmp_path / "houses.csv").write_text(CSV)
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path / "spec.toml"


def submit(head, path, store):
    """Submits the spec."""
    return commands.submit(head, path, 100, PlacementOptions(), False, Shared(str(store), json=True, quiet=True))


def test_the_rows_are_in_the_store_before_the_job_that_trains_on_them(spec, tmp_path, capsys):
    """Its spec tells what the table holds, so that it needs no file."""
    head = Head(is_here=True)
    assert submit(head, spec, tmp_path / "store") == 0
    (text,) = head.submitted
    there = tmp_path / "elsewhere"
    there.mkdir()
    (there / "spec.toml").write_bytes(text)
    shared = Shared(str(tmp_path / "store"), json=True, quiet=False)
    assert run.run(there / "spec.toml", 100, IN_PROCESS, shared) == 0
    assert "16 trials of 4 variants" in capsys.readouterr().err
    assert stored_spec(Store(f"{tmp_path}/store"), "houses").source_text == SPEC.encode()


def test_a_store_that_the_cluster_does_not_see_is_refused_before_anything_is_written(spec, tmp_path):
    """With the remedy; nothing is submitted."""
    head = Head(is_here=False)
    with pytest.raises(ClusterError, match=r"can't see .*store.*--store s3://bucket/prefix"):
        submit(head, spec, tmp_path / "store")
    assert not head.submitted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["houses.csv", "spec.toml"]


def test_a_store_with_an_address_is_seen_from_everywhere(spec, s3_root):
    """So no job looks for a file of it."""
    head = Head(is_here=False)
    assert submit(head, spec, s3_root) == 0
    assert len(head.submitted) == 1
    assert len([path for path in Store(s3_root).list("datasets") if path.endswith("manifest.json")]) == 1


def test_generated_rows_need_no_look_at_the_cluster(spec, tmp_path):
    """The job itself looks for the store."""
    generated = SPEC.replace('file = "houses.csv"\ntarget = "price"\nfolds = 2', 'task = "sum"\nlargest = 9\nrows = 50')
    spec.write_text(generated)
    head = Head(is_here=False)
    assert submit(head, spec, tmp_path / "store") == 0
    assert head.submitted == [generated.encode()]
    assert not (tmp_path / "store").exists()


def test_a_cluster_that_runs_nothing_is_said_so(tmp_path, monkeypatch):
    """After a minute, and the job is stopped."""
    stopped = []

    class Busy(Head):
        def get(self, job_id):
            return Job(job_id, "PENDING", "", None, None, None)

        def stop(self, job_id):
            stopped.append(job_id)

    monkeypatch.setattr("sumsquares.jobs.commands.submit_tables.START_SECONDS", 0.0)
    with pytest.raises(ClusterError, match="hasn't run job sees-"):
        check_seen(Busy(is_here=True), Store(str(tmp_path)))
    assert len(stopped) == 1


@pytest.mark.cluster
def test_a_submitted_table_is_trained_on_the_cluster(cluster, spec, tmp_path):
    """From rows that this machine has read."""
    environment = {**cluster.environment, "RAY_API_SERVER_ADDRESS": cluster.address}
    command = [sys.executable, "-m", "sumsquares", "submit", "spec.toml", "--store", "store", "--wait"]
    ended = subprocess.run(
        command, cwd=spec.parent, env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "100 rows of houses.csv read into the folder" in ended.stderr
    assert json.loads((tmp_path / "store/runs/houses/summary.json").read_text())["trials"]["total"] == 16
