"""The lock of a store's nights: a lease in one file, moved by conditional writes alone, in a folder or a bucket.

`nightly/lock.json` says who holds the lock and until when. The holder renews it from a thread. Whoever finds it
expired, or its process dead, takes it over by compare and swap, so only one of many succeeds. An expired lease doesn't
prove that its holder has stopped. So each holder has a larger token than the one before, and champion.py rejects a
smaller one (fencing: Kleppmann, How to do distributed locking, 2016; Gray and Cheriton, Leases, SOSP 1989).

Clocks may jump. A holder counts its lease on its monotonic clock. A process that finds a lease ending later than any
holder could have promised doesn't trust the clocks: it watches the file for the length of one lease instead.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Annotated

from pydantic import Field, TypeAdapter

from sumsquares.cluster.signals import uninterrupted
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.machine import process_names
from sumsquares.jobs.night.clock import Clock, stamp
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.storage.typed import typed

PATH = "nightly/lock.json"
LEASE = 60.0
"""Seconds that a holder may go without renewing; it renews three times as often. If its store doesn't answer for
longer, it continues afterwards unless another night has begun. A dead holder on another machine blocks the store for
this long.
"""
_WATCHES = 20
log = logging.getLogger(__name__)


Moment = Annotated[float, Field(ge=0, le=253_402_300_799)]
"""Seconds since 1970, up to the last that is a date."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    host: str
    pid: int
    process: str
    """Boot, PID namespace and start of the process; empty if the system doesn't tell."""
    night: str
    since: Moment
    """When the night began."""


@dataclass(frozen=True)
class Lease:
    """What lock.json holds."""

    token: int
    """Grows by one with each holder."""
    owner: Owner | None
    """None if the lock is free."""
    expires: Moment
    """When the lease ends."""
    seconds: Annotated[float, Field(gt=0, le=1e6)]
    """Length of the lease."""

    def encode(self) -> bytes:
        """Returns the file's bytes; a random word makes them unique to this writer."""
        return seal({"format": 1, **asdict(self), "word": secrets.token_hex(8)})


_SHAPE = TypeAdapter(Lease)


def read_lease(store: Store) -> tuple[Lease | None, str]:
    """Returns what the file holds, with its version; None if there is none.

    Raises:
        DamagedRecord: it is not what was written.

    """
    try:
        data, version = store.get_versioned(PATH)
    except FileNotFoundError:
        return None, ""
    return unseal(
        data, PATH, f"make sure that no night runs, then {typed(store, 'nightly', 'unlock')}", _SHAPE
    ), version


class Lock:
    """A lock that is held; `holding` makes it."""

    def __init__(self, store: Store, lease: Lease, clock: Clock) -> None:
        self._store, self._lease, self._clock = store, lease, clock
        self._began = (clock.now(), clock.monotonic())
        self._sure_until = clock.monotonic() + lease.seconds
        self._guard = threading.Lock()

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._lease.token

    def renew(self) -> bool:
        """Extends the lease by its length from now; returns False if another holds the lock by now."""
        with self._guard:
            found, version = read_lease(self._store)
            if not self._is_ours(found):
                return False

            # The end never moves back, even if the wall clock did: time since the start is counted monotonically.
            wall, monotonic = self._began
            asked = self._clock.monotonic()
            now = max(self._clock.now(), wall + asked - monotonic)
            renewed = replace(self._lease, expires=max(self._lease.expires, now + self._lease.seconds))
            if not self._store.replace(PATH, renewed.encode(), version):
                return False
            self._lease, self._sure_until = renewed, asked + renewed.seconds
            return True

    def check(self) -> None:
        """Checks that the lock is still held; to be called right before what only its holder may do.

        Raises:
            BusyError: it was taken over or unlocked, or couldn't be renewed in time.

        """
        if self._clock.monotonic() > self._sure_until and not self.renew():
            self._lost()
        if not self._is_ours(read_lease(self._store)[0]):
            self._lost()

    def release(self) -> None:
        """Frees the lock if it is still ours."""
        with self._guard:
            found, version = read_lease(self._store)
            if self._is_ours(found):
                self._store.replace(PATH, replace(self._lease, owner=None).encode(), version)

    def _is_ours(self, found: Lease | None) -> bool:
        return found is not None and (found.token, found.owner) == (self._lease.token, self._lease.owner)

    def _lost(self) -> None:
        raise BusyError(
            f"this night has lost its lock ({PATH}, token {self.token}): it was unlocked, or was silent for more than "
            f"{self._lease.seconds:.0f} s and another took over; nothing was promoted, start it again"
        )


