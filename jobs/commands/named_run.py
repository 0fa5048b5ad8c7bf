"""How a run is named on the command line: NAME, champion, or NAME@DIGEST for an earlier run that is kept.

DIGEST is that of the spec, four of its digits at least, as `sumsquares runs --all` lists it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sumsquares.jobs.commands.asked import unknown_run
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.stages.run_files import PREVIOUS, run_folder
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.store import Store

_KEPT = re.compile(r"([^@]+)@([0-9a-f]{4,12}(?:-[0-9]{1,3})?)")


@dataclass(frozen=True)
class Folders:
    """The folders of the runs of one name."""

    name: str
    current: str | None
    """That of the run which finished last; None if only earlier ones are there."""
    kept: tuple[str, ...]
    """Those of earlier ones."""


def split_name(run: str) -> tuple[str, str | None]:
    """Returns the name, and the digest of the earlier run that is meant, if one is.

    Raises:
        UsageError: something else follows the @.

    """
    if "@" not in run:
        return run, None
    if (match := _KEPT.fullmatch(run)) is None:
        raise UsageError(
            f"{shown(run)} is no earlier run: write NAME@DIGEST with four digits of the digest at least, as "
            "`sumsquares runs --all` lists them"
        )
    return match[1], match[2]


def folders_of(store: Store, name: str) -> Folders:
    """Returns the folders of the runs of a name; only a listed name becomes part of a path.

    Raises:
        UsageError: there is no such run.

    """
    known = {path.split("/")[1] for path in store.list("runs") if path != "runs"}
    if name not in known:
        raise unknown_run(store, name, known)
    folder = run_folder(name)
    paths = store.list(folder)
    kept = sorted(
        {unit[1] for path in paths if (unit := unit_of(path)) and unit[1].startswith(f"{folder}/{PREVIOUS}/")}
    )
    is_there = any(not path.startswith(f"{folder}/{PREVIOUS}/") for path in paths) or not kept
    return Folders(name, folder if is_there else None, tuple(kept))


def kept_folder_of(store: Store, name: str, digest: str) -> str:
    """Returns the folder of the earlier run whose digest begins so.

    Raises:
        UsageError: there is none, or several.

    """
    kept = folders_of(store, name).kept
    found = [folder for folder in kept if folder.rpartition("/")[2].startswith(digest)]
    if len(found) == 1:
        return found[0]
    exact = [folder for folder in found if folder.rpartition("/")[2] == digest]
    if exact:
        return exact[0]
    names = few_names([f"{name}@{folder.rpartition('/')[2]}" for folder in found or kept])
    problem = "means several earlier runs" if found else "is no earlier run that is kept"
    raise UsageError(f"{name}@{digest} {problem}; there are: {names}")
