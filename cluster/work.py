"""The plain data that is handed to whatever runs it, here or on a cluster. No Ray, no threads.

A piece of work is a key, a cost and a payload that only the caller's function understands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Payload = Any
Result = Any
Heartbeat = Callable[[float], None]
"""Called while working with the share done, 0..1: it is progress for people and a sign of life for the watchdog."""
Work = Callable[[Payload, Heartbeat], Result]
MakeWork = Callable[[str], Work]
"""Called once in each worker process with its device, "cpu" or "cuda"."""
SplitWork = Callable[[Payload], Sequence["WorkItem"]]
"""Two smaller items that together are one, or nothing where it cannot be split."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One piece of work."""

    key: str
    """Unique among the items of a run, and fit for messages."""
    cost: float
    """In any unit; the costliest go first."""
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failure:
    """A piece of work that was given up."""

    key: str
    reason: str
    """One line."""
    traceback: str
    """The worker's own, or nothing when the worker died."""
    kind: str = ""
    """The exception's class name, or nothing when the worker died."""


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """What a run looks like at one moment."""

    results: list[tuple[str, Result]]
    """Results since the last look, with their keys."""
    running: dict[str, float]
    """Keys in work and the share done of each."""
    failures: list[Failure] = field(default_factory=list)
    """All pieces that were given up so far."""
    left: int = 0
    """Pieces not finished: neither results nor failures."""
    notes: list[str] = field(default_factory=list)
    """What a person should know of, since the last look: a worker lost, a piece tried again."""
    heard: Mapping[str, float] = field(default_factory=dict)
    """By group with workers: seconds since one of them was heard of."""


OnProgress = Callable[[ProgressSnapshot], None]


@dataclass(frozen=True, slots=True)
class Target:
    """The Ray that a driver connects to."""

    address: str | None = None
    """auto or host:port of a cluster; None: a Ray of our own on this machine."""
    cpus: int = 0
    """Of a Ray of our own."""
    gpus: int = 0
    """Of a Ray of our own."""
    folder: str = ""
    """Of a Ray of our own: where its sockets and logs lie."""
    shows_log: bool = False
    """Whether what Ray prints in the driver is shown."""

    def __str__(self) -> str:
        """In messages."""
        return "a local Ray" if self.address is None else f"the cluster at {self.address}"
