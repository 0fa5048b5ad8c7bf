"""Packs: trials of one shape that are trained together as one batched tensor program. This is planning only.

A trial's numbers don't depend on its pack, so that trials may be cut into packs of any size, and packs may be split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sumsquares.jobs.engines import readout
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.sent_trials import SentTrials
from sumsquares.jobs.spec.variants import Trial, Variant

PACK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}
"""Memory of all models of a pack in the torch engine. On a CPU the best packs fit into the cache: measured 64 models of
1-16-16-1 (59 KB each) and 16 of 1-64-64-1 (293 KB each). On a GPU: not measured yet."""
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
        """Expected time on one core, by a cost model that `cost.py` corrects by a measurement.

        In the torch engine a step takes 100 us per layer, and for each model its operations at 60 GFLOP/s and 2.2 ns
        per row and hidden unit of memory traffic. That is within a factor of 1.5 of measurements of 1-16-16-1 and
        1-64-64-1, in packs of 1 to 64 models on a 2.6 GHz core.
        """
        program = self.program
        if self.engine == "lanes":
            return _lanes_seconds(program, len(self.trials))
        model = program.flops / program.steps / TORCH_FLOPS + 2.2e-9 * program.batch_size * sum(program.hidden)
        return program.steps * (1e-4 * len(program.layers) + len(self.trials) * model)

    @cached_property
    def observing_seconds(self) -> float:
        """Expected time on one core after the training, for a solved readout or as evidence."""
        return len(self.trials) * readout.seconds_of(self.program) if self._is_observed else 0.0

    @property
    def beside_seconds(self) -> float:
        """Expected time on one core beside the training, from taking the pack to its committed results."""
        return self.observing_seconds + PACK_SECONDS

    @property
    def expected_seconds(self) -> float:
        """Expected time on one core from taking the pack to its committed results."""
        return self.seconds + self.beside_seconds

    @property
    def bytes(self) -> int:
        """Bytes of all models in training, or of what observing them takes after it, if that is more."""
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
        return [Pack(part, self.engine) for part in (self.trials[:middle], self.trials[middle:])]


def _received(trials: SentTrials, others: Mapping[str, Any]) -> Pack:
    pack = Pack(trials.trials())
    vars(pack).update(others)
    return pack


def plan_packs(trials: Iterable[Trial], device: str = "cpu", engine: str = "torch") -> list[Pack]:
    """Cuts trials into packs of one shape each, as equal in size as possible; the longest-running come first."""
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


def _cut(trials: Sequence[Trial], device: str, engine: str) -> Iterable[Pack]:
    program = program_of(trials[0].variant)
    most = lanes_pack_size(program) if engine == "lanes" else pack_size(program, device)
    size = -(-len(trials) // -(-len(trials) // most))
    return (Pack(tuple(trials[start : start + size]), engine) for start in range(0, len(trials), size))


def lanes_pack_size(program: Program) -> int:
    """The most models of a pack of this program in the lanes engine."""
    lanes, group, alone = _lanes_cycles(program)
    least = 1 if lanes * alone <= group else 16
    most = LANES_MODELS
    while most > least and _lanes_seconds(program, most) > LANES_SECONDS:
        most //= 2
    return most


def pack_size(program: Program, device: str) -> int:
    """The most models of a pack of this program in the torch engine."""
    return max(1, min(MAX_MODELS[device], PACK_BYTES[device] // program.model_bytes))
