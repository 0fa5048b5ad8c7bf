"""Writes nightly/index.html, the page of nights. It follows from the store, and never changes how a night ended.

The page ends with a comment that has its SHA-256, by which `verify` finds damage. It is replaced by compare and swap: a
writer whose page was overtaken makes it again from what the store has then. So whoever changes the store and then
writes the page, under the lock or not, finds the change in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from sumsquares.jobs.night.history import read_history
from sumsquares.jobs.show.nights_page import nights_page
from sumsquares.jobs.storage.layout import NIGHTS_PAGE
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

_TRIES = 3
_HEAD, _TAIL = b"<!-- sha256 of all bytes above: ", b" -->\n"


def write_page(store: Store, today: date, warn: Callable[[str], None]) -> None:
    """Writes the page; a failure is a warning."""
    try:
        if not any(_is_written(store, today) for _ in range(_TRIES)):
            warn(f"{NIGHTS_PAGE} was written by others at the same time, and may lack the last change")
    except Exception as error:  # whatever it is, the night has ended as it has
        warn(f"{NIGHTS_PAGE} was not written: {error}")


def page_of(store: Store, today: date) -> bytes:
    """Returns the file's bytes."""
    above = nights_page(read_history(store, today)).encode()
    above = above if above.endswith(b"\n") else above + b"\n"
    return above + _seal(above)


def is_intact(data: bytes) -> bool:
    """Whether these are the bytes of a page as it was written."""
    seal = len(_seal(b""))
    return data[-seal:] == _seal(data[:-seal])


def _is_written(store: Store, today: date) -> bool:
    """Whether the page was written, or is there; False if another writer was faster."""
    try:
        there, version = store.get_versioned(NIGHTS_PAGE)
    except FileNotFoundError:
        return store.create(NIGHTS_PAGE, page_of(store, today))
    if not is_ours(NIGHTS_PAGE, there):
        raise ForeignFile("a file of someone else lies there, and stays: move it out of the store")
    data = page_of(store, today)
    return data == there or store.replace(NIGHTS_PAGE, data, version)


def _seal(above: bytes) -> bytes:
    return _HEAD + hashlib.sha256(above).hexdigest().encode() + _TAIL
