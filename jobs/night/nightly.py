"""One night, as a story: lock, train, measure, judge, promote, record, tell, prune.

Every step may be interrupted and done again. A night is finished once its night.json is there; until then a second
start goes on with it. What counts is committed in this order: trials, scores, the champion, night.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs import exits
from jobs.exits import BusyError, UsageError
from jobs.night.calendar import missed_dates
from jobs.night.champion import Champion, read_champion
from jobs.night.clock import Clock
from jobs.night.decision import decide
from jobs.night.gate import Policy
from jobs.night.hooks import run_hook
from jobs.night.lock import Lock, holding
from jobs.night.nights import (
    GOOD,
    Night,
    date_of,
    keep_source,
    list_nights,
    read_night,
    read_state,
    stored_night,
    write_record,
)
from jobs.night.retention import Keep, plan_pruning, prune, text_of
from jobs.night.scores import make_scores, variant_name
from jobs.night.training import Trained, is_damaged, train_spec
from jobs.night.words import best_of, gate_facts, sentence
from jobs.place import Place
from jobs.show.progress import Progress
from jobs.spec.variants import variants
from jobs.storage.store import StorageError, Store


@dataclass(frozen=True)
class Options:
    """What a night may be told, beside its spec."""

    policy: Policy = field(default_factory=Policy)
    keep: Keep = field(default_factory=Keep)
    hook: str | None = None
    hook_seconds: float = 60.0


@dataclass(frozen=True)
class Here:
    """Where a night runs, and who learns of it."""

    store: Store
    place: Place
    progress: Progress
    clock: Clock = field(default_factory=Clock)

    def tell(self, options: Options, event: str, facts: Mapping[str, Any]) -> None:
        """Runs the hook."""
        if (trouble := run_hook(options.hook, event, facts, options.hook_seconds)) is not None:
            self.progress.warn(trouble)


def run_night(night: Night, options: Options, here: Here) -> dict[str, Any]:
    """One night; returns what night.json holds, or of a partial night would hold. `exit_code` is in it.

    Raises:
        BusyError: a night runs already, or this one has lost its lock.
        UsageError: the store's nights are those of a spec of another name, or the night was begun otherwise.

    """
    champion, _ = read_champion(here.store)
    if (ended := _ended(night, here)) is not None:
        return ended
    _refuse_strangers(night, champion, here.store)
    with holding(here.store, night.id, here.clock, above=champion.token if champion else 0) as lock:
        if (ended := _ended(night, here)) is not None:
            return ended
        return _attempt(night, options, here, lock)


def _ended(night: Night, here: Here) -> dict[str, Any] | None:
    ended = read_night(here.store, night.id)
    if ended is not None:
        here.progress.say(
            f"night {night.id} was finished at {ended['ended']}: {ended['result']}; there is nothing to do"
        )
    return ended


def _refuse_strangers(night: Night, champion: Champion | None, store: Store) -> None:
    if champion is not None and champion.spec != night.spec.name:
        raise UsageError(
            f"the nights of {store.describe()} are those of spec {champion.spec!r}, not of {night.spec.name!r}: "
            "give each nightly spec a store of its own (--store)"
        )
    state = read_state(store, night.id)
    if state is not None and state["fresh"] != night.fresh:
        begun = "with" if state["fresh"] else "without"
        raise UsageError(f"night {night.id} was begun {begun} --fresh-data: go on {begun} it, or give another --date")


def _attempt(night: Night, options: Options, here: Here, lock: Lock) -> dict[str, Any]:
    """What happens under the lock; a failure is recorded and told."""
    clock = here.clock
    before = read_state(here.store, night.id)
    facts = {
        "night": night.id,
        "date": night.date.isoformat(),
        "spec_name": night.spec.name,
        "spec_digest": night.spec.digest,
        "fresh": night.fresh,
        "run": night.run,
        "token": lock.token,
        "attempt": before["attempt"] + 1 if before else 1,
        "began": before["began"] if before else clock.stamp(),
    }
    recovers = _follows_trouble(night, before, here.store)
    _tell_missed(night, facts, options, here)
    keep_source(here.store, night)
    write_record(here.store, night.id, "state", {**facts, "state": "running"})
    here.progress.say(f"night {night.id} begins, attempt {facts['attempt']}, store {here.store.root}")
    try:
        record = _make(night, facts, options, here, lock)
    except BusyError:
        raise  # the night is another's now, and so are its files
    except Exception as error:
        told = {**facts, "state": "failed", "error": f"{type(error).__name__}: {error}", "ended": clock.stamp()}
        told["exit_code"] = exits.code_of(error)
        _record_failure(night, told, here)
        here.tell(options, "failure", told)
        raise
    here.tell(options, _event(record["result"], recovers), record)
    _prune(night, options.keep, here)
    return record


def _make(night: Night, facts: dict[str, Any], options: Options, here: Here, lock: Lock) -> dict[str, Any]:
    """Trains, judges and promotes; returns the record, which is in the store unless the night is partial."""
    began = here.clock.monotonic()
    _mend_champion(night, here, lock)
    trained = train_spec(night.trained, here.store, here.place, here.progress, lock.check)
    facts = {**facts, "trials": asdict(trained.summary.counts), "stages": trained.seconds}
    if trained.summary.counts.missing:
        return _partial(night, facts, trained, here)
    scores, sha256 = make_scores(here.store, night)
    decision = decide(here.store, night, scores, options.policy, lock, here.clock)
    names = {variant_name(variant): variant for variant in variants(night.spec)}
    message = sentence(decision, names, options.policy)
    record = {
        **facts,
        "result": decision.result,
        "exit_code": _code(decision.result, trained),
        "message": message,
        "against": decision.against,
        "trained_digest": night.trained.digest,
        "scores_sha256": sha256,
        "gate": gate_facts(decision.judgement, names, options.policy),
        "best": best_of(scores, names),
        "ended": here.clock.stamp(),
        "seconds": round(here.clock.monotonic() - began, 3),
    }
    lock.check()
    write_record(here.store, night.id, "night", record)
    here.progress.say(f"night {night.id}: {message}")
    return record


def _mend_champion(night: Night, here: Here, lock: Lock) -> None:
    """Trains again what the champion has lost to damage: the same numbers, since they are functions of their ids."""
    champion, _ = read_champion(here.store)
    holder = stored_night(here.store, champion.night) if champion else None
    if holder is None or holder.trained.digest == night.trained.digest:
        return  # trained by this night as its own
    if is_damaged(holder.trained, here.store):
        here.progress.warn(f"results of the champion, night {holder.id}, are damaged or gone: they are trained again")
        train_spec(holder.trained, here.store, here.place, here.progress, lock.check)


def _partial(night: Night, facts: dict[str, Any], trained: Trained, here: Here) -> dict[str, Any]:
    """A night without all of its trials is neither judged nor finished."""
    missing = trained.summary.counts.missing
    message = f"{missing:,} trials are missing: not judged and not promoted; start the night again"
    damaged = any(failure.kind.startswith(("Damaged", "Foreign")) for failure in trained.failures)
    ended = {"ended": here.clock.stamp(), "message": message, "result": "partial"}
    record = {**facts, **ended, "exit_code": exits.DATA if damaged else exits.INCOMPLETE}
    write_record(here.store, night.id, "state", {**record, "state": "partial"})
    here.progress.warn(f"night {night.id}: {message}")
    return record


def _code(result: str, trained: Trained) -> int:
    if result == "worse":
        return exits.REGRESSED
    return exits.INCOMPLETE if trained.summary.counts.diverged else exits.OK


def _event(result: str, recovers: bool) -> str:
    if result in GOOD:
        return "recovery" if recovers else "success"
    return "regression" if result == "worse" else "failure"


def _follows_trouble(night: Night, before: Mapping[str, Any] | None, store: Store) -> bool:
    """Whether this night's last attempt, or else the night before it, failed, was partial or regressed."""
    if before is not None and before["state"] != "running":
        return True
    earlier = [each for each in list_nights(store) if date_of(each) < night.date]
    if not earlier:
        return False
    record, state = read_night(store, earlier[-1]), read_state(store, earlier[-1])
    return record["result"] not in GOOD if record else bool(state and state["state"] != "running")


