"""Exit codes, and what a person is told when a command fails: one message, and a traceback only with --debug."""

from __future__ import annotations

import os
import sys

from sumsquares.cluster.signals import Stopped as Stopped
from sumsquares.jobs.messages.masking import masked

OK, INTERNAL, USAGE, DATA, STORAGE, CLUSTER, BUSY, INCOMPLETE, REGRESSED = range(9)
DEBUG = "SUMSQUARES_DEBUG"
"""Environment variable that --debug sets, so that it holds in worker processes as well."""

CODES = {
    "UsageError": USAGE,
    "SpecError": USAGE,
    "EngineMissing": USAGE,
    "AddressError": USAGE,
    "DataError": DATA,
    "StorageError": STORAGE,
    "OutputError": STORAGE,
    "MemoryError": STORAGE,  # pyarrow's ArrowMemoryError is one too
    "ClusterError": CLUSTER,
    "BusyError": BUSY,
    "RegressedError": REGRESSED,
}
"""By the name of an exception's class or of one of its bases, so that none of their modules has to be imported."""


class UsageError(ValueError):
    """A command was asked for something that isn't there (exit code 2)."""


class BusyError(RuntimeError):
    """Another process does this work, or has taken it over (exit code 6)."""


def code_of(error: BaseException) -> int:
    """The exit code of an exception."""
    return next((CODES[base.__name__] for base in type(error).__mro__ if base.__name__ in CODES), INTERNAL)


def is_debugging() -> bool:
    """Whether tracebacks are asked for."""
    return os.environ.get(DEBUG, "").lower() not in ("", "0", "false", "no")


def tell(error: BaseException) -> int:
    """Prints the message of an exception to stderr and returns its exit code."""
    if is_debugging():
        import traceback  # 13 ms, in which no signal would be answered yet

        traceback.print_exception(error)
    code = error.code if isinstance(error, Stopped) else code_of(error)
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
    """What was asked for, as far as the error says, what there is, and what to do."""
    from sumsquares.jobs.machine.memory import UNKNOWN, available_memory

    free = available_memory()
    room = "" if free >= UNKNOWN else f", of which this process may still take {free >> 20:,} MiB"
    asked = f" ({error})" if str(error) else ""
    remedy = "give it more memory, or ask for less: fewer --workers, a lower --memory-limit, fewer rows or trials"
    return f"not enough memory{room}{asked}: {remedy}; then run again: what was committed is kept"
