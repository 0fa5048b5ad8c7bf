"""Phrases for the error messages of a job spec: values, short and escaped, and the values that are allowed.

The allowed values are read from the models' JSON schema, so that a limit is written once, next to its field. No rule
about specs is defined here.
"""

import difflib
import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

_LONGEST = 60  # the most characters of one value in a message

Schema = dict[str, Any]


def show(value: Any) -> str:
    """Formats a value as in TOML, shortened, in ASCII and without control characters."""
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST else value[:20] + "..."
        rest = "" if len(value) <= _LONGEST else f" ({len(value)} characters)"
        return json.dumps(cut).replace("\x7f", "\\u007f") + rest
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:  # str() refuses more than 4,300 digits
        return f"0x... ({value.bit_length():_} bits)"
    if isinstance(value, list | tuple):
        return _show_list(value, depth=2)
    return "a table" if isinstance(value, dict) else str(value)


def _show_list(values: list[Any] | tuple[Any, ...], depth: int) -> str:
    """Formats the first values, three lists deep: a hostile spec may nest 900 lists."""
    lists = (list, tuple)
    shown = [_show_list(v, depth - 1) if isinstance(v, lists) and depth else show_leaf(v) for v in values[:5]]
    more = [f"... {len(values)} values in all"] if len(values) > 5 else []
    text = "[" + ", ".join(shown + more) + "]"
    return text if len(text) <= 3 * _LONGEST else f"a list of {len(values)}"


def show_leaf(value: Any) -> str:
    """Formats an item of a list; a list that is nested too deeply is abbreviated."""
    return "[...]" if isinstance(value, list | tuple) and value else show(value)


def found(value: Any) -> str:
    """Formats a value with its type, for errors about the type."""
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a table"
    kinds = {str: "the text", bool: "the boolean", int: "the whole number", float: "the number"}
    return f"{kinds.get(type(value), 'the date or time')} {show(value)}"


def plain(text: str) -> str:
    """Returns a file name, quoted and escaped if it would not print as one short line."""
    return text if text.isprintable() and len(text) <= 1000 else show(text)


def similar(word: str, known: Iterable[str]) -> str:
    """Returns `did you mean "relu"? ` if a known word is similar, else "". It takes up to 5 ms, hence the limits."""
    near = difflib.get_close_matches(word, islice(known, 100), n=1) if len(word) <= _LONGEST else []
    return f"did you mean {show(near[0])}? " if near else ""


def listing(words: Collection[str]) -> str:
    """Lists the words in quotes, at most 30 of them."""
    rest = f" and {len(words) - 30} more" if len(words) > 30 else ""
    return ", ".join(show(word) for word in islice(words, 30)) + rest


def schema_at(loc: Iterable[int | str], root: Schema) -> Schema:
    """Returns the part of the JSON schema for the value at a pydantic location, or {} if there is none."""
    node = root
    for part in loc:
        if isinstance(part, int):
            lists = [branch for branch in _branches(node) if "items" in branch]
            node = lists[0]["items"] if lists else {}
        elif "oneOf" in node:  # the tag of a union is not a key; that of models is the name of one
            node = next((branch for branch in node["oneOf"] if branch.get("$ref", "").endswith(f"/{part}")), node)
        else:
            node = node.get("properties", {}).get(part, {})
        node = root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        branches = _branches(node)
        node = branches[0] if len(branches) == 1 else node  # the only alternative to null
    return node


def allowed(node: Schema) -> str:
    """Describes what the schema allows: `a whole number from 1 to 16`, `one of "sgd", "adam"`."""
    return " or ".join(branch.get("allowed") or _allowed(branch) for branch in _branches(node))


def such_as(node: Schema) -> str:
    """Returns an example, `, such as 0.001`, unless the allowed values are already listed."""
    value = _example(node)
    return "" if value is None or "enum" in node else f", such as {json.dumps(value)}"


def _allowed(node: Schema) -> str:
    if "const" in node:
        return show(node["const"])
    if "enum" in node:
        return "one of " + listing(node["enum"])
    match node.get("type"):
        case "integer":
            return "a whole number" + _range(node)
        case "number":
            return "a finite number" + _range(node)
        case "string" if "pattern" in node:
            return "1 to 64 lower-case letters, digits, - and _, the first a letter or digit"
        case "string" if node.get("maxLength") == 1:
            return "one character in quotes"
        case "string":
            return "text in quotes" + (f" of at most {node['maxLength']:_} characters" if "maxLength" in node else "")
        case "array":
            most = f" of at most {node['maxItems']} items" if "maxItems" in node else ""
            return f"a list{most}, each {allowed(node['items'])}"
        case "object":
            return "a table"
    return "another value"


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    below = f" and below {node['exclusiveMaximum']:g}" if "exclusiveMaximum" in node else ""
    if "exclusiveMinimum" in node:
        return f" above {node['exclusiveMinimum']:g}{below}"
    if low is not None and high is not None:
        return f" from {low:_} to {high:_}"
    return f" of at least {low:g}{below}" if low is not None else ""


def _example(node: Schema) -> Any:
    if "examples" in node:
        return node["examples"][0]
    if "oneOf" in node:
        return _example(node["oneOf"][0])
    if "enum" in node:
        return node["enum"][0]
    if node.get("type") == "array":
        item = _example(node["items"])
        return None if item is None else [item]
    return None


def _branches(node: Schema) -> list[Schema]:
    """Returns the alternatives of a union without null, which TOML doesn't have; otherwise the schema itself."""
    alternatives = node.get("oneOf") or node.get("anyOf") or [node]
    return [branch for branch in alternatives if branch.get("type") != "null"]
