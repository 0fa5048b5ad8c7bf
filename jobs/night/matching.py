"""Which dataset of a night is which of its champion's, after the spec was edited. Nothing is read or measured here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sumsquares.datasets.spec import DatasetSpec, NamedDataset


def matched(champion: Sequence[NamedDataset], night: Sequence[NamedDataset]) -> dict[str, NamedDataset | None]:
    """By the name of each of the champion's datasets the night's own one of the same question, each at most once.

    The same rows first, then the same name, then any other: it was renamed. All have the same task, range and inputs;
    a dataset that has none was removed, or asks something else now.
    """
    found: dict[str, NamedDataset | None] = dict.fromkeys(sorted(dataset.name for dataset in champion))
    left = sorted(night, key=lambda dataset: dataset.name)
    for fits in (_same_rows, _same_name, _comparable):
        for theirs in sorted(champion, key=lambda dataset: dataset.name):
            ours = _first(left, theirs, fits) if found[theirs.name] is None else None
            if ours is not None:
                found[theirs.name] = ours
                left.remove(ours)
    return found


def same_test_rows(one: DatasetSpec, other: DatasetSpec) -> bool:
    """Whether what networks are measured on is the same; the number of training rows is no part of it."""
    return one.model_copy(update={"rows": other.rows}).digest == other.digest


def one_stream(one: DatasetSpec, other: DatasetSpec) -> bool:
    """Whether the training rows are the same but for their number: the fewer are then the first of the more."""
    return one.model_copy(update={"rows": other.rows, "test_rows": other.test_rows}).digest == other.digest


def _first(
    left: Sequence[NamedDataset], theirs: NamedDataset, fits: Callable[[NamedDataset, NamedDataset], bool]
) -> NamedDataset | None:
    return next((ours for ours in left if fits(theirs, ours)), None)


def _same_rows(one: NamedDataset, other: NamedDataset) -> bool:
    return one.digest == other.digest


def _same_name(one: NamedDataset, other: NamedDataset) -> bool:
    return one.name == other.name and _comparable(one, other)


def _comparable(one: NamedDataset, other: NamedDataset) -> bool:
    question = ("task", "largest", "n_numbers", "unused")
    return all(getattr(one, name) == getattr(other, name) for name in question)
