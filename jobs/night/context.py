"""What every step of a night needs: what is run, with which options, where, and under which lock. Typed and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import Lock
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.retention import RetentionPolicy
from sumsquares.jobs.night.webhook import Webhook
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.gate import Policy
from sumsquares.jobs.results.stored import OF_TRIAL, Results, read_results
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


@dataclass(frozen=True)
class Options:
    """What a night can be configured with beside its spec."""

    policy: Policy = field(default_factory=Policy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    hook: str | None = None
    """Command that is run after the night."""
    hook_seconds: float = 60.0
    """Seconds after which the hook is killed."""
    webhook: Webhook | None = None
    """What events are posted to."""
    metrics: Path | None = None
    """File for Prometheus that is rewritten after the night."""


class ResultsCache:
    """The results of one store, each pack read once however often a step asks for them. It writes nothing.

    A pack is read again if something was wrong with it, or if a file of it is missing. Damage in place that happens
    while the night runs is found by the next night.
    """

    def __init__(self) -> None:
        self._known: Results | None = None

    def __call__(self, store: Store) -> Results:
        """Returns all results that the store has now."""
        self._known = read_results(store, OF_TRIAL, self._known)
        return self._known


@dataclass(frozen=True)
class NightContext:
    """One night, and what it runs with."""

    night: Night
    store: Store
    placement: Placement
    progress: Progress
    options: Options = field(default_factory=Options)
    clock: Clock = field(default_factory=Clock)
    results: ResultsCache = field(default_factory=ResultsCache)
    tables: TableReader | None = None
    """By what the tables of the spec were read."""


@dataclass(frozen=True, kw_only=True)
class LockedContext(NightContext):
    """A night that holds the store's lock. Only such a night may train, promote and delete."""

    lock: Lock
    runtime: Runtime
    """What carries out its plans."""

    @classmethod
    def of(cls, context: NightContext, lock: Lock, runtime: Runtime) -> LockedContext:
        """Returns the context of the same night under its lock."""
        return cls(**vars(context), lock=lock, runtime=runtime)
