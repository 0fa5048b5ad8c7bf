"""Submitting over a bad network: connections that drop or go dead, TLS, proxies that require a header."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from proxy import Proxy, authority
from ray_cluster import ROOT
from specs import LONGER

pytestmark = pytest.mark.cluster
OTHER = """
import sys
if "--multiprocessing-fork" in sys.orig_argv or sys.argv[0] == "-c":
    from sumsquares.cluster.connect import limit_attempts
    limit_attempts()
    import ray
    import ray._private.utils as utils
    version = utils.compute_version_info()
    {change}
"""
"""Fakes another version of Ray or Python in the command line and in the driver that it starts."""
MAIN = "from sumsquares.__main__ import main; main()"
QUICK = f"import sumsquares.cluster.submission as s; s.IDLE_SECONDS = 3.0; s.ANSWER_SECONDS = 5.0; {MAIN}"
"""The command line with shorter timeouts."""


@pytest.fixture
def cli(cluster, tmp_path):
    """Starts the command line as a user's process, in a folder with a spec."""
    (tmp_path / "spec.toml").write_text(LONGER)

    def call(*arguments, start=("-m", "sumsquares"), **environment):
        known = {name: value for name, value in cluster.environment.items() if not name.startswith("RAY_ADDRESS")}
        known |= environment
        command = [sys.executable, *start, *arguments]
        return subprocess.Popen(
            command, cwd=tmp_path, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return call


def ended(process, seconds=150):
    """Waits for a process; returns its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.mark.parametrize("harm", ["cut", "freeze"])
def test_submit_wait_survives_connections_that_drop_or_go_dead(cluster, cli, harm):
    """Repeatedly: each line of the log is printed once, and the job's exit code is returned."""
    proxy = Proxy(cluster.dashboard)
    address = f"http://127.0.0.1:{proxy.port}"
    waiting = cli("submit", "spec.toml", "--store", harm, "--address", address, "--wait", start=("-c", QUICK))
    try:
        assert "submitted job" in waiting.stderr.readline()
        for _ in range(8):
            time.sleep(2.5)
            getattr(proxy, harm)()
        code, out, err = ended(waiting)
    finally:
        waiting.kill()
        proxy.close()
    assert code == 0, out + err
    assert proxy.connections > 8
    newest = json.loads(ended(cli("list", "--json", "--address", cluster.address))[1])["jobs"][0]
    assert out == ended(cli("logs", newest["job"], "--address", cluster.address))[1]
    assert out.count("summary: ") == 1


def test_tls_and_headers_work_with_rays_client(cluster, cli, tmp_path):
    """An unknown authority is an error with a remedy; with its certificate and the proxy's header all works."""
    context, trusted = authority(tmp_path)
    proxy = Proxy(cluster.dashboard, context, b"x-key: sesame")
    https, door = ["--address", f"https://127.0.0.1:{proxy.port}"], ["--header", "X-Key: sesame"]
    try:
        code, out, err = ended(cli("list", *https, *door))
        assert (code, out) == (5, "")
        assert "--verify" in err
        code, out, err = ended(cli("list", *https, "--verify", str(trusted)))
        assert (code, out) == (5, "")
        assert "403" in err or "rejects" in err
        for verify in (str(trusted), "false"):
            code, out, err = ended(cli("list", *https, *door, "--verify", verify))
            assert code == 0, err
            assert err == ""
        submitted = cli("submit", "spec.toml", "--store", "tls", "--wait", *https, *door, "--verify", str(trusted))
        code, out, err = ended(submitted)
        assert code == 0, err
        assert "summary: " in out
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ray.__version__ = '2.59.1'", "2.59.1"),
        ("utils.compute_version_info = lambda: (version[0], '3.10.9')", "3.10.9"),
    ],
)
def test_another_version_of_ray_or_python_is_rejected_before_any_work(cluster, cli, tmp_path, change, words):
    """Exit code 5 with both versions; over the Jobs API Python may differ, since the job uses the cluster's."""
    (tmp_path / "sitecustomize.py").write_text(OTHER.format(change=change))
    start = ("-c", f"{OTHER.format(change=change)}\n{MAIN}")
    commands = [("run", "spec.toml", "--store", "other", "--address", f"127.0.0.1:{cluster.gcs}")]
    if "ray.__version__" in change:
        commands.append(("submit", "spec.toml", "--store", "other", "--address", cluster.address))
    for command in commands:
        began = time.monotonic()
        code, out, err = ended(cli(*command, start=start, PYTHONPATH=f"{tmp_path}:{ROOT}"))
        assert code == 5, out + err
        assert words in err
        assert "2.60" in err
        assert "Traceback" not in err
        assert time.monotonic() - began < 45
    assert not list(tmp_path.glob("other/datasets/*"))


def test_a_wrong_token_is_rejected_by_ray_as_well(cluster, cli):
    """`run --address` connects to Ray without the Jobs API."""
    wrong = "import os; os.environ['RAY_AUTH_TOKEN'] = '0' * 64; from sumsquares.__main__ import main; main()"
    began = time.monotonic()
    code, out, err = ended(cli("run", "spec.toml", "--address", f"127.0.0.1:{cluster.gcs}", start=("-c", wrong)))
    assert code == 5, out + err
    assert "RAY_AUTH_TOKEN" in err
    assert cluster.token not in err
    assert time.monotonic() - began < 45
