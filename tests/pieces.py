"""Work for tests of the runners: each function here is a `MakeWork`, called with the worker's device."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def make_work(device):
    """Squares a number; number 0 kills its process once, which a marker file records."""

    def work(payload, heartbeat):
        number, folder = payload
        heartbeat(0.0)
        marker = Path(folder) / "killed"
        if number == 0 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number < 0:
            raise ValueError(f"{number} is negative")
        time.sleep(0.05)  # so that each worker gets an item
        return number**2, device, os.getpid()

    return work


class SpoiledError(RuntimeError):
    """As the error of a device after which its process can do no more work."""

    ends_worker = True


def make_spoiled(device):
    """Squares a number; number 3 spoils its process, once, or always if the folder has a file `always`.

    Each number leaves a file with the ids of the processes that worked at it.
    """

    def work(payload, _heartbeat):
        number, folder = payload
        with (Path(folder) / str(number)).open("a") as file:
            file.write(f"{os.getpid()} ")
        attempts = len((Path(folder) / str(number)).read_text().split())
        if number == 3 and (attempts == 1 or (Path(folder) / "always").exists()):
            raise SpoiledError("an illegal address")
        return number**2, device, os.getpid()

    return work


def make_meeting(device):
    """Squares a number once a worker in another process has started as well."""

    def work(payload, heartbeat):
        number, folder = payload
        (Path(folder) / str(os.getpid())).touch()
        patiently(lambda: len(list(Path(folder).iterdir())) > 1)
        return number**2, device, os.getpid()

    return work


def make_mixed(device):
    """Squares its number once workers of both devices have come; refuses a negative one."""

    def work(payload, _heartbeat):
        number, folder = payload
        if number < 0:
            raise ValueError(f"{number} is negative")
        (Path(folder) / device).touch()
        patiently(lambda: {"cpu", "cuda"} == {path.name for path in Path(folder).iterdir()})
        return number**2, device, os.getpid()

    return work


def patiently(condition):
    """Waits up to 90 seconds for a condition."""
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
