"""The row of one trial, and the two files of a pack as bytes: its rows as Parquet, its weights as safetensors.

Every byte of both is covered by a hash. The Parquet file holds the SHA-256 of the weights, and its own, the seal: the
SHA-256 of the file with the seal's 64 digits set to zero, kept in its metadata. So damage is detected before Parquet's
decoder sees a byte. Nothing is read or written here; stored.py does that.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
from numpy.typing import NDArray

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRIC_NAMES
from sumsquares.jobs.spec.axes import DEFAULTS, LATER

FORMAT = 2
FORMATS = (1, FORMAT)
"""The formats that are read. Files of format 1 lack the columns in EVIDENCE; later versions may add nullable ones.

Hyperparameters that a file lacks have their defaults: that is what its trials were trained with.
"""

_TEXT, _COUNT, _REAL = pa.string(), pa.int64(), pa.float64()
_KINDS = {str: _TEXT, tuple: _TEXT, int: _COUNT, float: _REAL}
"""Lists are JSON as in the spec, "[64, 64]": a list can't be grouped by."""
_COLUMNS = {
    "trial_id": _TEXT,
    "variant_id": _TEXT,
    "dataset": _TEXT,  # the name in the spec that trained it; another spec may call the same data otherwise
    "dataset_digest": _TEXT,
    "task": _TEXT,  # or the formula, or the table's target column
    **{name: _KINDS[type(default)] for name, default in DEFAULTS.items()},
    "seed": _COUNT,
    "split": _TEXT,  # of a table with several; null for one
    "parameters": _COUNT,
    "status": _TEXT,  # "ok" or "diverged"
    **dict.fromkeys(METRIC_NAMES, _REAL),
    "steps": _COUNT,  # steps of the optimizer; if diverged, the step at which the loss stopped being finite
    "train_seconds": _REAL,  # the trial's share of its pack's wall time
    "engine": _TEXT,
    "device": _TEXT,
}
_ADDED = ("split",)
"""Columns that were added later and are no hyperparameters; they are null where a file lacks them."""
SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=name in (*METRIC_NAMES, *LATER, *_ADDED)) for name, kind in _COLUMNS.items()]
)
"""One row per trial."""
_BEFORE = pa.schema([field for field in SCHEMA if field.name not in (*EVIDENCE, *LATER, *_ADDED)])

_BLANK = "0" * 64
_SEAL = re.compile(rb"seal-sha256:([0-9a-f]{64})")
_NAMES = frozenset(_COLUMNS)
_REQUIRED = [field.name for field in SCHEMA if not field.nullable]


class DamagedResult(DataError):  # noqa: N818  its base says that it is an error
    """A pack's file whose bytes are not those that were written."""


class ForeignResult(DataError):  # noqa: N818  the same
    """A file among the results that this version did not write; never delete it unasked."""


def pack_id_of(trial_ids: Iterable[str]) -> str:
    """Returns the id of the pack of these trials: the digest of their ids in any order, 16 hex digits."""
    return hashlib.sha256("".join(sorted(trial_ids)).encode()).hexdigest()[:16]


def cell(value: Any) -> Any:
    """Returns a hyperparameter as a row has it."""
    return str(list(value)) if isinstance(value, tuple) else value


def encode_pack(columns: Mapping[str, Any], weights: bytes) -> bytes:
    """Returns the Parquet file of a pack, given the columns of SCHEMA, by name, and its weights file.

    Metrics are arrays of float64; in the file they are null where they aren't finite, and where a trial diverged.
    """
    table = _table(columns)
    assert not any(table[name].null_count for name in _REQUIRED)
    about = {"format": FORMAT, "weights": hashlib.sha256(weights).hexdigest(), "weights_bytes": len(weights)}
    sink = io.BytesIO()
    # The seal is written as zeros, over which the hash is taken, and then replaced by the hash.
    with pq.ParquetWriter(sink, SCHEMA, store_schema=False, write_statistics=False) as writer:
        writer.write_table(table)
        seal = f"seal-sha256:{_BLANK}"
        writer.add_key_value_metadata({"sumsquares.results": json.dumps(about), "sumsquares.seal": seal})
    data = sink.getvalue()
    start, end = _seal_of(data)
    assert start < end
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[end:]


