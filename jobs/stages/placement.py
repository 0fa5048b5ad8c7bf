"""Where a run happens: in this process, on a local Ray or on a cluster, with which workers. From options and back."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sumsquares.cluster.workers import Resources, WorkerRequest
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import is_plain, shown

ALL = "all"
"""As a number of workers: one for every CPU, on Ray."""
RAY_SECONDS = 16.0
"""From the start of a local Ray to the first step in its workers: measured, on 2 cores."""
INLINE_SECONDS = 2.0
"""Of work, which one process has done before others have started."""

MOST_WORKERS = 1_000_000
"""Of either kind that can be asked for."""
PATIENCE = 600.0
"""Seconds: a cloud takes minutes to replace a node, and that to fetch an image of 2 GB."""


_WORKERS = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


@dataclass(frozen=True)
class Placement:
    """Where to run."""

    wanted: WorkerRequest
    """Workers; no CPU and no GPU workers: in this process, without Ray."""
    address: str | None = None
    """auto or host:port of a cluster that runs; None: a local Ray is started and stopped."""
    memory_limit: int = 1 << 30
    """Bytes of rows that each worker holds."""
    is_open: bool = False
    """Nothing was said of workers on this machine: what is over before Ray has started is trained without it."""
    processes: int = 0
    """So many processes of this machine instead of a Ray."""
    patience: float = PATIENCE
    """Seconds to wait for workers while there are none."""

    @property
    def inline(self) -> bool:
        """Whether there is no Ray."""
        return self.address is None and not self.wanted.workers and not self.wanted.gpu_workers

    @property
    def on_ray(self) -> bool:
        """Whether it is a cluster, or needs a Ray of this machine."""
        return not self.inline and not self.processes

    @property
    def device(self) -> str:
        """The device that packs are cut for: cuda if there are GPU workers."""
        return "cuda" if self.wanted.gpu_workers else "cpu"

    @property
    def count(self) -> int:
        """Workers of this machine; 0 is this process alone."""
        return self.processes or (self.wanted.workers or 0) + (self.wanted.gpu_workers or 0)

    def resolved(self, seconds: Sequence[float]) -> Placement:
        """The place for pieces of work that take so many seconds of a core each, where that was left open.

        Decided by what is expected, not by a measurement: the same plan always runs in the same place.
        """
        workers = min(self.wanted.workers or 0, len(seconds))
        total, longest = sum(seconds), max(seconds, default=0.0)
        if not self.is_open or not seconds or max(total / max(1, workers), longest) > RAY_SECONDS:
            return self
        if workers == 1 or total <= INLINE_SECONDS:
            return replace(self, wanted=IN_PROCESS.wanted)
        return replace(self, processes=workers)

    def __str__(self) -> str:
        """Where that is, in words that follow what is done there."""
        if self.inline:
            return "in this process, without Ray"
        if self.processes:
            return f"in {self.processes} processes, without Ray"
        return f"on {self.count} worker{'s' * (self.count > 1)} (and up to 0:{RAY_SECONDS:.0f} to start Ray)"


IN_PROCESS = Placement(WorkerRequest(workers=0, gpu_workers=0))
"""In this process, without Ray."""


@dataclass(frozen=True)
class PlacementOptions:
    """The options of the command line that say where, as they were given; None and () are their defaults."""

    workers: str | None = None
    gpu_workers: int | None = None
    gpus_per_worker: float = 1.0
    resource: Sequence[str] = ()
    label: Sequence[str] = ()
    group_size: int = 32
    memory_limit: int = 1024
    """MiB."""
    patience: float = PATIENCE

    def placement(self, address: str | None) -> Placement:
        """The place; on this machine what is left open is what it has, on a cluster what that has.

        Raises:
            UsageError: an option that can't be read.

        """
        if address is not None:
            _check_address(address)
        at_least, workers = _range(self.workers)
        gpu_workers = self.gpu_workers
        is_open = address is None and self.workers is None and not self.resource and not self.label
        if address is None:
            if gpu_workers is None:
                gpu_workers = 0 if workers == 0 else int(gpus_here() / self.gpus_per_worker)
            if workers is None:
                workers = max(0, len(os.sched_getaffinity(0)) - gpu_workers)
        elif workers is None:
            at_least = 1  # nodes come and go
        wanted = WorkerRequest(
            workers=workers,
            at_least=at_least,
            gpu_workers=gpu_workers,
            gpus_per_worker=self.gpus_per_worker,
            resources={name: _amount(name, amount) for name, amount in _pairs("--resource", self.resource).items()},
            labels=_pairs("--label", self.label),
            group_size=self.group_size,
        )
        return Placement(wanted, address, self.memory_limit << 20, is_open and not gpu_workers, patience=self.patience)

    def arguments(self) -> list[str]:
        """The options again, for a command line somewhere else; defaults are left out."""
        known = PlacementOptions()
        single = ("workers", "gpu_workers", "gpus_per_worker", "group_size", "memory_limit", "patience")
        given = [(name, getattr(self, name)) for name in single if getattr(self, name) != getattr(known, name)]
        given += [(name, value) for name in ("resource", "label") for value in getattr(self, name)]
        return [text for name, value in given for text in (f"--{name.replace('_', '-')}", str(value))]


def resources_here() -> Resources:
    """What this machine has for a Ray of its own."""
    return Resources(len(os.sched_getaffinity(0)), gpus_here())


def gpus_here() -> int:
    """NVIDIA GPUs that this process may use; 0 where there is no driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return found if visible is None else min(found, len([name for name in visible.split(",") if name.strip()]))


def _check_address(address: str) -> None:
    """It may hold a secret, and is not shown."""
    match = _ADDRESS.fullmatch(address)
    if address != "auto" and (match is None or not 0 < int(match[1]) <= 65535):
        raise UsageError(
            "this --address is that of a Ray, from inside its network: write auto, or host:6379; "
            "http://... is for `sumsquares submit`"
        )


def _range(text: str | None) -> tuple[int | None, int | None]:
    """`4` is exactly four, `2:8` begins with two and grows to eight, `all` is one for every CPU."""
    if text in (None, ALL):
        return None, None
    match = _WORKERS.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if match is None or high > MOST_WORKERS or (match[2] and not 1 <= low <= high):
        remedy = f"write 4, 2:8 for two and up to eight, or all; {MOST_WORKERS:,} at most"
        raise UsageError(f"--workers {shown(text)} is no number of workers; {remedy}")
    return (low, high) if match[2] else (None, low)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    wrong = [name for name, value in pairs.items() if not name or not value]
    if wrong:
        raise UsageError(f"{option} {shown(wrong[0])} has no name or no value; write {option} name=value")
    return pairs


def _amount(name: str, text: str) -> float:
    amount = float(text) if is_plain(text) else 0.0
    if not 0 < amount < math.inf:
        raise UsageError(
            f"--resource {shown(f'{name}={text}')} is no amount; write a number above 0, such as {shown(f'{name}=1')}"
        )
    return amount
