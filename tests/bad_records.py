"""What may lie in a store under a name of ours: valid bytes of the wrong kind, deep JSON, dates that don't exist."""

from __future__ import annotations

import hashlib

import numpy as np
import safetensors.numpy

from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.storage.checksummed import seal

NIGHT = "2026-11-01-0123456789ab"
DEEP = b"[" * 200_000
STATES = f"states/{pack_id_of([])}.state"


def sealed_state(metadata: dict[str, str] | None) -> bytes:
    """A checkpoint without trials, with a valid digest."""
    data = bytes(safetensors.numpy.save({"step": np.array([1])}, metadata))
    return hashlib.sha256(data).digest() + data


def sealed_bytes(data: bytes) -> bytes:
    """The same of any bytes."""
    return hashlib.sha256(data).digest() + data


BILLION = b"""name = "small"
[[dataset]]
name = "a"
task = "sum"
largest = 9
rows = 100
[[grid]]
dataset = "a"
seeds = 1_000_000_000
"""
STATUS, PRUNE, PREDICT, PLAN = (
    ("nightly", "status"),
    ("nightly", "prune"),
    ("predict", "small", "3"),
    ("plan", "spec.toml"),
)
SUMMARIZE, ROLLBACK, UNLOCK = ("summarize", "spec.toml"), ("nightly", "rollback"), ("nightly", "unlock")
# What it is: the file's path and bytes, the command, its exit code.
RECORDS: dict[str, tuple[str, bytes, tuple[str, ...], int]] = {
    "a champion in deep JSON": ("nightly/champion.json", DEEP, STATUS, 0),
    "a champion in deep JSON to go back from": ("nightly/champion.json", DEEP, ROLLBACK, 3),
    "a champion that is a list": ("nightly/champion.json", b"[]", ROLLBACK, 3),
    "a champion without its keys": ("nightly/champion.json", seal({"format": 1}), ROLLBACK, 3),
    "a champion of 30 February": (
        "nightly/champion.json",
        seal({"night": "2026-02-30-0123456789ab", "spec": "x", "token": 1, "moves": []}),
        ROLLBACK,
        3,
    ),
    "a champion without moves": (
        "nightly/champion.json",
        seal({"night": NIGHT, "spec": "x", "token": 1, "moves": []}),
        ROLLBACK,
        3,
    ),
    "a champion that isn't there": (
        "nightly/champion.json",
        seal({"night": NIGHT, "spec": "x", "token": 1, "moves": [{"kind": "promoted", "night": NIGHT, "at": ""}]}),
        ("predict", "champion", "3"),
        3,
    ),
    "a champion that is no UTF-8": ("nightly/champion.json", b"\xff\xfe{}", ROLLBACK, 3),
    "a champion with a number beyond all": ("nightly/champion.json", b'{"token": ' + b"9" * 5000 + b"}", ROLLBACK, 3),
    "a lock in deep JSON": ("nightly/lock.json", DEEP, STATUS, 0),
    "a lock in deep JSON that is freed": ("nightly/lock.json", DEEP, UNLOCK, 0),
    "a lock without an owner's keys": (
        "nightly/lock.json",
        seal({"token": 1, "owner": {}, "expires": 1.0, "seconds": 1.0}),
        STATUS,
        0,
    ),
    "a lock that ends after all dates": (
        "nightly/lock.json",
        seal({"token": 1, "owner": None, "expires": 1e300, "seconds": 60.0}),
        STATUS,
        0,
    ),
    "a night of 30 February": ("nightly/2026-02-30-0123456789ab/night.json", b"{}", STATUS, 0),
    "a night of the year 0": ("nightly/0000-01-01-0123456789ab/night.json", b"{}", STATUS, 0),
    "a night of the last day of all": ("nightly/9999-12-31-0123456789ab/night.json", b"{}", STATUS, 0),
    "a night of the first day of all": ("nightly/0001-01-01-0123456789ab/night.json", b"{}", STATUS, 0),
    "a night of the first day, pruned": ("nightly/0001-01-01-0123456789ab/night.json", b"{}", PRUNE, 0),
    "a night's record in deep JSON": (f"nightly/{NIGHT}/night.json", DEEP, STATUS, 0),
    "a night's record without its keys": (f"nightly/{NIGHT}/night.json", seal({"format": 1}), STATUS, 0),
    "a night's state without its keys": (f"nightly/{NIGHT}/state.json", seal({"night": NIGHT}), STATUS, 0),
    "a night's state in deep JSON": (f"nightly/{NIGHT}/state.json", DEEP, PRUNE, 0),
    "a night's spec in deep TOML": (f"nightly/{NIGHT}/spec.toml", b"a = " + DEEP, STATUS, 0),
    "what was pruned through no date": ("nightly/pruned.json", seal({"through": "2026-02-30"}), STATUS, 0),
    "what was pruned in deep JSON": ("nightly/pruned.json", DEEP, STATUS, 0),
    "a summary in deep JSON": ("runs/small/summary.json", DEEP, PREDICT, 3),
    "a summary that is a number": ("runs/small/summary.json", b"1", PREDICT, 3),
    "a summary without its keys": ("runs/small/summary.json", b"{}", PREDICT, 3),
    "a summary of nothing": ("runs/small/summary.json", b"", PREDICT, 3),
    "a summary that is no UTF-8": ("runs/small/summary.json", b"\xff", PREDICT, 3),
    "a run's spec in deep TOML": ("runs/small/job.toml", b"a = " + DEEP, PREDICT, 3),
    "a run's spec of 2 MiB": ("runs/small/job.toml", b"#" * (2 << 20), PREDICT, 3),
    "a run's spec of a billion seeds": (
        "runs/small/job.toml",
        BILLION,
        PREDICT,
        3,
    ),
    "a manifest in deep JSON": ("datasets/SUMS/manifest.json", DEEP, PLAN, 0),
    "a manifest that is a number": ("datasets/SUMS/manifest.json", b"1", PLAN, 0),
    "a manifest of nothing": ("datasets/SUMS/manifest.json", b"", PLAN, 0),
    "a state with a right digest of nothing": (STATES, sealed_bytes(b""), PLAN, 0),
    "a state with a right digest of a number": (STATES, sealed_bytes((1).to_bytes(8, "little") + b"1"), PLAN, 0),
    "a state with a right digest of deep JSON": (
        STATES,
        sealed_bytes(len(DEEP).to_bytes(8, "little") + DEEP),
        PLAN,
        0,
    ),
    "a state without its keys": (STATES, sealed_state(None), PLAN, 0),
    "a state with trials that are a number": (STATES, sealed_state({"trial_ids": "1"}), PLAN, 0),
    "a state with trials in deep JSON": (STATES, sealed_state({"trial_ids": "[" * 100_000}), PLAN, 0),
    "a pack that is text": ("trials/0123456789abcdef.parquet", b"seal-sha256:" + b"0" * 64, PLAN, 0),
    "a pack of nothing": ("trials/0123456789abcdef.parquet", b"", SUMMARIZE, 0),
    "a file with a line break in its name": ("trials/a\nb.parquet", b"", PLAN, 0),
    "a file with half a character in its name": ("trials/a\udcffb.parquet", b"", SUMMARIZE, 0),
    "a file with a backslash in its name": ("trials/a\\b.parquet", b"", PLAN, 0),
    "a run with a name that none has": ("runs/\x1b[31m/job.toml", b"", ("predict", "other", "3"), 2),
    "a run that is a file": ("runs/other", b"", ("predict", "other", "3"), 4),
    "a dataset that is a file": ("datasets/other", b"", PLAN, 0),
}
