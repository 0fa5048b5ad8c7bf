"""Exceptions on their way to another process. No Ray here."""

from __future__ import annotations

import traceback
from multiprocessing.reduction import ForkingPickler

from sumsquares.cluster.work import describe


def sendable(error: Exception, where: str) -> Exception:
    """Returns the exception with its traceback as a note, or a RuntimeError in its place if it cannot be pickled.

    `where` names this process in the note.
    """
    error.add_note(f"in {where}:\n{''.join(traceback.format_exception(error))}")
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(describe(error))
    return error
