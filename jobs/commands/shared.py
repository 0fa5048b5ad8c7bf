"""What all commands share: the options of every command, and how an answer is printed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from sumsquares.jobs.show.progress import Progress


@dataclass(frozen=True)
class Shared:
    """Options of every command."""

    store: str
    json: bool
    quiet: bool

    def progress(self) -> Progress:
        """Reports to people while the command runs."""
        return Progress(self.quiet)

    def print(self, facts: dict[str, Any], text: str) -> None:
        """Prints the answer to stdout: `facts` as JSON if --json was given, else `text`."""
        sys.stdout.write((json.dumps(facts, allow_nan=False, indent=1) if self.json else text) + "\n")
