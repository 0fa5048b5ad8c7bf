"""Variants and trials: the points of a job spec's grids, each with the digest of all its result depends on.

They say what is trained, not in which order or with whom: packs are planned elsewhere.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, product, starmap

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec.axes import Activation, Dtype, Grid, Init, Normalize, Optimizer, Schedule, axes
from sumsquares.jobs.spec.job_spec import JobSpec

TRAINING_VERSION = 3  # part of every digest: raise it with any change of what a trial's numbers are

_ID_LENGTH = 16  # hex digits, 64 bits: two of 1,000,000 trials meet with a probability of 3e-8
_dataset_digest = lru_cache(maxsize=1024)(lambda dataset: dataset.digest)  # 10 us otherwise, for each variant


@dataclass(frozen=True, slots=True)
class Variant:
    """One point of a grid without a seed. Units and ranges of the fields are those of jobs.spec.axes.Train."""

    dataset: NamedDataset
    hidden: tuple[int, ...]
    activation: Activation
    optimizer: Optimizer
    lr: float
    schedule: Schedule
    weight_decay: float
    batch_size: int
    epochs: int
    init: Init
    normalize: Normalize
    dtype: Dtype
    shuffle_seed: int
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256 in hex of the dataset's digest (so not its name), the other fields and the training version."""

    def __post_init__(self) -> None:
        if not self.hidden:  # nothing to activate: such variants are equal
            object.__setattr__(self, "activation", "identity")
        object.__setattr__(self, "digest", hashlib.sha256(self._canonical().encode()).hexdigest())

    def _canonical(self) -> str:
        """Write the fields as JSON with sorted keys: 2 us against the json module's 7, as nothing needs escapes."""
        return (
            f'{{"activation":"{self.activation}","batch_size":{self.batch_size},'
            f'"dataset":"{self.dataset_digest}","dtype":"{self.dtype}","epochs":{self.epochs},'
            f'"hidden":[{",".join(map(str, self.hidden))}],"init":"{self.init}","lr":{float(self.lr)!r},'
            f'"normalize":"{self.normalize}","optimizer":"{self.optimizer}","schedule":"{self.schedule}",'
            f'"shuffle_seed":{self.shuffle_seed},"training":{TRAINING_VERSION},'
            f'"weight_decay":{float(self.weight_decay)!r}}}'
        )

    @property
    def id(self) -> str:
        """The digest's first 16 hex digits."""
        return self.digest[:_ID_LENGTH]

    @property
    def dataset_digest(self) -> str:
        """The digest of what is learnt from."""
        return str(_dataset_digest(self.dataset))

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers, the output layer of one unit included."""
        return sum((below + 1) * above for below, above in pairwise((self.dataset.inputs, *self.hidden, 1)))


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant with one seed: the unit that is trained."""

    variant: Variant
    seed: int

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the variant's digest and the seed (1 us)."""
        return hashlib.sha256(f'{{"seed":{self.seed},"variant":"{self.variant.digest}"}}'.encode()).hexdigest()

    @property
    def id(self) -> str:
        """The digest's first 16 hex digits: the name under which the trial's result is found."""
        return self.digest[:_ID_LENGTH]


def variants(spec: JobSpec) -> list[Variant]:
    """List the variants, equal ones once, in the order of the spec: the last axis changes fastest."""
    return [variant for variant, _ in _expand(spec)]


def trials(spec: JobSpec) -> list[Trial]:
    """List the trials, equal ones once: the variants in their order, each with all its seeds."""
    return [Trial(variant, seed) for variant, seeds in _expand(spec) for seed in seeds]


def _expand(spec: JobSpec) -> Iterable[tuple[Variant, Sequence[int]]]:
    """Return each variant once, with the seeds of all grids that hold it."""
    found: dict[str, tuple[Variant, Sequence[int]]] = {}
    for grid in spec.grids:
        seeds = grid.seed_values
        for variant in _variants_of(grid, spec):
            twin = found.setdefault(variant.digest, (variant, seeds))
            if twin[1] is not seeds:
                found[variant.digest] = (twin[0], tuple(dict.fromkeys((*twin[1], *seeds))))
    return found.values()


def _variants_of(grid: Grid, spec: JobSpec) -> Iterator[Variant]:
    datasets = {dataset.name: dataset for dataset in spec.datasets}
    named = [datasets[name] for name in dict.fromkeys(grid.dataset)]
    return starmap(Variant, product(named, *axes(grid, spec.train).values()))
