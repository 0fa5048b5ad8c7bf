"""Packs: trials of one shape that are trained together as one batched tensor program. This is planning only.

A trial's numbers don't depend on its pack, so that trials may be cut into packs of any size, and packs may be split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sumsquares.jobs.engines import readout
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.sent_trials import SentTrials
from sumsquares.jobs.spec.variants import Trial, Variant
from sumsquares.jobs.stages import cpu_cost, gpu_cost

PACK_BYTES = {"cpu": 4 << 20, "cuda": 1 << 30}
"""Memory of all models of a pack in the torch engine. On a CPU the best packs fit into the cache: measured 64 models of
1-16-16-1 (59 KB each) and 16 of 1-64-64-1 (293 KB each). On a GPU some 4,000 models were near the best for both."""
MAX_MODELS = {"cpu": 256, "cuda": 4096}
LANES_MODELS = 64
"""Models of a pack in the lanes engine: enough to make the fixed cost of a pack (10 ms) negligible, and few enough to
keep all workers busy until the end."""
PACK_SECONDS = 0.012
"""What a pack takes beside its training: reading its rows from memory, measuring its models, committing its files.
Measured: 9 to 15 ms for 24 and 36 models on 1,000 and 3,000 rows, 12 to 20 ms on one of 20 splits of a table."""
LANES_SECONDS = 60.0
"""Packs of the lanes engine that would take longer have fewer models: as few as one where each is trained alone, and 16
where a lane holds a model."""


@dataclass(frozen=True)
class Pack:
    """Trials with the same program, dataset, normalisation and readout."""

    trials: tuple[Trial, ...]
    engine: str = "torch"
    """The engine that is expected to train it; the worker decides."""
    device: str = "cpu"
    """The kind of device that it was cut for; where others train beside, they take parts of it."""

    @cached_property
    def trial_ids(self) -> list[str]:
        """The ids of its trials, in their order."""
        return [trial.id for trial in self.trials]

    @cached_property
    def id(self) -> str:
        """The digest of its trials' ids, independent of their order: 16 hex digits."""
        return pack_id_of(self.trial_ids)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles its trials as columns: a pack of thousands is sent to its worker within some milliseconds."""
        others = {name: value for name, value in vars(self).items() if name != "trials"}
        return _received, (SentTrials.of(self.trials), others)

    @property
    def variant(self) -> Variant:
        """One of its variants, for values that all of them share."""
        return self.trials[0].variant

    @property
    def program(self) -> Program:
        """The program that all its models run."""
        return program_of(self.variant)

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole pack."""
        return self.program.flops * len(self.trials)

    @cached_property
    def seconds(self) -> float:
        """Expected time on one core, or on a whole GPU; of a core `cost.py` corrects it by a measurement."""
        return training_seconds(self.program, len(self.trials), self.engine, self.device)

    @property
    def model_beside_seconds(self) -> float:
        """Expected time beside the training for each model: observing it, for a solved readout or as evidence."""
        observing = readout.seconds_of(self.program) if self._is_observed else 0.0
        if self.device == "cpu":
            return observing
        return gpu_cost.BESIDE_SECONDS + observing / (gpu_cost.OBSERVING_SPEED if self.engine == "cuda" else 1.0)

    @cached_property
    def beside_seconds(self) -> float:
        """Expected time beside the training, from taking the pack to its committed results."""
        return len(self.trials) * self.model_beside_seconds + PACK_SECONDS

    @property
    def expected_seconds(self) -> float:
        """Expected time from taking the pack to its committed results."""
        return self.seconds + self.beside_seconds

    @property
    def bytes(self) -> int:
        """Bytes of all models in training, or of what observing them takes after it, if that is more.

        With the cuda engine they are those of the GPU: of weights and the optimizer's state.
        """
        if self.engine == "cuda":
            return gpu_cost.model_bytes(self.program) * len(self.trials)
        observing = readout.bytes_of(self.program, len(self.trials)) if self._is_observed else 0
        return max(self.program.model_bytes * len(self.trials), observing)

    @property
    def _is_observed(self) -> bool:
        return self.variant.readout == "solved" or readout.is_affordable(self.program)

    def split(self) -> list[Pack]:
        """Returns two packs of half the trials each, or none if there is only one trial."""
        if len(self.trials) == 1:
            return []
        middle = len(self.trials) // 2
        return [self.of(self.trials[:middle]), self.of(self.trials[middle:])]

    def of(self, trials: tuple[Trial, ...]) -> Pack:
        """Returns a pack with some of its trials."""
        return replace(self, trials=trials)

    def on(self, engine: str, device: str) -> Pack:
        """Returns the same pack for another engine and device."""
        return replace(self, engine=engine, device=device)


