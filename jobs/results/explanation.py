"""Explanations of variants: their causes, and the linear function of those without activation. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import pyarrow.compute as pc

from sumsquares.jobs.results.case import Cause, Row
from sumsquares.jobs.results.collapse import Linear, collapse
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import Results, read_weights
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import Trial, Variant, trials
from sumsquares.jobs.storage.store import Store


@dataclass(frozen=True)
class Explanation:
    """Why one variant ends where it does."""

    row: Row
    """Of the summary's table."""
    roles: tuple[str, ...]
    """Why it is told, such as: the best."""
    causes: tuple[Cause, ...]
    """The one whose remedy gains most first."""
    linear: Linear | None
    """What the best trial of a variant without activation computes."""


class Explainer:
    """Explains variants of a run."""

    def __init__(self, store: Store, spec: JobSpec, summary: Summary, stored: Results) -> None:
        self._store, self._summary, self._stored = store, summary, stored
        # Variants of one pack mostly follow one another, and it is read once for all of them.
        self._weights_of = lru_cache(maxsize=2)(partial(read_weights, store))
        self._trials = trials(spec)
        self.rows: Sequence[Row] = summary.table.to_pylist()
        """All variants, in the order of the spec."""

    def rows_of(self, dataset: str) -> list[Row]:
        """Returns those of a dataset."""
        return [row for row in self.rows if row["dataset"] == dataset]

    @property
    def datasets(self) -> Mapping[str, Row]:
        """What is known of each dataset, by name."""
        return self._summary.datasets

    def matters(self, dataset: str) -> Importance | None:
        """Returns how much each axis of the grid matters on a dataset."""
        return self._summary.importance.get(dataset)

    @property
    def best(self) -> dict[str, str | None]:
        """The id of the best variant, by dataset."""
        return {name: row["variant_id"] if row else None for name, row in self._summary.best.items()}

    @property
    def trial_ids(self) -> set[str]:
        """The trials of the spec."""
        return {trial.id for trial in self._trials}

    @property
    def found_ids(self) -> set[str]:
        """Those of them that have a result."""
        return set(self._summary.trials["trial_id"].to_pylist())

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """By id; of a table the variant on one of its splits."""
        return {trial.variant.group: trial.variant for trial in self._trials}

    def seeds_of(self, variant_id: str) -> list[int]:
        """Returns the seeds of a variant in the spec."""
        return [*dict.fromkeys(trial.seed for trial in self._trials_of[variant_id])]

    @cached_property
    def _trials_of(self) -> dict[str, list[Trial]]:
        """Those of a variant, on all splits of its dataset."""
        found: dict[str, list[Trial]] = {}
        for trial in self._trials:
            found.setdefault(trial.variant.group, []).append(trial)
        return found

    @cached_property
    def _best_trials(self) -> dict[str, str]:
        """The id of the best trial, by variant."""
        ranked = self._summary.trials.filter(pc.is_valid(self._summary.trials["rmse"]))
        ranked = ranked.sort_by([("rmse", "descending"), ("seed", "descending")])
        return dict(zip(ranked["variant_id"].to_pylist(), ranked["trial_id"].to_pylist(), strict=True))

    @cached_property
    def _packs(self) -> dict[str, str]:
        """By trial."""
        stored = self._stored.table
        return dict(zip(stored["trial_id"].to_pylist(), stored["pack"].to_pylist(), strict=True))

    def explain(self, row: Row, *roles: str) -> Explanation:
        """Returns the explanation of a row's variant.

        Raises:
            DamagedResult: the weights of its best trial are damaged.
            FileNotFoundError: they are gone.

        """
        return Explanation(row, roles, self.causes_of(row), self._linear(row))

    def causes_of(self, row: Row) -> tuple[Cause, ...]:
        """Returns the causes of a row's variant."""
        return self._summary.causes.get(row["variant_id"], ())

    def _linear(self, row: Row) -> Linear | None:
        if row["activation"] != "identity" or row["rmse_best"] is None:
            return None
        best = self._best_trials[row["variant_id"]]
        trial = next(each for each in self._trials_of[row["variant_id"]] if each.id == best)
        tensors, ids = self._weights_of(self._packs[trial.id])
        return collapse(trial, tensors, ids.index(trial.id), scale_of(self._store, trial.variant))
