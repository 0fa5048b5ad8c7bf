"""Decides how many workers of which kind there are, and divides them into groups. Pure: no cluster is involved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GROUP_SIZE = 32
"""Maximum number of workers per group: a lost worker stops its group for 5 to 15 s, and no other."""


GPU_SHARING = 4
"""Workers that share a GPU where there are CPUs enough: while one trains, the others read rows, measure and save."""


class ClusterError(RuntimeError):
    """Ray cannot be started or reached, or lacks the requested resources."""

    exit_code = 5
    """Of a command that this error ends."""


@dataclass(frozen=True)
class Resources:
    """The total resources of one node."""

    cpus: float
    gpus: float
    others: Mapping[str, float] = field(default_factory=dict)
    """Other resources by name: memory, accelerators, custom ones."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def amounts(self) -> dict[str, float]:
        """All resources by the names that workers request them by."""
        return {**self.others, "CPU": self.cpus, "GPU": self.gpus}


@dataclass(frozen=True)
class WorkerRequest:
    """The workers that a user asks for; numbers that are None take all that the cluster has."""

    workers: int | None = None
    """CPU workers of one CPU each; None: as many as fit beside the GPU workers."""
    at_least: int | None = None
    """CPU workers to start with, growing up to `workers` as nodes join; None: all or none."""
    gpu_workers: int | None = None
    """GPU workers, with one CPU each; None: as many as fit."""
    gpus_per_worker: float | None = None
    """GPUs per GPU worker; with a fraction, several share one. None: what `gpu_share` returns."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Custom resources per worker."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that each worker's node must carry."""
    group_size: int = GROUP_SIZE
    """Maximum number of workers per group."""


@dataclass(frozen=True)
class Group:
    """The workers of one Ray Train run, which start and end together."""

    name: str
    workers: int
    device: str
    """cpu or cuda."""
    at_least: int
    """Minimum number of workers; if it is below `workers`, the group grows and shrinks with the cluster."""
    resources: Mapping[str, float]
    """Resources per worker, CPUs and GPUs included."""
    labels: Mapping[str, str]


def groups(nodes: Sequence[Resources], request: WorkerRequest) -> list[Group]:
    """Divides the workers of each device class into groups, GPU workers first.

    Raises:
        ClusterError: the nodes cannot satisfy the request; the message shows requested and available.

    """
    carrying = [node for node in nodes if _carries(node.labels, request.labels)]
    rooms = [node.amounts() for node in carrying]
    share = request.gpus_per_worker or gpu_share(carrying, request)
    cpu = {"CPU": 1.0, **request.resources}
    gpu = {"CPU": 1.0, "GPU": share, **request.resources}

    # GPU workers first: they take CPUs as well, which CPU workers would otherwise use up.
    gpu_room = _fill(rooms, gpu, request.gpu_workers)
    gpu_workers = gpu_room if request.gpu_workers is None else request.gpu_workers
    room = _fill(rooms, cpu, request.workers)
    workers = room if request.workers is None else request.workers
    at_least = min(workers, workers if request.at_least is None else request.at_least)
    if gpu_room < gpu_workers or room < at_least or not workers + gpu_workers:
        raise ClusterError(_no_room(nodes, request, share, (at_least, gpu_workers), (room, gpu_room)))

    # GPU groups are elastic only if the request is elastic and leaves the number of GPU workers open.
    gpu_at_least = gpu_workers if request.at_least is None or request.gpu_workers is not None else 1
    return [
        *_divide("cuda", gpu_workers, gpu_at_least, gpu, request),
        *_divide("cpu", workers, at_least, cpu, request),
    ]


def gpu_share(nodes: Sequence[Resources], request: WorkerRequest) -> float:
    """Returns the GPUs per GPU worker for a request that leaves them open: 1, 1/2 or 1/4, or less for many workers.

    As many workers share a GPU as there are CPUs for, or as are asked for. Such fractions are exact in binary.
    """
    having = [node for node in nodes if node.gpus >= 1]
    gpus = sum(int(node.gpus) for node in having)
    if not gpus:
        return 1.0
    if request.gpu_workers is not None:
        return 0.5 ** max(0, -(-request.gpu_workers // gpus) - 1).bit_length()
    asked = (request.workers if request.at_least is None else request.at_least) or 0
    left = sum(node.cpus for node in nodes) - asked
    sharing = min(GPU_SHARING, left / gpus, *(node.cpus / int(node.gpus) for node in having))
    return 0.5 ** (max(1, int(sharing)).bit_length() - 1)


def _carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a node may have workers with such labels; values that Ray reads as operators are left to Ray."""
    return all(value.startswith(("!", "in(")) or labels.get(name) == value for name, value in wanted.items())


def _fill(rooms: Sequence[dict[str, float]], takes: Mapping[str, float], most: int | None) -> int:
    """Places as many workers as fit, at most `most`; subtracts what they take and returns their number."""
    placed = 0
    for room in rooms:
        fit = min(int(room.get(name, 0.0) / amount + 1e-9) for name, amount in takes.items())
        fit = fit if most is None else min(fit, most - placed)
        room.update({name: room.get(name, 0.0) - fit * amount for name, amount in takes.items()})
        placed += fit
    return placed


def _divide(
    device: str, workers: int, at_least: int, takes: Mapping[str, float], request: WorkerRequest
) -> list[Group]:
    size, found = request.group_size, []
    # Ray Train divides floats to count the workers that fit, and gets 4 for 0.2 in 1.0. Groups with amounts that are
    # not exact in binary are therefore not elastic.
    at_least = at_least if all((amount * 1024).is_integer() for amount in takes.values()) else workers
    for start in range(0, workers, size):
        count = min(size, workers - start)
        fewest = max(1, at_least * (start + count) // workers - at_least * start // workers)
        found.append(Group(f"{device}-{start // size}", count, device, fewest, takes, request.labels))
    return found


def _no_room(
    nodes: Sequence[Resources], request: WorkerRequest, share: float, asked: tuple[int, int], room: tuple[int, int]
) -> str:
    """The error message; `asked` and `room` are numbers of CPU and GPU workers."""
    total, gpus = sum(asked), asked[1] * share
    amounts = {"CPU": float(total), "GPU": gpus, **{name: each * total for name, each in request.resources.items()}}
    carrying = [node.amounts() for node in nodes if _carries(node.labels, request.labels)]
    what = shortage(amounts, {name: sum(node.get(name, 0.0) for node in carrying) for name in amounts})
    if not total:
        what = "no CPU is available"
        if request.workers == 0:
            what = "no GPU is available" if request.gpu_workers is None else "no worker is requested"
    labels = ", ".join(f"{name}={value}" for name, value in request.labels.items())
    where = f" on the {len(carrying)} of {len(nodes)} nodes with {labels}" if labels else ""
    return (
        f"there is no room for {asked[0]} CPU and {asked[1]} GPU workers{where} "
        f"({what or f'a worker must fit on one node: {room[0]} and {room[1]} do'}); "
        "request fewer with --workers and --gpu-workers, or add nodes"
    )


def shortage(requested: Mapping[str, float], available: Mapping[str, float], word: str = "available") -> str:
    """The resources of which more is requested than available, in words; empty if there are none."""
    return "; ".join(
        f"{name}: {amount:g} requested, {available.get(name, 0.0):g} {word}"
        for name, amount in requested.items()
        if amount > available.get(name, 0.0)
    )
