"""Rebuilds what a night has lost, as far as it follows from its spec, to the same numbers.

That is its trials, the rows they were trained on, its scores, the summary of its run and both specs. The verdict
doesn't follow from the spec alone, so it is never changed. Trials of an earlier training version can't be trained again
to the same numbers, so their loss is only reported.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from sumsquares.jobs.night.champion import champion_night, read_champion, recovery
from sumsquares.jobs.night.context import LockedContext, NightContext
from sumsquares.jobs.night.nights import Night, folder_of, list_nights
from sumsquares.jobs.night.records import (
    read_night,
    stored_night,
    trained_spec,
    write_night,
    write_spec,
)
from sumsquares.jobs.night.scores import make_scores, read_scores
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.imported import ChangedTable
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.stages.tables import LostRows
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store

ContextT = TypeVar("ContextT", bound=NightContext)


def as_ended(context: ContextT) -> ContextT:
    """Returns the context of the night at the training version with which it ended, if it has."""
    night, record = context.night, read_night(context.store, context.night.id)
    if record is None:
        return context
    return replace(context, night=replace(night, spec=night.spec.trained_by(record.training_version)))


def is_intact(context: NightContext) -> bool:
    """Whether a finished night has all its results, and the scores that its night.json names."""
    record = read_night(context.store, context.night.id)
    return record is not None and _has_results(context.night, context) and _has_scores(context, record.scores_sha256)


def repair_specs(store: Store, night: Night) -> None:
    """Restores damaged specs of a night that was begun: its own and, once it has ended, that of its run."""
    if not store.list(folder_of(night.id)):
        return
    try:
        has_spec = stored_night(store, night.id) is not None
    except DamagedRecord:
        has_spec = False
    if not has_spec:
        write_spec(store, night)

    # Only a finished night's run is compared: the run of another one may not have a spec yet.
    record = read_night(store, night.id)
    if record is None or record.trained_digest != night.trained.digest:
        return
    try:
        trained_spec(store, night.id)
    except DamagedRecord:
        store.put(f"{run_folder(night.run)}/job.toml", seal_text(night.trained.stored_text))


def repair_night(context: LockedContext) -> bool:
    """Rebuilds what a finished night has lost; returns whether it is complete then. Its verdict doesn't change."""
    night, store, progress = context.night, context.store, context.progress
    if lost := lost_trials(night, context):
        progress.warn(f"{_lost_words(night, lost)}: its other files stay as they are")
        return False
    progress.warn(f"night {night.id} has lost files since it ended: they are rebuilt")
    trained = run_spec(night.trained, context.runtime, context.results, context.lock.check)
    if missing := trained.summary.counts.missing:
        progress.warn(f"{missing:,} trials of night {night.id} are still missing: start it again")
        return False
    record = read_night(store, night.id)
    if record is not None and not _has_scores(context, record.scores_sha256):
        _, sha256 = make_scores(store, night, context.results)
        if sha256 != record.scores_sha256:  # the same table in other bytes: another version of pyarrow wrote it
            write_night(store, record.model_copy(update={"scores_sha256": sha256}))
    return True


def repair_champion(context: LockedContext) -> None:
    """Trains again what the champion has lost, to the same numbers, since trials are functions of their ids.

    Raises:
        DamagedRecord: rows of a table are lost, and its file has others now.

    """
    champion, _ = read_champion(context.store)
    holder = champion_night(context.store, champion.night) if champion else None
    if holder is None or holder.id == context.night.id:
        return
    if lost := lost_trials(holder, context):
        context.progress.warn(
            f"{_lost_words(holder, lost)}, and it is the champion: {recovery(context.store, holder.id)}; "
            "nights are compared with its scores as long as they are there"
        )
    elif not _has_results(holder, context):
        context.progress.warn(
            f"results of the champion, night {holder.id}, are damaged or missing: they are trained again"
        )
        try:
            run_spec(holder.trained, context.runtime, context.results, context.lock.check)
        except (LostRows, ChangedTable) as error:
            why = f"rows of the champion, night {holder.id}, are lost: {error}"
            raise DamagedRecord(f"{why}; or put a copy back; or {recovery(context.store, holder.id)}") from error


def repair_others(context: LockedContext) -> None:
    """Rebuilds trials and summaries that other finished nights have lost. Files that exist are not opened."""
    store = context.store
    stored = frozenset(context.results(store).table["trial_id"].to_pylist())
    files = frozenset(store.list("runs"))
    for each in list_nights(store):
        other = _ended(store, each) if each != context.night.id else None
        if other is None:
            continue
        run = {f"{run_folder(other.run)}/{name}" for name in (SPEC, SUMMARY)}
        if run <= files and all(trial.id in stored for trial in trials(other.trained)):
            continue
        if lost_trials(other, context):
            continue
        context.progress.warn(f"night {each} has lost files: they are rebuilt")
        run_spec(other.trained, context.runtime, context.results, context.lock.check)


def lost_trials(night: Night, context: NightContext) -> int:
    """Returns how many trials of a night are lost for good: an earlier version trained them."""
    return make_plan(night.trained, context.store, context.results).left if night.spec.is_earlier else 0


def _lost_words(night: Night, lost: int) -> str:
    return f"{counted(lost, 'result')} of night {night.id} can't be made again, since an earlier version trained them"


def _has_results(night: Night, context: NightContext) -> bool:
    """Whether trials, rows and the run's summary exist, with the sizes that other files state."""
    plan = make_plan(night.trained, context.store, context.results)
    return not plan.todo and not plan.rows_left and _has_summary(night, context.store)


def _has_scores(context: NightContext, sha256: str) -> bool:
    return read_scores(context.store, context.night.id, sha256) is not None


def _has_summary(night: Night, store: Store) -> bool:
    """Whether the run's summary is intact, and the files that it names are there."""
    folder = run_folder(night.run)
    sizes, path = store.sizes(folder), f"{folder}/{SUMMARY}"
    try:
        found = read_summary(store.get(path), path)
    except (FileNotFoundError, DamagedRecord):
        return False
    named = {f"{folder}/{name}": file["bytes"] for name, file in found["files"].items()}
    return found["spec_digest"] == night.trained.digest and named.items() <= sizes.items()


def _ended(store: Store, night: str) -> Night | None:
    """Returns a night that has ended, if its own files are intact."""
    try:
        found, record = stored_night(store, night), read_night(store, night)
    except DamagedRecord:
        return None
    is_intact = found is not None and record is not None and record.trained_digest == found.trained.digest
    return found if is_intact else None
