"""Errors of stored data. shards.py and manifest.py raise them, and rows.py one about formulas; nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice


class DataError(ValueError):
    """Stored data that must not be trained on."""

    exit_code = 3
    """Of a command that this error ends, and of a run with a pack that it fails."""


class DamagedShard(DataError):  # noqa: N818  its base says that it is an error
    """One of our shards whose bytes aren't those that were written: flipped, truncated or unreadable."""


class ForeignShard(DataError):  # noqa: N818  the same
    """Readable Parquet that is not the shard that its path says."""


class DamagedManifest(DataError):  # noqa: N818  the same
    """A manifest whose bytes aren't those that were written, or that contradicts itself."""


class OtherRows(DataError):  # noqa: N818  the same
    """A shard that this version can't make again: the manifest lists other rows than it makes from the spec."""


class NotFinite(ValueError):  # noqa: N818  ValueError says that it is an error
    """A formula whose value for a row of the train or test split is not finite, or too large to be squared."""

    exit_code = 2
    """Of a command that this error ends: the spec is wrong."""

    def __init__(self, formula: str, split: str, row: int, numbers: Mapping[str, float], value: float) -> None:
        super().__init__(formula, split, row, numbers, value)

    def __str__(self) -> str:
        formula, split, row, numbers, value = self.args
        shown = ", ".join(f"{name} = {number!r}" for name, number in islice(numbers.items(), 5))
        formula = formula if len(formula) <= 100 else f"{formula[:97]}..."
        return (
            f'formula = "{formula}" is {value} where {shown}{" and so on" if len(numbers) > 5 else ""} (row {row:,} of '
            f"the {split} split, counted from 0), and targets must be finite and at most 1e100 in size; write low and "
            "high between which they are, or a formula with where(condition, value, other) that avoids it"
        )
