"""Checkpoints of packs in training: `states/<pack id>.state`, a SHA-256 followed by a safetensors file.

A checkpoint saves at most a minute of work, so a damaged one is reported and the pack starts from the beginning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence

import numpy as np
import safetensors
import safetensors.numpy

from sumsquares.jobs.engines.state import State
from sumsquares.jobs.messages.abbreviate import Few
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)
_ODD = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""Errors that bytes with the right digest cause if they are not a checkpoint."""
_DIGEST_BYTES = hashlib.sha256().digest_size


def checkpoint_path(pack_id: str) -> str:
    """Path of a pack's checkpoint."""
    return f"states/{pack_id}.state"


def save_checkpoint(store: Store, pack_id: str, trial_ids: Sequence[str], engine: str, state: State) -> None:
    """Writes a checkpoint, replacing an earlier one."""
    tensors = {"parameters": state.parameters, "finite_steps": state.finite_steps, "step": np.array([state.step])}
    tensors["losses"] = state.losses
    tensors |= {f"slot{index}": slot for index, slot in enumerate(state.optimizer_state)}
    data = bytes(safetensors.numpy.save(tensors, {"trial_ids": json.dumps(list(trial_ids)), "engine": engine}))
    store.put(checkpoint_path(pack_id), hashlib.sha256(data).digest() + data)


def load_checkpoint(store: Store, pack_id: str, engine: str) -> State | None:
    """Returns the state in a pack's checkpoint; None if there is none, it is damaged, or another engine made it."""
    path = checkpoint_path(pack_id)
    data = _checked(store, path, Few(log))
    if data is None or _about(data).get("engine") != engine:
        return None
    try:
        tensors = safetensors.numpy.load(data)
        parameters, finite_steps = tensors["parameters"], tensors["finite_steps"]
        losses = tensors.get("losses", np.zeros((len(parameters), 0)))  # an earlier version kept none
        slots = sum(name.startswith("slot") for name in tensors)
        optimizer_state = tuple(tensors[f"slot{index}"] for index in range(slots))
        return State(int(tensors["step"][0]), parameters, optimizer_state, finite_steps, losses)
    except (*_ODD, safetensors.SafetensorError) as error:
        log.warning("%s is damaged, it is not a checkpoint (%s): the pack is trained anew", path, type(error).__name__)
        return None


def checkpointed_packs(store: Store) -> list[tuple[list[str], str]]:
    """Of every pack that has a checkpoint: its trial ids in the order of the pack, and the engine that trained it."""
    few = Few(log)
    found = (_checked(store, path, few) for path in store.list("states"))
    about = [_about(data) for data in found if data is not None]
    return [(json.loads(each["trial_ids"]), each.get("engine", "")) for each in about]


def _about(data: bytes) -> dict[str, str]:
    about: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return about


def _checked(store: Store, path: str, few: Few) -> bytes | None:
    """A checkpoint's bytes without their digest; None if the file is missing, damaged, or another pack's."""
    try:
        sealed = store.get(path)
    except FileNotFoundError:
        return None
    except ForeignFile as error:
        few.warning("%s; the pack is trained anew", error)
        return None
    if (reason := damage_of(sealed, path)) is not None:
        few.warning("%s is damaged, %s: the pack is trained anew", path, reason)
        return None
    return sealed[_DIGEST_BYTES:]


def damage_of(sealed: bytes, path: str) -> str | None:
    """Returns what is wrong with the bytes of a checkpoint, or None."""
    digest, data = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        return "its SHA-256 doesn't match"
    try:
        owner = checkpoint_path(pack_id_of(json.loads(_about(data)["trial_ids"])))
    except _ODD:
        owner = "no folder of ours"
    return None if owner == path else f"it holds what belongs in {owner}"
