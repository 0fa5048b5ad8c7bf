"""What Linux does when memory runs out: which process it kills first, and how many it has killed. No Ray here."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

VICTIM = "1000"
"""The highest adjustment of /proc/PID/oom_score_adj, and that of Ray's workers: of all processes, the kernel kills one
with this value first. A worker costs the pack that it trains; the launcher, or a program of somebody else, costs more.
"""


def die_first() -> None:
    """Makes this process the kernel's first choice."""
    with suppress(OSError):  # not Linux, or a sandbox that forbids it
        Path("/proc/self/oom_score_adj").write_text(VICTIM)


def kills() -> int:
    """How many processes the kernel has killed for lack of memory: of this control group if it counts, or of all."""
    with suppress(OSError, ValueError, IndexError):
        group = Path("/proc/self/cgroup").read_text().split("0::/")[1].split("\n")[0]
        return _counted(Path("/sys/fs/cgroup") / group / "memory.events")
    with suppress(OSError, ValueError, IndexError):
        return _counted(Path("/proc/vmstat"))
    return 0


def _counted(path: Path) -> int:
    return int(path.read_text().split("oom_kill ")[1].split("\n")[0])
