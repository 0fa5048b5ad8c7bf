"""Sealed JSON: the files of a night, each ending with the SHA-256 of the rest, so that damage is found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from datasets.errors import DataError


class DamagedRecord(DataError):  # noqa: N818  its base says that it is an error
    """A file of a night whose bytes are not those that were written (exit code 3)."""


def seal(body: dict[str, Any]) -> bytes:
    """The bytes of a file; strict JSON, so a NaN is a ValueError."""
    return (json.dumps({**body, "sha256": _digest(body)}, indent=1, allow_nan=False) + "\n").encode()


def unseal(data: bytes, path: str, remedy: str) -> dict[str, Any]:
    """What `seal` was given.

    Raises:
        DamagedRecord: the bytes are others; it names the path and the remedy.

    """
    try:
        body: dict[str, Any] = json.loads(data)
        stated = body.pop("sha256")
        if stated != _digest(body):
            raise ValueError("its SHA-256 is another than it states")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRecord(f"{path}: damaged, {error}: {remedy}") from error
    return body


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
