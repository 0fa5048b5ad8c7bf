"""The rows on which a night is compared with its champion where a table has other rows than the champion's had.

They are the champion's test rows, read from the store, without those that the night trains on: a row counts as trained
on if all its inputs and its target occur in a training row of the night's split of the same name. Both nights are
measured on these rows again. Nothing is stored.

Suffixes: N rows, I input columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import BLOCK_ROWS, Block
from sumsquares.datasets.source import Split
from sumsquares.datasets.tables.table import InputColumn, TableDataset, TableSplit
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.results.table_rows import TableRows
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.storage.store import Store

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Of splitmix64. Two different rows have the same key with a probability of 2**-64; then one row more is left out."""


@dataclass(frozen=True)
class SplitPair:
    """One split of a table in both nights, and the rows on which it is compared."""

    ours: TableSplit
    theirs: TableSplit
    """The champion's."""
    chosen_N: NDArray[np.bool_]
    """Of the champion's test rows those that are compared."""
    seen: int
    """How many of these test rows the night trains on."""

    def blocks(self, rows: TableRows, of_champion: bool) -> Iterator[Block]:
        """Yields these rows as the inputs of the night's models, or of the champion's; nulls are filled as theirs."""
        for index, (inputs_NI, target_N) in enumerate(_raw(rows, self.theirs, "test")):
            keep_N = self.chosen_N[index * BLOCK_ROWS :][: len(target_N)]
            if keep_N.any():
                chosen_NI = (
                    inputs_NI[keep_N]
                    if of_champion
                    else _aligned(self.ours.table, self.theirs.table, inputs_NI[keep_N])
                )
                yield _filled(self.theirs if of_champion else self.ours, chosen_NI), target_N[keep_N]


@dataclass(frozen=True)
class CommonRows:
    """A table that has other rows in a night than in its champion's."""

    ours: TableDataset
    theirs: TableDataset
    pairs: tuple[SplitPair, ...]
    """By split of the champion."""

    @property
    def held_out(self) -> int:
        """Test rows of the champion, over all splits."""
        return sum(pair.theirs.test_rows for pair in self.pairs)

    @property
    def compared(self) -> int:
        """Those that are compared."""
        return sum(int(np.count_nonzero(pair.chosen_N)) for pair in self.pairs)

    @property
    def seen(self) -> int:
        """Those that the night trains on."""
        return sum(pair.seen for pair in self.pairs)

    @property
    def by_split(self) -> dict[str | None, SplitPair]:
        """The pairs that have rows to compare, by the name of their split."""
        return {pair.theirs.split: pair for pair in self.pairs if pair.chosen_N.any()}


def common_rows(store: Store, theirs: TableDataset, ours: TableDataset) -> CommonRows:
    """Finds the rows on which a table is compared; `theirs` is the champion's, and `why_apart` has found nothing.

    Raises:
        FileNotFoundError: the rows of a table are not in the store.
        DataError: they are damaged.

    """
    rows = TableRows(store)
    of_name = {split.split: split for split in ours.splits}
    both = [(of_name[split.split], split) for split in theirs.splits]
    return CommonRows(ours, theirs, tuple(SplitPair(own, split, *_chosen(rows, own, split)) for own, split in both))


def why_apart(theirs: TableDataset, ours: TableDataset) -> str | None:
    """Returns why a night's table can't be compared with the champion's, or None if it can."""
    if theirs.target != ours.target:
        return f"its target is {shown(ours.target)}, and was {shown(theirs.target)}"
    if gone := _columns(theirs, ours):
        return f"{_inputs(gone)} no input any more"
    if added := _columns(ours, theirs):
        return f"{_inputs(added)} a new input"
    names, before = ([split.name for split in table.split_rows] for table in (ours, theirs))
    if len(names) != len(before):
        return f"it has {counted(len(names), 'split')}, and had {len(before)}"
    return "its splits have other names" if set(names) != set(before) else None


def why_less(found: CommonRows) -> str:
    """Returns why not all test rows of the champion are compared."""
    unknown = found.held_out - found.compared - found.seen
    parts = [f"the night trains on {found.seen:,} of them"] if found.seen else []
    parts += [f"{unknown:,} of them have a category or a null that its rows don't have"] if unknown else []
    return " and ".join(parts)


