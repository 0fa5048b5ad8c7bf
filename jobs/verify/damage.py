"""One damaged file: the fault, what repair does about it, and what is left to the user. Nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sumsquares.jobs.show.format import listed


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that isn't what was written there, or that is missing although another needs it."""

    path: str
    kind: str
    """rows, weights, state, shard, manifest, facts, baselines, spec, summary, scores, record, champion, lock, page,
    running, foreign, or unreadable.
    """
    reason: str
    remedy: str
    """What to do by hand, after the repair if there is one; empty where nothing is left to do."""
    deletes: tuple[str, ...] = ()
    """Our files that repair deletes, in this order."""
    rewrites: Callable[[], Mapping[str, bytes]] | None = None
    """Makes the files that repair writes, in this order."""
    fallback: str = ""
    """The remedy if they can't be made, because something else is damaged too."""

    @property
    def is_repairable(self) -> bool:
        """Whether repair does something about it."""
        return bool(self.deletes or self.rewrites)

    def manual(self, reason: str) -> Damage:
        """Returns the same damage, left to the user for this reason."""
        return replace(self, deletes=(), rewrites=None, remedy=self.fallback or f"it can't be rewritten yet: {reason}")

    def text(self, command: str, repaired: bool) -> str:
        """Returns one line for people, before or after the repair by this command."""
        parts = [self.reason.removeprefix("damaged, ").removeprefix("damaged: ")]
        if self.is_repairable:
            done = ("rewritten", "removed") if repaired else ("rewrites it", "removes")
            who = "" if repaired else f"{command} "
            parts.append(who + (done[0] if self.rewrites else f"{done[1]} {self._removed}"))
        parts += [f"then {self.remedy}" if self.is_repairable else self.remedy] if self.remedy else []
        return f"{self.path}: {': '.join(parts[:2])}" + (f", {parts[2]}" if len(parts) > 2 else "")

    @property
    def _removed(self) -> str:
        """The files that repair deletes, in words."""
        others = [path for path in self.deletes if path != self.path]
        return listed(["it", *others] if self.path in self.deletes else others)

    def facts(self) -> dict[str, Any]:
        """Returns the same for --json."""
        repair = "rewrites it" if self.rewrites else f"removes {self._removed}" if self.deletes else None
        return {
            "path": self.path,
            "kind": self.kind,
            "reason": self.reason,
            "repair": repair,
            "deletes": list(self.deletes),
            "remedy": self.remedy or None,
        }


def foreign(path: str, reason: str = "it isn't one of our files, though it has the name of one") -> Damage:
    """Returns the damage of a foreign file in the place of one of ours; it is never deleted."""
    return Damage(path, "foreign", reason, "move it out of the store, and verify again: that says what is missing")


def unreadable(path: str, reason: str) -> Damage:
    """Returns the damage of a file that can't be read; it may be intact."""
    remedy = "fix its permissions or its disk, and verify again"
    return Damage(path, "unreadable", f"it can't be read, {reason}", remedy)
