"""The hook: a command of the user's that is run for each event of a night, without a shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.night.payloads import encoded

_PLAIN = re.compile(r"(?:[./~][\w./+-]{0,99}|[\w.+-]{1,100})", re.ASCII)
"""A program that a message may name: a name, or a path that begins like one. A URL may hold a secret anywhere."""


def check_hook(command: str | None) -> None:
    """Raises ValueError, in words, for a command that can't be parsed or has no program."""
    if command is None:
        return
    words = shlex.split(command)
    if not words:
        raise ValueError("it is empty")
    if shutil.which(words[0]) is None:
        raise ValueError(f"{_program(words)} is not there or can't be executed")


def run_hook(command: str | None, event: str, facts: Mapping[str, Any], seconds: float) -> str | None:
    """Runs the command with `{"event": ..., ...facts}` as JSON on its standard input and in SUMSQUARES_EVENT.

    Returns what went wrong with it, or None. What it prints goes to stderr. After `seconds` it is killed together with
    everything that it has started.
    """
    if command is None:
        return None
    payload = encoded("json", event, facts)
    environment = {**os.environ, "SUMSQUARES_EVENT": event}
    try:
        hook = subprocess.Popen(  # noqa: S603  the user's own command, without a shell
            shlex.split(command), stdin=subprocess.PIPE, stdout=2, env=environment, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its words can't be those of a command"
        return f"the hook for {event} could not be started: {_program(shlex.split(command))}: {why}"
    try:
        hook.communicate(payload, seconds)
    except subprocess.TimeoutExpired:
        return f"the hook for {event} was stopped after {seconds:g} s"
    finally:
        if hook.returncode is None:  # also when a signal stops this process
            with suppress(ProcessLookupError):
                os.killpg(hook.pid, signal.SIGKILL)
            hook.wait()
    return f"the hook for {event} failed: {_ending(hook.returncode)}" if hook.returncode else None


def _program(words: Sequence[str]) -> str:
    """Returns the program's name alone. Its arguments, a URL or the value of a variable may be secret."""
    return masked(words[0]) if _PLAIN.fullmatch(words[0]) else "the program of --hook"


def _ending(code: int) -> str:
    return f"it ended with exit code {code}" if code > 0 else f"it was ended by {signal.Signals(-code).name}"
