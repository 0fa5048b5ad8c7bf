"""Exit codes, and what is printed when a command fails: one message, and a traceback only with --debug."""

from __future__ import annotations

import os
import sys

from sumsquares.cluster.signals import Stopped as Stopped
from sumsquares.jobs.messages.masking import masked

OK, INTERNAL, USAGE, DATA, STORAGE, CLUSTER, BUSY, INCOMPLETE, REGRESSED = range(9)
DEBUG = "SUMSQUARES_DEBUG"
"""Environment variable that --debug sets, so that it holds in worker processes as well."""


class UsageError(ValueError):
    """A command was asked for something that isn't there."""

    exit_code = USAGE


class BusyError(RuntimeError):
    """Another process does this work, or has taken it over."""

    exit_code = BUSY


def code_of(error: BaseException) -> int:
    """Returns the exit code of an exception: its attribute `exit_code`, which every error of ours has."""
    if isinstance(error, MemoryError):  # Python's own; pyarrow's ArrowMemoryError derives from it
        return STORAGE
    code: int = getattr(error, "exit_code", INTERNAL)
    return code


def is_debugging() -> bool:
    """Whether tracebacks are asked for."""
    return os.environ.get(DEBUG, "").lower() not in ("", "0", "false", "no")


def tell(error: BaseException) -> int:
    """Prints the message of an exception to stderr and returns its exit code."""
    if is_debugging():
        import traceback  # 13 ms, and this module is imported before signals are handled

        traceback.print_exception(error)
    code = code_of(error)
    if code == INTERNAL:
        kind = type(error).__name__
        message = f"internal error, {kind}: {error}; --debug shows the traceback, please report it"
    elif isinstance(error, MemoryError):
        message = _no_memory(error)
    else:
        message = str(error)
    sys.stderr.write(f"sumsquares: {masked(message)}\n")
    return code


def _no_memory(error: MemoryError) -> str:
    """Returns the message: the available memory, what was requested if the error says so, and the remedy."""
    from sumsquares.jobs.machine.memory import UNKNOWN, available_memory

    free = available_memory()
    room = "" if free >= UNKNOWN else f", this process may still allocate {free >> 20:,} MiB"
    asked = f" ({error})" if str(error) else ""
    remedy = "give it more memory, or ask for less: fewer --workers, a lower --memory-limit, fewer rows or trials"
    return f"not enough memory{room}{asked}: {remedy}; then run again: what was committed is kept"
