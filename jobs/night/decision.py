"""The decision on a night: judged against the champion, and promoted where it has earned it.

Against whom and with which history is settled here; how it is judged, in jobs.night.gate, or, where the spec
was edited, in jobs.night.best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.champion import ACCEPTED, Champion, promote, read_champion
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.edited import Edited, Side, compare_edited, has_variants_of, have_same_rows, is_edited
from sumsquares.jobs.night.gate import Judgement, Policy, Scores, judge
from sumsquares.jobs.night.lock import Lock
from sumsquares.jobs.night.lost import champion_night
from sumsquares.jobs.night.nights import Night, list_nights, read_night
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.scores import make_scores, read_scores, without_result
from sumsquares.jobs.spec.variants import variants
from sumsquares.jobs.storage.store import Store

HISTORY = 20
"""Nights that the gate looks back on at most."""
_TRIES = 3


@dataclass(frozen=True)
class Decision:
    """What became of a night."""

    result: str
    """first or better: it is the champion now; same, worse, apart (nothing to be compared with) or failed: it isn't."""
    against: str | None
    """The champion that it was judged against."""
    judgement: Judgement | Edited | None
    """Trial by trial, or of an edited spec best by best; None of a night that was not judged."""
    lost: Sequence[str] = ()
    """Datasets of which no trial gave a result: why it failed."""
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
    is_champion = bool(line) and line[-1] == night.id
    against = ([None, *line][-2] if is_champion else line[-1]) if line else None
    if lost := without_result(scores, variants(night.spec)):
        return Decision("failed", against, None, lost)
    if champion is None or against is None:
        return Decision("first", None, None)
    decision = _compared(store, Side(night, scores), against, policy, champion.taken_back, read)
    promoted = is_champion and champion.moves[-1].kind != ACCEPTED
    return replace(decision, result="better") if promoted else decision


def _compared(store: Store, ours: Side, against: str, policy: Policy, taken_back: set[str], read: Reading) -> Decision:
    champion = champion_night(store, against)
    scores = _scores_of(store, champion, read)
    theirs = Side(champion, scores)
    same_rows = have_same_rows(ours, theirs)
    history = [] if same_rows else [scores, *_history(store, ours.night.id, against, scores, taken_back)]
    if not is_edited(ours.scores, scores):
        judgement = judge(ours.scores, scores, history, policy)
        return Decision(judgement.verdict, against, judgement, nights=len(history))
    edited = compare_edited(store, ours, theirs, history, policy, read)
    return Decision(edited.verdict, against, edited)


def _history(store: Store, night: str, against: str, theirs: Scores, taken_back: set[str]) -> list[Scores]:
    """Scores of the last nights with rows of their own that were found the same as the champion, with its variants."""
    found: list[Scores] = []
    for each in reversed(list_nights(store)):
        record = read_night(store, each) if each not in (night, against, *taken_back) else None
        if record is not None and (record["result"], record["against"]) == ("same", against) and record["fresh"]:
            scores = read_scores(store, each, record["scores_sha256"])
            found += [scores] if scores is not None and has_variants_of(theirs, scores) else []
        if len(found) == HISTORY - 1:
            break
    return found


def _scores_of(store: Store, champion: Night, read: Reading) -> Scores:
    """The champion's scores; measured again where they, or its night.json, are damaged."""
    record = read_night(store, champion.id)
    scores = read_scores(store, champion.id, record["scores_sha256"]) if record else None
    return make_scores(store, champion, read)[0] if scores is None else scores
