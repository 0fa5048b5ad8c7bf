"""Checks the files of a dataset: each shard by its hash in the manifest or, without a manifest, by its rows.

Rows follow from the dataset's spec, and a manifest from its shards: repair rewrites them at once, to the same bytes.
The rows of tables are checked in tables.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.manifest import Manifest, build_manifest, from_json, to_json
from sumsquares.datasets.shards import ShardEntry, encode_shard, recover_shard, shard_count, shard_path
from sumsquares.datasets.spec import SPLITS, DatasetSpec, Split
from sumsquares.jobs.results.dataset_facts import damage_of, encode_facts, facts_path
from sumsquares.jobs.results.stored_baselines import baselines_path, damage_of_baselines
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.stages.generate import refuse_other_rows
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.snapshot import Snapshot
from sumsquares.jobs.verify.tables import check_table, extra_rows, is_table

_DESCRIBED = re.compile(rb'"dataset": (\{[^{}]*\})')


def check_dataset(snapshot: Snapshot, digest: str) -> list[Damage]:
    """Returns what is wrong with the files of a dataset."""
    check = check_table if is_table(snapshot, digest) else _check_generated
    return check(snapshot, digest)


def _check_generated(snapshot: Snapshot, digest: str) -> list[Damage]:
    """Returns what is wrong with the files of a generated dataset."""
    folder = f"datasets/{digest}"
    path = f"{folder}/manifest.json"
    data = snapshot.get(path)
    manifest, reason = _read(data, path, digest)
    spec = manifest.dataset if manifest else snapshot.references.datasets.get(digest) or _described(data, digest)
    if data is not None and manifest is None and not is_ours(path, data):
        return [foreign(path)]
    if spec is None:
        by_hand = "no spec of the store names this dataset: run one that does, or delete its folder"
        return [Damage(path, "manifest", reason, by_hand)] if data is not None else []
    present = {name.removeprefix(f"{folder}/") for name in snapshot.store.list(folder)}
    found = [
        damage
        for split, index, entry in _wanted(spec, manifest)
        if (manifest is not None or shard_path(split, index) in present)
        and (damage := _check_shard(snapshot, spec, split, index, entry)) is not None
    ]
    found += [*_check_facts(snapshot, spec), *_check_baselines(snapshot, spec)]
    if manifest is not None:
        return found
    if is_complete(spec, present) and not any(damage.kind == "foreign" for damage in found):
        return [*found, Damage(path, "manifest", reason, "", rewrites=partial(_rebuilt_manifest, spec))]
    again = "the next run or night that needs the dataset makes it complete"
    return [*found, Damage(path, "manifest", reason, again, (path,))] if data is not None else found


def is_complete(spec: DatasetSpec, present: set[str]) -> bool:
    """Whether all shards are there, by their names."""
    return all(shard_path(split, index) in present for split in SPLITS for index in range(shard_count(spec, split)))


def extra_shards(snapshot: Snapshot, digest: str) -> list[str]:
    """Files named like shards that the dataset doesn't have."""
    folder = f"datasets/{digest}"
    path = f"{folder}/manifest.json"
    if is_table(snapshot, digest):
        return extra_rows(snapshot, digest)
    manifest, _ = _read(snapshot.get(path), path, digest) if snapshot.store.exists(path) else (None, "")
    spec = manifest.dataset if manifest else snapshot.references.datasets.get(digest)
    if spec is None:
        return []
    known = {f"{folder}/{shard_path(split, index)}" for split, index, _ in _wanted(spec, manifest)}
    return [name for name in snapshot.store.list(folder) if name not in known and name.endswith(".parquet")]


def _read(data: bytes | None, path: str, digest: str) -> tuple[Manifest | None, str]:
    """Returns the manifest, or its fault."""
    if data is None:
        return None, "missing, though all its shards are there"
    try:
        found = from_json(data, path)
    except DamagedManifest as error:
        return None, str(error).removeprefix(f"{path} is ").partition(". Delete it")[0]
    return (found, "") if found.digest == digest else (None, f"it is that of dataset {found.digest}")


def _described(data: bytes | None, digest: str) -> DatasetSpec | None:
    """Returns the dataset that a damaged manifest describes, if it has that digest."""
    match = _DESCRIBED.search(data or b"")
    try:
        found = DatasetSpec.model_validate(json.loads(match[1])) if match else None
    except (ValueError, RecursionError):
        return None
    return found if found is not None and found.digest == digest else None


def _wanted(spec: DatasetSpec, manifest: Manifest | None) -> Iterator[tuple[Split, int, ShardEntry | None]]:
    for split in SPLITS:
        entries = manifest.splits[split].shards if manifest else [None] * shard_count(spec, split)
        for index, entry in enumerate(entries):
            yield split, index, entry


def _check_shard(
    snapshot: Snapshot, spec: DatasetSpec, split: Split, index: int, entry: ShardEntry | None
) -> Damage | None:
    path = f"datasets/{spec.digest}/{shard_path(split, index)}"
    data = snapshot.get(path)
    if data is not None:
        if sha256_of(data) == entry.sha256 if entry else recover_shard(data, spec, split, index):
            return None
        if not is_ours(path, data):
            return foreign(path)
    reason = "missing, though its manifest names it" if data is None else "its bytes are not those that were written"
    return Damage(path, "shard", reason, "", rewrites=partial(_made_again, spec, split, index, entry))


def _made_again(spec: DatasetSpec, split: Split, index: int, entry: ShardEntry | None) -> dict[str, bytes]:
    """Returns the shard. Raises OtherRows if this version makes other rows than the manifest lists."""
    data, made = encode_shard(spec, split, index)
    refuse_other_rows(spec, made, entry)
    return {f"datasets/{spec.digest}/{made.path}": data}


def _check_facts(snapshot: Snapshot, spec: DatasetSpec) -> list[Damage]:
    """Returns what is wrong with a dataset's facts; missing ones are measured when they are needed."""
    path = facts_path(spec)
    data = snapshot.get(path)
    if data is None or (reason := damage_of(data, spec)) is None:
        return []
    if not is_ours(path, data):
        return [foreign(path)]
    return [Damage(path, "facts", reason, "", rewrites=lambda: {path: encode_facts(spec, measure_facts(spec))})]


def _check_baselines(snapshot: Snapshot, spec: DatasetSpec) -> list[Damage]:
    """Returns what is wrong with a dataset's baselines; missing ones are measured by the next summary."""
    path = baselines_path(spec)
    data = snapshot.get(path)
    if data is None or (reason := damage_of_baselines(data, spec)) is None:
        return []
    if not is_ours(path, data):
        return [foreign(path)]
    return [Damage(path, "baselines", reason, "the next summary of the dataset measures them again", (path,))]


def _rebuilt_manifest(spec: DatasetSpec) -> dict[str, bytes]:
    """Returns the manifest, rebuilt from all shards; damaged ones were repaired before."""
    entries = [encode_shard(spec, split, index)[1] for split, index, _ in _wanted(spec, None)]
    return {f"datasets/{spec.digest}/manifest.json": to_json(build_manifest(spec, entries))}
