"""What a file is that isn't a regular one, in words."""

from __future__ import annotations

import stat

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def kind_of_file(mode: int) -> str:
    """Returns what a file of this mode is, as `os.stat` gives it."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")
