"""Targets that can't be trained on as a spec asks: what its checks can't see, as they look at the first rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sumsquares.datasets.facts import Facts
from sumsquares.datasets.normalize import kind_of_target
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs import exits
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.variants import Trial


class WrongTarget(ValueError):  # noqa: N818  ValueError says that it is an error
    """Training rows whose targets have no logarithm, or are no probabilities, though a trial needs that."""

    exit_code = exits.USAGE


def refuse_targets(trials: Iterable[Trial], facts_of: Callable[[NamedDataset], Facts]) -> None:
    """Raises WrongTarget if the target of some training row of a formula isn't what a trial of its dataset needs.

    Those of tables are checked with the spec: all of their rows are known by then.
    """
    needs: dict[str, tuple[NamedDataset, set[str]]] = {}
    for variant in {trial.variant.digest: trial.variant for trial in trials}.values():
        kind = kind_of_target(variant.normalize, variant.normalize_target)
        wanted = {need for need, is_there in (("log", kind == "log"), ("bce", variant.loss == "bce")) if is_there}
        dataset = variant.dataset
        if wanted and isinstance(dataset, NamedDataset) and dataset.formula is not None:
            needs.setdefault(variant.dataset_digest, (dataset, set()))[1].update(wanted)
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


def _refuse(dataset: NamedDataset, problem: str, axis: str) -> None:
    raise WrongTarget(f"dataset {show(dataset.name)}: {problem}; write another {axis}, or another formula or range")
