"""What `sumsquares rm` does: deletes the files of a run and of earlier runs of its name, never packs or datasets."""

from __future__ import annotations

import sys
from contextlib import suppress

from sumsquares.jobs import exits
from sumsquares.jobs.commands.named_run import folders_of, kept_folder_of, split_name
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.messages.numbers import counted, size
from sumsquares.jobs.night.deletable import Files, Listing
from sumsquares.jobs.night.nights import list_nights, run_name
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.stages.running import RM, Running, busy, living
from sumsquares.jobs.storage.plain import ForeignFile, readable
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.storage.typed import typed


def rm(run: str, is_sure: bool, shared: Shared) -> int:
    """Deletes a run with the earlier ones of its name, or one of those.

    Raises:
        UsageError: there is no such run, it is a night's, or nobody said that it may go.
        BusyError: a command makes its files.
        ForeignFile: its folder is a link.

    """
    store = Store(shared.store)
    name, digest = split_name(run)
    folders = _folders(store, name, digest)
    if name.removeprefix(run_name("")) in list_nights(store) and name.startswith(run_name("")):
        prune = typed(store, "nightly", "prune")
        raise UsageError(f"run {name} is that of a night, which needs it: {prune} deletes old nights with their runs")
    listing = Listing(store)
    parts = {folder: listing.of_run(folder) for folder in folders}
    _refuse_links(store, parts)
    files = [path for part in parts.values() for path in part.deletable]
    total = sum(listing.sizes[path] for path in files)
    what = f"{_words(name, digest, len(folders))}, {counted(len(files), 'file')} of {size(total)}"
    if not is_sure and not _may(what):
        shared.print({"run": run, "removed": [], "files": [], "bytes": 0, "stays": []}, "nothing was deleted")
        return exits.OK
    _delete(store, name, files, shared.progress())
    store.remove_empty(run_folder(name) if digest is None else folders[0])
    stays = [path for part in parts.values() for path in part.foreign]
    if stays:
        shared.progress().warn(f"not ours, so it stays: {', '.join(few([readable(path) for path in stays], 'more'))}")
    facts = {"run": run, "removed": folders, "files": files, "bytes": total, "stays": stays}
    shared.print(
        facts, f"deleted {what}; {typed(store, 'gc')} shows what no other run needs of its trials and datasets"
    )
    return exits.OK


def _delete(store: Store, name: str, files: list[str], progress: Progress) -> None:
    """Deletes the files of a run. A run of this name that begins meanwhile waits until they are gone.

    Raises:
        BusyError: a command makes them.

    """
    running = Running(store, RM)
    try:
        with suppress(StorageError):  # on a full disk its files go without a record, to make room for others
            running.begin(name, progress.say)
        record, _ = living(store, own=running.path, run=name)
        if record is not None:
            raise busy(record)
        for path in files:
            store.delete(path)
    finally:
        running.end()


def _folders(store: Store, name: str, digest: str | None) -> list[str]:
    """Returns the folders whose files go, those of earlier runs first: an interruption leaves the run itself."""
    if digest is not None:
        return [kept_folder_of(store, name, digest)]
    found = folders_of(store, name)
    return [*found.kept, *([found.current] if found.current else [])]


def _words(name: str, digest: str | None, folders: int) -> str:
    if digest is not None:
        return f"the earlier run {name}@{digest}"
    return f"run {name}" + (f" and {counted(folders - 1, 'earlier run')} of its name" if folders > 1 else "")


def _refuse_links(store: Store, parts: dict[str, Files]) -> None:
    if linked := [folder for folder, part in parts.items() if part.is_retained]:
        raise ForeignFile(
            f"{store.root}/{readable(linked[0])}: a link or a file in the place of a folder, behind which nothing is "
            "deleted: move it out of the store"
        )


def _may(what: str) -> bool:
    """Asks on a terminal.

    Raises:
        UsageError: there is none, so that a script has to say what it means.

    """
    if not sys.stdin.isatty():
        raise UsageError(f"{what} would be deleted, and there is no terminal to ask on: add --yes")
    sys.stderr.write(f"delete {what}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
