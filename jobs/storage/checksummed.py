"""JSON records with a checksum, their seal: they end with the SHA-256 of the rest, so that damage is detected.

A valid seal shows that the bytes are those that were written, not that they are a night's or a run's: a record must
also have its shape, every key that is used with its type. Only the exact bytes that `seal` returns are accepted. What
somebody altered on purpose and sealed again is not detected.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sumsquares.datasets.errors import DataError

T = TypeVar("T")


class DamagedRecord(DataError):  # noqa: N818  its base says that it is an error
    """A record that is not what was written there."""


def seal(body: dict[str, Any]) -> bytes:
    """Returns the bytes of a record; strict JSON, so a NaN is a ValueError."""
    return (json.dumps({**body, "sha256": _digest(body)}, indent=1, allow_nan=False) + "\n").encode()


def unseal(data: bytes, path: str, remedy: str, shape: TypeAdapter[T]) -> T:
    """Returns what `seal` was given, as its shape.

    Raises:
        DamagedRecord: the bytes or the shape are different; it names the path and the remedy.

    """
    try:
        return shape.validate_json(json.dumps(_opened(data)), strict=True)
    except (ValueError, RecursionError) as error:
        raise DamagedRecord(f"{path}: damaged, {_reason(error)}" + (f": {remedy}" if remedy else "")) from error


def read_json(data: bytes) -> Any:
    """Parses JSON. Its ValueError has our own text, since Python's names functions and limits of Python."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not JSON: it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON that we write: a number is too long, or it is nested too deep") from None


def _opened(data: bytes) -> dict[str, Any]:
    body = read_json(data)
    if not isinstance(body, dict):
        raise ValueError("it is not a JSON object")
    stated = body.pop("sha256", None)
    if stated != _digest(body):
        raise ValueError("its SHA-256 is not the one that it states")
    if seal(body) != data:
        raise ValueError("its content is valid, but in other bytes than were written")
    return body


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is not JSON that we write: it is nested too deep"
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'its content'}: {first['msg']}"


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
