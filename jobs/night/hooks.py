"""The hook: a command of the user's that learns how a night ended. No shell; it can't change how the night ended."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

EVENTS = ("success", "regression", "recovery", "failure", "missed")


def check_hook(command: str | None) -> None:
    """Raises ValueError, in words, for a command that can't be taken apart."""
    if command is not None and not shlex.split(command):
        raise ValueError("it is empty")


def run_hook(command: str | None, event: str, facts: Mapping[str, Any], seconds: float) -> str | None:
    """Runs the command with `{"event": ..., ...facts}` as JSON on its standard input and in SUMSQUARES_EVENT.

    Returns what went wrong with it, or None. What it prints goes to stderr. After `seconds` it is killed.
    """
    assert event in EVENTS
    if command is None:
        return None
    try:
        subprocess.run(  # noqa: S603  the user's own command, without a shell
            shlex.split(command),
            input=json.dumps({"event": event, **facts}, allow_nan=False).encode(),
            stdout=2,
            env={**os.environ, "SUMSQUARES_EVENT": event},
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return f"the hook for {event} was stopped after {seconds:g} s"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the hook for {event} failed: {error}"
    return None
