"""An unreachable address, or one without Ray: exit code 5 within half a minute, unlike Ray's own clients."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ray_cluster import ROOT
from specs import SMALL


@pytest.fixture
def closed():
    """A port that is bound but does not listen: connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent():
    """A port that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def refused(folder, *command):
    """Returns the error message of a command that must exit with 5 within 30 s, without a traceback."""
    (folder / "spec.toml").write_text(SMALL)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "sumsquares", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 5, ended.stderr
    assert time.monotonic() - began < 45  # 30 s, plus the load of the machine
    assert "Traceback" not in ended.stderr
    assert "0" * 64 not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_an_address_where_nothing_listens(closed, tmp_path):
    """An error for both `submit` and `run`."""
    assert "nothing answers" in refused(tmp_path, "submit", "spec.toml", "--address", f"http://127.0.0.1:{closed}")
    assert "nothing answers" in refused(tmp_path, "run", "spec.toml", "--address", f"127.0.0.1:{closed}")


@pytest.mark.cluster
def test_a_port_that_never_answers(silent, tmp_path):
    """A timeout for both `list` and `run`."""
    with ThreadPoolExecutor(2) as both:
        listed = both.submit(refused, tmp_path, "list", "--address", f"http://127.0.0.1:{silent}")
        run = both.submit(refused, tmp_path, "run", "spec.toml", "--address", f"127.0.0.1:{silent}")
    assert "no answer within" in listed.result()
    assert "check the address" in run.result()
