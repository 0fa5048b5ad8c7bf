"""Generates datasets: finds the missing shards, generates them, and writes each manifest last.

The content of a shard is defined in datasets/. This module only knows which files the store has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.errors import DamagedManifest, DamagedShard, OtherRows
from sumsquares.datasets.manifest import Manifest, build_manifest, from_json, to_json
from sumsquares.datasets.shards import (
    SHARD_ROWS,
    ShardEntry,
    decode_shard,
    encode_shard,
    shard_count,
    shard_path,
)
from sumsquares.datasets.spec import SPLITS, DatasetSpec, NamedDataset, Split
from sumsquares.datasets.tables.shards import TableShard
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.stages.imported import TablePlan, plan_table
from sumsquares.jobs.storage.layout import folder_of as folder_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

_ENTRY_BYTES = 1_000
"""Limit of the entry of one shard in a manifest: twice its usual size."""

MapTasks = Callable[[Callable[["ShardTask"], "Made"], Iterable["ShardTask"]], Iterator["Made"]]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """A shard to generate, or to check if its file exists: the manifest doesn't list it, or lists another size."""

    store: Store
    dataset: DatasetSpec
    split: Split
    index: int
    exists: bool
    """Whether there is a file already, which is damaged or left by an interrupted run."""
    listed: ShardEntry | None = None
    """What the manifest says of it, if there is one."""


@dataclass(frozen=True, slots=True)
class Made:
    """A shard that is now in the store."""

    dataset_digest: str
    entry: ShardEntry | TableShard
    generated: bool
    """False if the existing file was valid and was kept."""


@dataclass
class DatasetPlan:
    """The work of a run for one generated dataset."""

    dataset: NamedDataset
    kept: list[ShardEntry]
    """Shards that the manifest lists, and whose files have the right size."""
    tasks: list[ShardTask]
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows to generate or to check."""
        return sum(rows_of(task) for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        """Whether the manifest lists all shards, and they have the right sizes."""
        return not self.tasks

    @property
    def bytes_needed(self) -> int:
        """Approximate upper limit of what is written: 8 bytes for every number of a row."""
        return 8 * self.rows * (self.dataset.inputs + 1)


AnyPlan: TypeAlias = DatasetPlan | TablePlan
"""The work of a run for one dataset of any kind."""


def manifest_path(dataset: DatasetSpec | TableDataset) -> str:
    """The path of a dataset's manifest."""
    return f"{folder_of(dataset)}/manifest.json"


def rows_of(task: ShardTask) -> int:
    """Number of rows of a task's shard."""
    return min(SHARD_ROWS, task.dataset.rows_in(task.split) - task.index * SHARD_ROWS)


def most_bytes(dataset: DatasetSpec) -> int:
    """Upper limit of the size of a dataset's shards: twice its uncompressed numbers."""
    return (1 << 20) + 2 * 8 * SHARD_ROWS * len(dataset.columns)


def read_manifest(store: Store, dataset: DatasetSpec) -> Manifest:
    """Reads the manifest of a generated dataset.

    Raises:
        FileNotFoundError: the dataset has not been generated.
        DamagedManifest: the file is not what was written, or is the manifest of another dataset.

    """
    path = manifest_path(dataset)
    shards = sum(shard_count(dataset, split) for split in SPLITS)
    found = from_json(store.get(path, (1 << 20) + _ENTRY_BYTES * shards), path)
    if found.digest != dataset.digest:
        remedy = f"Rename its folder datasets/{found.digest}, or move it away, and generate the dataset again"
        raise DamagedManifest(f"{path} is damaged: it is that of dataset {found.digest}. {remedy}")
    return found


def plan_any(store: Store, dataset: Whole) -> AnyPlan:
    """Compares the store with a dataset of any kind."""
    return plan_table(store, dataset) if isinstance(dataset, TableDataset) else plan_dataset(store, dataset)


