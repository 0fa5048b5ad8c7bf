"""Where a run is carried out: in this process, on a local Ray or on a cluster, and by which workers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sumsquares.cluster.workers import Resources, WorkerRequest, gpu_share
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import is_plain, shown

ALL = "all"
"""The value of --workers for one worker per CPU, on Ray."""
RAY_SECONDS = 16.0
"""From the start of a local Ray to the first step in its workers; measured on 2 cores."""
RAY_SHARE = 0.03
"""Share of a run up to which Ray's start is accepted: a shorter run, of up to 9 minutes, does without Ray. What one run
takes varies by as much from day to day."""
INLINE_SECONDS = 2.0
"""Work of up to this length is done by one process before others have started."""

MOST_WORKERS = 1_000_000
"""Upper limit of --workers and --gpu-workers."""
PATIENCE = 600.0
"""Seconds: a cloud takes minutes to replace a node, and the node takes minutes to pull an image of 2 GB."""


_WORKERS = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


@dataclass(frozen=True)
class Placement:
    """Where to run, and on what."""

    wanted: WorkerRequest
    """The workers; without any, the run stays in this process, without Ray."""
    address: str | None = None
    """auto or host:port of a running cluster; None starts a local Ray and stops it again."""
    memory_limit: int = 1 << 30
    """Bytes of rows that each worker caches."""
    is_open: bool = False
    """No workers were asked for, on this machine: the expected time decides whether there is a Ray."""
    processes: int = 0
    """Number of local processes that train instead of a Ray; 0 for none."""
    patience: float = PATIENCE
    """Seconds to wait for a worker while there is none."""

    @property
    def inline(self) -> bool:
        """Whether this process does all the work, without Ray."""
        return self.address is None and not self.wanted.workers and not self.wanted.gpu_workers

    @property
    def on_ray(self) -> bool:
        """Whether it needs a Ray, a cluster's or a local one."""
        return not self.inline and not self.processes

    @property
    def device(self) -> str:
        """The device that packs are cut for: cuda if there are GPU workers."""
        is_for_gpus = self.wanted.gpu_workers is None and self.wanted.workers == 0
        return "cuda" if self.wanted.gpu_workers or is_for_gpus else "cpu"

    @property
    def gpus(self) -> float:
        """GPUs that its GPU workers have together; 0 if their number isn't known yet."""
        return (self.wanted.gpu_workers or 0) * (self.wanted.gpus_per_worker or 1.0)

    def of_engine(self, engine: str) -> Placement:
        """Returns the placement without the workers that an engine named by the spec has no use for."""
        from sumsquares.jobs.engines.choice import DEVICES  # imports engines, which --help needn't wait for

        if DEVICES.get(engine) == "cuda":
            return replace(self, wanted=replace(self.wanted, workers=0), is_open=False)
        if DEVICES.get(engine) == "cpu":
            return replace(self, wanted=replace(self.wanted, gpu_workers=0))
        return self

    @property
    def count(self) -> int:
        """Number of workers; 0 if this process trains."""
        return self.processes or (self.wanted.workers or 0) + (self.wanted.gpu_workers or 0)

    def resolved(self, seconds: Sequence[float]) -> Placement:
        """Decides an open placement for packs that take these many core seconds each; any other stays as it is.

        It goes by expected times, not by a measurement, so that the same plan always runs in the same placement.
        """
        workers = min(self.wanted.workers or 0, len(seconds))
        total, longest = sum(seconds), max(seconds, default=0.0)
        expected = max(total / max(1, workers), longest)
        if not self.is_open or not seconds or expected * RAY_SHARE > RAY_SECONDS:
            return self
        # One process has only disadvantages in this one's place, but a long run must survive the death of its worker.
        if total <= (RAY_SECONDS if workers == 1 else INLINE_SECONDS):
            return replace(self, wanted=IN_PROCESS.wanted)
        return replace(self, processes=workers)

    def __str__(self) -> str:
        """In words that follow a verb, such as `trained`."""
        if self.inline:
            return "in this process, without Ray"
        if self.processes:
            return f"in {self.processes} process{'es' * (self.processes > 1)}, without Ray"
        return f"on {self.count} worker{'s' * (self.count > 1)} (and up to 0:{RAY_SECONDS:.0f} to start Ray)"