def _columns(one: TableDataset, other: TableDataset) -> list[str]:
    """Returns the inputs of one that the other lacks; a category is none where the other has categories of its column.

    Rows have a category of their column or another, so those without a column of its own are known: it is 0.
    """
    known = {(column.column, column.category is None) for column in other.input_columns}
    found = (column for column in one.input_columns if (column.column, column.category is None) not in known)
    return list(dict.fromkeys(column.column for column in found))


def _inputs(names: list[str]) -> str:
    more = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"its column {shown(names[0])}{more}"


def _chosen(rows: TableRows, ours: TableSplit, theirs: TableSplit) -> tuple[NDArray[np.bool_], int]:
    """Returns which of the champion's test rows the night can be asked and doesn't train on, and how many it does."""
    can_N, keys = list[NDArray[np.bool_]](), list[Keys]()
    for inputs_NI, target_N in _raw(rows, theirs, "test"):
        can_N.append(_can_be_asked(ours, theirs, inputs_NI))
        keys.append(_keys(_aligned(ours.table, theirs.table, inputs_NI), target_N))
    key_K, place_N = np.unique(np.concatenate(keys), return_inverse=True)
    is_seen_K = np.zeros(len(key_K), bool)
    for inputs_NI, target_N in _raw(rows, ours, "train"):
        key_N = _keys(inputs_NI, target_N)
        found_N = np.minimum(np.searchsorted(key_K, key_N), len(key_K) - 1)
        is_seen_K[found_N[key_K[found_N] == key_N]] = True
    is_seen_N = is_seen_K[place_N]
    return np.concatenate(can_N) & ~is_seen_N, int(np.count_nonzero(is_seen_N))


def _can_be_asked(ours: TableSplit, theirs: TableSplit, inputs_NI: Floats) -> NDArray[np.bool_]:
    """Returns which rows have no category that the night's rows lack, and no null that it doesn't fill."""
    known = {_name(column) for column in ours.table.input_columns}
    lost = [place for place, column in enumerate(theirs.table.input_columns) if _name(column) not in known]
    is_known_N: NDArray[np.bool_] = ~(inputs_NI[:, lost] != 0).any(axis=1)
    return is_known_N & ~np.isnan(_filled(ours, _aligned(ours.table, theirs.table, inputs_NI))).any(axis=1)


def _aligned(ours: TableDataset, theirs: TableDataset, inputs_NI: Floats) -> Floats:
    """Returns raw inputs of the champion in the columns of the night; a category that it hadn't is 0."""
    places = {_name(column): place for place, column in enumerate(theirs.input_columns)}
    found = [places.get(_name(column)) for column in ours.input_columns]
    columns = [np.zeros(len(inputs_NI)) if place is None else inputs_NI[:, place] for place in found]
    return np.stack(columns, axis=1)


def _name(column: InputColumn) -> tuple[str, str | None]:
    return column.column, column.category


def _filled(split: TableSplit, inputs_NI: Floats) -> Floats:
    """Returns the inputs with the means of the split's training rows in place of nulls, as far as it has them."""
    means = dict(split.table.split_rows[split.index].means)
    if not means:
        return inputs_NI
    mean_I = np.array([means.get(name, np.nan) for name in split.columns[:-1]])
    return np.where(np.isnan(inputs_NI), mean_I, inputs_NI)


def _raw(rows: TableRows, split: TableSplit, part: Split) -> Iterator[Block]:
    """Yields the rows of a part with NaN in place of nulls."""
    count = -(-split.rows_in(part) // BLOCK_ROWS)
    return (rows.raw(split, part, index, BLOCK_ROWS) for index in range(count))


def _keys(inputs_NI: Floats, target_N: NDArray[np.generic]) -> Keys:
    """Returns 64 bits for each row: a hash of the bits of its inputs and its target."""
    key_N = np.zeros(len(target_N), np.uint64)
    for values_N in (*inputs_NI.T, target_N):
        number_N = np.asarray(values_N, np.float64) + 0.0  # 0.0 for -0.0, which is the same number
        bits_N = np.where(np.isnan(number_N), np.nan, number_N).view(np.uint64)
        key_N = (key_N ^ bits_N) * _MULTIPLIER
        key_N ^= key_N >> np.uint64(32)
    return key_N
