"""Checks the files of a pack: its rows, its weights, and whether both hold the trials whose digest is its name.

A pack is one unit: if one of its files is damaged, both are deleted, and its trials are trained again to the
same bits. Intact numbers that no spec in the store can restore are kept, and so is all that is left of trials of an
earlier training version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.pack_files import (
    check_trials,
    damaged,
    decode_pack,
    decode_weights,
    ids_inside,
    pack_id_of,
    weights_digest,
)
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.show.format import listed
from sumsquares.jobs.stages.checkpoints import damage_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.snapshot import Snapshot

_SEALED = re.compile(rb"seal-sha256:[0-9a-f]{64}")


def check_pack(snapshot: Snapshot, pack: str) -> list[Damage]:
    """Returns what is wrong with the two files of a pack."""
    rows_path, weights_path = f"trials/{pack}.parquet", f"trials/{pack}.safetensors"
    rows, weights = snapshot.get(rows_path), snapshot.get(weights_path)
    if rows is None:
        return _without_rows(snapshot, pack, weights)
    try:
        table = _table(rows, pack, rows_path)
    except DataError as error:
        return _damaged_rows(snapshot, pack, rows, weights, str(error))
    ids = table["trial_id"].to_pylist()
    if wrong := _wrong_columns(snapshot, table):
        both = _both(snapshot, pack)
        return [
            Damage(
                rows_path, "rows", f"its column {wrong} is not what its trial ids promise", *_again(snapshot, ids, both)
            )
        ]
    reason = "missing" if weights is None else _weights_damage(weights, table, ids, weights_path)
    if reason is None:
        return []
    if weights is not None and not is_ours(weights_path, weights):
        return [foreign(weights_path)]
    if not snapshot.references.are_named(ids) or snapshot.references.are_earlier(ids):
        by_hand = f"{snapshot.references.training(ids)}; or delete it and {rows_path}, whose numbers are intact"
        return [Damage(weights_path, "weights", reason, by_hand)]
    return [Damage(weights_path, "weights", reason, *_again(snapshot, ids, _both(snapshot, pack)))]


def check_state(snapshot: Snapshot, path: str) -> list[Damage]:
    """Returns what is wrong with the checkpoint of a pack."""
    data = snapshot.get(path)
    if data is None or (reason := damage_of(data, path)) is None:
        return []
    if not is_ours(path, data):
        return [foreign(path)]
    return [Damage(path, "state", reason, "the pack is trained from its beginning", (path,))]


def _table(rows: bytes, pack: str, path: str) -> pa.Table:
    table = decode_pack(rows, path)
    check_trials(table["trial_id"].to_pylist(), pack, path)
    return table


def _without_rows(snapshot: Snapshot, pack: str, weights: bytes | None) -> list[Damage]:
    rows_path, weights_path = f"trials/{pack}.parquet", f"trials/{pack}.safetensors"
    if weights is None:
        return []
    if not is_ours(weights_path, weights):
        return [foreign(weights_path)]
    ids = ids_inside(weights)
    if pack_id_of(ids) == pack and not any(each in snapshot.references.trials for each in ids):
        return []  # no spec needs it: a gc was interrupted, and the next one deletes it
    reason = "missing beside its weights: a process was killed before it was written, or it was deleted"
    return [Damage(rows_path, "rows", reason, *_again(snapshot, ids, (weights_path,)))]


def _damaged_rows(snapshot: Snapshot, pack: str, rows: bytes, weights: bytes | None, message: str) -> list[Damage]:
    rows_path, weights_path = f"trials/{pack}.parquet", f"trials/{pack}.safetensors"
    if not is_ours(rows_path, rows):
        return [foreign(rows_path)]
    reason = message.removeprefix(f"{rows_path}: ")
    if _SEALED.search(rows) and reason.startswith("written in format"):
        what, _, remedy = reason.partition(": ")
        return [Damage(rows_path, "rows", what, remedy)]
    inside = [] if weights is None else ids_inside(weights)
    is_whole = pack_id_of(inside) == pack
    again = _again(snapshot, inside if is_whole else [], _both(snapshot, pack))
    found = [Damage(rows_path, "rows", reason.partition(": ")[0], *again)]
    if weights is None or is_whole:
        return found
    if not is_ours(weights_path, weights):
        return [*found, foreign(weights_path)]
    return [*found, Damage(weights_path, "weights", "its trials are not those of its name", *again)]


def _weights_damage(weights: bytes, table: pa.Table, ids: Sequence[str], path: str) -> str | None:
    try:
        tensors, inside = decode_weights(weights, weights_digest(table), path)
        if inside != ids or any(len(tensor) != len(ids) for tensor in tensors.values()):
            raise damaged(path, "its trials are not those of its .parquet file")
    except DataError as error:
        return str(error).removeprefix(f"{path}: ").partition(": ")[0]
    return None


def _both(snapshot: Snapshot, pack: str) -> tuple[str, ...]:
    """Returns the files of a pack that may be deleted, the rows first: without them the pack doesn't count."""
    paths = (f"trials/{pack}.parquet", f"trials/{pack}.safetensors")
    return tuple(path for path in paths if (data := snapshot.get(path)) is not None and is_ours(path, data))


def _again(snapshot: Snapshot, ids: Sequence[str], deletes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Returns the remedy for trials that must be trained again, given what is deleted first.

    Nothing is deleted if an earlier version trained them, since this one gets other numbers.
    """
    if snapshot.references.are_earlier(ids):
        return f"{snapshot.references.training(ids)}, or delete {listed(deletes)}", ()
    remedy = (
        snapshot.references.training(ids)
        if ids
        else "the next run or night of a spec that names its trials trains them"
    )
    return remedy, deletes


def _wrong_columns(snapshot: Snapshot, table: pa.Table) -> str | None:
    """Returns the first column that contradicts the trials of these ids, as far as specs name them."""
    known = [snapshot.references.trials.get(trial_id) for trial_id in table["trial_id"].to_pylist()]
    of_variant = {found[0].variant.digest: variant_columns(found[0].variant) for found in known if found}
    rows = [index for index, found in enumerate(known) if found]
    expected = [{**of_variant[found[0].variant.digest], "seed": found[0].seed} for found in known if found]
    names = [name for name in table.column_names if expected and name in expected[0] and name != "dataset"]
    taken = table.select(names).take(pa.array(rows, pa.int64())).to_pydict() if names else {}
    return next((name for name in names if taken[name] != [row[name] for row in expected]), None)
