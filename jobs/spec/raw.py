"""The tables and values of a spec's raw TOML data, for checks that skip what is invalid by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.jobs.spec.axes import DEFAULTS

M = TypeVar("M", bound=BaseModel)
Raw = dict[str, Any]
Place = tuple[int | str, ...]
Datasets = dict[int, NamedDataset]
"""The datasets of generated rows that are valid by themselves, by their index in the spec."""
_OF_TABLES = frozenset(TableKeys.model_fields).difference(NamedDataset.model_fields)
"""Keys that only tables have."""


def kind_of(dataset: Any) -> str:
    """Returns the name of the model that a [[dataset]] is: by its file, or else by what only one of them has."""
    if isinstance(dataset, dict) and "file" not in dataset:
        is_table = not {"task", "formula"} & dataset.keys() and bool(_OF_TABLES & dataset.keys())
    else:
        is_table = isinstance(dataset, dict | TableKeys)
    return (TableKeys if is_table else NamedDataset).__name__


def tables(raw: Raw, key: str) -> Iterator[tuple[int, Raw]]:
    """Yields the tables of a list of tables, each with its index."""
    found = raw.get(key)
    for index, table in enumerate(found if isinstance(found, list) else ()):
        if isinstance(table, dict):
            yield index, table


def valid(model: type[M], raw: Raw, key: str) -> Iterator[tuple[int, M]]:
    """Yields the tables that are valid by themselves."""
    for index, table in tables(raw, key):
        try:
            yield index, model.model_validate(table)
        except ValidationError:
            continue


def names(raw: Raw) -> Iterator[tuple[int, str]]:
    """Yields the names of the datasets, each with its index."""
    for index, table in tables(raw, "dataset"):
        if isinstance(table.get("name"), str):
            yield index, table["name"]


@dataclass(frozen=True)
class Axes:
    """The values of a grid's axes that are texts, with those of [train] and the defaults."""

    raw: Raw
    index: int
    """Index of the grid in the spec."""
    grid: Raw

    @property
    def datasets(self) -> list[str]:
        """The distinct names of the datasets."""
        return list(dict.fromkeys(datasets_of(self.raw, self.grid)))

    def of(self, axis: str) -> dict[str, Place]:
        """Returns the distinct values of an axis, each with the first place where it is written."""
        found: dict[str, Place] = {}
        for place, value in axis_of(self.raw, self.index, self.grid, axis):
            if isinstance(value, str):
                found.setdefault(value, place)
        return found

    def others(self, axis: str, needed: str) -> list[str]:
        """Returns the values of an axis that are not the one that is needed."""
        return [value for value in self.of(axis) if value != needed]

    def target_scales(self) -> dict[str, tuple[str, Place]]:
        """Returns the scales of the target, each with the axis that it follows from and its place there."""
        found = {scale: ("normalize_target", place) for scale, place in self.of("normalize_target").items()}
        if found.pop("same", None):
            found = {scale: ("normalize", place) for scale, place in self.of("normalize").items()} | found
        return found


def datasets_of(raw: Raw, grid: Raw) -> list[str]:
    """Returns the datasets that a grid names, or all if it names none."""
    if "dataset" not in grid:
        return [name for _, name in names(raw)]
    return [name for _, name in values(grid, (), "dataset") if isinstance(name, str)]


def values(table: Raw, place: Place, key: str) -> Iterator[tuple[Place, Any]]:
    """Yields the value or values of an axis, each with its place; none if the axis isn't listed."""
    if key in table:
        found = table[key] if isinstance(table[key], list) else [table[key]]
        for index, value in enumerate(found):
            yield (*place, key, index), value


def axis_of(raw: Raw, index: int, grid: Raw, key: str) -> Iterator[tuple[Place, Any]]:
    """Yields the values of an axis, each with the place where it is written: the grid or [train].

    A default has the place in the grid where another value would be written.
    """
    train = raw.get("train")
    if key not in grid and isinstance(train, dict) and key in train:
        yield ("train", key), train[key]
    else:
        yield from values({key: DEFAULTS[key]} | grid, ("grid", index), key)


def is_count(value: Any) -> bool:
    """Whether it is a number of rows or epochs; a value out of range has its own error."""
    return type(value) is int and 1 <= value <= 10**12
