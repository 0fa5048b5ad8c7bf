"""Tables in an object store, through fsspec: what lies at an address, and how it is opened."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from sumsquares.datasets.tables.errors import TableError, TableUnreachable
from sumsquares.datasets.tables.shown import path_shown

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PACKAGES = {"s3": "sumsquares[s3]", "gs": "gcsfs", "az": "adlfs"}
"""What installs the file system of each scheme; memory:// comes with fsspec."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {"retries": {"mode": "standard", "max_attempts": 3}, "connect_timeout": 5, "read_timeout": 30}
    }
}
_BLOCK = 8 << 20  # bytes of one request


@dataclass(frozen=True)
class Address:
    """A file, a folder or a glob in an object store."""

    scheme: str
    path: str
    filesystem: Any
    source: str

    @property
    def shown(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.path}"

    def files(self, is_table: Callable[[str], bool], is_glob: bool) -> list[dict[str, Any]]:
        """Returns what fsspec knows of each file: itself, those of the folder, or those that match."""
        with told(self.shown, self.source):
            try:
                about = self.filesystem.info(self.path.rstrip("/"))
            except FileNotFoundError:
                return [*self._globbed()] if is_glob else []
            if about["type"] != "directory":
                return [about]
            listed = self.filesystem.ls(self.path.rstrip("/"), detail=True)
            return [each for each in listed if each["type"] == "file" and is_table(_name(each))]
        raise AssertionError("it returns or raises")

    def _globbed(self) -> Iterator[dict[str, Any]]:
        for about in self.filesystem.glob(self.path, detail=True).values():
            if about["type"] == "file" and not _name(about).startswith((".", "_")):
                yield about

    def opened(self, path: str) -> IO[bytes]:
        """Opens a file."""
        with told(path, self.source):
            return cast("IO[bytes]", _Told(self.filesystem.open(path, "rb", block_size=_BLOCK), path, self.source))
        raise AssertionError("it returns or raises")


class _Told(io.RawIOBase):
    """A file whose errors are ours."""

    def __init__(self, opened: IO[bytes], path: str, source: str) -> None:
        self._opened, self._path, self._source = opened, path, source

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Returns some of the next bytes."""
        with told(self._path, self._source):
            return self._opened.read(size)
        raise AssertionError("it returns or raises")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place; it reads nothing."""
        return self._opened.seek(offset, whence)

    def tell(self) -> int:
        """Returns the place."""
        return self._opened.tell()

    def close(self) -> None:
        """Closes it."""
        self._opened.close()
        super().close()


def address_of(file: str, folder: str, source: str) -> Address | None:
    """Returns where a file lies in an object store; None for a local one."""
    own = _SCHEME.fullmatch(file)
    base = None if own or file.startswith(("/", "~")) else _SCHEME.fullmatch(folder)
    if (not own and not base) or file.startswith("file://"):
        return None
    scheme, path = own.groups() if own else (base[1], f"{base[2].rstrip('/')}/{file}") if base else ("", "")
    return Address(scheme, path, _filesystem(scheme, source), source)


def _filesystem(scheme: str, source: str) -> Any:
    import fsspec  # 40 ms

    known = (*_PACKAGES, "memory")
    if scheme not in known:
        remedy = f"write a path, or an address that begins with {', '.join(f'{name}://' for name in _PACKAGES)}"
        raise TableError(source, [f"file: {path_shown(scheme)}:// is no scheme that is read here; {remedy}"])
    try:
        return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        remedy = f'pip install "{_PACKAGES[scheme]}"'
        raise TableError(source, [f"file: {scheme}:// needs a package that is not installed; {remedy}"]) from error


@contextmanager
def told(shown: str, source: str) -> Iterator[None]:
    """Turns the errors of an object store's client into ours."""
    try:
        yield
    except (TableError, TableUnreachable, MemoryError):
        raise
    except Exception as error:  # a client's errors have no common kind
        text = path_shown(str(error).partition("\n")[0])
        remedy = "check the address, the credentials and the endpoint, then run again"
        raise TableUnreachable(
            f"{source}: {path_shown(shown)} can't be read: {type(error).__name__}: {text}; {remedy}"
        ) from error


def _name(about: dict[str, Any]) -> str:
    return str(about["name"]).rpartition("/")[2]
