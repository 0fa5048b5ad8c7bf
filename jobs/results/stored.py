"""Results: commits a pack to a store, and reads all packs back, with what is wrong with them.

    trials/<pack id>.safetensors   the trained weights and loss curves of all trials of the pack, stacked; written first
    trials/<pack id>.parquet       one row per trial, and the weights' SHA-256; written last: it commits the pack

The file formats are those of pack_files.py. Nothing is trained, aggregated or deleted here: a pack that is reported as
damaged is trained again by the caller.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import safetensors
from numpy.typing import NDArray

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.pack_files import (
    SCHEMA,
    ForeignResult,
    check_trials,
    damaged,
    decode_pack,
    decode_weights,
    encode_pack,
    encode_weights,
    weights_bytes,
    weights_digest,
)
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRIC_NAMES, OF_ANSWERS
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile, readable
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

_PACK = pa.field("pack", pa.string())
_NUMBERS = ("status", *OF_ANSWERS, "steps")
"""What two results of one trial must agree on, EVIDENCE where both have it."""
OF_TRIAL = ("trial_id", "seed", "split", "status", *METRIC_NAMES, "steps", "train_seconds", "engine", "device")
"""The columns that don't follow from a trial's variant: a third of the memory of all."""
_OURS = re.compile(r"trials/([0-9a-f]+)\.(parquet|safetensors)")
LOSSES = "losses"
"""The tensor beside the weights that has the loss curves: float32 [M, E], at the epochs of `losses.curve_epochs`."""
MOST = 64 << 20
"""Maximum bytes of a pack's rows. 10,000 trials, the largest pack, have 2.5 MB."""
_ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError, pa.ArrowException)
"""What bytes with a valid seal that aren't our file raise; a DataError is a ValueError too."""
_READERS = 16  # threads; an object store answers in 10 to 100 ms, whatever else is asked


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the stored results."""

    kind: Literal["damaged", "foreign", "doubled", "weights"]
    """Unreadable; not ours; a trial twice with different numbers; a pack without its weights."""
    path: str
    """The file in the store."""
    message: str
    """What is wrong, where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Results:
    """All results of a store, each trial once, in the order of their ids, and what is wrong with them."""

    table: pa.Table
    """The requested columns and, last, `pack`: the pack's id."""
    problems: tuple[Problem, ...]


def commit_pack(
    store: Store,
    pack_id: str,
    columns: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    losses_ME: NDArray[np.float64] | None = None,
) -> None:
    """Writes a pack's weights and loss curves, then its rows: once this returns, its trials count as trained.

    `columns` are those of SCHEMA, by name; `trial_id` is a list.
    """
    curves = {} if losses_ME is None else {LOSSES: _in_float32(losses_ME)}
    weights = encode_weights({**tensors, **curves}, columns["trial_id"])
    files = {f"trials/{pack_id}.safetensors": weights, f"trials/{pack_id}.parquet": encode_pack(columns, weights)}
    store.put_all(files)


