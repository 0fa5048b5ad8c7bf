"""What night.json and state.json must hold: the keys that are used, and their types. Others may stand beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, TypeAdapter

from sumsquares.jobs.storage.layout import is_night

_CONFIG = ConfigDict(extra="allow", strict=True)


def _checked(night: str) -> str:
    if not is_night(night):
        raise ValueError(f"{night!r} is no night")
    return night


NightId = Annotated[str, AfterValidator(_checked)]
"""The id of a night; what else is read is damage."""


class _Record(BaseModel):
    model_config = _CONFIG

    night: NightId
    date: str
    fresh: bool
    attempt: int
    began: str
    recovers: bool
    source_sha256: str = ""
    """Of spec.toml with its seal; earlier versions didn't say."""


class _Best(BaseModel):
    model_config = _CONFIG

    rmse_median: FiniteFloat


class _Ended(_Record):
    spec_name: str
    spec_digest: str
    run: str
    token: int
    result: str
    exit_code: int
    against: NightId | None
    message: str
    trained_digest: str
    scores_sha256: str
    best: dict[str, _Best]
    ended: str
    seconds: FiniteFloat


class _State(_Record):
    state: str
    error: str = ""
    exit_code: int = 0


SHAPES: dict[str, TypeAdapter[Any]] = {"night": TypeAdapter(_Ended), "state": TypeAdapter(_State)}
"""Of the file of that name."""
