"""Baselines of a dataset, measured once and stored beside its facts, sealed.

They follow from the dataset's rows, so missing or damaged ones are measured again. Boosted trees are added once
scikit-learn is installed, and stay when it no longer is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.baselines import TREES, Baseline, Rows, measure_linear, measure_trees
from sumsquares.jobs.results.boosted_trees import sklearn_version
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import folder_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.store import StorageError, Store


class _Baseline(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: Literal["mean", "least squares", "boosted trees"]
    rmse: Annotated[FiniteFloat, Field(ge=0)]
    rows: Annotated[int, Field(ge=1)]
    version: str | None


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: int
    dataset: str
    baselines: list[_Baseline]


_SHAPE = TypeAdapter(_Stored)
TREES_SPLITS = 30
"""Splits up to which boosted trees are fitted to a table: each takes half a second."""


def baselines_path(dataset: Dataset) -> str:
    """Path of the baselines of a dataset, or of one split of a table."""
    part = f"-{dataset.digest[:16]}" if isinstance(dataset, TableSplit) else ""
    return f"{folder_of(dataset)}/baselines{part}.json"


def baselines_of(store: Store, dataset: Dataset, keeps: bool = True) -> tuple[Baseline, ...]:
    """Returns the baselines of a dataset, the simplest first. What is missing is measured, and with `keeps` stored."""
    path, rows = baselines_path(dataset), partial(blocks_of, store, dataset)
    known: tuple[Baseline, ...] = ()
    with suppress(FileNotFoundError, DataError):
        known = _read(store.get(path), dataset)
    found = with_trees(known or measure_linear(dataset, rows), dataset, rows)
    with suppress(StorageError, DataError):
        if keeps and found != known and _may_write(store, path):
            store.put(path, encode_baselines(dataset, found))
    return found


def with_trees(found: tuple[Baseline, ...], dataset: Dataset, rows: Rows) -> tuple[Baseline, ...]:
    """Returns these baselines and boosted trees, unless they are among them or scikit-learn can't be used.

    A table of more than TREES_SPLITS splits gets none.
    """
    if isinstance(dataset, TableSplit) and len(dataset.whole.splits) > TREES_SPLITS:
        return found
    if any(each.name == TREES for each in found) or (version := sklearn_version()) is None:
        return found
    with suppress(ImportError):
        return (*found, *measure_trees(dataset, rows, version))
    return found


def damage_of_baselines(data: bytes, dataset: Dataset) -> str | None:
    """Returns what is wrong with the bytes of a file of baselines, or None."""
    try:
        _read(data, dataset)
    except DamagedRecord as error:
        return str(error).removeprefix(f"{baselines_path(dataset)}: ")
    return None


def encode_baselines(dataset: Dataset, found: tuple[Baseline, ...]) -> bytes:
    """Returns the bytes of the file."""
    return seal({"format": 1, "dataset": dataset.digest, "baselines": [asdict(each) for each in found]})


def _may_write(store: Store, path: str) -> bool:
    """Whether the path is free, or holds a damaged file of ours."""
    try:
        return is_ours(path, store.get(path))
    except FileNotFoundError:
        return True


def _read(data: bytes, dataset: Dataset) -> tuple[Baseline, ...]:
    path = baselines_path(dataset)
    stored = unseal(data, path, "", _SHAPE)
    if stored.dataset != dataset.digest:
        raise DamagedRecord(f"{path}: damaged, it is that of dataset {stored.dataset}")
    return tuple(Baseline(**dict(each)) for each in stored.baselines)