def plan_dataset(store: Store, dataset: NamedDataset) -> DatasetPlan:
    """Compares the store with the spec; reads only the manifest and the sizes of files."""
    # A damaged manifest is not fatal: it is written again from the shards, which verify themselves.
    folder = folder_of(dataset)
    present = store.sizes(folder)
    plan = DatasetPlan(dataset, [], [])
    try:
        known = {entry.path: entry for split in read_manifest(store, dataset).splits.values() for entry in split.shards}
    except FileNotFoundError:
        known = {}
    except DamagedManifest as error:
        known = {}
        plan.notes.append(f"{error}; made anew from the shards")

    # A shard whose size is the manifest's is kept. Its content is verified when it is read.
    for split in SPLITS:
        for index in range(shard_count(dataset, split)):
            path = shard_path(split, index)
            size, entry = present.get(f"{folder}/{path}"), known.get(path)
            if entry is not None and size == entry.bytes:
                plan.kept.append(entry)
                continue
            plan.tasks.append(ShardTask(store, dataset, split, index, size is not None, entry))
            if entry is not None:
                reason = "has another size than its manifest says" if size is not None else "is missing"
                plan.notes.append(f"{folder}/{path} {reason}: made again")
    return plan


def generate(store: Store, plans: Sequence[DatasetPlan], map_tasks: MapTasks, on_made: Callable[[Made], None]) -> None:
    """Generates all missing shards, then writes the manifests of the datasets that were incomplete.

    Raises:
        ForeignShard: the file in a shard's place was not written by this project; it is left as it is.

    """
    entries = {plan.dataset.digest: list(plan.kept) for plan in plans}
    for made in map_tasks(make_shard, (task for plan in plans for task in plan.tasks)):
        assert isinstance(made.entry, ShardEntry)
        entries[made.dataset_digest].append(made.entry)
        on_made(made)
    for plan in plans:
        if plan.tasks:
            manifest = build_manifest(plan.dataset, entries[plan.dataset.digest])
            store.put(manifest_path(plan.dataset), to_json(manifest))


def make_shard(task: ShardTask) -> Made:
    """Generates one shard, or keeps the existing file if its bytes are the same.

    Raises:
        OtherRows: the manifest lists other rows in its place.
        ForeignShard: the existing file is a readable Parquet file, but not this shard.
        ForeignFile: the existing file is not ours.

    """
    path = f"{folder_of(task.dataset)}/{shard_path(task.split, task.index)}"
    data, entry = encode_shard(task.dataset, task.split, task.index)
    refuse_other_rows(task.dataset, entry, task.listed)

    # An interrupted run leaves shards that no manifest lists: they needn't be written again.
    found = None
    with suppress(FileNotFoundError):  # it was there when it was listed
        found = task.store.get(path, most_bytes(task.dataset)) if task.exists else None
    if found == data:
        return Made(task.dataset.digest, entry, generated=False)

    # Only damaged files of ours are overwritten.
    if found is not None:
        with suppress(DamagedShard):
            decode_shard(found, task.dataset, entry)
        if not is_ours(path, found):
            remedy = "move it out of the store, then run again"
            raise ForeignFile(f"{path}: somebody else's content lies where a file of ours belongs: {remedy}")
    task.store.put(path, data)
    return Made(task.dataset.digest, entry, generated=True)


def refuse_other_rows(dataset: DatasetSpec, made: ShardEntry, listed: ShardEntry | None) -> None:
    """Raises OtherRows if a shard was made with other rows than the manifest lists: datasets are never mixed."""
    if listed is None or made.content == listed.content:
        return
    folder = folder_of(dataset)
    raise OtherRows(
        f"{folder}/{listed.path} is damaged or missing, and this version can't make it again: the manifest lists rows "
        f"with digest {listed.content}, and this version makes {made.content}. Put a copy of the file back, or move "
        f"the folder {folder} out of the store and run again: then all rows of the dataset are made anew, and trials "
        "that are stored already keep the results that they have from the earlier rows"
    )
