"""Which commands work in a store: each has a record in `running/`, which it renews while it works.

Runs hold no lock, so that several may train at once. What deletes files that no stored spec names has to know of them:
a run may be about to use an old pack that no spec names yet. So a run writes its record before it looks at the store,
and then waits for the end of a deletion. A deletion writes its own record, then looks for those of runs before each
file, and stops if there is one. Whichever of the two records was written first, at least one side sees the other's
(Dekker's algorithm). A store must list what was written before, as folders and object stores do.

A record whose process is known to be dead counts for nothing. Of a process on another machine only its renewals tell:
clocks are not compared, an old record is watched for the length of a lease.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from pydantic import Field, TypeAdapter

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.machine import process_names
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.store import StorageError, Store

FOLDER = "running"
GC = "gc"
"""The command that deletes what no spec names."""
RM = "rm"
"""The command that deletes the files of a run."""
LEASE = 60.0
"""Seconds without a renewal after which a process on another machine counts as dead. It renews six times as often,
and deletes nothing when it couldn't for half of it."""
_POLL = 0.2  # seconds between two looks at the record of a deletion
_WATCHES = 20
log = logging.getLogger(__name__)

Moment = Annotated[float, Field(ge=0, le=253_402_300_799)]
"""Seconds since 1970, up to the last that is a date."""


@dataclass(frozen=True)
class Record:
    """What is known of a command that works in the store."""

    command: str
    runs: tuple[str, ...]
    """Names of the runs whose files it makes."""
    host: str
    pid: int
    process: str
    """Boot, PID namespace and start of the process; empty if the system doesn't tell."""
    began: Moment
    beat: Moment
    """When it was renewed, by the clock of its machine."""

    @property
    def words(self) -> str:
        """Who it is, for people."""
        of = f" {', '.join(self.runs)}" if self.runs else ""
        return f"{self.command}{of} on {self.host}, process {self.pid}"

    @property
    def is_dead(self) -> bool:
        """Whether its process is known to be gone."""
        return process_names.is_dead(self.host, self.pid, self.process)

    @property
    def is_alive(self) -> bool:
        """Whether its process is known to live, or has renewed it a moment ago."""
        if process_names.is_of_this_system(self.host, self.process):
            return not self.is_dead
        return abs(time.time() - self.beat) < LEASE


_SHAPE = TypeAdapter(Record)


def damage_of(data: bytes, path: str) -> str | None:
    """Returns what is wrong with the bytes of a record, or None."""
    try:
        _decoded(data, path)
    except DamagedRecord as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def records(store: Store) -> Iterator[tuple[str, Record | None]]:
    """Yields the path of each record with what it holds; None if it can't be read."""
    for path in store.list(FOLDER):
        try:
            yield path, _decoded(store.get(path), path)
        except FileNotFoundError:
            continue
        except DataError:
            yield path, None