def decode_pack(data: bytes, path: str, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Returns these columns of a pack's rows; `weights_digest` tells which weights belong to them.

    Raises DamagedResult if any byte has changed, ForeignResult if the file isn't ours or has a newer format.
    """
    start, end = _seal_of(data)
    if start == end:
        raise _unsealed(data, path)
    if hashlib.sha256(data[:start] + _BLANK.encode() + data[end:]).hexdigest().encode() != data[start:end]:
        raise damaged(path, "its bytes are not those that were written")
    file = pq.ParquetFile(pa.BufferReader(data))
    _check_format(file.schema_arrow, path)
    table = file.read(columns=columns, use_threads=False)
    for name in set(columns).difference(table.column_names):  # written before this column existed
        values = pa.array([cell(DEFAULTS.get(name))] * len(table), SCHEMA.field(name).type)
        table = table.append_column(SCHEMA.field(name), values)
    return table.select(columns)


def _check_format(schema: pa.Schema, path: str) -> None:
    """Raises ForeignResult unless this has the columns of a format we read, in any order; more columns are fine."""
    found = _about(schema)["format"]
    # Most files have exactly our columns, which is seen in a tenth of the time.
    is_known = schema.equals(SCHEMA) or _has_known_columns(schema)
    if found not in FORMATS or not is_known:
        raise ForeignResult(
            f"{path}: written in format {found}, this version reads up to {FORMAT}: use the version that wrote it, "
            "or another --store"
        )


def _has_known_columns(schema: pa.Schema) -> bool:
    known = [field for field in SCHEMA if field.name in schema.names]
    same = all(schema.field(field.name).equals(field) for field in known)
    return same and set(_BEFORE.names) <= set(schema.names)


def weights_digest(table: pa.Table) -> str:
    """Returns the SHA-256 of the weights file that belongs to a decoded pack."""
    return str(_about(table.schema)["weights"])


def weights_bytes(table: pa.Table) -> int:
    """Returns the size of the weights file that belongs to a decoded pack."""
    return int(_about(table.schema)["weights_bytes"])


def encode_weights(tensors: Mapping[str, NDArray[Any]], trial_ids: Sequence[str]) -> bytes:
    """Returns the safetensors file of a pack's stacked weights.

    Names are those of torch.nn.Sequential's state dict: "0.weight" [M, out, in], "0.bias" [M, out], "2.weight", ...
    """
    assert all(len(tensor) == len(trial_ids) for tensor in tensors.values())
    stacked = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    # One key alone: safetensors writes several in an order that changes from run to run.
    return bytes(safetensors.numpy.save(stacked, {"trial_ids": json.dumps(list(trial_ids))}))


def check_trials(trial_ids: Sequence[str], pack_id: str, path: str) -> None:
    """Raises DamagedResult unless a pack's file holds the trials whose digest is its name."""
    if pack_id_of(trial_ids) != pack_id:
        raise damaged(path, f"it holds the trials of pack {pack_id_of(trial_ids)}")


def decode_weights(
    data: bytes, digest: str, path: str, repair: str | None = None
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Returns the stacked tensors and the trials' ids in the order of the stack.

    Raises DamagedResult if the file's SHA-256 is not `digest`; its message names `repair`, the command that removes it.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise damaged(path, "its SHA-256 is not the one that its .parquet file names", repair)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return safetensors.numpy.load(data), json.loads(header["__metadata__"]["trial_ids"])


def ids_inside(weights: bytes) -> list[str]:
    """Returns the trial ids in the header of a possibly damaged weights file; none if they can't be read."""
    try:
        header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
        return [str(each) for each in json.loads(header["__metadata__"]["trial_ids"])]
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return []


def _table(columns: Mapping[str, Any]) -> pa.Table:
    assert columns.keys() == _NAMES, f"a pack needs {sorted(_NAMES)}, got {sorted(columns)}"
    status_M = np.asarray(columns["status"])
    is_ok_M = status_M == "ok"
    assert (is_ok_M | (status_M == "diverged")).all(), status_M
    known = {name: np.asarray(columns[name], np.float64) for name in METRIC_NAMES}
    metrics = {name: pa.array(of_M, mask=~(is_ok_M & np.isfinite(of_M))) for name, of_M in known.items()}
    return pa.table({name: metrics.get(name, columns[name]) for name in _COLUMNS}, schema=SCHEMA)


def _seal_of(data: bytes) -> tuple[int, int]:
    """Returns where the seal's digits are. The last match is the seal, as metadata are at the end of a file."""
    found = data.rfind(b"seal-sha256:")
    match = _SEAL.match(data, max(found, 0))
    return match.span(1) if match else (0, 0)


def _about(schema: pa.Schema) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(schema.metadata[b"sumsquares.results"])
    return about


def damaged(path: str, reason: str, repair: str | None = None) -> DamagedResult:
    """Returns the error for a file of a pack, with its remedy.

    A run finds damaged rows by itself. Of weights it only checks the size, so `repair`, a command, has to remove them.
    """
    first = f"{repair} removes it, then " if repair else ""
    return DamagedResult(
        f"{path}: damaged, {reason}: {first}its trials are trained again by the next run or night of their spec"
    )


def _unsealed(data: bytes, path: str) -> DataError:
    if len(data) > 12 and data[:4] == data[-4:] == b"PAR1":
        return ForeignResult(f"{path}: a Parquet file, but no result of ours: move it out of the store")
    return damaged(path, "it is cut off or was never complete")
