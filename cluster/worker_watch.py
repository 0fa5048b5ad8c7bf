"""Watches groups without workers: when to report them, and when a run gives up. Pure: it is given time and amounts.

Nodes come and go: as long as any group works, the others are waited for. Once none does, the run's patience limits it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from sumsquares.cluster.workers import ClusterError, Group, shortage

NOTICE_SECONDS = 30.0
"""Seconds until a group without workers is reported; a restart takes 5 to 15 s."""
REPEAT_SECONDS = 60.0
"""Seconds between two reports."""
Amounts = Callable[[], tuple[Mapping[str, float], Mapping[str, float]]]
"""Returns the cluster's total resources, and those that are free."""


class WorkerWatch:
    """Watches the groups of a run."""

    def __init__(self, groups: Sequence[Group], patience: float, amounts: Amounts, now: float) -> None:
        self._groups = {group.name: group for group in groups}
        self._patience = patience
        self._amounts = amounts
        self._last_worked = dict.fromkeys(self._groups, now)
        self._any_worked = now
        self._last_report = 0.0
        """Time of the last report; 0 if there was none since all groups had workers."""

    def look(self, working: Collection[str], waiting: Collection[str], left: int, now: float) -> str | None:
        """Returns a note if a group has been without workers for long.

        `working` and `waiting` are the groups that have not ended, with and without workers.

        Raises:
            ClusterError: no group has had workers for longer than the patience.

        """
        self._last_worked |= dict.fromkeys(working, now)
        if working or not waiting:
            self._any_worked = now
        absent = [name for name in waiting if now - self._last_worked[name] > NOTICE_SECONDS]
        if not waiting:
            self._last_report = 0.0

        # No group works: give up once the patience is exhausted.
        if now - self._any_worked > self._patience:
            raise ClusterError(
                f"no worker for {now - self._any_worked:.0f} s, with {left} work items left "
                f"({self._shortage(waiting)}); "
                "add nodes, request fewer with --workers, or wait longer with --patience; run again to resume"
            )

        # Some groups wait: report them, but not at every call.
        if not absent or (self._last_report and now - self._last_report < REPEAT_SECONDS):
            return None
        self._last_report = now
        last = "the others continue" if working else f"the run ends after {self._patience:.0f} s without any worker"
        longest = max(now - self._last_worked[name] for name in absent)
        return f"no workers in {_names(absent)} for {longest:.0f} s ({self._shortage(absent)}); {last}"

    def _shortage(self, names: Collection[str]) -> str:
        """What these groups lack, as requested and available."""
        requested: dict[str, float] = {}
        for group in (self._groups[name] for name in names):
            for name, amount in group.resources.items():
                requested[name] = requested.get(name, 0.0) + amount * group.at_least
        total, free = self._amounts()
        if lacking := shortage(requested, total):
            return lacking
        busy = shortage(requested, free, "free")
        return f"{busy}, the rest is in use" if busy else "they are starting"


def _names(groups: Sequence[str]) -> str:
    """The first three of what may be hundreds."""
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"group{'s' if len(groups) > 1 else ''} {', '.join(groups[:3])}{more}"
