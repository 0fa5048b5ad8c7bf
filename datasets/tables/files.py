"""Which files a table consists of, and what tells whether one has changed. They are opened elsewhere."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Stamp(BaseModel):
    """What tells cheaply whether a file has changed since it was read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """Absolute path, or address in an object store."""
    size: int
    """Bytes."""
    changed: str
    """When it was changed, in nanoseconds since 1970, or an object store's ETag or time."""
