"""summary.json as a file: since format 2 it has a seal, and lists the size and hash of every file beside it.

It is written last, so readers of a run start with it. Its results come from summary.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.spec.training_version import UNRECORDED
from sumsquares.jobs.storage.checksummed import DamagedRecord, read_json, seal, unseal

SPEC = "job.toml"
SUMMARY = "summary.json"


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: str


class _Summary(BaseModel):
    """The keys that are used; format 1 has neither files nor a seal."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: int
    spec_digest: str
    best: dict[str, Any]
    training_version: int = UNRECORDED


class _Sealed(_Summary):
    files: dict[str, _File]


_OLD, _SHAPE = TypeAdapter(_Summary), TypeAdapter(_Sealed)


def seal_summary(spec: JobSpec, files: Mapping[str, bytes], content: bytes, finished: str = "") -> bytes:
    """Returns the file's bytes: its content, the training version, and sizes and hashes of the spec and `files`.

    `finished` says when the run ended; it is left out where that isn't known.
    """
    beside = {SPEC: seal_text(spec.stored_text), **files}
    named = {name: {"bytes": len(data), "sha256": sha256_of(data)} for name, data in beside.items()}
    ended = {"finished": finished} if finished else {}
    return seal({**json.loads(content), **ended, "training_version": spec.training_version, "files": named})


def read_summary(data: bytes, path: str) -> dict[str, Any]:
    """Returns the content of the file's bytes; `files` is empty if an earlier version wrote it.

    Raises:
        DamagedRecord: they are not what was written.

    """
    try:
        body = read_json(data)
        if isinstance(body, dict) and body.get("format") == 1 and not {"sha256", "files"} & body.keys():
            return {**_OLD.validate_python(body).model_dump(), "files": {}}
    except (ValueError, RecursionError) as error:
        raise DamagedRecord(f"{path}: damaged, {error}") from error
    return unseal(data, path, "", _SHAPE).model_dump()


def sha256_of(data: bytes) -> str:
    """Returns the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
