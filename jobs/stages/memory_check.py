"""Whether the packs of a plan fit into the memory of this machine, computed from their shapes. Allocates nothing."""

from __future__ import annotations

from collections.abc import Collection
from heapq import nlargest

from sumsquares.datasets.dataset import Dataset, Named
from sumsquares.datasets.rows import input_type
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.datasets.spec import SPLITS
from sumsquares.datasets.tables.shards import SHARD_BYTES
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.machine.memory import available_memory
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.placement import Placement

MIB = 1 << 20
PROCESS_BYTES = 100 * MIB
"""Of a worker process that holds neither packs nor rows; measured: 81 MiB that it shares with no other."""
GPU_PROCESS_BYTES = 500 * MIB
"""Of one with a GPU, whose driver and libraries take some. Not measured."""
GPU_WEIGHTS, GPU_MODEL_BYTES = 9, 16 << 10
"""What a GPU worker has of a pack in main memory: so many times its weights, and so much for each model. Measured: 6
times while results are written, for two layers of 64 units; a checkpoint is weights and two moments, of which there are
three copies while it is saved. Predictions on 1,024 rows and their errors are most of the rest."""


def no_room(packs: Collection[Pack], placement: Placement) -> str | None:
    """Why the packs that are trained at the same time don't fit, and the remedy; None if they do.

    Also None for clusters, whose memory isn't known.
    """
    if not packs or placement.address is not None:
        return None
    there, gpu_workers = available_memory(), placement.wanted.gpu_workers or 0
    # Beside GPU workers, CPU workers train small parts of packs; each worker has rows.
    workers = max(1, min(gpu_workers or placement.count, len(packs)))
    beside = placement.count - gpu_workers if gpu_workers else 0
    largest = nlargest(workers, packs, key=bytes_of)
    if bytes_of(largest[0]) > there:
        return _no_room_for_one(largest[0], there)
    widest = max((pack.variant.dataset for pack in packs), key=generating_bytes)
    if generating_bytes(widest) > there:
        return _no_room_for_a_shard(widest, there)
    rows = (workers + beside) * cached_bytes(packs, placement.memory_limit)
    trained = sum(map(bytes_of, largest))
    processes = workers * (GPU_PROCESS_BYTES if gpu_workers else PROCESS_BYTES) if placement.count else 0
    processes += beside * PROCESS_BYTES
    if trained + rows + processes <= there:
        return None
    at_once = f"{workers + beside} workers at the same time need" if workers + beside > 1 else "training needs"
    fewer = "fewer --workers (with 0, one pack at a time in this process), " if placement.count else ""
    fewer = "fewer --gpu-workers or --workers, " if gpu_workers else fewer
    return (
        f"{at_once} up to {(trained + rows + processes) // MIB:,} MiB of memory ({trained // MIB:,} for packs, "
        f"{rows // MIB:,} for rows that are cached, {processes // MIB:,} for the processes), and this machine has "
        f"{there // MIB:,} MiB: ask for {fewer}a lower --memory-limit, or run it where there is more"
    )


def _no_room_for_one(pack: Pack, there: int) -> str:
    """The message about a pack that doesn't fit even alone."""
    program = pack.program
    return (
        f"a pack of {len(pack.trials):,} x {list(program.hidden)} with batches of {program.batch_size:,} rows needs "
        f"{bytes_of(pack) // MIB:,} MiB of memory, and this machine has {there // MIB:,} MiB: write narrower hidden "
        "layers or a smaller batch_size, or run it where there is more"
    )


def _no_room_for_a_shard(dataset: Named, there: int) -> str:
    """The message about a dataset whose shards can't be made."""
    if isinstance(dataset, TableSplit):
        return (
            f"reading dataset {dataset.name} into the store needs {generating_bytes(dataset) // MIB:,} MiB of memory, "
            f"and this machine has {there // MIB:,} MiB: run it where there is more"
        )
    return (
        f"generating a shard of dataset {dataset.name} ({min(dataset.rows, SHARD_ROWS):,} rows of {dataset.inputs:,} "
        f"inputs) needs {generating_bytes(dataset) // MIB:,} MiB of memory, and this machine has {there // MIB:,} MiB: "
        "write fewer rows or fewer inputs, or run it where there is more"
    )


def bytes_of(pack: Pack) -> int:
    """Bytes of main memory that a pack takes: the models with their activations, and a batch of rows.

    If a GPU trains it, that is what comes back from there.
    """
    program = pack.program
    if pack.device != "cpu":
        return len(pack.trials) * (GPU_WEIGHTS * program.parameters * program.item_bytes + GPU_MODEL_BYTES)
    batch = program.batch_size * (program.inputs + 1) * program.item_bytes
    return pack.bytes + batch


def cached_bytes(packs: Collection[Pack], memory_limit: int) -> int:
    """Bytes of rows that a worker keeps of the datasets of these packs, as DatasetReader does: at least one shard."""
    datasets = {pack.variant.dataset_digest: pack.variant.dataset for pack in packs}.values()
    tables = {split.table.content: split for split in datasets if isinstance(split, TableSplit)}.values()
    rows = sum(map(_rows_bytes, datasets)) + sum(map(_stored_bytes, tables))
    shard = max(_row_bytes(dataset) for dataset in datasets) * SHARD_ROWS
    return min(rows, max(memory_limit, shard))


def generating_bytes(dataset: Dataset) -> int:
    """Bytes that making the largest shard takes: its rows, and the file with as many."""
    if isinstance(dataset, TableSplit):
        return 4 * min(SHARD_BYTES, dataset.table.rows * _row_bytes(dataset))
    return 2 * _row_bytes(dataset) * min(max(map(dataset.rows_in, SPLITS)), SHARD_ROWS)


def _rows_bytes(dataset: Dataset) -> int:
    """Bytes of all rows; of a table those of a split, and for each row of the table whether it is one of them."""
    rows = _row_bytes(dataset) * sum(map(dataset.rows_in, SPLITS))
    return rows + (2 * dataset.table.rows if isinstance(dataset, TableSplit) else 0)


def _stored_bytes(split: TableSplit) -> int:
    """Bytes of all rows of a table, whatever its splits."""
    return split.table.rows * (_row_bytes(split) + len(split.table.held_out_columns))


def _row_bytes(dataset: Dataset) -> int:
    """Bytes of a row in memory: the inputs, and the target of 8 bytes."""
    if isinstance(dataset, TableSplit):
        return 8 * (dataset.inputs + 1)
    return input_type(dataset).itemsize * dataset.inputs + 8
