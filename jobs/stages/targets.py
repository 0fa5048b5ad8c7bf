"""Rows that can't be trained on as a spec asks: what its checks can't see, as they look at the first rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.normalize import kind_of_target, logarithm_problem
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs import exits
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.variants import Trial


class WrongTarget(ValueError):  # noqa: N818  ValueError says that it is an error
    """Training rows whose numbers have no logarithm, or whose targets are no probabilities, where a trial needs it."""

    exit_code = exits.USAGE


def refuse_targets(trials: Iterable[Trial], facts_of: Callable[[Named], Facts]) -> None:
    """Raises WrongTarget if a training row of a formula or a table isn't what a trial of its dataset needs."""
    needs: dict[str, tuple[Named, set[str]]] = {}
    for variant in {trial.variant.digest: trial.variant for trial in trials}.values():
        kind = kind_of_target(variant.normalize, variant.normalize_target)
        is_needed = {"log": kind == "log", "bce": variant.loss == "bce", "log inputs": variant.normalize == "log"}
        wanted = {need for need, is_there in is_needed.items() if is_there}
        if wanted and (isinstance(variant.dataset, TableSplit) or variant.dataset.formula is not None):
            needs.setdefault(variant.dataset_digest, (variant.dataset, set()))[1].update(wanted)
    for dataset, wanted in needs.values():
        moments = facts_of(dataset).moments
        assert moments is not None, dataset
        low, high = moments.target_min, moments.target_max
        if "log" in wanted and low <= 0:
            _refuse(
                dataset, f'"log" needs a target above 0, and that of a training row is {low:.6g}', "normalize_target"
            )
        if "bce" in wanted and not 0 <= low <= high <= 1:
            outside = low if low < 0 else high
            _refuse(dataset, f'"bce" needs a target from 0 to 1, and that of a training row is {outside:.6g}', "loss")
        if "log inputs" in wanted and isinstance(dataset, TableSplit):
            _refuse_inputs(dataset, moments)


def _refuse_inputs(split: TableSplit, moments: Moments) -> None:
    if (problem := logarithm_problem(split, moments)) is not None:
        raise WrongTarget(f"dataset {show(split.name)}: {problem}")


def _refuse(dataset: Named, problem: str, axis: str) -> None:
    other = "another target" if isinstance(dataset, TableSplit) else "another formula or range"
    raise WrongTarget(f"dataset {show(dataset.name)}: {problem}; write another {axis}, or {other}")
