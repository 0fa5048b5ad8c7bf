"""Tables of one's own in a spec: their keys, what their files hold, and the text that a stored spec says it with.

A stored spec is the user's text and below it a table `[resolved.NAME]` for each of its tables, with what its file held
when it was read. So a stored spec means the same rows when the file has changed or is gone. No file is opened here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from sumsquares.datasets.tables.keys import DEFAULT_TEST, TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.toml_text import MANY_PARTS

Resolve: TypeAlias = Callable[[TableKeys, str], TableDataset]
"""Reads a table: given its keys and the folder that its file is relative to, returns what the file holds.

It raises what `resolve` in datasets/tables/resolve.py raises.
"""

MARK = b"# What the files of its tables held, by which it is run again when they are gone. Written by sumsquares:\n"
"""The line above the resolved tables of a stored spec."""
_TEXTS = re.compile(r'"(?:[^"\\\n]|\\.)*+"')
MOST_BYTES = 16 << 20
"""Limit of the resolved tables of a stored spec: those of 1,024 columns with long names have 2 MB."""


def divided(text: bytes) -> tuple[bytes, bytes]:
    """Returns what a user has written of a spec, and the resolved tables below it."""
    own, _, below = text.partition(MARK)
    return own, below


def with_resolved(own: bytes, datasets: Iterable[Any]) -> bytes:
    """Returns the text of a stored spec: what the user has written, and below it the resolved tables."""
    found = [each for each in datasets if isinstance(each, TableDataset)]
    if not found:
        return own
    lines = "".join(line + "\n" for table in found for line in _lines(table))
    return (own if own.endswith(b"\n") else own + b"\n") + MARK + lines.encode()


def _lines(table: TableDataset) -> Iterator[str]:
    yield f"[resolved.{table.name}]"
    fields = table.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    yield from (f"{key} = {toml(value)}" for key, value in fields.items())


def toml(value: Any) -> str:
    """Returns a value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    # JSON's texts are TOML's, but for those beyond 16 bits, which it escapes in pairs, and DEL, which it doesn't.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_resolved(below: bytes) -> dict[str, TableDataset]:
    """Returns the resolved tables of a stored spec by name.

    Raises:
        ValueError: they are not what was written.

    """
    try:
        text = below.decode()
        # tomllib's time is quadratic in the parts of a dotted key.
        if len(below) > MOST_BYTES or MANY_PARTS.search(_TEXTS.sub('""', text)):
            raise ValueError
        raw = tomllib.loads(text).get("resolved", {})
        return {name: TableDataset.model_validate_json(json.dumps({**raw[name], "name": name})) for name in raw}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("its resolved tables are not what was written") from None


def mismatch(keys: TableKeys, table: TableDataset) -> str | None:
    """Returns how a resolved table differs from what the keys ask for, if it does."""
    test = DEFAULT_TEST if keys.test is None and keys.folds is None else keys.test
    wanted = {**keys.model_dump(include={"file", "target", "folds", "validation", "missing", "seed"}), "test": test}
    if keys.inputs is not None:
        wanted["inputs"] = tuple(sorted(keys.inputs))
    found = {**table.model_dump(include={*wanted}), "inputs": tuple(sorted(columns_of(table)))}
    wrong = next((key for key in wanted if wanted[key] != found[key]), None)
    return wrong and f"{wrong} is {show(found[wrong])} in the resolved table below it, and {show(wanted[wrong])} here"


def columns_of(table: TableDataset) -> tuple[str, ...]:
    """Returns the columns of the file that the inputs follow from, in their order."""
    return tuple(dict.fromkeys(column.column for column in table.input_columns))


def keys_of(table: TableDataset) -> dict[str, Any]:
    """Returns keys that ask for this table, as data for a spec that is stored with it."""
    fields = {"name", "file", "target", "test", "folds", "validation", "missing", "seed"}
    keys = table.model_dump(mode="json", include=fields, exclude_none=True)
    has_categories = any(column.category is not None for column in table.input_columns)
    return {**keys, "inputs": [*columns_of(table)], **({"categories": "one_hot"} if has_categories else {})}
