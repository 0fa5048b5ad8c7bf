"""Packs that CPU and GPU workers of one run share, as the work items of cluster/sharing.py. Nothing is trained here.

Packs are planned for the GPUs, except those that only CPU workers can train. A CPU worker takes a part of one, of the
size that its engine is at its best with; near the end of a run either kind takes parts that are over when the other's
are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sumsquares.cluster.work import WorkItem
from sumsquares.jobs.stages.packs import PACK_SECONDS, Pack, least_models, most_models, training_seconds

BOTH = ("cpu", "cuda")


@dataclass(frozen=True)
class Mixed:
    """What is known of the workers."""

    cpu_engine: str
    """That CPU workers train with."""
    gpus_per_worker: float = 1.0
    """Below 1, several GPU workers share a GPU, and each takes so much longer."""

    def item(self, pack: Pack, devices: Collection[str] = (), is_whole: bool = False, key: str = "") -> WorkItem:
        """Returns a pack as a work item for workers with such devices; without any, for those that can train it."""
        devices = devices or (BOTH if pack.device == "cuda" else ("cpu",))
        models = len(pack.trials)
        seconds = {device: self._cost(pack, device)(models) for device in devices}
        key = key or f"pack {pack.id}"
        whole_on = frozenset(devices if is_whole else ())
        return WorkItem(key, pack.seconds, pack, seconds=seconds, size=models, whole_on=whole_on)

    def split(self, pack: Pack) -> list[WorkItem]:
        """Returns the two halves of a pack as work items."""
        return [self.item(half) for half in pack.split()]

    def cut(self, item: WorkItem, device: str, seconds: float) -> tuple[WorkItem, WorkItem | None]:
        """Returns as many trials of an item as a worker with such a device takes at once, and the rest, if any.

        They take about `seconds` at most, unless that would be so few that they waste most of the device.
        """
        pack: Pack = item.payload
        program, engine, models = pack.program, self._engine(pack, device), len(pack.trials)
        least, cost = least_models(program, engine), self._cost(pack, device)
        fits, above = least, 1 + min(models, most_models(program, engine, device, models))
        while above - fits > 1:
            middle = (fits + above) // 2
            if cost(middle) <= seconds:
                fits = middle
            else:
                above = middle
        if models - fits < least:
            return item, None
        first, others = pack.of(pack.trials[:fits]), pack.of(pack.trials[fits:])
        # The digest of thousands of trials takes milliseconds, and most rests are cut again.
        key = f"pack of {models - fits:,} trials from {others.trials[0].id} on"
        return self.item(first, item.seconds), self.item(others, item.seconds, key=key)

    def _cost(self, pack: Pack, device: str) -> Callable[[int], float]:
        """Returns the expected time of so many models of a pack on one worker with such a device, all included."""
        program, engine = pack.program, self._engine(pack, device)
        beside = pack.on(engine, device).model_beside_seconds
        most = most_models(program, engine, device, len(pack.trials))
        slower = 1.0 if device == "cpu" else 1 / min(1.0, self.gpus_per_worker)

        def cost(models: int) -> float:
            training = training_seconds(program, models, engine, device) * slower
            return training + models * beside + PACK_SECONDS * -(-models // most)

        return cost

    def _engine(self, pack: Pack, device: str) -> str:
        return pack.engine if device == "cuda" else self.cpu_engine
