"""The seal of a stored spec: its last line, a comment with the SHA-256 of all bytes above it.

A spec without a seal was written by an earlier version or by a person. It is accepted here; whether it must have one
follows from the record next to it.
"""

from __future__ import annotations

import hashlib
import re

_HEAD = b"# sha256 of all bytes above: "
_LENGTH = len(_HEAD) + 64 + 1
_LINE = re.compile(re.escape(_HEAD) + rb"[0-9a-f]{64}\n")
_ALIKE = 0.8
"""From this share of matching bytes on, a last line is a damaged seal."""


class SealError(ValueError):
    """The seal is damaged, or doesn't match the bytes above it."""


def seal_text(text: bytes) -> bytes:
    """Returns the text with its seal, to be stored."""
    above = text if text.endswith(b"\n") else text + b"\n"
    return above + _line(above)


def is_sealed(data: bytes) -> bool:
    """Whether the last line has the form of a seal."""
    return _LINE.fullmatch(data[-_LENGTH:]) is not None


def without_seal(data: bytes) -> bytes:
    """Returns the text without its seal, which is not verified; all of it if it has no seal."""
    return data[:-_LENGTH] if is_sealed(data) else data


def unsealed(data: bytes) -> bytes:
    """Verifies the seal and returns the text above it, or all of the text if it has no seal.

    Raises:
        SealError: the seal doesn't match the text, is damaged or cut off, or is not the end of the file.

    """
    above = data[:-_LENGTH]
    if is_sealed(data):
        if _line(above) != data[-_LENGTH:]:
            raise SealError("its SHA-256 is not the one that its last line states")
        return above
    if _is_nearly_one(data):
        raise SealError("its last line is a seal that was damaged or cut off")
    if _LINE.search(data):
        raise SealError("it goes on after its seal")
    return data


def _line(above: bytes) -> bytes:
    return _HEAD + hashlib.sha256(above).hexdigest().encode() + b"\n"


def _is_nearly_one(data: bytes) -> bool:
    """Whether the last line is a seal with some bytes changed, or the beginning of a seal."""
    last = data[data.rstrip(b"\n").rfind(b"\n") + 1 :].rstrip(b"\n")
    if len(last) > 1 and (_HEAD.startswith(last) or last.startswith(_HEAD)):
        return True
    return any(_alike(data[max(0, len(data) - _LENGTH - shift) :]) >= _ALIKE for shift in (-1, 0, 1))


def _alike(end: bytes) -> float:
    """The share of bytes that match a seal at their positions."""
    hits = sum(found == wanted for found, wanted in zip(end, _HEAD, strict=False))
    hits += sum(byte in b"0123456789abcdef" for byte in end[len(_HEAD) : _LENGTH - 1])
    return hits / _LENGTH
