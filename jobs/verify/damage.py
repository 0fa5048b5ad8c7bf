"""One damaged file: what is wrong, what repair does about it, and what a person does then. Nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what was written there, or that is missing beside one that needs it."""

    path: str
    kind: str
    """rows, weights, state, shard, manifest, facts, spec, summary, scores, record, champion, lock, or foreign."""
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

    def words(self, repaired: bool) -> str:
        """For people, before or after the repair."""
        parts = [self.reason.removeprefix("damaged, ").removeprefix("damaged: ")]
        if self.is_mended:
            done = ("written anew", "removed") if repaired else ("writes it anew", "removes it")
            who = "" if repaired else "`sumsquares verify --repair` "
            parts.append(who + done[0 if self.anew else 1])
        parts += [f"then {self.remedy}" if self.is_mended else self.remedy] if self.remedy else []
        return f"{self.path}: {': '.join(parts[:2])}" + (f", {parts[2]}" if len(parts) > 2 else "")

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        repair = "writes it anew" if self.anew else "removes it" if self.deletes else None
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
    return Damage(path, "foreign", reason, "move it out of the store, then `sumsquares verify` says what is missing")
