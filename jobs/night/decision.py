"""The decision on a night: judged against the champion, and promoted where it has earned it.

Against whom and with which history is settled here; how it is judged, in jobs.night.gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.exits import BusyError
from jobs.night.champion import Champion, champion_night, promote, read_champion
from jobs.night.clock import Clock
from jobs.night.gate import Judgement, Policy, Scores, judge
from jobs.night.lock import Lock
from jobs.night.nights import Night, list_nights, read_night
from jobs.night.reading import Reading
from jobs.night.scores import make_scores, read_scores
from jobs.storage.store import Store

HISTORY = 20
"""Nights that the gate looks back on at most."""
_TRIES = 3


@dataclass(frozen=True)
class Decision:
    """What became of a night."""

    result: str
    """first or better: it is the champion now; same or worse: it isn't."""
    against: str | None
    """The champion that it was judged against."""
    judgement: Judgement
    nights: int = 0
    """Nights that the luck of fresh rows was learnt from; 0 where both have the same rows."""


def decide(
    store: Store, night: Night, scores: Scores, policy: Policy, lock: Lock, clock: Clock, read: Reading
) -> Decision:
    """Judges and, where it is earned, promotes; again from the start if the champion moves meanwhile.

    Raises:
        BusyError: the lock was lost, or the champion was moved again and again.

    """
    for _ in range(_TRIES):
        champion, _ = read_champion(store)
        decision = _judged(store, night, scores, policy, champion, read)
        if champion is not None and champion.night == night.id:  # promoted by an attempt that ended right afterwards
            return decision
        if decision.result not in ("first", "better"):
            return decision
        lock.check()
        if promote(store, night.id, night.spec.name, lock.token, clock.stamp(), decision.against):
            return decision
    raise BusyError(f"the champion was moved {_TRIES} times while night {night.id} was judged; start it again")


def _judged(
    store: Store, night: Night, scores: Scores, policy: Policy, champion: Champion | None, read: Reading
) -> Decision:
    line = champion.line if champion else []
    promoted = bool(line) and line[-1] == night.id
    against = ([None, *line][-2] if promoted else line[-1]) if line else None
    if champion is None or against is None:
        return Decision("first", None, Judgement("apart", ()))
    record = read_night(store, against)
    theirs = _scores_of(store, against, record, read)
    same_rows = record is not None and record["trained_digest"] == night.trained.digest
    history = [] if same_rows else [theirs, *_history(store, night.id, against, champion.taken_back)]
    judgement = judge(scores, theirs, history, policy)
    if judgement.verdict == "apart":
        return Decision("first", against, judgement)
    return Decision("better" if promoted else judgement.verdict, against, judgement, len(history))


def _history(store: Store, night: str, against: str, taken_back: set[str]) -> list[Scores]:
    """Scores of the last nights with rows of their own that were found the same as the champion."""
    found: list[Scores] = []
    for each in reversed(list_nights(store)):
        record = read_night(store, each) if each not in (night, against, *taken_back) else None
        if record is not None and (record["result"], record["against"]) == ("same", against) and record["fresh"]:
            scores = read_scores(store, each, record["scores_sha256"])
            found += [] if scores is None else [scores]
        if len(found) == HISTORY - 1:
            break
    return found


def _scores_of(store: Store, night: str, record: Mapping[str, Any] | None, read: Reading) -> Scores:
    """The champion's scores; measured again where they, or its night.json, are damaged."""
    scores = read_scores(store, night, record["scores_sha256"]) if record else None
    if scores is None:
        scores, _ = make_scores(store, champion_night(store, night), read)
    return scores
