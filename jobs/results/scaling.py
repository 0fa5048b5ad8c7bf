"""The normalisation of a variant: from its spec and, where that isn't enough, from the facts of its dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.normalize import (
    Normalization,
    NormalizationKind,
    TargetKind,
    needs_moments,
    normalization,
    ranges_of,
)
from sumsquares.datasets.source import Range
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.spec.variants import Variant
from sumsquares.jobs.storage.store import Store


def scale_of(store: Store, variant: Variant) -> Normalization:
    """Returns the normalisation of a variant's rows. Facts that the store lacks are measured; nothing is written."""
    return _scale(_Dataset(variant.dataset_digest, variant.dataset, store), variant.normalize, variant.normalize_target)


def ranges_in_training(store: Store, variant: Variant) -> tuple[Range, ...]:
    """Returns the range of each input column: the declared one, or of a table that of its split's training rows."""
    is_measured = isinstance(variant.dataset, TableSplit)
    moments = _moments(_Dataset(variant.dataset_digest, variant.dataset, store)) if is_measured else None
    return ranges_of(variant.dataset, moments)


@dataclass(frozen=True)
class _Dataset:
    """A dataset. From which store its facts are read makes no difference."""

    digest: str
    spec: Dataset = field(compare=False)
    store: Store = field(compare=False)


@lru_cache(maxsize=1024)
def _scale(dataset: _Dataset, kind: NormalizationKind, target_kind: TargetKind) -> Normalization:
    moments = _moments(dataset) if needs_moments(dataset.spec, kind, target_kind) else None
    return normalization(dataset.spec, kind, target_kind, moments)


@lru_cache(maxsize=256)
def _moments(dataset: _Dataset) -> Moments | None:
    return facts_of(dataset.store, dataset.spec, keeps=False).moments
