"""How many workers of which kind, and the groups they are cut into. Pure: it asks no cluster and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GROUP_SIZE = 32
"""Workers of one fit at most: a lost worker stops its whole group for 5 to 15 s, and no other."""


class ClusterError(RuntimeError):
    """Ray can't be started or reached, or has not got what is asked for (exit code 5)."""


@dataclass(frozen=True)
class Resources:
    """What a cluster has in all."""

    cpus: float
    gpus: float
    others: Mapping[str, float] = field(default_factory=dict)
    """Custom resources by name."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for; what is left open is all that the cluster has."""

    workers: int | None = None
    """CPU workers, one CPU each; None: one for every CPU that GPU workers leave."""
    at_least: int | None = None
    """Begin with so few CPU workers, and take more up to `workers` as the cluster grows; None: all of them at once."""
    gpu_workers: int | None = None
    """GPU workers, with one CPU each; None: as many as the GPUs allow."""
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
    """Workers to begin with; fewer than `workers`: the group grows and shrinks with the cluster."""
    resources: Mapping[str, float]
    """What each worker takes, CPUs and GPUs among it."""
    labels: Mapping[str, str]


def groups(have: Resources, wanted: Wanted) -> list[Group]:
    """Cuts the workers of each device class into groups, GPU workers first.

    Raises:
        ClusterError: the cluster has not got them; asked against available.

    """
    gpu_workers = int(have.gpus / wanted.gpus_per_worker) if wanted.gpu_workers is None else wanted.gpu_workers
    gpu_workers = min(gpu_workers, int(have.cpus)) if wanted.gpu_workers is None else gpu_workers
    workers = max(0, int(have.cpus) - gpu_workers) if wanted.workers is None else wanted.workers
    at_least = min(workers, workers if wanted.at_least is None else wanted.at_least)
    _check(have, wanted, at_least, gpu_workers)
    gpu = {"GPU": wanted.gpus_per_worker}
    return [
        *_cut("cuda", gpu_workers, gpu_workers, gpu, wanted),
        *_cut("cpu", workers, at_least, {}, wanted),
    ]


def _cut(device: str, workers: int, at_least: int, resources: Mapping[str, float], wanted: Wanted) -> list[Group]:
    size, cut = wanted.group_size, []
    for start in range(0, workers, size):
        count = min(size, workers - start)
        fewest = max(1, at_least * (start + count) // workers - at_least * start // workers)
        takes = {"CPU": 1.0, **resources, **wanted.resources}
        cut.append(Group(f"{device}-{start // size}", count, device, fewest, takes, wanted.labels))
    return cut


def _check(have: Resources, wanted: Wanted, workers: int, gpu_workers: int) -> None:
    total = workers + gpu_workers
    asked = {"CPU": float(total), "GPU": gpu_workers * wanted.gpus_per_worker}
    asked |= {name: amount * total for name, amount in wanted.resources.items()}
    found = {"CPU": have.cpus, "GPU": have.gpus, **have.others}
    short = [
        f"{name}: {asked[name]:g} asked, {found.get(name, 0):g} there"
        for name in asked
        if asked[name] > found.get(name, 0)
    ]
    if short or not total:
        what = "; ".join(short) or "no worker is asked for"
        raise ClusterError(
            f"there is no room for {workers} CPU and {gpu_workers} GPU workers ({what}); "
            "ask for fewer with --workers and --gpu-workers, or add nodes"
        )
