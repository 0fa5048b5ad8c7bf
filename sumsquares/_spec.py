"""A job spec that is given as a mapping, as the TOML text that is stored with its run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from sumsquares.jobs.spec.errors import SpecError


def spec_text(spec: Mapping[str, Any]) -> bytes:
    """Returns the mapping as TOML: JSON's strings, numbers and lists are TOML's as well.

    Raises:
        SpecError: it has a value that TOML lacks.

    """
    plain = {key: value for key, value in spec.items() if not _is_table(value)}
    lines = [*_lines(plain)]
    for key, value in spec.items():
        for table in value if isinstance(value, list | tuple) else [value]:
            if key not in plain:
                lines += [f"[{_key(key)}]" if isinstance(value, Mapping) else f"[[{_key(key)}]]", *_lines(table)]
    return ("\n".join(lines) + "\n").encode()


def _is_table(value: Any) -> bool:
    """Whether it is a table of TOML, or a list of tables."""
    is_list = isinstance(value, list | tuple) and len(value) > 0
    return isinstance(value, Mapping) or (is_list and all(isinstance(each, Mapping) for each in value))


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(key)} = {_value(key, value)}" for key, value in table.items())


def _key(key: Any) -> str:
    return _json(key) if isinstance(key, str) else _refused(key, key)


def _value(key: str, value: Any) -> str:
    try:
        return _json(value) if value is not None else _refused(key, value)
    except (TypeError, ValueError):
        return _refused(key, value)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    return text.replace("\x7f", "\\u007f")  # JSON doesn't escape it, and TOML must


def _plain(value: Any) -> Any:
    """Returns a path as text, and a number or an array of numpy as Python's."""
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(value)


def _refused(key: Any, value: Any) -> str:
    kinds = "text, numbers, true and false, and lists of them"
    raise SpecError("spec", [f"{key}: {type(value).__name__} {value!r} can't be a value of a spec; it takes {kinds}"])
