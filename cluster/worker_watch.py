"""Groups without workers: what is told of them, and when a run gives up. Pure: it is handed the time and the amounts.

As long as any group works the others are waited for, since nodes come and go; once none does, so long as the patience.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from sumsquares.cluster.workers import ClusterError, Group, shortage

NOTICE_SECONDS = 30.0
"""Until a group without workers is told of: one that restarts takes 5 to 15 s."""
AGAIN_SECONDS = 60.0
"""Until it is told of again."""
Amounts = Callable[[], tuple[Mapping[str, float], Mapping[str, float]]]
"""What the cluster has, and what of it nobody has taken."""


class WorkerWatch:
    """Watches the groups of a run."""

    def __init__(self, groups: Sequence[Group], patience: float, amounts: Amounts, now: float) -> None:
        self._groups = {group.name: group for group in groups}
        self._patience = patience
        self._amounts = amounts
        self._seen = dict.fromkeys(self._groups, now)
        self._any_seen = now
        self._told = 0.0
        """When it was told of last; 0: not since all had workers."""

    def look(self, working: Collection[str], waiting: Collection[str], left: int, now: float) -> str | None:
        """A note where groups have waited for long; `working` and `waiting` are those that have not ended.

        Raises:
            ClusterError: no group has had workers for longer than the patience.

        """
        self._seen |= dict.fromkeys(working, now)
        if working or not waiting:
            self._any_seen = now
        absent = [name for name in waiting if now - self._seen[name] > NOTICE_SECONDS]
        if not waiting:
            self._told = 0.0
        if now - self._any_seen > self._patience:
            raise ClusterError(
                f"no worker for {now - self._any_seen:.0f} s, with {left} pieces of work left ({self._what(waiting)}); "
                "add nodes, ask for fewer with --workers, or wait longer with --patience; run again to go on"
            )
        if not absent or (self._told and now - self._told < AGAIN_SECONDS):
            return None
        self._told = now
        last = "the others go on" if working else f"the run ends after {self._patience:.0f} s without any worker"
        longest = max(now - self._seen[name] for name in absent)
        return f"no workers in {_names(absent)} for {longest:.0f} s ({self._what(absent)}); {last}"

    def _what(self, names: Collection[str]) -> str:
        """Asked against available."""
        asked: dict[str, float] = {}
        for group in (self._groups[name] for name in names):
            for name, amount in group.resources.items():
                asked[name] = asked.get(name, 0.0) + amount * group.at_least
        there, free = self._amounts()
        short = shortage(asked, there)
        if short:
            return short
        taken = shortage(asked, free)
        return f"{taken} and free, others have the rest" if taken else "they are starting"


def _names(groups: Sequence[str]) -> str:
    """Not hundreds of them."""
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"group{'s' if len(groups) > 1 else ''} {', '.join(groups[:3])}{more}"
