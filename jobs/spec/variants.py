"""Variants and trials: the points of a job spec's grids, each with a digest of everything that its result depends on.

They define what is trained. In which order and in which packs is planned in stages/packs.py.
"""

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import product, starmap
from operator import attrgetter
from typing import Any

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec.axes import DEFAULTS, Grid, Hyperparameters, axes
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.size import parameters_of
from sumsquares.jobs.spec.training_version import TRAINING_VERSION

_ID_LENGTH = 16  # hex digits, 64 bits: two of 1,000,000 trials collide with a probability of 3e-8
_REALS = tuple(name for name, default in DEFAULTS.items() if isinstance(default, float))
_reals_of = attrgetter(*_REALS)
_JSON = {str: '"%s"', int: "%s", float: "%s", tuple: "[%s]"}  # no value needs escaping
_dataset_digest = lru_cache(maxsize=1024)(lambda dataset: dataset.digest)  # saves 10 us per variant


@dataclass(frozen=True, slots=True)
class Variant(Hyperparameters):
    """One point of a grid without a seed, on one split of its dataset: hyperparameters and rows."""

    dataset: Named = field(kw_only=True)
    training_version: int = field(default=TRAINING_VERSION, kw_only=True, repr=False)
    """The version that trains or has trained it."""
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256 in hex of the dataset's digest (without its name), the hyperparameters and the training version."""

    def __post_init__(self) -> None:
        if not self.hidden:  # without hidden layers all activations are the same variant
            object.__setattr__(self, "activation", "identity")
        if self.normalize_target == self.normalize:
            object.__setattr__(self, "normalize_target", "same")
        for real in _reals_of(self):
            if type(real) is not float:  # 1 and 1.0 are the same learning rate
                self._make_reals_floats()
        object.__setattr__(self, "digest", self.digest_at(self.training_version))

    def digest_at(self, training_version: int) -> str:
        """The digest at another training version: the hash of canonical JSON of everything that it depends on.

        The JSON takes 2 us instead of 7 with the json module.
        """
        template, values_of = _form(self.in_digests, training_version)
        return hashlib.sha256((template % values_of(self)).encode()).hexdigest()

    def _make_reals_floats(self) -> None:
        for name in _REALS:
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def _hidden(self) -> str:
        return ",".join(map(str, self.hidden))

    @property
    def id(self) -> str:
        """The digest's first 16 hex digits."""
        return self.digest[:_ID_LENGTH]

    @property
    def group(self) -> str:
        """The id of the variant over all splits of its dataset: its own unless the dataset is a table."""
        if isinstance(self.dataset, NamedDataset):
            return self.id
        return _group(self)

    @property
    def dataset_digest(self) -> str:
        """The digest of the dataset."""
        return str(_dataset_digest(self.dataset))

    @property
    def parameters(self) -> int:
        """Number of weights and biases of all layers, including the output layer of one unit."""
        return parameters_of(self.dataset.inputs, self.hidden)


@dataclass(frozen=True, slots=True)
class Trial:
    """One variant with one seed: the unit that is trained."""

    variant: Variant
    seed: int

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the variant's digest and the seed (1 us)."""
        return _trial_digest(self.variant.digest, self.seed)

    @property
    def id(self) -> str:
        """The digest's first 16 hex digits, which identify the trial's result."""
        return self.digest[:_ID_LENGTH]


def _trial_digest(variant: str, seed: int) -> str:
    return hashlib.sha256(f'{{"seed":{seed},"variant":"{variant}"}}'.encode()).hexdigest()


def ids_at(some: Iterable[Trial], training_version: int) -> Iterator[str]:
    """Yields the ids of the same trials at another training version (1 us each, and 6 us per variant)."""
    digests: dict[str, str] = {}
    for trial in some:
        ours = trial.variant.digest
        if (digest := digests.get(ours)) is None:
            digest = digests[ours] = trial.variant.digest_at(training_version)
        yield _trial_digest(digest, trial.seed)[:_ID_LENGTH]


def variants(spec: JobSpec) -> list[Variant]:
    """Returns the distinct variants in the order of the spec: the last axis changes fastest, within it the split."""
    with _collector_paused():
        return [variant for variant, _ in _expand(spec)]


def trials(spec: JobSpec) -> list[Trial]:
    """Returns the distinct trials: the variants in their order, on each split of their dataset, each with all seeds."""
    with _collector_paused():
        return [Trial(variant, seed) for variant, seeds in _expand(spec) for seed in seeds]


def _expand(spec: JobSpec) -> Iterable[tuple[Variant, Sequence[int]]]:
    """Returns each distinct variant with the seeds of all grids that contain it."""
    found: dict[str, tuple[Variant, Sequence[int]]] = {}
    for grid in spec.grids:
        seeds = grid.seed_values
        for variant in _variants_of(grid, spec):
            twin = found.setdefault(variant.digest, (variant, seeds))
            if twin[1] is not seeds:
                found[variant.digest] = (twin[0], tuple(dict.fromkeys((*twin[1], *seeds))))
    return found.values()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pauses the garbage collector, which would scan all variants repeatedly and take a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _variants_of(grid: Grid, spec: JobSpec) -> Iterator[Variant]:
    datasets = {dataset.name: dataset for dataset in spec.datasets}
    values = axes(grid, spec.train).values()
    for name in spec.names_of(grid):
        splits = datasets[name].splits
        makers = [partial(Variant, dataset=split, training_version=spec.training_version) for split in splits]
        if len(makers) == 1:
            yield from starmap(makers[0], product(*values))
        else:
            yield from (make(*point) for point in product(*values) for make in makers)


@lru_cache(maxsize=1024)  # the trials of a variant come one after the other
def _group(variant: Variant) -> str:
    """Returns the first digits of the digest over the whole table."""
    template, values_of = _form(variant.in_digests, variant.training_version)
    own, whole = variant.dataset_digest, variant.dataset.whole.digest
    return hashlib.sha256((template % values_of(variant)).replace(own, whole).encode()).hexdigest()[:_ID_LENGTH]


@lru_cache
def _form(names: tuple[str, ...], training_version: int) -> tuple[str, Callable[[Variant], tuple[Any, ...]]]:
    """Returns a template of the canonical JSON of these hyperparameters, and a function that gets its values."""
    attributes = dict(zip(names, names, strict=True)) | {"hidden": "_hidden", "dataset": "dataset_digest"}
    ordered = sorted(attributes)
    items = [f'"{name}":{_JSON[type(DEFAULTS.get(name, ""))]}' for name in ordered]
    template = "{" + ",".join(sorted([*items, f'"training":{training_version}'])) + "}"
    return template, attrgetter(*(attributes[name] for name in ordered))
