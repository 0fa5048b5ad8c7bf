"""The plain data passed between a run and whatever executes it, in this process or on a cluster. No Ray, no threads.

A work item is a key, a cost and a payload that only the caller's own function understands.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

Payload = Any
Result = Any
Heartbeat = Callable[[float], None]
"""Called during the work with the share done, 0..1: progress for people, and a sign of life for the watchdog."""
Work = Callable[[Payload, Heartbeat], Result]
MakeWork = Callable[[str], Work]
"""Called once in each worker process with its device, "cpu" or "cuda"."""
SplitWork = Callable[[Payload], Sequence["WorkItem"]]
"""Returns two smaller items that together make up one, or none if the payload cannot be split."""
CutWork = Callable[["WorkItem", str, float], tuple["WorkItem", "WorkItem | None"]]
"""Called with an item, a kind of device, and seconds. Returns as much of the item as a worker with such a device should
take at once, in about these seconds at most, and the rest, if any."""


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One unit of work."""

    key: str
    """Unique among the items of a run, and readable in messages."""
    cost: float
    """In any unit; the costliest item goes first."""
    payload: Payload
    is_first: bool = False
    """Whether it goes before all that are not, however costly: what others will take is learnt from it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Where workers have several kinds of device: what it is expected to take on each of those that may have it."""
    size: int = 1
    """How many parts of equal cost it consists of, roughly."""
    whole_on: frozenset[str] = frozenset()
    """Kinds of device whose workers take all of it or nothing: it resumes from a checkpoint, or is tried again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt at a work item: its function raised, or its worker died."""

    key: str
    """The work item's."""
    kind: str
    """The exception's class name; empty if the worker died."""
    message: str
    """The exception's own text on one line."""
    traceback: str = ""
    """From the worker; empty if the worker died."""
    exit_code: int | None = None
    """The exception's attribute `exit_code`, if it has one."""
    fatal: bool = False
    """The exception's attribute `fatal`: every other item would fail the same way."""
    ends_worker: bool = False
    """The exception's attribute `ends_worker`: its process can do no more work, and ends. Another one goes on."""
    retryable: bool = True
    """Whether another attempt may succeed; False for bad input."""
    logs: str = ""
    """Where the worker's log is, as `NODE:PATH`; empty if it has none of its own that outlives the run."""

    @classmethod
    def of(cls, key: str, error: Exception, logs: str = "") -> Self:
        """Returns the failure for the exception that is being handled."""
        return cls(
            key,
            kind=type(error).__name__,
            message=one_line(error),
            traceback=traceback.format_exc(),
            exit_code=getattr(error, "exit_code", None),
            fatal=getattr(error, "fatal", False),
            ends_worker=getattr(error, "ends_worker", False),
            retryable=not isinstance(error, (ValueError, TypeError, AssertionError)),
            logs=logs,
        )

    @property
    def reason(self) -> str:
        """`Kind: message`, for people."""
        return _joined(self.kind, self.message)

    def __str__(self) -> str:
        """The warning about an item that was given up because of this failure."""
        return f"{self.key} was given up: {self.reason}" + (f" (worker log: {self.logs})" if self.logs else "")


def describe(error: BaseException) -> str:
    """`Kind: message` of an exception, on one line."""
    return _joined(type(error).__name__, one_line(error))


def one_line(error: BaseException) -> str:
    """The exception's text with all white space collapsed."""
    return " ".join(str(error).split())


def _joined(kind: str, message: str) -> str:
    return ": ".join(part for part in (kind, message) if part)


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """The state of a run at one moment."""

    results: list[tuple[str, Result]]
    """Keys and results that arrived since the previous snapshot."""
    running: dict[str, float]
    """Share done of each item in progress, by key."""
    failures: list[Failure] = field(default_factory=list)
    """The last failure of every item that has been given up so far."""
    left: int = 0
    """Items that are not finished: neither done nor given up."""
    notes: list[str] = field(default_factory=list)
    """Messages for people since the previous snapshot: a worker was lost, an item is retried."""
    heard: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the last sign of life of each group that has workers."""
    cuts: Sequence[tuple[str, Mapping[str, float]]] = ()
    """Keys of items that were cut since the previous snapshot, with the keys of their parts and the share of each."""
    seconds_left: float | None = None
    """Where workers have several kinds of device: when all of them will have ended; infinity while none can."""


OnProgress = Callable[[ProgressSnapshot], None]


@dataclass(frozen=True, slots=True)
class Target:
    """The Ray that a driver connects to."""

    address: str | None = None
    """`auto` or `host:port` of a cluster; None starts a local Ray on this machine."""
    cpus: int = 0
    """Of a local Ray."""
    gpus: int = 0
    """Of a local Ray."""
    folder: str = ""
    """Of a local Ray: the folder for its sockets and logs."""
    shows_log: bool = False
    """Whether Ray's output in the driver is shown."""

    def __str__(self) -> str:
        """The name used in messages."""
        return "a local Ray" if self.address is None else f"the cluster at {self.address}"
