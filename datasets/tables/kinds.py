"""What kind of values a column has, whatever its type in the file: what it can be used for follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa
from pyarrow import types

Kind = Literal["empty", "bool", "int", "wide", "double", "text", "date", "nested", "binary"]
"""`empty`: nulls alone. `wide`: integers of which one is beyond 64 bits; it can't be stored. The last three are never
read."""
READ: tuple[Kind, ...] = ("empty", "bool", "int", "wide", "double", "text")
NUMBERS: tuple[Kind, ...] = ("int", "double")
_ORDER: tuple[Kind, ...] = ("int", "wide", "double")
WORDS: dict[Kind, str] = {
    "empty": "has no values",
    "bool": "is boolean",
    "int": "has integers",
    "wide": "has integers beyond 64 bits",
    "double": "has numbers",
    "text": "is text",
    "date": "has dates or times",
    "nested": "has lists or records",
    "binary": "has binary values",
}


def kind_of(type_: pa.DataType) -> Kind:
    """Returns the kind of an Arrow type."""
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return kind_of(type_.value_type)
    tests: dict[Kind, Callable[[pa.DataType], bool]] = {
        "empty": types.is_null,
        "bool": types.is_boolean,
        "int": types.is_integer,
        "double": lambda each: types.is_floating(each) or types.is_decimal(each),
        "text": lambda each: types.is_string(each) or types.is_large_string(each) or types.is_string_view(each),
        "date": types.is_temporal,
        "nested": types.is_nested,
    }
    return next((kind for kind, test in tests.items() if test(type_)), "binary")


def joined(one: Kind, other: Kind) -> Kind:
    """Returns the kind of a column of which two parts have these kinds."""
    if "empty" in (one, other):
        return other if one == "empty" else one
    if one in _ORDER and other in _ORDER:
        return max(one, other, key=_ORDER.index)
    return one if one == other else "text"