def _received(trials: SentTrials, others: Mapping[str, Any]) -> Pack:
    pack = Pack(trials.trials())
    vars(pack).update(others)
    return pack


def training_seconds(program: Program, models: int, engine: str, device: str) -> float:
    """Expected time of training so many models on one core, or on a whole GPU."""
    if device == "cpu":
        return (cpu_cost.lanes_seconds if engine == "lanes" else cpu_cost.torch_seconds)(program, models)
    return (gpu_cost.cuda_seconds if engine == "cuda" else gpu_cost.torch_seconds)(program, models)


def plan_packs(
    trials: Iterable[Trial], device: str = "cpu", engine: str | Callable[[Program], str] = "torch"
) -> list[Pack]:
    """Cuts trials into packs of one shape each, as equal in size as possible; the longest-running come first.

    `engine` is that of all programs, or tells that of each.
    """
    shapes: dict[tuple[object, ...], list[Trial]] = {}
    of_variant: dict[str, list[Trial]] = {}  # by digest, since hashing a variant takes as long as handling 20 trials
    for trial in trials:
        same = of_variant.get(trial.variant.digest)
        if same is None:
            variant = trial.variant
            scale = (variant.normalize, variant.normalize_target)
            shape = (variant.dataset_digest, *scale, variant.readout, program_of(variant))
            same = of_variant[variant.digest] = shapes.setdefault(shape, [])
        same.append(trial)
    packs = [pack for same in shapes.values() for pack in _cut(same, device, engine)]
    return sorted(packs, key=lambda pack: (-pack.seconds, pack.id))


def _cut(trials: Sequence[Trial], device: str, engine: str | Callable[[Program], str]) -> Iterable[Pack]:
    program = program_of(trials[0].variant)
    name = engine if isinstance(engine, str) else engine(program)
    most = most_models(program, name, device, len(trials))
    size = -(-len(trials) // -(-len(trials) // most))
    return (Pack(tuple(trials[start : start + size]), name, device) for start in range(0, len(trials), size))


def most_models(program: Program, engine: str, device: str, trials: int) -> int:
    """The most models of a pack of this program, where so many trials have it."""
    if engine == "cuda":
        return gpu_cost.cuda_pack_size(program, trials)
    return lanes_pack_size(program) if engine == "lanes" else pack_size(program, device)


def least_models(program: Program, engine: str) -> int:
    """Models of a pack that take hardly longer than one: fewer are a waste where there are more."""
    if engine == "cuda":
        return gpu_cost.MULTIPROCESSORS
    if engine == "torch":
        return 1
    lanes, group, alone = cpu_cost.lanes_cycles(program)
    return 1 if lanes * alone <= group else 16


def lanes_pack_size(program: Program) -> int:
    """The most models of a pack of this program in the lanes engine."""
    least, most = least_models(program, "lanes"), LANES_MODELS
    while most > least and cpu_cost.lanes_seconds(program, most) > LANES_SECONDS:
        most //= 2
    return most


def pack_size(program: Program, device: str) -> int:
    """The most models of a pack of this program in the torch engine."""
    return max(1, min(MAX_MODELS[device], PACK_BYTES[device] // program.model_bytes))