IN_PROCESS = Placement(WorkerRequest(workers=0, gpu_workers=0))
"""In this process, without Ray."""


@dataclass(frozen=True)
class PlacementOptions:
    """The placement options of the command line as they were given. Their defaults are written here alone."""

    workers: str | None = None
    gpu_workers: int | None = None
    gpus_per_worker: float | None = None
    resource: Sequence[str] = ()
    label: Sequence[str] = ()
    group_size: int = 32
    memory_limit: int = 1024
    """MiB."""
    patience: float = PATIENCE

    def placement(self, address: str | None) -> Placement:
        """Parses the options; what they leave open is all that this machine, or the cluster, has.

        Raises:
            UsageError: an option has a value of the wrong form.

        """
        if address is not None:
            _check_address(address)
        at_least, workers = _range(self.workers)
        gpu_workers, share = self.gpu_workers, self.gpus_per_worker
        is_open = address is None and self.workers is None and not self.resource and not self.label
        if address is None:
            share = share or gpu_share([resources_here()], WorkerRequest(workers, gpu_workers=gpu_workers))
            if gpu_workers is None:
                gpu_workers = 0 if workers == 0 else int(gpus_here() / share)
            if workers is None:
                workers = max(0, len(os.sched_getaffinity(0)) - gpu_workers)
        elif workers is None:
            at_least = 1  # nodes of a cluster come and go
        wanted = WorkerRequest(
            workers=workers,
            at_least=at_least,
            gpu_workers=gpu_workers,
            gpus_per_worker=share,
            resources={name: _amount(name, amount) for name, amount in _pairs("--resource", self.resource).items()},
            labels=_pairs("--label", self.label),
            group_size=self.group_size,
        )
        return Placement(wanted, address, self.memory_limit << 20, is_open and not gpu_workers, patience=self.patience)

    def arguments(self) -> list[str]:
        """The same options for another command line, without those that have their default."""
        known = PlacementOptions()
        single = ("workers", "gpu_workers", "gpus_per_worker", "group_size", "memory_limit", "patience")
        given = [(name, getattr(self, name)) for name in single if getattr(self, name) != getattr(known, name)]
        given += [(name, value) for name in ("resource", "label") for value in getattr(self, name)]
        return [text for name, value in given for text in (f"--{name.replace('_', '-')}", str(value))]


def resources_here() -> Resources:
    """The CPUs and GPUs of this machine that a local Ray can have."""
    return Resources(len(os.sched_getaffinity(0)), gpus_here())


def gpus_here() -> int:
    """NVIDIA GPUs that this process may use; 0 where there is no driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return found if visible is None else min(found, len([name for name in visible.split(",") if name.strip()]))


def _check_address(address: str) -> None:
    """The address may hold a secret, so the message doesn't show it."""
    match = _ADDRESS.fullmatch(address)
    if address != "auto" and (match is None or not 0 < int(match[1]) <= 65535):
        raise UsageError(
            "this --address is that of a Ray, from inside its network: write auto, or host:6379; "
            "http://... is for `sumsquares submit`"
        )


def _range(text: str | None) -> tuple[int | None, int | None]:
    """Parses --workers: `4` is exactly four, `2:8` starts with two and grows to eight, `all` is one per CPU."""
    if text in (None, ALL):
        return None, None
    match = _WORKERS.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if match is None or high > MOST_WORKERS or (match[2] and not 1 <= low <= high):
        remedy = f"write 4, 2:8 for two and up to eight, or all; {MOST_WORKERS:,} at most"
        raise UsageError(f"--workers {shown(text)} is not a number of workers; {remedy}")
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
            f"--resource {shown(f'{name}={text}')} is not an amount; write a number above 0: {shown(f'{name}=1')}"
        )
    return amount
