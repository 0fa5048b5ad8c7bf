"""What is worth a word and is no damage: what is not finished or missing altogether, and what no seal covers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sumsquares.jobs.results.stored import Results
from sumsquares.jobs.results.summary_file import SUMMARY
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.verify.runs import finishing, is_old
from sumsquares.jobs.verify.world import World


def notes_of(
    world: World, results: Results, units: Collection[tuple[str, str]], damaged: Collection[tuple[str, str]]
) -> Iterator[str]:
    """A line each, but of what is damaged."""
    stored = set(results.table["trial_id"].to_pylist())
    for owner in world.owners.owners:
        ids = {trial.id for trial in trials(owner.spec)}
        if missing := len(ids - stored):
            verb = "is" if missing == 1 else "are"
            yield f"{owner.name}: {missing:,} of {counted(len(ids), 'trial')} {verb} not in the store: {owner.command}"
    runs = sorted(name for kind, name in units if kind == "run" and (kind, name) not in damaged)
    for folder in runs:
        if world.store.exists(f"{folder}/job.toml") and not world.store.exists(f"{folder}/{SUMMARY}"):
            command = finishing(world, folder, stored)
            yield f"{folder}: it has no summary: it is not finished, or was repaired: {command} makes it"
    owners = {each.digest: owner.command for owner in reversed(world.owners.owners) for each in owner.spec.datasets}
    datasets = {name for kind, name in units if kind == "dataset"} | world.owners.datasets.keys()
    for digest in sorted(name for name in datasets if ("dataset", name) not in damaged):
        if not world.store.exists(f"datasets/{digest}/manifest.json"):
            command = owners.get(digest, "the next run or night that needs it")
            yield f"datasets/{digest}: missing or not finished: {command} makes the rest"
    if old := sum(is_old(world, folder) for folder in runs):
        yield f"{counted(old, 'run')} of an earlier version: no hash covers all files of their folders"
