"""Saved states of packs in training: `states/<pack id>.state`, a SHA-256 and then a safetensors file.

They are worth a minute of work at most: one that is damaged is named, and the pack begins anew.
"""

from __future__ import annotations

import hashlib
import logging

import numpy as np
import safetensors.numpy

from jobs.engines.state import State
from jobs.storage.store import Store

log = logging.getLogger(__name__)
_DIGEST_BYTES = hashlib.sha256().digest_size


def state_path(pack_id: str) -> str:
    """Where a pack's state lies."""
    return f"states/{pack_id}.state"


def save_state(store: Store, pack_id: str, state: State) -> None:
    """Writes a state, in place of an earlier one."""
    tensors = {"parameters": state.parameters, "finite_steps": state.finite_steps, "step": np.array([state.step])}
    tensors |= {f"slot{index}": slot for index, slot in enumerate(state.slots)}
    data = bytes(safetensors.numpy.save(tensors))
    store.put(state_path(pack_id), hashlib.sha256(data).digest() + data)


def load_state(store: Store, pack_id: str) -> State | None:
    """The pack's saved state; None if there is none, or if it is damaged."""
    try:
        sealed = store.get(state_path(pack_id))
    except FileNotFoundError:
        return None
    digest, data = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        log.warning("%s is damaged, its SHA-256 is another: the pack is trained anew", state_path(pack_id))
        return None
    tensors = safetensors.numpy.load(data)
    slots = tuple(tensors[f"slot{index}"] for index in range(len(tensors) - 3))
    return State(int(tensors["step"][0]), tensors["parameters"], slots, tensors["finite_steps"])
