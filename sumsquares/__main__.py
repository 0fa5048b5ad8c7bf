"""The command `sumsquares`, also `python -m sumsquares`. Every failure ends in one message and an exit code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import NoReturn

from sumsquares.cluster.signals import STOPPING, stop_on_signals


def main() -> NoReturn:
    """Runs a command, then ends the process without the interpreter's own shutdown.

    A thread of pyarrow may still release a Python object while the interpreter shuts down. Python then stops that
    thread inside C++ code, which aborts the process (SIGABRT after a correct answer: 2 of 30 commands on busy cores).
    """
    code = command()
    atexit._run_exitfuncs()
    os._exit(code)


def command() -> int:
    """Runs a command and returns its exit code. Signals are handled from before the first heavy import to the end."""
    stop_on_signals()
    try:
        return _guarded()
    finally:
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)  # the exit code is known, and nothing is left to stop


def _guarded() -> int:
    from sumsquares.jobs import exits
    from sumsquares.jobs.cli import streams

    with streams.guarded():
        try:
            from sumsquares.jobs.cli.main import app

            try:
                app(prog_name="sumsquares")
            except SystemExit as ended:  # how Typer ends every command
                return int(ended.code or exits.OK)
            finally:
                sys.stdout.flush()
        except (Exception, exits.Stopped) as error:  # the outermost edge
            return exits.tell(error)
    return exits.OK


if __name__ == "__main__":
    main()
