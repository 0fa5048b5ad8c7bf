"""Distinguishes a damaged file of ours, which may be deleted, from a foreign file under one of our names, which stays.

A damaged file of ours still holds one of our marks, or it is blank or cut off. An intact file without our marks, such
as a Parquet file with other columns, is foreign.
"""

from __future__ import annotations

from pathlib import PurePosixPath

_MARKS = {
    "summary.parquet": (b"variant_id",),
    "trials.parquet": (b"variant_id",),
    "scores.parquet": (b"variant", b"trial", b"rmse"),
    "report.html": (b"what the networks learnt", b"sumsquares"),
    "index.html": (b": its nights", b"sha256 of all bytes above", b"sumsquares nightly"),
    ".parquet": (b"sumsquares.",),
    ".safetensors": (b"trial_ids", b'"[\\"'),  # a list of texts as the text of its only key
    ".state": (b"trial_ids", b"finite_steps"),
    ".json": (b'"sha256"', b'"format"'),
    ".toml": (b"[[dataset]]", b"[[grid]]", b"sha256 of all bytes"),
}
_HEAD = b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport"'
_TEXT = {"report.html": _HEAD, "index.html": _HEAD, ".json": b'{\n "format"', ".toml": b'name = "'}


def is_ours(path: str, data: bytes) -> bool:
    """Whether a damaged file may be deleted: it is ours, or nothing is left of it."""
    name = PurePosixPath(path).name
    key = name if name in _MARKS else PurePosixPath(path).suffix
    if not data.strip(b"\0") or any(mark in data for mark in _MARKS.get(key, (b"",))):
        return True
    return _is_cut_off(key, data)


def _is_cut_off(key: str, data: bytes) -> bool:
    """Whether it is the beginning of such a file, too short to hold one of our marks."""
    if key in _TEXT:
        return _TEXT[key].startswith(data.strip()) or data.startswith(_TEXT[key])
    if key.endswith(".parquet"):
        return data.startswith(b"PAR1"[: len(data)]) and not (len(data) > 4 and data.endswith(b"PAR1"))
    header = data[32:] if key == ".state" else data
    if len(header) < 16:
        return not _is_text(data)
    return not header[3:8].strip(b"\0") and 8 + int.from_bytes(header[:8], "little") > len(header)


def _is_text(data: bytes) -> bool:
    return len(data) > 3 and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data)