def _in_float32(losses_ME: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # that of a model which soon diverges
        return losses_ME.astype(np.float32)


def read_weights(store: Store, pack_id: str) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Returns the weights of a committed pack and its trial ids, as decode_weights does.

    Raises DamagedResult if they are not of the trials that the pack's id and its rows name.
    """
    tensors, trial_ids = read_tensors(store, pack_id)
    return {name: tensor for name, tensor in tensors.items() if name != LOSSES}, trial_ids


def read_losses(store: Store, pack_id: str) -> tuple[NDArray[np.float32], list[str]] | None:
    """Returns the loss curves [M, E] of a committed pack and its trial ids; None if an earlier version trained it.

    Raises DamagedResult as `read_weights` does.
    """
    tensors, trial_ids = read_tensors(store, pack_id)
    return (tensors[LOSSES], trial_ids) if LOSSES in tensors else None


def read_tensors(store: Store, pack_id: str) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Returns the weights of a committed pack, under LOSSES its loss curves unless an earlier version trained it, and
    its trial ids.

    Raises DamagedResult as `read_weights` does.
    """
    path, weights = f"trials/{pack_id}.parquet", f"trials/{pack_id}.safetensors"
    repair = typed(store, "verify", "--repair")
    rows = decode_pack(store.get(path, MOST), path, ["trial_id"])
    named = rows["trial_id"].to_pylist()
    check_trials(named, pack_id, path)
    data = store.get(weights, 2 * weights_bytes(rows) + 1)  # much larger is foreign, not damaged
    try:
        tensors, trial_ids = decode_weights(data, weights_digest(rows), weights, repair)
    except (*_ODD, safetensors.SafetensorError) as error:
        if isinstance(error, DataError):
            raise
        reason = f"its digest is right, but it holds no weights ({type(error).__name__})"
        raise damaged(weights, reason, repair) from error
    if trial_ids != named or any(len(tensor) != len(named) for tensor in tensors.values()):
        raise damaged(weights, "its trials are not those of its .parquet file", repair)
    return tensors, trial_ids


def read_trials(store: Store) -> Results:
    """Returns the columns OF_TRIAL of all results."""
    return read_results(store, OF_TRIAL)


def read_results(store: Store, columns: Sequence[str] = SCHEMA.names, known: Results | None = None) -> Results:
    """Returns all results in the store, and what is wrong with its files and trials.

    `columns` are the needed ones of SCHEMA, at least OF_TRIAL. `known` is an earlier result with the same columns:
    packs in it that had no problem and still have their files are not read again.
    """
    # One listing shows what exists; packs that are known from before are not read again.
    sizes = store.sizes("trials")
    empty = pa.schema([SCHEMA.field(name) for name in columns]).append(_PACK).empty_table()
    before = _still_intact(known, sizes) if known else empty
    seen = {f"trials/{pack}.parquet" for pack in before["pack"].unique().to_pylist()}
    packs = [path for path in sizes if _OURS.fullmatch(path) and path.endswith(".parquet") and path not in seen]
    # All others, in parallel: an object store takes its time for each.
    with ThreadPoolExecutor(_READERS) as pool:
        outcomes = list(pool.map(lambda path: _read_pack(store, path, sizes, columns), packs))
    problems = [problem for _, problem in outcomes if problem is not None]
    problems += [_foreign(path) for path in sizes if not _OURS.fullmatch(path)]
    # Two packs may share a trial, for instance after a change of the packing: each counts once.
    tables = [table for table, _ in outcomes if table is not None]
    table, doubled = _each_once(pa.concat_tables([before, *tables]), problems)
    return Results(table, tuple(sorted([*problems, *doubled], key=lambda problem: (problem.path, problem.message))))


def _still_intact(known: Results, sizes: Mapping[str, int]) -> pa.Table:
    """The rows of packs that had no problem and still have both files.

    Empty where a pack is gone: another pack may hold one of its trials, whose row was left out.
    """
    there = {_pack_of(path) for path in sizes if path.endswith(".parquet") and _weights_of(path) in sizes}
    if not there.issuperset(known.table["pack"].unique().to_pylist()):
        return known.table.slice(0, 0)
    whole = there - {_pack_of(problem.path) for problem in known.problems}
    return known.table.filter(pc.is_in(known.table["pack"], value_set=pa.array(sorted(whole), pa.string())))


def _read_pack(
    store: Store, path: str, sizes: Mapping[str, int], columns: Sequence[str]
) -> tuple[pa.Table | None, Problem | None]:
    """Returns a pack's rows with its id, and what is wrong; neither if the pack was deleted meanwhile."""
    try:
        data = store.get(path, MOST, sizes[path])
        table = decode_pack(data, path, columns)
        check_trials(table["trial_id"].to_pylist(), _pack_of(path), path)
    except FileNotFoundError:
        return None, None
    except DataError as error:
        is_foreign = isinstance(error, ForeignResult | ForeignFile)
        if not is_foreign and not is_ours(path, data):
            return None, Problem("foreign", path, f"{path}: not one of our files: move it out of the store")
        return None, Problem("foreign" if is_foreign else "damaged", path, str(error))
    except _ODD as error:
        reason = f"its seal is right, but it is not a pack of this version ({type(error).__name__})"
        return None, Problem("foreign", path, f"{path}: {reason}: move it out of the store")
    weights = _weights_of(path)
    # A listing is no snapshot: weights that were written while it was made may be missing in it.
    is_intact = sizes[weights] == weights_bytes(table) if weights in sizes else store.exists(weights)
    pack = pa.array([_pack_of(path)] * len(table), pa.string())
    rows = table.replace_schema_metadata(None).append_column(_PACK, pack)
    return rows, None if is_intact else _without_weights(path)


def _pack_of(path: str) -> str:
    return path.removeprefix("trials/").removesuffix(".parquet")


def _weights_of(path: str) -> str:
    return f"trials/{_pack_of(path)}.safetensors"


def _foreign(path: str) -> Problem:
    return Problem("foreign", path, f"{readable(path)}: not a name of a result file: move it out of the store")


def _without_weights(path: str) -> Problem:
    message = f"{path}: its weights {_weights_of(path)} are missing or cut off, the models are lost but not the numbers"
    return Problem("weights", path, f"{message}: run the spec that trained them again to restore them")


def is_in(table: pa.Table, problems: Iterable[Problem]) -> pa.ChunkedArray:
    """Returns whether each row's pack is among these problems."""
    packs = [_pack_of(problem.path) for problem in problems if _OURS.fullmatch(problem.path)]
    return pc.is_in(table["pack"], value_set=pa.array(packs, pa.string()))


def _each_once(table: pa.Table, problems: Iterable[Problem]) -> tuple[pa.Table, list[Problem]]:
    """Sorts the rows and keeps one of each trial, preferably of a pack that has its weights.

    Rows that contradict the one that is kept are problems.
    """
    order = table.select(["trial_id", "pack"]).append_column("broken", is_in(table, problems))
    keys = [("trial_id", "ascending"), ("broken", "ascending"), ("pack", "ascending")]
    table = table.take(pc.sort_indices(order, keys)).combine_chunks()
    ids = table["trial_id"]
    is_first = np.ones(len(table), bool)
    is_first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy()
    if is_first.all():
        return table, []
    firsts = np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    repeated = np.flatnonzero(~is_first)
    pairs = zip(_records(table, firsts[repeated]), _records(table, repeated), strict=True)
    doubled = [_doubled(kept, other) for kept, other in pairs if _differing(kept, other)]
    return table.take(pa.array(np.flatnonzero(is_first))), doubled


def _records(table: pa.Table, rows: NDArray[np.intp]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = table.take(pa.array(rows)).to_pylist()
    return records


def _differing(kept: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Returns the columns in which two results of a trial contradict each other; an older file may lack EVIDENCE."""
    compared = [name for name in _NUMBERS if name not in EVIDENCE or None not in (kept[name], other[name])]
    return [name for name in compared if kept[name] != other[name]]


def _doubled(kept: Mapping[str, Any], other: Mapping[str, Any]) -> Problem:
    path = f"trials/{other['pack']}.parquet"
    names = _differing(kept, other)
    numbers = ", ".join(f"{name} {kept[name]} and {other[name]}" for name in names)
    message = (
        f"{path}: trial {other['trial_id']} exists twice, with different numbers ({numbers}); counted is the one of "
        f"pack {kept['pack']} ({kept['engine']} on {kept['device']}), not this one ({other['engine']} on "
        f"{other['device']}): delete one of the two"
    )
    return Problem("doubled", path, message)
