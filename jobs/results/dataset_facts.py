"""Facts of a dataset: measured once and stored in `datasets/<digest>/facts.json`, sealed.

They follow from the dataset's spec, or from the stored rows of a table, each of whose splits has a file
`facts-<digest>.json`. So a missing or damaged file is simply measured again.
"""

from __future__ import annotations

import base64
import zlib
from contextlib import suppress
from dataclasses import asdict, fields
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import MEASURED_ROWS, Facts, measure_facts, measure_table
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import folder_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.store import StorageError, Store

_OF_FORMULAS = ("moments", "noise_rmse")
_OF_TABLES = ("test_target_mean", "test_target_std")
_KEPT = tuple(field.name for field in fields(Facts) if field.name not in ("seen_N", *_OF_FORMULAS, *_OF_TABLES))


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: int
    dataset: str
    measured_rows: Annotated[int, Field(ge=1, le=MEASURED_ROWS)]
    seen: str
    """A bit per measured test row, the first one highest: packed, compressed by zlib, in base64."""
    unseen_numbers: int
    distinct: int
    covers_range: bool
    constant: bool
    largest_target: int | FiniteFloat
    linear_rmse: FiniteFloat
    linear_exact: bool
    moments: Moments | None = None
    """A task's facts lack these two, and a formula's have both."""
    noise_rmse: FiniteFloat = 0.0
    test_target_mean: FiniteFloat | None = None
    """Only a table's facts have these two."""
    test_target_std: FiniteFloat | None = None


_SHAPE = TypeAdapter(_Stored)
_ODD = (ValueError, zlib.error)  # from a file with a valid seal and the wrong content


def facts_path(dataset: Dataset) -> str:
    """Path of the facts of a dataset, or of one split of a table."""
    return f"{folder_of(dataset)}/{f'facts-{dataset.digest[:16]}' if isinstance(dataset, TableSplit) else 'facts'}.json"


def facts_of(store: Store, dataset: Dataset, keeps: bool = True) -> Facts:
    """Returns the facts of a dataset. If the store has none they are measured, and stored if it can be written."""
    path = facts_path(dataset)
    with suppress(FileNotFoundError, DataError, *_ODD):
        return _read(store.get(path), dataset)
    facts = _measured(store, dataset)
    with suppress(StorageError, DataError):
        if keeps and _may_write(store, path):
            store.put(path, encode_facts(dataset, facts))
    return facts


def _measured(store: Store, dataset: Dataset) -> Facts:
    """Measures the facts.

    Raises:
        FileNotFoundError: the rows of the table are not in the store.
        DataError: they are damaged.

    """
    if isinstance(dataset, TableSplit):
        return measure_table(dataset.has_integer_target, partial(blocks_of, store, dataset))
    return measure_facts(dataset)


def damage_of(data: bytes, dataset: Dataset) -> str | None:
    """Returns what is wrong with the bytes of a facts file, or None."""
    try:
        _read(data, dataset)
    except DamagedRecord as error:
        return str(error).removeprefix(f"{facts_path(dataset)}: ")
    except _ODD as error:
        return f"damaged, {error}"
    return None


def _may_write(store: Store, path: str) -> bool:
    """Whether the path is free, or holds a damaged file of ours."""
    try:
        return is_ours(path, store.get(path))
    except FileNotFoundError:
        return True


def _read(data: bytes, dataset: Dataset) -> Facts:
    stored = unseal(data, facts_path(dataset), "", _SHAPE)
    if stored.dataset != dataset.digest:
        raise ValueError(f"it is that of dataset {stored.dataset}")
    if isinstance(dataset, TableSplit) and (stored.moments is None or stored.test_target_std is None):
        raise ValueError("it has no moments")
    if isinstance(dataset, DatasetSpec) and stored.moments is None and dataset.formula is not None:
        raise ValueError("it has no moments")
    return _decode(stored)


def encode_facts(dataset: Dataset, facts: Facts) -> bytes:
    """Returns the bytes of the file."""
    packed = base64.b64encode(zlib.compress(np.packbits(facts.seen_N).tobytes(), 9)).decode()
    kept = {name: getattr(facts, name) for name in _KEPT}
    if facts.moments is not None:
        kept |= {"moments": asdict(facts.moments), "noise_rmse": facts.noise_rmse}
    if facts.test_target_std is not None:
        kept |= {name: getattr(facts, name) for name in _OF_TABLES}
    return seal({"format": 1, "dataset": dataset.digest, "measured_rows": len(facts.seen_N), "seen": packed, **kept})


def _decode(stored: _Stored) -> Facts:
    kept = {name: getattr(stored, name) for name in (*_KEPT, *_OF_FORMULAS, *_OF_TABLES)}
    return Facts(seen_N=_unpacked(stored), **kept)


def _unpacked(stored: _Stored) -> NDArray[np.bool_]:
    size = -(-stored.measured_rows // 8)
    data = zlib.decompressobj().decompress(
        base64.b64decode(stored.seen), size + 1
    )  # no more, whatever the stream claims
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes of rows, not {size}")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=stored.measured_rows).astype(bool)
