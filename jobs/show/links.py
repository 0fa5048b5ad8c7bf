"""Links on a terminal: paths that a click opens, as OSC 8 hyperlinks, and plain text everywhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.color import ColorSystem
from rich.style import Style


def linked(text: str, path: str) -> str:
    """Returns the text as a link to a path where stdout is a terminal that may show one, else the text itself."""
    return Style(link=address_of(path)).render(text, color_system=ColorSystem.STANDARD) if _can_link(path) else text


def address_of(path: str) -> str:
    """Returns the address of a file; of an object in an object store it is its path."""
    return path if is_address(path) else Path(path).absolute().as_uri()


def is_address(path: str) -> bool:
    """Whether a path is that of an object store."""
    return "://" in path


def is_over_ssh() -> bool:
    """Whether the terminal, and with it the browser of the user, is on another machine than the files."""
    return bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))


def _can_link(path: str) -> bool:
    is_dumb = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown")
    return sys.stdout.isatty() and not (is_dumb or is_address(path) or is_over_ssh())
