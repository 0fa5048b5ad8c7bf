"""The differences between two job specs of one name, for a user who is about to replace the first run by the second."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.tables.table import TOLD, TableDataset
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.job_spec import JobSpec, canonical_json
from sumsquares.jobs.spec.messages import show

_UNTOLD = (*TOLD, "rows", "has_integer_target", "target_type")
"""Fields of a table that make no difference, or that differ only where the content does."""
_COLUMNS = {"target", "input_columns", "test", "missing"}
"""Fields of a table that change what is read of the same file."""
_KEYS = {"input_columns": "inputs"}
"""Fields that a spec calls otherwise."""


def describe_difference(old: JobSpec, new: JobSpec) -> list[str]:
    """Returns a line per difference, `grid[0].lr: [0.001] -> [0.001, 0.01]`; none if and only if digests are equal."""
    return list(dict.fromkeys([*_datasets(old, new), *_grids(old, new)]))


def _datasets(old: JobSpec, new: JobSpec) -> Iterator[str]:
    before, after = ({dataset.name: dataset for dataset in spec.datasets} for spec in (old, new))
    for name in before | after:
        path = f"dataset {show(name)}"
        if name not in before or name not in after:
            yield f"{path}: only in the {'old' if name in before else 'new'} spec"
        else:
            yield from (f"{path}{line}" for line in _of_one(before[name], after[name]))


def _of_one(old: Whole, new: Whole) -> Iterator[str]:
    """Compares two datasets of one name."""
    if isinstance(old, TableDataset) != isinstance(new, TableDataset):
        kinds = ["a table" if isinstance(each, TableDataset) else "generated" for each in (old, new)]
        yield f": {kinds[0]} -> {kinds[1]}"
        return
    # Fields that a spec leaves out at their defaults count as well.
    after = _fields(new)
    found = {key: (before, after[key]) for key, before in _fields(old).items() if before != after[key]}
    if isinstance(old, TableDataset):
        found = {key: values for key, values in found.items() if key not in _UNTOLD}
        if "content" in found and not found.keys() & _COLUMNS:
            yield f": other rows than before, {old.rows:,} -> {new.rows:,} rows"
        found.pop("content", None)
    yield from (f".{_KEYS.get(key, key)}: {_change(*values)}" for key, values in found.items())


def _fields(dataset: Whole) -> dict[str, Any]:
    """Returns the fields by name; of input columns their names, since the content has their types."""
    fields = {name: getattr(dataset, name) for name in type(dataset).model_fields}
    columns = dataset.input_columns if isinstance(dataset, TableDataset) else ()
    return fields | ({"input_columns": [column.name for column in columns]} if columns else {})


def _grids(old: JobSpec, new: JobSpec) -> Iterator[str]:
    """Compares in pairs the grids that only one of the specs has; the position of a grid makes no difference."""
    before, after = _indices(old), _indices(new)
    only_old = [index for key, index in before.items() if key not in after]
    only_new = [index for key, index in after.items() if key not in before]
    for one, other in zip_longest(only_old, only_new):
        if one is None or other is None:
            yield f"grid[{other if one is None else one}]: only in the {'new' if one is None else 'old'} spec"
        else:
            yield from _axes(old, one, new, other)


def _indices(spec: JobSpec) -> dict[bytes, int]:
    """Maps each distinct grid to its first index in the spec."""
    return {canonical_json(grid): index for index, grid in reversed([*enumerate(spec.canonical_grids)])}


def _axes(old: JobSpec, one: int, new: JobSpec, other: int) -> Iterator[str]:
    after = new.canonical_grids[other]
    for axis, values in old.canonical_grids[one].items():
        constant = axis in AXES and not getattr(old.grids[one], axis) and not getattr(new.grids[other], axis)
        if values != after[axis]:
            path = f"train.{axis}" if constant else f"grid[{other}].{axis}"
            yield f"{path}: {_change(values[0], after[axis][0]) if constant else _change(values, after[axis])}"


def _change(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list) and max(len(old), len(new)) > 5:
        gone, added = [v for v in old if v not in new], [v for v in new if v not in old]
        return f"{len(old)} -> {len(new)} values; gone {show(gone)}, new {show(added)}"
    return f"{show(old)} -> {show(new)}"
