"""The outcome of a run: its summary, its failures, its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sumsquares.cluster.work import Failure
from sumsquares.jobs.pipeline.failures import code_of
from sumsquares.jobs.results.summary import Summary


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run that reached its end."""

    summary: Summary
    summary_json: bytes
    """The content of summary.json; by the time it is printed, another run of the name may have replaced the file."""
    is_published: bool
    """Whether its files are in the store: a run without any result doesn't replace an earlier run of another spec."""
    failures: Sequence[Failure]
    """Packs that were given up."""
    seconds: Mapping[str, float]
    """Wall time of each stage."""

    @property
    def exit_code(self) -> int:
        """3 if data was damaged or foreign, 7 if a trial diverged or is missing, else 0."""
        return code_of(self.failures, is_complete=self.summary.counts.ok == self.summary.counts.total)