@contextmanager
def holding(store: Store, night: str, clock: Clock, above: int = 0, seconds: float = LEASE) -> Iterator[Lock]:
    """Holds the lock with a token above the one given, renews it meanwhile, and frees it on leaving.

    Raises:
        BusyError: another holds it; who, where and since when.

    """
    found, version = _free(store, clock)
    lock, done = None, threading.Event()
    thread = threading.Thread(
        target=lambda: keep_alive(lock, done, seconds / 3) if lock else None, name="nightly-lock", daemon=True
    )
    try:
        with uninterrupted():
            token = max(above, found.token if found else 0) + 1
            lock = _take(store, clock, _lease(night, clock, token, seconds), version)
        thread.start()
        yield lock
    finally:
        done.set()
        with uninterrupted():
            _release(lock)
        if thread.ident is not None:
            thread.join(timeout=5)


def _release(lock: Lock | None) -> None:
    try:
        if lock is not None:
            lock.release()
    except (StorageError, DamagedRecord) as error:  # the lease expires by itself; this must not hide another error
        log.warning("the lock was not freed: %s", error)


def refuse_busy(store: Store, clock: Clock) -> None:
    """Checks early, before anything slow is done, that the lock can be had; changes nothing.

    Raises:
        BusyError: another holds the lock; who, where and since when.

    """
    _free(store, clock)


def unlock(store: Store, clock: Clock) -> Owner | None:
    """Frees the lock whoever holds it; returns the former holder, which can no longer promote.

    Raises:
        BusyError: another process moved it in the meantime.

    """
    try:
        found, version = read_lease(store)
    except DamagedRecord:
        found, version = Lease(int(clock.now()), None, 0.0, LEASE), store.get_versioned(PATH)[1]
        store.replace(PATH, replace(found, token=found.token + 1).encode(), version)
        return None
    if found is None or found.owner is None:
        return None
    if not store.replace(PATH, replace(found, token=found.token + 1, owner=None).encode(), version):
        raise BusyError("the lock was moved while it was being unlocked: look again with `sumsquares nightly status`")
    return found.owner


def _free(store: Store, clock: Clock) -> tuple[Lease | None, str]:
    """Returns the present lease, if it may be taken."""
    found, version = read_lease(store)
    if found is not None and found.owner is not None and not _is_abandoned(store, found, version, clock):
        raise _busy(store, found)
    return found, version


def _lease(night: str, clock: Clock, token: int, seconds: float) -> Lease:
    """Returns a lease of this process that begins now."""
    now = clock.now()
    owner = Owner(socket.gethostname(), os.getpid(), process_names.process_name(os.getpid()), night, now)
    return Lease(token, owner, now + seconds, seconds)


def _take(store: Store, clock: Clock, lease: Lease, version: str) -> Lock:
    """Writes the lease if the file's version is still the one given, empty if there was no file."""
    won = store.replace(PATH, lease.encode(), version) if version else store.create(PATH, lease.encode())
    if not won:
        raise _busy(store, read_lease(store)[0])
    return Lock(store, lease, clock)


def _is_abandoned(store: Store, found: Lease, version: str, clock: Clock) -> bool:
    """Whether a lock that has an owner may be taken over."""
    assert found.owner is not None
    left = found.expires - clock.now()
    if left < 0 or process_names.is_dead(found.owner.host, found.owner.pid, found.owner.process):
        return True
    if left <= found.seconds:
        return False

    # No holder promises more than one lease, so one of the clocks is wrong. A live holder renews within that time.
    log.warning("%s ends later than it can: a clock was set back; watching it for %.0f s", PATH, found.seconds)
    for _ in range(_WATCHES):
        clock.sleep(found.seconds / _WATCHES)
        if read_lease(store)[1] != version:
            return False
    return True


def _busy(store: Store, found: Lease | None) -> BusyError:
    if found is None or found.owner is None:
        return BusyError("another night began or ended at this moment: start again")
    owner = found.owner
    return BusyError(
        f"night {owner.night} runs on {owner.host}, process {owner.pid}, since {stamp(owner.since)}; its lock {PATH} "
        f"ends {stamp(found.expires)} unless renewed. Wait for it; if it is dead, {typed(store, 'nightly', 'unlock')}"
    )


def keep_alive(lock: Lock, done: threading.Event, pause: float) -> None:
    """Renews the lease until done, or until the lock is lost; if the store fails, it tries again."""
    while not done.wait(pause):
        try:
            if not lock.renew():
                return
        except (StorageError, DamagedRecord) as error:
            log.warning("the lock was not renewed: %s", error)
