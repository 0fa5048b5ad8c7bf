"""Notes: what is worth mentioning but isn't damage. Unfinished or missing results, and files that no hash covers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.nights import run_name
from sumsquares.jobs.results.earlier import as_stored
from sumsquares.jobs.results.stored import Results
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.job_spec import parse_stored
from sumsquares.jobs.spec.training_version import EARLIER
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.verify.references import known_night, night_command, run_command
from sumsquares.jobs.verify.snapshot import Snapshot


def notes_of(
    snapshot: Snapshot, results: Results, units: Collection[tuple[str, str]], damaged: Collection[tuple[str, str]]
) -> Iterator[str]:
    """Yields one line per note; damaged units are left out, as they are reported by themselves."""
    stored = set(results.table["trial_id"].to_pylist())
    for each in snapshot.references.all:
        ids = {trial.id for trial in trials(each.spec)}
        if missing := len(ids - stored):
            verb = "is" if missing == 1 else "are"
            remedy = (
                "an earlier version trained them, so they can't be made again" if each.spec.is_earlier else each.command
            )
            yield f"{each.name}: {missing:,} of {counted(len(ids), 'trial')} {verb} not in the store: {remedy}"
    if earlier := sum(
        trial.variant.training_version in EARLIER and trial.id in stored
        for trial, _ in snapshot.references.trials.values()
    ):
        was = "was" if earlier == 1 else "were"
        readable = "`predict` and `summarize` read their results, and `run` trains new ones beside them"
        yield f"{counted(earlier, 'trial')} {was} trained by an earlier version: {readable}"
    runs = sorted(name for kind, name in units if kind == "run" and (kind, name) not in damaged)
    for folder in runs:
        if snapshot.store.exists(f"{folder}/job.toml") and not snapshot.store.exists(f"{folder}/{SUMMARY}"):
            command = _finishing(snapshot, folder, stored)
            yield f"{folder}: it has no summary: it is not finished, or was repaired: {command} makes it"
    commands = snapshot.references.commands
    datasets = {f"datasets/{name}" for kind, name in units if kind == "dataset"} | commands.keys()
    lost = {f"datasets/{name}" for kind, name in damaged if kind == "dataset"}
    for folder in sorted(datasets - lost):
        if not snapshot.store.exists(f"{folder}/manifest.json"):
            command = commands.get(folder, "the next run or night that needs it")
            yield f"{folder}: missing or not finished: {command} {_makes(snapshot, folder)}"
    if old := sum(_is_old(snapshot, folder) for folder in runs):
        yield f"{counted(old, 'run')} of an earlier version: no hash covers all files of their folders"


def _makes(snapshot: Snapshot, folder: str) -> str:
    table = snapshot.references.tables.get(folder.removeprefix("datasets/"))
    return f"reads {table.file} again, if it has the same rows" if table else "makes the rest"


def _finishing(snapshot: Snapshot, folder: str, stored: Collection[str]) -> str:
    """Returns the command that writes a run's missing summary. It makes an earlier run the current one."""
    name = folder.removeprefix("runs/")
    if name.startswith(run_name("")):
        night = name.removeprefix(run_name(""))
        return night_command(snapshot.store, known_night(snapshot.store, night), night)
    spec = as_stored(parse_stored(snapshot.store.get(f"{folder}/{SPEC}"), SPEC), stored)
    is_trained = folder.count("/") == 1 and all(trial.id in stored for trial in trials(spec))
    return run_command(snapshot.store, "summarize" if is_trained else "run", folder)


def _is_old(snapshot: Snapshot, folder: str) -> bool:
    """Whether an earlier version wrote the summary, so that no hash covers the files beside it."""
    try:
        data = snapshot.get(f"{folder}/{SUMMARY}")
        return data is not None and not read_summary(data, SUMMARY)["files"]
    except DataError:
        return False
