"""The error of an invalid job spec: one line per problem, each with its path and a remedy.

The phrases for values are in messages.py, and the rules in the models.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sumsquares.datasets.problems import Problems
from sumsquares.jobs.spec.messages import Schema, allowed, found, listing, plain, schema_at, show, similar, such_as

MAX_PROBLEMS = 100
"""The most problems that are listed: a file of 1 MiB can have 100,000, and finding a similar name takes up to 5 ms."""

_ABSENT = object()
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


class SpecError(Problems):
    """An invalid spec. The message lists all problems: "path: what is wrong; what to write"."""

    most = MAX_PROBLEMS

    def __str__(self) -> str:
        return super().__str__().replace(self.args[0], plain(self.args[0]), 1)


def problems_of(error: ValidationError, raw: dict[str, Any], schema: Schema) -> Iterator[str]:
    """Yields a line for each error that pydantic found in `raw`; `schema` is the JSON schema of the whole spec."""
    for detail in error.errors(include_url=False, include_input=False):
        path, value = _place(_untagged(detail["loc"]), raw)
        invalid_items = detail["type"] == "too_short" and value  # each of them has its own line
        derived = value is _ABSENT and detail["type"] != "missing"  # a default that is computed from an invalid value
        if not invalid_items and not derived:
            yield f"{path}: {_problem(detail, value, schema)}"


def _untagged(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Returns a location without the kind of a dataset, which pydantic names after its index."""
    return loc[:2] + loc[3:] if loc[:1] == ("dataset",) else loc


def path_of(loc: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """Returns a location as the user would write it: `dataset[1] "squares".largest`, `grid[0].lr[2]`."""
    return _place(loc, raw)[0]


def _place(loc: tuple[int | str, ...], raw: Any) -> tuple[str, Any]:
    """Returns the path of a location and the raw value there.

    Parts of `loc` that the raw data doesn't have are left out: the tag of a union, and the index into a scalar that was
    read as a list of one.
    """
    path = ""
    for part in loc:
        if isinstance(part, int) and isinstance(raw, list):
            raw = raw[part]
            path += f"[{part}]" + _name_of(raw)
        elif isinstance(part, str) and isinstance(raw, dict):
            path += ("." if path else "") + (part if _BARE_KEY.fullmatch(part) else show(part))
            raw = raw.get(part, _ABSENT)
    return path, raw


def _name_of(table: Any) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    return f" {show(name)}" if isinstance(name, str) else ""


def _problem(detail: ErrorDetails, value: Any, schema: Schema) -> str:
    """Describes the problem with one value and its remedy, without the path."""
    kind, loc = detail["type"], detail["loc"]
    if kind == "value_error":  # raised by a validator, whose message names the values and the remedy
        return str(detail["ctx"]["error"])
    if kind == "spec_networks":
        return detail["msg"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model and of a dataclass
        keys = schema_at(loc[:-1], schema).get("properties", {})
        if belongs := _belongs_elsewhere(loc, keys, schema):
            return belongs
        return f"unknown key; {similar(str(loc[-1]), keys)}the valid keys here are {listing(keys)}"

    # The remedy for all other errors is what the schema allows.
    node = schema_at(loc, schema)
    if node.get("type") == "array" and ("$ref" in node["items"] or len(loc) == 1):
        return f"{_wrong(kind, value)}; write [[{loc[-1]}]], in double brackets, for at least one table"
    if kind == "too_short":
        return f"the list is empty; write at least one value{such_as(node)}"
    return f"{_wrong(kind, value)}; {_hint(kind, loc, value, node)}write {allowed(node)}{such_as(node)}"


def _belongs_elsewhere(loc: tuple[int | str, ...], keys: Iterable[str], schema: Schema) -> str | None:
    """Describes a key that the other kind of dataset has, if this is one."""
    kinds = schema["properties"]["dataset"]["items"]["oneOf"] if loc[0] == "dataset" else ()
    others = {key for kind in kinds for key in schema["$defs"][kind["$ref"].rpartition("/")[2]]["properties"]}
    if loc[-1] not in others.difference(keys):
        return None
    if "file" in keys:
        return "belongs to generated rows, and this is a table, with a file; remove it, or remove file"
    return 'belongs to a table of your own; write file, such as file = "houses.csv", in place of what generates rows'


def _wrong(kind: str, value: Any) -> str:
    match kind:
        case "missing":
            return "missing"
        case "finite_number":
            return f"{show(value)} is not finite"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{show(value)} is out of range"
        case "string_pattern_mismatch":
            return f"{show(value)} is not a valid name"
        case "literal_error" if isinstance(value, str):
            return f"{show(value)} is unknown"
        case "too_long":
            return f"a list of {len(value)} is too long"
        case "string_too_long":
            return f"a text of {len(value):_} characters is too long"
    return f"found {found(value)}"


def _hint(kind: str, loc: tuple[int | str, ...], value: Any, node: Schema) -> str:
    """Names the likely mistake, if there is one."""
    if kind == "literal_error" and isinstance(value, str):
        return similar(value, node.get("enum", ()))
    if loc[0] == "train" and len(loc) > 1 and isinstance(value, list) and kind != "too_long":
        return "a list of values belongs in [[grid]]; here "
    return ""