class Running:
    """The record of this command. It is written by `begin`, renewed by a thread, and deleted by `end`."""

    def __init__(self, store: Store, command: str) -> None:
        self._store = store
        self.path = f"{FOLDER}/{secrets.token_hex(8)}.json"
        pid, now = os.getpid(), time.time()
        self._record = Record(command, (), socket.gethostname(), pid, process_names.process_name(pid), now, now)
        self._guard, self._done = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._sure_until = 0.0

    @property
    def is_written(self) -> bool:
        """Whether it has been written."""
        return self._thread is not None

    def begin(self, run: str = "", say: Callable[[str], None] = lambda _: None) -> None:
        """Writes the record, or adds a run to it; then waits until no deletion is in progress.

        Raises:
            StorageError: the store can't be written.

        """
        if run and run not in self._record.runs:
            self._record = replace(self._record, runs=(*self._record.runs, run))
        try:
            self._write()
        except StorageError:
            with suppress(StorageError, DataError):
                self._store.remove_empty(FOLDER)  # a folder was made, and no file in it
            raise
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew, name="running", daemon=True)
            self._thread.start()
        if self._record.command != GC:  # two that wait for each other would wait for ever
            self._wait_for_deletions(say)

    def end(self) -> None:
        """Deletes the record, and the folder that remains where it could not be written."""
        self._done.set()
        with self._guard, suppress(StorageError, DataError):  # a dead process's record counts for nothing either
            if self.is_written:
                self._store.delete(self.path)
            self._store.remove_empty(FOLDER)

    def check_alone(self, dead: Collection[str] = ()) -> None:
        """Checks that no command works here but this one; `dead` are records without a living process.

        Raises:
            BusyError: another does, or this record wasn't renewed in time, so that others may take it for dead.

        """
        others = [path for path in self._store.list(FOLDER) if path != self.path and path not in dead]
        known = dict(records(self._store)) if others else {}
        for path in others:
            found = known.get(path)
            if found is None or not found.is_dead:
                raise busy(found)
        if time.monotonic() > self._sure_until:
            raise BusyError(f"{self.path} was not renewed for {LEASE:.0f} s: nothing more is deleted, start again")

    def _write(self) -> None:
        with self._guard:
            if not self._done.is_set():
                asked = time.monotonic()
                self._record = replace(self._record, beat=time.time())
                self._store.put(self.path, seal({"format": 1, **asdict(self._record)}))
                self._sure_until = asked + LEASE / 2

    def _renew(self) -> None:
        while not self._done.wait(LEASE / 6):
            try:
                self._write()
            except (StorageError, DataError) as error:
                log.warning("%s was not renewed: %s", self.path, error)

    def _is_hindered_by(self, other: Record) -> bool:
        """Whether the other deletes what this command may need or write."""
        same = set(other.runs) & set(self._record.runs)
        return other.command == GC or (other.command == RM != self._record.command and bool(same))

    def _wait_for_deletions(self, say: Callable[[str], None]) -> None:
        told = False
        for path, found in [*records(self._store)]:
            if found is not None and found.is_dead:
                with suppress(StorageError, DataError):
                    self._store.delete(path)
            elif found is not None and self._is_hindered_by(found):
                if not told:
                    say(f"{found.words} deletes files: waiting until it has stopped")
                told = True
                _wait_for(self._store, path)


def living(store: Store, own: str = "", run: str = "") -> tuple[Record | None, set[str]]:
    """Returns the record of a command that works in the store, if there is one, and the paths of dead ones.

    With `run`, only commands that make files of that run count. A record that may be that of a process on another
    machine is watched for LEASE seconds.
    """
    found = {
        path: record
        for path, record in records(store)
        if path != own and (not run or record is None or run in record.runs)
    }
    for record in found.values():
        if record is not None and record.is_alive:
            return record, set()
    unknown = {path: record for path, record in found.items() if record is None or not record.is_dead}
    if unknown and (renewed := _watched(store, [*unknown])) is not None:
        return unknown[renewed] or _UNKNOWN, set()
    return None, set(found)


def busy(record: Record | None) -> BusyError:
    """The error for a command that works in the store."""
    who = (record or _UNKNOWN).words
    return BusyError(f"{who} works in this store: nothing is deleted meanwhile; start again when it has ended")


_UNKNOWN = Record("a command", (), "another machine", 0, "", 0.0, 0.0)


def _watched(store: Store, paths: Collection[str]) -> str | None:
    """Returns the first of these records that is renewed within the length of a lease."""
    before = {path: _bytes(store, path) for path in paths}
    for _ in range(_WATCHES):
        time.sleep(LEASE / _WATCHES)
        for path, data in before.items():
            if (now := _bytes(store, path)) is not None and now != data:
                return path
    return None


def _wait_for(store: Store, path: str) -> None:
    """Waits until a record is gone, its process is dead, or it wasn't renewed for the length of a lease.

    A process of this machine that renews nothing may be stopped, and go on deleting later: it is waited for.
    """
    seen, since = _bytes(store, path), time.monotonic()
    while (data := _bytes(store, path)) is not None and time.monotonic() - since < LEASE:
        if data != seen:
            seen, since = data, time.monotonic()
        with suppress(DamagedRecord):
            found = _decoded(data, path)
            if found.is_dead:
                return
            if process_names.lives(found.host, found.pid, found.process):
                since = time.monotonic()
        time.sleep(_POLL)


def _bytes(store: Store, path: str) -> bytes | None:
    try:
        return store.get(path)
    except (FileNotFoundError, DataError):
        return None


def _decoded(data: bytes, path: str) -> Record:
    return unseal(data, path, "", _SHAPE)
