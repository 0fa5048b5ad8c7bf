"""A real Ray cluster on this machine for tests: a head and two workers, each a raylet, with token authentication."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent
START_SECONDS = 60.0


class RayCluster:
    """Three raylets of one CPU each; the head has the Jobs API."""

    def __init__(self) -> None:
        # Ray's sockets lie in this folder, and their paths may have at most 107 characters.
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
        self.token = secrets.token_hex(32)
        self.gcs, self.dashboard = _free_port(), _free_port()
        self.address = f"http://127.0.0.1:{self.dashboard}"
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{self._commands()}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
        }
        self.nodes: list[subprocess.Popen[bytes]] = []
        """The head first."""
        head = ["--head", f"--port={self.gcs}", f"--dashboard-port={self.dashboard}", "--dashboard-host=127.0.0.1"]
        self._start(*head, f"--temp-dir={self._folder.name}/s", "--include-dashboard=true")
        try:
            self._wait_for_head()
            for count in (2, 3):
                self.add_node()
                self.wait_for_nodes(count)
        except Exception as error:
            logs = "\n".join(path.read_text() for path in Path(self._folder.name).glob("node-*.log"))
            self.stop()
            raise RuntimeError(logs) from error

    def add_node(self) -> subprocess.Popen[bytes]:
        """Starts one more raylet of one CPU, which takes a few seconds to join."""
        return self._start(f"--address=127.0.0.1:{self.gcs}")

    def lose(self, node: subprocess.Popen[bytes]) -> None:
        """Kills all processes of a node at once, as if its machine were gone."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)

    def wait_for_nodes(self, count: int) -> None:
        """Waits until exactly this many nodes are alive."""
        end = time.monotonic() + START_SECONDS
        while (alive := self._alive()) != count:
            if time.monotonic() > end:
                raise RuntimeError(f"{alive} nodes alive after {START_SECONDS} s, not {count}")
            time.sleep(0.3)

    def _alive(self) -> int:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.get(f"{self.address}/nodes?view=summary", headers=headers, timeout=10).json()
        return sum(node["raylet"].get("state") == "ALIVE" for node in answer["data"]["summary"])

    def stop(self) -> None:
        """Ends the processes started here, and no others."""
        for node in reversed(self.nodes):
            with suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGTERM)
        for node in self.nodes:
            try:
                node.wait(timeout=5)  # draining would take 30 s, and there is nothing to save
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()
        self._folder.cleanup()

    def _commands(self) -> str:
        """Creates a folder with the command `sumsquares`, since the checkout is not installed."""
        folder = Path(self._folder.name) / "bin"
        folder.mkdir()
        command = folder / "sumsquares"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sumsquares "$@"\n')
        command.chmod(0o755)
        return str(folder)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block", "--num-cpus=1"]
        arguments = (
            *arguments,
            f"--dashboard-agent-listen-port={_free_port()}",
        )  # nodes share this host, so each needs its own port
        with (Path(self._folder.name) / f"node-{secrets.token_hex(4)}.log").open("wb") as log:
            command = [*ray, *arguments]
            node = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.nodes.append(node)
        return node

    def _wait_for_head(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                if requests.get(f"{self.address}/api/gcs_healthz", timeout=2).ok:
                    return
            time.sleep(0.3)
        raise RuntimeError(f"no head after {START_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
