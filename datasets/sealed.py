"""Manifests as files: JSON that ends with its own digest. Only the exact bytes that `sealed` returns are accepted."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sumsquares.datasets.errors import DamagedManifest

Model = TypeVar("Model", bound=BaseModel)


def sealed(manifest: BaseModel) -> bytes:
    """Returns the bytes of the file, readable by people: one value per line, its own digest last."""
    body = manifest.model_dump(mode="json")
    return (json.dumps({**body, "sha256": _digest(body)}, indent=1) + "\n").encode()


def unsealed(data: bytes, source: str, shape: type[Model], remedy: str) -> Model:
    """Reads the manifest in these bytes, which come from the file `source`.

    Raises DamagedManifest, naming the source, the fault and the remedy, unless they are what `sealed` returned.
    """
    try:
        body = json.loads(data)
        stated = body.pop("sha256", None) if isinstance(body, dict) else None
        if stated != _digest(body):
            raise ValueError(f"its own sha256: expected {_digest(body)}, found {stated}")
        manifest = shape.model_validate_json(json.dumps(body))
        if sealed(manifest) != data:
            raise ValueError("its content is valid, but in other bytes than were written")
    except (ValueError, RecursionError) as error:
        raise DamagedManifest(f"{source} is damaged: {_reason(error)}. {remedy}") from error
    return manifest


def package_version() -> str:
    """Returns the version of this package."""
    try:
        return version("sumsquares")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
