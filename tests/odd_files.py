"""Anything but regular files, in every place of a store: none is opened, deleted or overwritten."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path


def _socket(path: Path) -> None:
    """A socket's path has at most 107 bytes, so it is made under a short one."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def _large(path: Path) -> None:
    """A sparse file, which takes no space."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


KINDS: dict[str, Callable[[Path], None]] = {
    "a FIFO": lambda path: os.mkfifo(path),
    "a socket": _socket,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a FIFO": lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
    "a folder": lambda path: path.mkdir(),
    "a link to a folder": lambda path: path.symlink_to("."),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a file of 1 TB": _large,
}
"""The kinds, and how each is made at a path."""


def put(kind: str, path: Path) -> os.stat_result:
    """Makes it at the path, with what was there moved or deleted, and returns its lstat."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.aside"))
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)
    return path.lstat()


FILES = {
    "a pack's rows": ("trials/PACK.parquet", {"plan": {0}, "summarize": {7}, "run": {3}}),
    "a pack's weights": ("trials/PACK.safetensors", {"plan": {0}, "summarize": {0, 3}, "run": {3}}),
    "what is no name of ours": ("trials/junk.parquet", {"plan": {0}, "summarize": {0}, "run": {0}}),
    "a pack that isn't ours": ("trials/0123456789abcdef.parquet", {"plan": {0}, "summarize": {0}, "run": {0}}),
    "a manifest": ("datasets/SUMS/manifest.json", {"plan": {3}, "run": {3}}),
    "a shard": ("datasets/SUMS/train/part-00000.parquet", {"plan": {0}, "run": {3}}),
    "a run's spec": ("runs/small/job.toml", {"summarize": {3}, "run": {3}, "predict": {3}}),
    "a run's summary": ("runs/small/summary.json", {"summarize": {3}, "run": {3}, "predict": {3}}),
    "a run's report": ("runs/small/report.html", {"summarize": {3}, "run": {3}}),
    "a state": ("states/0123456789abcdef.state", {"plan": {0}, "run": {0}}),
    "the champion": ("nightly/champion.json", {"nightly status": {3}, "nightly prune": {3}, "nightly rollback": {3}}),
    "the lock": ("nightly/lock.json", {"nightly status": {3}, "nightly unlock": {3}}),
    "a night's record": ("nightly/2026-11-01-0123456789ab/night.json", {"nightly status": {3}}),
    "a night's state": ("nightly/2026-11-01-0123456789ab/state.json", {"nightly status": {3}}),
}
"""Places of files, and the exit code that each command must end with."""

FOLDERS = {
    "the packs": ("trials", {"plan": {4}, "run": {4}}),
    "the runs": ("runs", {"summarize": {3, 4}, "predict": {4}}),
    "a run": ("runs/small", {"summarize": {3, 4}, "predict": {3, 4}}),
    "a dataset": ("datasets/SUMS", {"plan": {4}, "run": {4}}),
    "the states": ("states", {"plan": {4}}),
    "the nights": ("nightly", {"nightly status": {3, 4}}),
    "a night": ("nightly/2026-11-01-0123456789ab", {"nightly status": {3, 4}}),
    "the store": ("", {"plan": {4}, "run": {4}, "summarize": {3, 4}, "nightly status": {3, 4}}),
}
"""Places of folders."""
NO_FOLDERS = [kind for kind in KINDS if "folder" not in kind and "nowhere" not in kind]
"""A link that leads nowhere, in the place of a folder, is one that isn't there yet."""
