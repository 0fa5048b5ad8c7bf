"""Finds foreign files in the places where a run is going to write, before anything is trained.

A file is read only if its size differs from the one that another of our files records for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.results.dataset_facts import facts_path
from sumsquares.jobs.results.stored_baselines import baselines_path
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary
from sumsquares.jobs.stages.checkpoints import checkpoint_path
from sumsquares.jobs.stages.generate import manifest_path
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import Plan
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import DERIVED
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile, readable
from sumsquares.jobs.storage.store import Store


def check_places(store: Store, plan: Plan, packs: Iterable[Pack]) -> None:
    """Raises ForeignFile if the run would overwrite a foreign file in its folder, its datasets or its packs."""
    refuse_foreign(store, [*_of_run(store, plan.spec.name), *_of_datasets(plan), *_of_packs(store, plan, [*packs])])


def check_datasets(store: Store, plan: Plan) -> None:
    """Raises ForeignFile if a manifest or facts would overwrite one; shards are checked as they are generated."""
    refuse_foreign(store, _of_datasets(plan))


def check_run(store: Store, name: str) -> None:
    """Raises ForeignFile if a file of the run's own folder would overwrite a foreign one."""
    refuse_foreign(store, _of_run(store, name))


def refuse_foreign(store: Store, paths: Iterable[str]) -> None:
    """Raises ForeignFile if one of these paths, which are going to be written, is a foreign file."""
    foreign = [path for path in paths if not _is_ours(store, path)]
    if foreign:
        names = few_names([f"{store.root}/{readable(path)}" for path in foreign])
        raise ForeignFile(
            f"files of someone else lie where sumsquares writes its own: {names}; "
            "move it out of the store, then run again: nothing was written over"
        )


def _is_ours(store: Store, path: str) -> bool:
    try:
        return is_ours(path, store.get(path))
    except FileNotFoundError:
        return True


def _of_run(store: Store, name: str) -> list[str]:
    """Returns files of the run whose size isn't the one in its summary, and the summary itself if it can't be read."""
    folder = run_folder(name)
    sizes = store.sizes(folder)
    named: Mapping[str, int] = {}
    if (path := f"{folder}/{SUMMARY}") in sizes:
        try:
            files = read_summary(store.get(path), path)["files"]
            named = {path: sizes[path], **{f"{folder}/{each}": file["bytes"] for each, file in files.items()}}
        except (FileNotFoundError, DamagedRecord):
            named = {}
    return _unlike(sizes, named, (f"{folder}/{each}" for each in (SPEC, *DERIVED)))


def _of_datasets(plan: Plan) -> list[str]:
    """Returns the facts and baselines of all datasets, which are small, and the manifests of incomplete ones."""
    manifests = [manifest_path(each.dataset) for each in plan.datasets if not each.is_complete]
    splits = [split for each in plan.datasets for split in each.dataset.splits]
    return [*manifests, *(path(split) for split in splits for path in (facts_path, baselines_path))]


def _unlike(sizes: Mapping[str, int], named: Mapping[str, int], paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path in sizes and named.get(path) != sizes[path]]


def _of_packs(store: Store, plan: Plan, packs: list[Pack]) -> list[str]:
    """Returns existing files of packs that are to be trained, without the checkpoints that they resume from."""
    if not packs:
        return []
    present = {*store.sizes("trials"), *store.sizes("states")}
    begun = {pack.id for pack in plan.begun}
    files = [f"trials/{pack.id}.{kind}" for pack in packs for kind in ("parquet", "safetensors")]
    checkpoints = [checkpoint_path(pack.id) for pack in packs if pack.id not in begun]
    return [path for path in (*files, *checkpoints) if path in present]
