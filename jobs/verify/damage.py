"""One damaged file: what is wrong, what repair does about it, and what a person does then. Nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sumsquares.jobs.show.format import listed


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what was written there, or that is missing beside one that needs it."""

    path: str
    kind: str
    """rows, weights, state, shard, manifest, facts, spec, summary, scores, record, champion, lock, foreign, or
    unreadable.
    """
    reason: str
    remedy: str
    """What to do: by hand, or, where repair does something, afterwards; empty where nothing is left to do."""
    deletes: tuple[str, ...] = ()
    """Files of ours that repair deletes, in this order."""
    anew: Callable[[], Mapping[str, bytes]] | None = None
    """The files that repair writes anew, in this order."""
    otherwise: str = ""
    """The remedy where they can't be made anew, since something else is damaged too."""

    @property
    def is_mended(self) -> bool:
        """Whether repair does something about it."""
        return bool(self.deletes or self.anew)

    def by_hand(self, reason: str) -> Damage:
        """The same where repair can't do anything about it, and why."""
        return replace(self, deletes=(), anew=None, remedy=self.otherwise or f"it can't be made anew yet: {reason}")

    def words(self, mend: str, repaired: bool) -> str:
        """For people, before or after the repair, which the command `mend` does."""
        parts = [self.reason.removeprefix("damaged, ").removeprefix("damaged: ")]
        if self.is_mended:
            done = ("written anew", "removed") if repaired else ("writes it anew", "removes")
            who = "" if repaired else f"{mend} "
            parts.append(who + (done[0] if self.anew else f"{done[1]} {self._removed}"))
        parts += [f"then {self.remedy}" if self.is_mended else self.remedy] if self.remedy else []
        return f"{self.path}: {': '.join(parts[:2])}" + (f", {parts[2]}" if len(parts) > 2 else "")

    @property
    def _removed(self) -> str:
        """What repair deletes, in words."""
        others = [path for path in self.deletes if path != self.path]
        return listed(["it", *others] if self.path in self.deletes else others)

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        repair = "writes it anew" if self.anew else f"removes {self._removed}" if self.deletes else None
        return {
            "path": self.path,
            "kind": self.kind,
            "reason": self.reason,
            "repair": repair,
            "deletes": list(self.deletes),
            "remedy": self.remedy or None,
        }


def foreign(path: str, reason: str = "it is none of our files, though it has the name of one") -> Damage:
    """Something else stands where a file of ours belongs; it is never deleted."""
    return Damage(path, "foreign", reason, "move it out of the store, and verify again: that says what is missing")


def unreadable(path: str, reason: str) -> Damage:
    """What is in a file isn't known: it may be whole."""
    remedy = "mend its permissions or its disk, and verify again"
    return Damage(path, "unreadable", f"it can't be read, {reason}", remedy)
