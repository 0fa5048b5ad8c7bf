"""What stored specs need of a store: the trials and the datasets that they name. Files are found by these ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sumsquares.jobs.results.stored import Results
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import ids_at, trials
from sumsquares.jobs.storage.layout import folder_of


@dataclass(frozen=True)
class Needs:
    """What some specs need."""

    trials: set[str] = field(default_factory=set)
    """Ids."""
    datasets: set[str] = field(default_factory=set)
    """Folders."""

    def add(self, spec: JobSpec, versions: Iterable[int]) -> None:
        """Adds the needs of a spec whose trials may be of these training versions."""
        wanted = trials(spec)
        for version in versions:
            self.trials.update(ids_at(wanted, version))
        self.datasets.update(folder_of(dataset) for dataset in spec.datasets)


def trials_of_packs(results: Results) -> dict[str, set[str]]:
    """Returns the ids of the trials that each pack of a store holds."""
    mates: dict[str, set[str]] = defaultdict(set)
    for trial, pack in zip(results.table["trial_id"].to_pylist(), results.table["pack"].to_pylist(), strict=True):
        mates[pack].add(trial)
    return mates
