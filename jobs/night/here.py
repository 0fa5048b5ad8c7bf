"""What a night is told beside its spec, and where it runs. Nothing is done here but the hook's call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.gate import Policy
from sumsquares.jobs.night.hooks import run_hook
from sumsquares.jobs.night.retention import Keep
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.storage.store import Store


@dataclass(frozen=True)
class Options:
    """What a night may be told, beside its spec."""

    policy: Policy = field(default_factory=Policy)
    keep: Keep = field(default_factory=Keep)
    hook: str | None = None
    hook_seconds: float = 60.0


@dataclass(frozen=True)
class Here:
    """Where a night runs, and who learns of it."""

    store: Store
    place: Placement
    progress: Progress
    clock: Clock = field(default_factory=Clock)

    def tell(self, options: Options, event: str, facts: Mapping[str, Any]) -> None:
        """Runs the hook."""
        if (trouble := run_hook(options.hook, event, facts, options.hook_seconds)) is not None:
            self.progress.warn(trouble)
