"""The variant that `fit` has chosen, found again from the store: what the report of its run tells."""

from __future__ import annotations

from functools import cache, partial

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.final import VALIDATION, is_validation_of
from sumsquares.jobs.results.stored import Results
from sumsquares.jobs.results.summary import Summary, summarize
from sumsquares.jobs.results.validated import Choice, choose
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.run_files import DamagedSpec, stored_spec
from sumsquares.jobs.storage.store import Store


def choice_of(spec: JobSpec, store: Store, summary: Summary, stored: Results) -> Choice | None:
    """Returns the choice of the validation rows; None if no run measured its variants on them.

    `stored` has the results of the store, and `summary` those of the spec among them.
    """
    try:
        validation = stored_spec(store, f"{spec.name}{VALIDATION}") if _is_of_a_table(spec) else None
    except DamagedSpec:  # `verify` names it, and the remedy
        return None
    if validation is None or not is_validation_of(validation, spec):
        return None
    known = cache(partial(facts_of, store, keeps=False))
    return choose(summary, summarize(trials(validation), stored.table, known), spec.datasets[0].name)


def id_of(choice: Choice | None) -> str | None:
    """Returns the id of the chosen variant."""
    return None if choice is None else choice.row["variant_id"]


def _is_of_a_table(spec: JobSpec) -> bool:
    return len(spec.datasets) == 1 and isinstance(spec.datasets[0], TableDataset)
