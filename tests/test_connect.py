"""A cluster that can't be reached, or is none: exit code 5 within half a minute, whatever Ray's clients would do."""

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
    """A port that is bound and does not listen: connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def dumb():
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def refused(folder, *command):
    """What a command that must end with 5, within 30 s and without a traceback, says."""
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
    assert time.monotonic() - began < 45  # 30, and a loaded machine
    assert "Traceback" not in ended.stderr
    assert "0" * 64 not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_a_cluster_that_is_not_there(closed, tmp_path):
    """Neither for `submit` nor for `run`; nothing is made."""
    assert "nothing answers" in refused(tmp_path, "submit", "spec.toml", "--address", f"http://127.0.0.1:{closed}")
    assert "nothing answers" in refused(tmp_path, "run", "spec.toml", "--address", f"127.0.0.1:{closed}")


@pytest.mark.cluster
def test_a_port_that_never_says_a_word(dumb, tmp_path):
    """Not even whether it is a Ray."""
    with ThreadPoolExecutor(2) as both:
        listed = both.submit(refused, tmp_path, "list", "--address", f"http://127.0.0.1:{dumb}")
        run = both.submit(refused, tmp_path, "run", "spec.toml", "--address", f"127.0.0.1:{dumb}")
    assert "no answer within" in listed.result()
    assert "check the address" in run.result()
