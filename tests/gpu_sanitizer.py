"""Runs a process under a tool of CUDA's compute-sanitizer, and says whether the tool found anything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# The engine itself checks every answer of the driver, and asks some questions whose answer may be an error.
OPTIONS = (
    *("--report-api-errors", "no", "--error-exitcode", "1", "--target-processes", "application-only"),
    *("--max-connections", "100", "--launch-timeout", "60"),  # several at the same time
)
CLEAN = re.compile(
    r"^=+ (ERROR SUMMARY: 0 errors|RACECHECK SUMMARY: 0 hazards displayed \(0 errors, 0 warnings\))", re.M
)
"""What it prints at the end if it has found nothing."""
MOST_PRINTED = 6000
"""Letters that are kept of what is printed: a fault is told for each thread."""


def sanitized(tool: str, command: list[str], seconds: float) -> tuple[int, str]:
    """Runs a command for some seconds at most; returns its exit code, 0 if nothing was found, and what was printed."""
    whole = ["compute-sanitizer", "--tool", tool, *OPTIONS, *command]
    began, options = time.monotonic(), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(whole, text=True, start_new_session=True, **options)
    try:
        printed, code = process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # and what it started
        printed, code = f"{process.communicate()[0]}\n  BROKEN: after {seconds:.0f} s there is no end", 1
    if not code and not CLEAN.search(printed):
        printed, code = f"{printed}\n  BROKEN: {tool} does not say that it found nothing", 1
    lines = printed if len(printed) <= MOST_PRINTED else f"{printed[:MOST_PRINTED]}\n...\n{printed[-500:]}"
    verdict = f"  {tool}: {'BROKEN' if code else 'clean'}; {time.monotonic() - began:.1f} s"
    return code, f"{lines.rstrip()}\n{verdict}"
