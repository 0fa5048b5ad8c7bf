"""Changes of a variant: the one that a cause names, and others that are drawn at random as a control.

A remedy is only worth something if it beats a change of something else (Repairing DNN architecture: are we there yet?,
2023: there a random search did as well as the tools).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import numpy as np

from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.case import Change
from sumsquares.jobs.spec.axes import AXES, Hyperparameters
from sumsquares.jobs.spec.variants import Variant

_KINDS = get_type_hints(Hyperparameters)


def changed(variant: Variant, change: Change) -> Variant:
    """Returns the variant with this change of a hyperparameter or of its dataset; with `seeds`, the variant itself."""
    variant = _changed(variant, change)
    return changed(variant, change.also) if change.also else variant


def fields_of(change: Change) -> Iterator[str]:
    """Yields the fields that change."""
    yield change.field
    if change.also:
        yield from fields_of(change.also)


def _changed(variant: Variant, change: Change) -> Variant:
    if change.field in AXES:
        value = tuple(change.value) if isinstance(change.value, list) else change.value
        values: Any = {change.field: value}
        return replace(variant, **values)
    if change.field == "seeds":
        return variant
    assert not isinstance(variant.dataset, TableSplit), f"no cause changes the rows of a table: {change}"
    return replace(variant, dataset=_other(variant.dataset, change))


def _other(dataset: NamedDataset, change: Change) -> NamedDataset:
    """Returns the dataset with another value of a field; its test rows have the same numbers as before."""
    assert change.field in NamedDataset.model_fields, change.field
    other = dataset.model_copy(update={change.field: change.value})
    return other.model_copy(update={"name": f"{dataset.name[:40]}-{change.field}-{other.digest[:8]}"})


def controls(variant: Variant, besides: Container[str], seed: int) -> Iterator[Change]:
    """Yields changes of single hyperparameters, except those of these names, in an order drawn at random.

    The order follows from the variant and the seed. All changes of one hyperparameter come together, so that each
    has the same chance to be the first; not every change need be one that a spec may have.
    """
    draw = np.random.default_rng([int(variant.group, 16), seed])
    axes = [axis for axis in AXES if axis not in besides]
    for axis in draw.permutation(axes).tolist():
        values = _others(axis, getattr(variant, axis))
        yield from (Change(axis, values[place]) for place in draw.permutation(len(values)).tolist())


def _others(axis: str, value: Any) -> list[Any]:
    """Returns other values of a hyperparameter: all of a word's, of a number a larger and a smaller one."""
    if isinstance(value, str):
        return [each for each in get_args(_KINDS[axis]) if each != value]
    if isinstance(value, float):
        return [float(f"{times * value:.6g}") for times in (0.1, 10)] if value else [0.001, 0.1]
    if isinstance(value, int):
        return [each for each in (value // 2, 2 * value) if each] or [1]
    wider, narrower = [tuple(2 * each for each in value)], [tuple(max(each // 2, 1) for each in value)]
    networks = [*wider, *narrower, (*value, value[-1]), value[:-1]] if value else [(16,), (64,)]
    return [each for each in networks if each != value]
