"""Where the files of a run are, for the end of what a command prints, and the report opened in a browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

from sumsquares.jobs.show.links import address_of, is_address, is_over_ssh, linked
from sumsquares.jobs.show.progress import Progress

REPORT = "report.html"
SUMMARY = ("summary.json", "summary.parquet", "trials.parquet")


def result_lines(folder: str) -> Iterator[str]:
    """Yields the lines with the files of a run; they are neither wrapped nor coloured, so that they can be copied."""
    whole = linked(f"{folder}/{SUMMARY[0]}", f"{folder}/{SUMMARY[0]}")
    others = " and ".join(linked(name, f"{folder}/{name}") for name in SUMMARY[1:])
    yield f"summary: {whole}, {others}"
    yield f"report:  {linked(f'{folder}/{REPORT}', f'{folder}/{REPORT}')}"


def open_report(folder: str, progress: Progress, is_written: bool = True) -> None:
    """Opens the report of a run in a browser, or warns why not and says where it is. Never fails."""
    path = f"{folder}/{REPORT}"
    if not is_written:
        progress.warn("no report was opened, since none was written")
        return
    why = _why_not(path)
    if why is None and not _opened(address_of(path)):
        why = "no browser was found"
    if why:
        progress.warn(f"the report was not opened, since {why}: it is {path}")


def _why_not(path: str) -> str | None:
    if is_address(path):
        return "a browser can't read an object store"
    if is_over_ssh():
        return "this is a session over ssh"
    has_display = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return None if has_display or os.environ.get("BROWSER") else "there is no display"


def _opened(address: str) -> bool:
    try:
        with _stdout_on_stderr():
            return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


@contextmanager
def _stdout_on_stderr() -> Iterator[None]:
    """What browsers print, such as that a session is there already, must not get among the results."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
