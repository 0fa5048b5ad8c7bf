"""Which dataset of a night is compared with which one of its champion, and what rows they share by their specs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.night.common import why_apart

_QUESTION = NamedDataset.model_fields.keys() - {"name", "rows", "test_rows", "seed", "noise"}
"""What a dataset asks: its target, ranges and inputs. How much of it is trained on, and how noisy, is no part of it."""


def match_datasets(champion: Sequence[Whole], night: Sequence[Whole]) -> dict[str, Whole | None]:
    """Returns by the name of each champion's dataset the night's dataset of the same question, each used once.

    Datasets with the same rows are matched first, then those of the same name, then any others: those were renamed. All
    pairs have the same task or formula, range and inputs, or are tables of the same target and inputs. A dataset
    without a match was removed, or asks another question now.
    """
    found: dict[str, Whole | None] = dict.fromkeys(sorted(dataset.name for dataset in champion))
    left = sorted(night, key=lambda dataset: dataset.name)
    for fits in (_same_rows, _same_name, _comparable):
        for theirs in sorted(champion, key=lambda dataset: dataset.name):
            ours = _first(left, theirs, fits) if found[theirs.name] is None else None
            if ours is not None:
                found[theirs.name] = ours
                left.remove(ours)
    return found


def same_test_rows(one: Whole, other: Whole) -> bool:
    """Whether networks are measured on the same rows; the number of training rows, and their noise, don't matter."""
    return _same_but_for(("rows", "noise"), one, other)


def one_stream(one: Whole, other: Whole) -> bool:
    """Whether the training rows are the same but for their number: the smaller set is a prefix of the larger."""
    return _same_but_for(("rows", "test_rows"), one, other)


def _same_but_for(fields: Sequence[str], one: Whole, other: Whole) -> bool:
    if isinstance(one, TableDataset) or isinstance(other, TableDataset):
        return one.digest == other.digest
    return one.model_copy(update={name: getattr(other, name) for name in fields}).digest == other.digest


def _first(left: Sequence[Whole], theirs: Whole, fits: Callable[[Whole, Whole], bool]) -> Whole | None:
    return next((ours for ours in left if fits(theirs, ours)), None)


def _same_rows(one: Whole, other: Whole) -> bool:
    return one.digest == other.digest


def _same_name(one: Whole, other: Whole) -> bool:
    return one.name == other.name and _comparable(one, other)


def _comparable(one: Whole, other: Whole) -> bool:
    if isinstance(one, TableDataset) or isinstance(other, TableDataset):
        return isinstance(one, TableDataset) and isinstance(other, TableDataset) and why_apart(one, other) is None
    return all(getattr(one, name) == getattr(other, name) for name in _QUESTION)
