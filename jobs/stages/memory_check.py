"""Whether the packs of a plan fit into the memory of this machine, computed from their shapes. Allocates nothing."""

from __future__ import annotations

from collections.abc import Iterable

from sumsquares.jobs.machine.memory import available_memory
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import Placement

MIB = 1 << 20


def no_room(packs: Iterable[Pack], placement: Placement) -> str | None:
    """Why the largest pack doesn't fit, and the remedy; None if it does, and for clusters, whose memory isn't known."""
    largest = max(packs, key=bytes_of, default=None)
    there = available_memory()
    if largest is None or placement.address is not None or placement.device != "cpu" or bytes_of(largest) <= there:
        return None
    program = largest.program
    return (
        f"a pack of {len(largest.trials):,} x {list(program.hidden)} with batches of {program.batch_size:,} rows needs "
        f"{bytes_of(largest) // MIB:,} MiB of memory, and this machine has {there // MIB:,} MiB: write narrower hidden "
        "layers or a smaller batch_size, or run it where there is more"
    )


def bytes_of(pack: Pack) -> int:
    """Bytes that training takes: the models with their activations, and a batch of rows."""
    program = pack.program
    batch = program.batch_size * (program.inputs + 1) * program.item_bytes
    return program.model_bytes * len(pack.trials) + batch
