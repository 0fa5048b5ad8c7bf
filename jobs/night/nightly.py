"""One night, as a story: lock, train, measure, judge, promote, record, show, notify, prune.

Every step may be interrupted and done again. A night is finished once its night.json exists; until then a second start
continues it. Results are committed in this order: trials, scores, the champion, night.json. Then the hook is run, and
state.json says that it was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.night.attempt import (
    begin,
    error_words,
    identity,
    record_failure,
    record_late_stop,
    show_nights,
    stopped_state,
)
from sumsquares.jobs.night.champion import Champion, read_champion
from sumsquares.jobs.night.context import LockedContext, NightContext
from sumsquares.jobs.night.decision import decide
from sumsquares.jobs.night.lock import holding, refuse_busy
from sumsquares.jobs.night.notify import (
    ended_state,
    event_of,
    notify,
    notify_broken,
    notify_missed,
)
from sumsquares.jobs.night.pruned import pruning_text, pruning_warning
from sumsquares.jobs.night.records import (
    Attempt,
    NightRecord,
    NightState,
    PartialNight,
    read_night,
    read_state,
    refuse_foreign_files,
    write_night,
    write_spec,
    write_state,
)
from sumsquares.jobs.night.repair import as_ended, is_intact, repair_champion, repair_night, repair_others, repair_specs
from sumsquares.jobs.night.report import best_of, gate_facts
from sumsquares.jobs.night.retention import plan_pruning, prune
from sumsquares.jobs.night.scores import make_scores, units_in
from sumsquares.jobs.night.verdict import words_of
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.storage.store import StorageError

Outcome = NightRecord | PartialNight
"""How a start of a night ended. Only a partial night isn't in night.json."""


def run_night(context: NightContext) -> Outcome:
    """Runs one night to its outcome; a finished one is returned as it is.

    Raises:
        BusyError: a night runs already, or this one has lost its lock.
        UsageError: the store's nights are those of a spec of another name, or the night was begun otherwise.
        Stopped: a signal asked for it; the night's state says so.

    """
    context = as_ended(context)
    try:
        return _finished(context) or _started(context)
    except BusyError:
        raise  # the night is another process's, and so are its files
    except Exception as error:
        facts = {**identity(context), "error": error_words(error), "exit_code": exits.code_of(error)}
        notify(context, "failure", facts)
        raise


def _finished(context: NightContext) -> NightRecord | None:
    """Returns how the night ended if there is nothing left to do; its damaged specs are restored."""
    night, store = context.night, context.store
    refuse_foreign_files(store, night.id)
    repair_specs(store, night)
    record = read_night(store, night.id)
    if record is None or not _has_ended(context):
        return None
    read_champion(store)  # raises if the champion is lost: then there is something to do
    if not is_intact(context):
        return None
    context.progress.say(f"night {night.id} was finished at {record.ended}: {record.result}; there is nothing to do")
    return record


def _started(context: NightContext) -> Outcome:
    """Starts the night, or continues it from wherever it stands."""
    night, store = context.night, context.store

    # Everything that can refuse the night comes before the lock, the first thing that it writes.
    champion = _checked_champion(context)
    refuse_busy(store, context.clock)
    token = champion.token if champion else 0
    try:
        with Runtime(context.placement, store, context.progress, tables=context.tables) as runtime:
            if not night.spec.is_earlier:  # else it has ended, and nothing of it is trained
                with context.progress.doing("comparing spec and store"):
                    plan = make_plan(night.trained, store, context.results)
                runtime.prepare_training(plan)
            with holding(store, night.id, context.clock, token) as lock:
                # Another start may have finished this night, or another spec's night promoted one, before the lock.
                context = as_ended(context)
                if (record := _finished(context)) is not None:
                    return record
                _checked_champion(context)
                return _shown(LockedContext.of(context, lock, runtime))
    except exits.Stopped as signal:
        record_late_stop(context, signal, token)
        raise


def _shown(context: LockedContext) -> Outcome:
    """Runs the night under its lock; if it fails or is stopped, the page of nights shows that."""
    try:
        return _locked(context)
    except BusyError:
        raise  # whoever holds the lock now writes the page
    except (Exception, exits.Stopped):
        show_nights(context)
        raise


def _locked(context: LockedContext) -> Outcome:
    """Runs the night under its lock, with everything that follows from how it ended."""
    night, store = context.night, context.store

    # A night that has ended gets here only if it has lost files.
    record = read_night(store, night.id)
    if record is not None and _has_ended(context):
        is_complete = repair_night(context)
        show_nights(context)
        return record if is_complete else record.model_copy(update={"exit_code": exits.INCOMPLETE})

    # If night.json exists, the night was killed before its hook: only what follows is left to do. The page comes first,
    # since a hook may publish it.
    outcome = record or _attempt(context)
    show_nights(context)
    if isinstance(outcome, PartialNight):
        notify(context, "failure", outcome.to_json())
        _prune(context)
        return outcome
    notify(context, event_of(outcome), outcome.to_json())
    write_state(store, ended_state(outcome))
    _prune(context)
    _repair_others(context)
    return outcome


