"""The times that a night reads, all in one place, so that a test can move them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True)
class Clock:
    """Three ways in which time passes."""

    now: Callable[[], float] = time.time
    """Seconds since 1970; it may jump, also backwards."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment; it never goes back."""
    sleep: Callable[[float], None] = time.sleep

    def today(self) -> date:
        """The logical date of a night that begins now: the date in UTC."""
        return datetime.fromtimestamp(self.now(), UTC).date()

    def stamp(self) -> str:
        """Now, for people and files: 2026-11-22T03:00:00Z."""
        return stamp(self.now())


def stamp(seconds: float) -> str:
    """Seconds since 1970 as 2026-11-22T03:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
