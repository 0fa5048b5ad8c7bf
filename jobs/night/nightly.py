"""One night, as a story: lock, train, measure, judge, promote, record, tell, prune.

Every step may be interrupted and done again. A night is finished once its night.json is there; until then a second
start goes on with it. What counts is committed in this order: trials, scores, the champion, night.json. Then the hook
is told, and state.json says that it was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.night.champion import Champion, read_champion
from sumsquares.jobs.night.decision import decide
from sumsquares.jobs.night.here import Here, Options
from sumsquares.jobs.night.lock import Lock, holding, refuse_busy
from sumsquares.jobs.night.mending import has_lost, has_scores, make_good, mend_champion, mend_others
from sumsquares.jobs.night.nights import Night, check_night, keep_source, read_night, read_state, write_record
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.retention import Keep, plan_pruning, prune, text_of, warning_of
from sumsquares.jobs.night.scores import make_scores, variant_name
from sumsquares.jobs.night.sources import mend_specs
from sumsquares.jobs.night.telling import ended_state, event_of, follows_trouble, tell_broken, tell_missed
from sumsquares.jobs.night.words import best_of, gate_facts, sentence
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.spec.variants import variants
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import StorageError, Store


def run_night(night: Night, options: Options, here: Here) -> dict[str, Any]:
    """One night; returns what night.json holds, or of a partial night would hold. `exit_code` is in it.

    Raises:
        BusyError: a night runs already, or this one has lost its lock.
        UsageError: the store's nights are those of a spec of another name, or the night was begun otherwise.
        Stopped: a signal asked for it; the night's state says so.

    """
    try:
        return _closed(night, here) or _started(night, options, here)
    except BusyError:
        raise  # the night is another's, and so are its files
    except Exception as error:
        here.tell(options, "failure", {**_names(night), "error": _words(error), "exit_code": exits.code_of(error)})
        raise


def _closed(night: Night, here: Here) -> dict[str, Any] | None:
    """What a night has come to that is over, with the hook told; its specs are written anew where they are damaged.

    None as well where it has lost something else that can be made anew.
    """
    check_night(here.store, night.id)
    mend_specs(here.store, night)
    ended = read_night(here.store, night.id)
    if ended is None or not _is_over(night, here):
        return None
    read_champion(here.store)  # where its file is lost, to say that there is nothing to do would be wrong
    if has_lost(night, here.store) or not has_scores(night, here.store):
        return None
    here.progress.say(f"night {night.id} was finished at {ended['ended']}: {ended['result']}; there is nothing to do")
    return ended


def _is_over(night: Night, here: Here) -> bool:
    state = read_state(here.store, night.id)
    return state is not None and state["state"] == "ended"


def _started(night: Night, options: Options, here: Here) -> dict[str, Any]:
    """The night from wherever it stands. What can refuse it comes before the lock, the first thing that it writes."""
    read = Reading()
    champion = _checked_champion(night, here.store)
    refuse_busy(here.store, here.clock)
    above = champion.token if champion else 0
    try:
        with Runtime(here.place, here.store, here.progress) as runtime:
            runtime.prepare_training(make_plan(night.trained, here.store, read))
            with holding(here.store, night.id, here.clock, above) as lock:
                if (ended := _closed(night, here)) is not None:  # another's start was faster
                    return ended
                _checked_champion(night, here.store)
                return _held(night, options, here, runtime, lock, read)
    except exits.Stopped as signal:
        _record_stopped(night, signal, here, above)
        raise


def _held(night: Night, options: Options, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> dict[str, Any]:
    """The night under its lock, with all that follows from how it ended."""
    record = read_night(here.store, night.id)
    if record is not None and _is_over(night, here):
        is_whole = make_good(night, here, runtime, lock, read)
        return record if is_whole else {**record, "exit_code": exits.INCOMPLETE}
    record = record or _attempt(night, options, here, runtime, lock, read)
    if record["result"] != "partial":
        here.tell(options, event_of(record), record)
        write_record(here.store, night.id, "state", ended_state(record))
    else:
        here.tell(options, "failure", record)
    _prune(night, options.keep, here, lock, read)
    if record["result"] != "partial":
        _mend_others(night, here, runtime, lock, read)
    return record


def _checked_champion(night: Night, store: Store) -> Champion | None:
    """The champion, if this night may be compared with it."""
    champion, _ = read_champion(store)
    if champion is not None and champion.spec != night.spec.name:
        raise UsageError(
            f"the nights of {store.describe()} are those of spec {champion.spec!r}, not of {night.spec.name!r}: "
            "give each nightly spec a store of its own (--store), or keep its name"
        )
    state = read_state(store, night.id)
    if state is not None and state["fresh"] != night.fresh:
        begun = "with" if state["fresh"] else "without"
        raise UsageError(f"night {night.id} was begun {begun} --fresh-data: go on {begun} it, or give another --date")
    return champion


def _attempt(night: Night, options: Options, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> dict[str, Any]:
    """Begins or goes on; a failure is recorded."""
    facts = _begun(night, lock.token, here)
    try:
        tell_broken(night, options, here)
        facts = _begun(night, lock.token, here)  # again: what was told of may be what this night recovers from
        if facts["attempt"] == 1:
            tell_missed(night, facts, options, here)
        keep_source(here.store, night)
        write_record(here.store, night.id, "state", {**facts, "state": "running"})
        here.progress.say(f"night {night.id} begins, attempt {facts['attempt']}, store {here.store.root}")
        return _make(night, facts, options, here, runtime, lock, read)
    except BusyError:
        raise
    except exits.Stopped as signal:
        _record_failure(night, {**facts, **_stopped(signal, here)}, here)
        raise
    except Exception as error:
        told = {"error": _words(error), "exit_code": exits.code_of(error), "ended": here.clock.stamp()}
        _record_failure(night, {**facts, **told, "state": "failed"}, here)
        raise


def _begun(night: Night, token: int, here: Here) -> dict[str, Any]:
    """What is known of an attempt from its start on."""
    before = read_state(here.store, night.id)
    return {
        **_names(night),
        "fresh": night.fresh,
        "run": night.run,
        "token": token,
        "attempt": before["attempt"] + 1 if before else 1,
        "began": before["began"] if before else here.clock.stamp(),
        "recovers": follows_trouble(night, before, here.store),
        "source_sha256": sha256_of(seal_text(night.spec.source_text)),
    }


def _stopped(signal: exits.Stopped, here: Here) -> dict[str, Any]:
    return {"state": "stopped", "exit_code": signal.code, "error": str(signal), "ended": here.clock.stamp()}


def _record_stopped(night: Night, signal: exits.Stopped, here: Here, above: int) -> None:
    """Of a night that a signal has stopped outside its attempt: while Ray was starting, or while its hook ran."""
    try:
        with holding(here.store, night.id, here.clock, above) as lock:
            state = read_state(here.store, night.id)
            if state is None or state["state"] not in ("stopped", "ended"):
                keep_source(here.store, night)
                _record_failure(night, {**_begun(night, lock.token, here), **_stopped(signal, here)}, here)
    except (BusyError, StorageError, DamagedRecord) as error:
        here.progress.warn(f"that it was stopped was not recorded: {error}")


def _names(night: Night) -> dict[str, Any]:
    spec = night.spec
    return {"night": night.id, "date": night.date.isoformat(), "spec_name": spec.name, "spec_digest": spec.digest}


def _words(error: Exception) -> str:
    return masked(f"{type(error).__name__}: {error}")


def _make(
    night: Night,
    facts: dict[str, Any],
    options: Options,
    here: Here,
    runtime: Runtime,
    lock: Lock,
    read: Reading,
) -> dict[str, Any]:
    """Trains, judges and promotes; returns the record, which is in the store unless the night is partial."""
    began = here.clock.monotonic()
    mend_champion(night, here, runtime, lock, read)
    trained = run_spec(night.trained, runtime, read, lock.check)
    facts = {**facts, "trials": asdict(trained.summary.counts), "stages": trained.seconds}
    if trained.summary.counts.missing:
        return _partial(night, facts, trained, here)
    scores, sha256 = make_scores(here.store, night, read)
    decision = decide(here.store, night, scores, options.policy, lock, here.clock, read)
    names = {variant_name(variant): variant for variant in variants(night.spec)}
    message = sentence(decision, names, options.policy, night.id)
    if decision.result == "failed":
        here.progress.warn(f"night {night.id}: {message}")
    record = {
        **facts,
        "result": decision.result,
        "exit_code": _code(decision.result, trained),
        "message": message,
        "against": decision.against,
        "trained_digest": night.trained.digest,
        "scores_sha256": sha256,
        "gate": gate_facts(decision, names, options.policy),
        "best": best_of(scores, names),
        "ended": here.clock.stamp(),
        "seconds": round(here.clock.monotonic() - began, 3),
    }
    lock.check()
    write_record(here.store, night.id, "night", record)
    return record


def _partial(night: Night, facts: dict[str, Any], trained: RunOutcome, here: Here) -> dict[str, Any]:
    """A night without all of its trials is neither judged nor finished."""
    missing = trained.summary.counts.missing
    message = f"{counted(missing, 'trial')} missing: not judged and not promoted; start the night again"
    ended = {"ended": here.clock.stamp(), "message": message, "result": "partial"}
    record = {**facts, **ended, "exit_code": trained.exit_code}
    write_record(here.store, night.id, "state", {**record, "state": "partial"})
    here.progress.warn(f"night {night.id}: {message}")
    return record


def _code(result: str, trained: RunOutcome) -> int:
    if result in ("worse", "apart"):
        return exits.REGRESSED
    return exits.INCOMPLETE if trained.summary.counts.diverged else exits.OK


def _record_failure(night: Night, told: dict[str, Any], here: Here) -> None:
    try:
        write_record(here.store, night.id, "state", told)
    except StorageError as error:  # it may be why the night failed, and must not hide it
        here.progress.warn(f"the failure was not recorded: {error}")


def _mend_others(night: Night, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> None:
    """Makes anew what other nights have lost; trouble with that is told, and the night stays what it is."""
    try:
        mend_others(night, here, runtime, lock, read)
    except (StorageError, ValueError, BusyError) as error:
        here.progress.warn(f"what other nights have lost was not made anew: {error}")


def _prune(night: Night, keep: Keep, here: Here, lock: Lock, read: Reading) -> None:
    """Deletes old nights; trouble with that is told, and the night stays what it is."""
    try:
        plan = plan_pruning(here.store, keep, here.clock.today(), running=night.id, read=read)
        prune(here.store, plan, lock.check)
    except (StorageError, ValueError, BusyError) as error:
        here.progress.warn(f"old nights were not deleted: {error}")
        return
    if warning := warning_of(here.store, plan):
        here.progress.warn(warning)
    if plan.nights:
        here.progress.say(text_of(here.store, plan, deleted=True))
