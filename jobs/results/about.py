"""What a summary says of each dataset: its fields and its facts, those of a table over all its splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.spec import NamedDataset


def about_of(dataset: Whole, facts_S: Sequence[Facts]) -> dict[str, Any]:
    """Returns the digest and the fields of a dataset, and its facts from those of its splits."""
    fields = dataset.model_dump(mode="json", exclude={"name"})
    facts = plain(facts_S[0]) if isinstance(dataset, NamedDataset) else over_splits(facts_S)
    return {"digest": dataset.digest, **fields, "facts": facts}


def plain(facts: Facts) -> dict[str, Any]:
    """The facts as JSON: of the test rows, how many were measured and how many are unseen."""
    kept = {name: value for name, value in vars(facts).items() if name != "seen_N" and not _is_of_tables(name, value)}
    if facts.moments is not None:
        kept["moments"] = asdict(facts.moments)
    return {"measured_rows": len(facts.seen_N), "unseen_rows": facts.unseen, **kept}


def _is_of_tables(name: str, value: Any) -> bool:
    return name.startswith("test_target") and value is None


def over_splits(facts_S: Sequence[Facts]) -> dict[str, Any]:
    """The facts of a table as JSON: rows are counted over all splits, and RMSEs, means and spreads are averaged."""
    each = [plain(facts) for facts in facts_S]
    together = {name: _TOGETHER[name]([facts[name] for facts in each]) for name in each[0] if name in _TOGETHER}
    moments = [facts.moments for facts in facts_S if facts.moments is not None]
    return {**together, "moments": asdict(_moments(moments))}


def _moments(moments_S: Sequence[Moments]) -> Moments:
    """The extremes of all splits, and the averages of their means and standard deviations."""
    found: dict[str, Any] = {}
    for name in Moments.__dataclass_fields__:
        values_S = [getattr(moments, name) for moments in moments_S]
        of: Callable[[Sequence[float]], float] = {"min": min, "max": max}.get(name.rsplit("_", 1)[1], fmean)
        is_of_inputs = name.startswith("input")
        found[name] = tuple(map(of, zip(*values_S, strict=True))) if is_of_inputs else of(values_S)
    return Moments(**found)


_TOGETHER: dict[str, Callable[[Sequence[Any]], Any]] = {
    "measured_rows": sum,
    "unseen_rows": sum,
    "unseen_numbers": sum,
    "distinct": sum,
    "covers_range": all,
    "constant": all,
    "largest_target": max,
    "linear_rmse": fmean,
    "linear_exact": all,
    "noise_rmse": fmean,
    "test_target_mean": fmean,
    "test_target_std": fmean,
}
"""How the facts of several splits become those of their table."""