def _attempt(context: LockedContext) -> Outcome:
    """Begins or continues the night; a failure is recorded in its state."""
    night, store, progress = context.night, context.store, context.progress
    attempt = begin(context, context.lock.token)
    try:
        # Killed nights are reported first, because they decide whether this one is a recovery.
        notify_broken(context)
        attempt = begin(context, context.lock.token)
        if attempt.attempt == 1:
            notify_missed(context, attempt)

        # From here on the store knows of this attempt, whatever happens to it.
        write_spec(store, night)
        write_state(store, NightState(**attempt.to_json(), state="running"))
        progress.say(f"night {night.id} begins, attempt {attempt.attempt}, store {store.root}")
        return _train_and_judge(context, attempt)
    except BusyError:
        raise
    except exits.Stopped as signal:
        record_failure(context, stopped_state(context, attempt, signal))
        raise
    except Exception as error:
        facts = {"error": error_words(error), "exit_code": exits.code_of(error), "ended": context.clock.stamp()}
        record_failure(context, NightState(**attempt.to_json(), **facts, state="failed"))
        raise


def _train_and_judge(context: LockedContext, attempt: Attempt) -> Outcome:
    """Trains, measures, judges, promotes and records the night."""
    night, store, clock, policy = context.night, context.store, context.clock, context.options.policy
    began = clock.monotonic()

    # Train. The champion comes first, because without its results there is nothing to compare with.
    repair_champion(context)
    trained = run_spec(night.trained, context.runtime, context.results, context.lock.check)
    progress = {**attempt.to_json(), "trials": asdict(trained.summary.counts), "stages": dict(trained.seconds)}

    # Without all trials the verdict would depend on which of them succeeded, so there is none.
    if trained.summary.counts.missing:
        return _partial(context, progress, trained)

    # Measure on the rows that all nights share, then judge against the champion and promote if that is earned.
    with context.progress.doing(f"measuring and judging night {night.id}"):
        scores, sha256 = make_scores(store, night, context.results)
        decision = decide(context, scores)
    words = words_of(decision, night, policy)

    # Record. Until night.json exists, the next start does all of this again with the same outcome.
    record = NightRecord(
        **progress,
        result=decision.result,
        exit_code=_exit_code(decision.result, trained),
        message=words.message,
        details=list(words.details),
        against=decision.against,
        trained_digest=night.trained.digest,
        scores_sha256=sha256,
        gate=gate_facts(decision, night, policy),
        best=best_of(scores, units_in(store, night), night),
        ended=clock.stamp(),
        seconds=round(clock.monotonic() - began, 3),
    )
    context.lock.check()
    write_night(store, record)
    return record


def _partial(context: NightContext, progress: dict[str, Any], trained: RunOutcome) -> PartialNight:
    """Records a night that lacks trials."""
    missing = trained.summary.counts.missing
    message = f"{counted(missing, 'trial')} missing: not judged and not promoted; start the night again"
    outcome = PartialNight(
        **progress,
        ended=context.clock.stamp(),
        message=message,
        result="partial",
        exit_code=trained.exit_code,
    )
    write_state(context.store, NightState(**outcome.to_json(), state="partial"))
    return outcome


def _exit_code(result: str, trained: RunOutcome) -> int:
    if result in ("worse", "apart"):
        return exits.REGRESSED
    return exits.INCOMPLETE if trained.summary.counts.diverged else exits.OK


def _has_ended(context: NightContext) -> bool:
    state = read_state(context.store, context.night.id)
    return state is not None and state.state == "ended"


def _checked_champion(context: NightContext) -> Champion | None:
    """Returns the champion, if this night may be compared with it."""
    night, store = context.night, context.store
    champion, _ = read_champion(store)
    if champion is not None and champion.spec != night.spec.name:
        raise UsageError(
            f"the nights of {store.describe()} are those of spec {champion.spec!r}, not of {night.spec.name!r}: "
            "give each nightly spec a store of its own (--store), or keep its name"
        )
    state = read_state(store, night.id)
    if state is not None and state.fresh != night.fresh:
        begun = "with" if state.fresh else "without"
        raise UsageError(
            f"night {night.id} was begun {begun} --fresh-data: continue it {begun} that option, or give another --date"
        )
    return champion


def _repair_others(context: LockedContext) -> None:
    """Rebuilds what other nights have lost. A failure of that is a warning and doesn't change the night."""
    try:
        repair_others(context)
    except (StorageError, ValueError, BusyError) as error:
        context.progress.warn(f"files that other nights have lost were not rebuilt: {error}")


def _prune(context: LockedContext) -> None:
    """Deletes old nights. A failure of that is a warning and doesn't change the night."""
    store, policy, today = context.store, context.options.retention, context.clock.today()
    try:
        with context.progress.doing("deleting old nights"):
            plan = plan_pruning(store, policy, today, context.night.id, context.results)
            prune(store, plan, context.lock.check)
    except (StorageError, ValueError, BusyError) as error:
        context.progress.warn(f"old nights were not deleted: {error}")
        return
    if warning := pruning_warning(store, plan):
        context.progress.warn(warning)
    if plan.nights:
        show_nights(context)
        context.progress.say(pruning_text(store, plan, deleted=True))
