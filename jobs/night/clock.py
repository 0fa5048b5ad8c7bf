"""The clocks that a night reads, in one place, so that a test can move them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True)
class Clock:
    """Wall clock, monotonic clock and sleep."""

    now: Callable[[], float] = time.time
    """Returns seconds since 1970; may jump, also backwards."""
    monotonic: Callable[[], float] = time.monotonic
    """Returns seconds since some moment; never goes back."""
    sleep: Callable[[float], None] = time.sleep

    def today(self) -> date:
        """Returns the logical date of a night that begins now: the date in UTC."""
        return datetime.fromtimestamp(self.now(), UTC).date()

    def stamp(self) -> str:
        """Returns the present time for people and files, such as 2026-11-22T03:00:00Z."""
        return stamp(self.now())


def stamp(seconds: float) -> str:
    """Returns seconds since 1970 as a text such as 2026-11-22T03:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
