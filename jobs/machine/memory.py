"""How much memory this process may still allocate: the least of free memory, cgroup limit and ulimit."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

UNKNOWN = 1 << 62
"""Bytes, if the system doesn't say."""


def available_memory() -> int:
    """Bytes; never below 0."""
    return max(0, min(_bounds(), default=UNKNOWN))


def _bounds() -> Iterator[int]:
    """The limits that the system reports."""
    with suppress(OSError, ValueError, IndexError):
        meminfo = Path("/proc/meminfo").read_text()
        yield int(meminfo.split("MemAvailable:")[1].split()[0]) << 10
    for limit, used, about, cache in _CGROUPS:
        with suppress(OSError, ValueError, IndexError):  # "max" is no number: no limit
            most, taken = int(Path(limit).read_text()), int(Path(used).read_text())
            yield most - taken + int(Path(about).read_text().split(f"{cache} ")[1].split()[0])
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        with suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            yield soft - pages * resource.getpagesize()


_TWO, _ONE = "/sys/fs/cgroup", "/sys/fs/cgroup/memory"
_CGROUPS = (
    (f"{_TWO}/memory.max", f"{_TWO}/memory.current", f"{_TWO}/memory.stat", "inactive_file"),
    (f"{_ONE}/memory.limit_in_bytes", f"{_ONE}/memory.usage_in_bytes", f"{_ONE}/memory.stat", "total_inactive_file"),
)
"""For cgroups v2 and v1, as seen in a container: limit, usage, and how much of the usage is reclaimable cache."""
