"""Ends a process when its launcher dies, even in the middle of native code. No Ray here."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
"""An option of prctl(2): the kernel signals this process when its parent dies. Ray's servers use it as well."""


def end_with_launcher() -> None:
    """Makes this process end when the thread that started it ends, or on other systems than Linux its launcher.

    It needs no Python thread: Ray's start blocks all of them, and so may native code.
    """
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher.pid:  # it was killed before the call
            os._exit(1)
    else:
        threading.Thread(target=lambda: (launcher.join(), os._exit(1)), daemon=True).start()
