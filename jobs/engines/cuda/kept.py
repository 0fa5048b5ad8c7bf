"""Compiled kernels on disk, by a digest of all that they are made from.

It is a cache: what is missing, damaged or can't be written is compiled again, without a word.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_DIGEST = hashlib.sha256
_SIZE = 8  # bytes of the number that says how long the image is


def folder() -> Path:
    """Where they are: sumsquares/kernels in XDG_CACHE_HOME, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sumsquares" / "kernels"


def key(*parts: str) -> str:
    """The name of what is made from these texts."""
    lengths = [str(len(each)) for each in parts]
    return _DIGEST("\n".join([*lengths, *parts]).encode()).hexdigest()


def read(key: str) -> tuple[bytes, str] | None:
    """An image and its log; None if there is none, or it isn't what was written."""
    with suppress(OSError, RuntimeError):  # no file; no home
        text = (folder() / key).read_bytes()
        digest, content = text[: _DIGEST().digest_size], text[_DIGEST().digest_size :]
        if _DIGEST(key.encode() + content).digest() == digest:
            end = _SIZE + int.from_bytes(content[:_SIZE], "little")
            return content[_SIZE:end], content[end:].decode()
    return None


def write(key: str, image: bytes, log: str) -> None:
    """Keeps an image and its log, if that is possible."""
    content = len(image).to_bytes(_SIZE, "little") + image + log.encode()
    with suppress(OSError, RuntimeError):
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder(), prefix="new-", delete=False) as file:
            try:
                file.write(_DIGEST(key.encode() + content).digest() + content)
                file.close()
                Path(file.name).replace(folder() / key)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
