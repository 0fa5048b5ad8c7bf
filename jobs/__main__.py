"""The command `sumsquares`, also as `python -m jobs`: whatever goes wrong ends in one message and an exit code."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from cluster.signals import STOPPING, stop_on_signals
from jobs import exits, output


def main() -> NoReturn:
    """Runs a command. Signals are answered before anything heavy is imported, and until its exit code is known."""
    stop_on_signals()
    try:
        with output.guarded():
            try:
                from jobs.cli import app

                try:
                    app(prog_name="sumsquares")
                finally:
                    sys.stdout.flush()
            except (Exception, exits.Stopped) as error:  # the outermost edge
                sys.exit(exits.tell(error))
    finally:
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)  # the exit code is known, and nothing is left to stop
    sys.exit(0)


if __name__ == "__main__":
    main()
