"""What a night that has ended may lose to damage, and makes anew: all that follows from its spec, to the same numbers.

Its trials, the rows they learnt from, its scores and the summary of its run. The verdict stays what it is.
"""

from __future__ import annotations

from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.here import Here
from sumsquares.jobs.night.lock import Lock
from sumsquares.jobs.night.lost import champion_night
from sumsquares.jobs.night.nights import Night, list_nights, read_night, stored_night, write_record
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.scores import make_scores, read_scores
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store


def has_lost(night: Night, store: Store, read: Reading | None = None) -> bool:
    """Whether trials, rows or the run's summary are damaged or gone, by the sizes of the files that others name."""
    plan = make_plan(night.trained, store, read or Reading())
    return bool(plan.todo or plan.rows_left) or not _has_summary(night, store)


def has_scores(night: Night, store: Store) -> bool:
    """Whether the scores are those that its night.json names."""
    record = read_night(store, night.id)
    return record is not None and read_scores(store, night.id, record["scores_sha256"]) is not None


def make_good(night: Night, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> bool:
    """Makes it anew, and says whether all of it is there; the night's records stay as they are."""
    here.progress.warn(f"night {night.id} has ended, and has lost files since: they are made anew")
    trained = run_spec(night.trained, runtime, read, lock.check)
    if missing := trained.summary.counts.missing:
        here.progress.warn(f"{missing:,} trials of night {night.id} are still missing: start it again")
        return False
    record = read_night(here.store, night.id)
    if record is not None and not has_scores(night, here.store):
        _, sha256 = make_scores(here.store, night, read)
        if sha256 != record["scores_sha256"]:  # the same table in other bytes: another version of pyarrow wrote it
            write_record(here.store, night.id, "night", {**record, "scores_sha256": sha256})
    return True


def mend_champion(night: Night, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> None:
    """Trains again what the champion has lost: the same numbers, since they are functions of their ids."""
    champion, _ = read_champion(here.store)
    holder = champion_night(here.store, champion.night) if champion else None
    if holder is not None and holder.id != night.id and has_lost(holder, here.store, read):
        here.progress.warn(f"results of the champion, night {holder.id}, are damaged or gone: they are trained again")
        run_spec(holder.trained, runtime, read, lock.check)


def mend_others(night: Night, here: Here, runtime: Runtime, lock: Lock, read: Reading) -> None:
    """Makes anew what other nights that have ended have lost: trials, summaries. What is there is not looked at."""
    stored = frozenset(read(here.store).table["trial_id"].to_pylist())
    files = frozenset(here.store.list("runs"))
    for each in list_nights(here.store):
        other = _ended(here.store, each) if each != night.id else None
        if other is None:
            continue
        run = {f"{run_folder(other.run)}/{name}" for name in (SPEC, SUMMARY)}
        if not run <= files or any(trial.id not in stored for trial in trials(other.trained)):
            here.progress.warn(f"night {each} has lost files: they are made anew")
            run_spec(other.trained, runtime, read, lock.check)


def _ended(store: Store, night: str) -> Night | None:
    """A night that has ended, if its own files are whole."""
    try:
        found, record = stored_night(store, night), read_night(store, night)
    except DamagedRecord:
        return None
    is_whole = found is not None and record is not None and record["trained_digest"] == found.trained.digest
    return found if is_whole else None


def _has_summary(night: Night, store: Store) -> bool:
    """Whether the run's summary is whole, and the files are there that it names."""
    folder = run_folder(night.run)
    sizes, path = store.sizes(folder), f"{folder}/{SUMMARY}"
    try:
        found = read_summary(store.get(path), path)
    except (FileNotFoundError, DamagedRecord):
        return False
    named = {f"{folder}/{name}": file["bytes"] for name, file in found["files"].items()}
    return found["spec_digest"] == night.trained.digest and named.items() <= sizes.items()