def _tell_missed(night: Night, facts: Mapping[str, Any], options: Options, here: Here) -> None:
    """Tells of the dates between the newest night and this one, once: at its first attempt."""
    known = list_nights(here.store)
    if facts["attempt"] > 1 or not known:
        return
    missed = [day.isoformat() for day in missed_dates(here.store, night.date) if day > date_of(known[-1])]
    if missed:
        here.progress.warn(f"{len(missed)} nights were missed: {', '.join(missed)}; --from and --to make up for them")
        here.tell(options, "missed", {**facts, "missed": missed})


def _record_failure(night: Night, told: dict[str, Any], here: Here) -> None:
    try:
        write_record(here.store, night.id, "state", told)
    except StorageError as error:  # it may be why the night failed, and must not hide it
        here.progress.warn(f"the failure was not recorded: {error}")


def _prune(night: Night, keep: Keep, here: Here) -> None:
    """Deletes old nights; trouble with that is told, and the night stays what it is."""
    try:
        plan = plan_pruning(here.store, keep, here.clock.today(), running=night.id)
        prune(here.store, plan)
    except (StorageError, ValueError) as error:
        here.progress.warn(f"old nights were not deleted: {error}")
        return
    if plan.nights:
        here.progress.say(text_of(here.store, plan, deleted=True))
