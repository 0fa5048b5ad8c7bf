"""How many workers of which kind, and the groups they are cut into. Pure: it asks no cluster and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

GROUP_SIZE = 32
"""Workers of one fit at most: a lost worker stops its whole group for 5 to 15 s, and no other."""


class ClusterError(RuntimeError):
    """Ray can't be started or reached, or has not got what is asked for (exit code 5)."""


@dataclass(frozen=True)
class Resources:
    """What one node has in all."""

    cpus: float
    gpus: float
    others: Mapping[str, float] = field(default_factory=dict)
    """Other resources by name: memory, accelerators, custom ones."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def amounts(self) -> dict[str, float]:
        """All by the name that a worker asks by."""
        return {**self.others, "CPU": self.cpus, "GPU": self.gpus}


@dataclass(frozen=True)
class WorkerRequest:
    """What is asked for; what is left open is all that the cluster has."""

    workers: int | None = None
    """CPU workers, one CPU each; None: as many as there is room for beside the GPU workers."""
    at_least: int | None = None
    """So few workers are enough, and more are had as nodes come, up to what is asked for; None: all or none."""
    gpu_workers: int | None = None
    """GPU workers, with one CPU each; None: as many as there is room for."""
    gpus_per_worker: float = 1.0
    """GPUs of a GPU worker; a fraction lets several share one."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Custom resources that each worker takes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the node of each worker has to carry."""
    group_size: int = GROUP_SIZE
    """Workers of one fit at most."""


@dataclass(frozen=True)
class Group:
    """The workers of one fit."""

    name: str
    workers: int
    device: str
    """cpu or cuda."""
    at_least: int
    """Workers that are enough; fewer than `workers`: the group grows and shrinks with the cluster."""
    resources: Mapping[str, float]
    """What each worker takes, CPUs and GPUs among it."""
    labels: Mapping[str, str]


def groups(nodes: Sequence[Resources], request: WorkerRequest) -> list[Group]:
    """Cuts the workers of each device class into groups, GPU workers first.

    Raises:
        ClusterError: the nodes have not got them; asked against available.

    """
    rooms = [node.amounts() for node in nodes if _carries(node.labels, request.labels)]
    cpu = {"CPU": 1.0, **request.resources}
    gpu = {"CPU": 1.0, "GPU": request.gpus_per_worker, **request.resources}
    gpu_room = _fill(rooms, gpu, request.gpu_workers)
    gpu_workers = gpu_room if request.gpu_workers is None else request.gpu_workers
    room = _fill(rooms, cpu, request.workers)
    workers = room if request.workers is None else request.workers
    at_least = min(workers, workers if request.at_least is None else request.at_least)
    if gpu_room < gpu_workers or room < at_least or not workers + gpu_workers:
        raise ClusterError(_no_room(nodes, request, (at_least, gpu_workers), (room, gpu_room)))
    gpu_at_least = gpu_workers if request.at_least is None or request.gpu_workers is not None else 1
    return [
        *_cut("cuda", gpu_workers, gpu_at_least, gpu, request),
        *_cut("cpu", workers, at_least, cpu, request),
    ]


def _carries(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a node can have workers with such labels; what Ray reads as an operator, Ray will decide."""
    return all(value.startswith(("!", "in(")) or labels.get(name) == value for name, value in wanted.items())


def _fill(rooms: Sequence[dict[str, float]], takes: Mapping[str, float], most: int | None) -> int:
    """Takes off the rooms what as many workers take as fit, `most` at most; how many those are."""
    placed = 0
    for room in rooms:
        fit = min(int(room.get(name, 0.0) / amount + 1e-9) for name, amount in takes.items())
        fit = fit if most is None else min(fit, most - placed)
        room.update({name: room.get(name, 0.0) - fit * amount for name, amount in takes.items()})
        placed += fit
    return placed


def _cut(device: str, workers: int, at_least: int, takes: Mapping[str, float], request: WorkerRequest) -> list[Group]:
    size, cut = request.group_size, []
    # Ray Train counts the workers that fit by dividing floats, 4 of 0.2 in 1.0: such amounts are had all at once.
    at_least = at_least if all((amount * 1024).is_integer() for amount in takes.values()) else workers
    for start in range(0, workers, size):
        count = min(size, workers - start)
        fewest = max(1, at_least * (start + count) // workers - at_least * start // workers)
        cut.append(Group(f"{device}-{start // size}", count, device, fewest, takes, request.labels))
    return cut


def _no_room(nodes: Sequence[Resources], request: WorkerRequest, asked: tuple[int, int], room: tuple[int, int]) -> str:
    """Of CPU and GPU workers each."""
    total, gpus = sum(asked), asked[1] * request.gpus_per_worker
    amounts = {"CPU": float(total), "GPU": gpus, **{name: each * total for name, each in request.resources.items()}}
    carrying = [node.amounts() for node in nodes if _carries(node.labels, request.labels)]
    what = shortage(amounts, {name: sum(node.get(name, 0.0) for node in carrying) for name in amounts})
    if not total:
        what = "no worker is asked for" if request.workers == 0 else "no CPU is there"
    labels = ", ".join(f"{name}={value}" for name, value in request.labels.items())
    where = f" on the {len(carrying)} of {len(nodes)} nodes with {labels}" if labels else ""
    return (
        f"there is no room for {asked[0]} CPU and {asked[1]} GPU workers{where} "
        f"({what or f'each takes its share of one node: there is room for {room[0]} and {room[1]}'}); "
        "ask for fewer with --workers and --gpu-workers, or add nodes"
    )


def shortage(asked: Mapping[str, float], have: Mapping[str, float]) -> str:
    """What is asked for and not there, in words; nothing where all is."""
    return "; ".join(
        f"{name}: {amount:g} asked, {have.get(name, 0.0):g} there"
        for name, amount in asked.items()
        if amount > have.get(name, 0.0)
    )
