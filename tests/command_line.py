"""The command line in this process, for tests that run it hundreds of times: a new process takes a second."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass

import pytest
import torch

from sumsquares.__main__ import command
from sumsquares.jobs import exits


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def calls(monkeypatch, capfd, folder):
    """Yields a function that runs the command line in a folder; for fixtures."""
    monkeypatch.chdir(folder)
    for name in ("SUMSQUARES_STORE", "COLUMNS", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sumsquares", *arguments])
        monkeypatch.delenv(exits.DEBUG, raising=False)
        code = command()
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    yield call
    torch.set_flush_denormal(False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in an empty folder."""
    yield from calls(monkeypatch, capfd, tmp_path)
