"""The job spec: a TOML file of datasets, training constants and grids, validated once and frozen.

All problems are raised as a single SpecError. The expansion to variants is in variants.py.
"""

import hashlib
import json
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from sumsquares.datasets.dataset import Whole
from sumsquares.jobs.spec.axes import DEFAULTS, LATER, Engine, Grid, Hyperparameters, axes
from sumsquares.jobs.spec.checks import cross_problems, reserved_name
from sumsquares.jobs.spec.checks_formulas import too_many_formulas
from sumsquares.jobs.spec.errors import MAX_PROBLEMS, SpecError, problems_of
from sumsquares.jobs.spec.seal_line import SealError, unsealed, without_seal
from sumsquares.jobs.spec.size import MAX_TRIALS
from sumsquares.jobs.spec.toml_text import MAX_BYTES, read_toml
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.storage.plain import NotPlain, read_plain

__all__ = ["MAX_TRIALS", "JobSpec", "SpecError", "load_spec", "parse_spec", "parse_stored"]


class JobSpec(BaseModel):
    """The work of a run. `load_spec` and `parse_spec` create it, and check its tables against each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["question"])]
    """Name of the run and of its folder in the store: 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit."""
    datasets: Annotated[tuple[Whole, ...], Field(alias="dataset", min_length=1)]
    """[[dataset]]: no two have the same name or the same rows."""
    train: Hyperparameters = Hyperparameters()
    """[train]: the values of hyperparameters that a grid doesn't list."""
    engine: Engine = "auto"
    """auto, torch or lanes. It is part neither of a trial's id nor of the digest."""
    grids: Annotated[tuple[Grid, ...], Field(alias="grid", min_length=1)]
    """[[grid]]: the variants are the union of those of all grids."""

    _source_text: bytes = PrivateAttr(default=b"")
    _training_version: int = PrivateAttr(default=TRAINING_VERSION)

    @property
    def source_text(self) -> bytes:
        """The bytes of the file, with comments, and without the seal of a stored spec; not part of the digest."""
        return self._source_text

    @property
    def training_version(self) -> int:
        """The version that trains it, or has trained the results of a stored run; not part of the digest."""
        return self._training_version

    @property
    def is_earlier(self) -> bool:
        """Whether its trials are those of another training version, which this one can't train."""
        return self._training_version != TRAINING_VERSION

    def trained_by(self, training_version: int) -> Self:
        """Returns the same spec with the trials of that training version."""
        copy = self.model_copy()
        copy._training_version = training_version
        return copy

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the work: the datasets with their names, and the values of all grids.

        It doesn't depend on the order of keys, tables and lists, on whether a constant is in [train] or in the grids,
        or on the name of the run. Like the digests of variants, it leaves out later hyperparameters at their defaults.
        """
        datasets = {dataset.name: dataset.digest for dataset in self.datasets}
        grids = sorted({canonical_json(_without_later(grid)).decode() for grid in self.canonical_grids})
        return hashlib.sha256(canonical_json({"datasets": datasets, "grids": grids})).hexdigest()

    @property
    def canonical_grids(self) -> tuple[dict[str, Any], ...]:
        """All axes of each grid, with those of [train]; grids are in the order of the spec, and values are sorted."""
        return tuple(_canonical(grid, self) for grid in self.grids)

    def names_of(self, grid: Grid) -> tuple[str, ...]:
        """Returns the distinct names of a grid's datasets: those that it lists, or all."""
        return tuple(dict.fromkeys(grid.dataset or (dataset.name for dataset in self.datasets)))


def load_spec(path: str | Path, max_trials: int = MAX_TRIALS) -> JobSpec:
    """Reads and validates a user's spec.

    Raises:
        SpecError: the file can't be read, or the spec is invalid; it lists all problems.

    """
    try:
        text = read_plain(Path(path), MAX_BYTES + 128)  # room for a seal
    except NotPlain as error:
        remedy = "give the path of a job spec in TOML, a plain file of at most 1 MiB"
        raise SpecError(str(path), [f"not read: it is {error.strerror}; {remedy}"]) from None
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(str(path), [f"cannot be read: {reason}; give the path of a job spec in TOML"]) from None
    return parse_spec(without_seal(text), str(path), max_trials, new=True)  # it may be a copy of a stored one


def parse_spec(text: bytes, source: str, max_trials: int = MAX_TRIALS, new: bool = False) -> JobSpec:
    """Validates the bytes of a spec, which messages call `source`.

    A spec of more than `max_trials` trials is rejected from the lengths of its lists, before it is expanded. A `new`
    spec, which is not from a store, must not have a reserved name, and its formulas are evaluated on their first rows.

    Raises:
        SpecError: the spec is invalid; it lists all problems.

    """
    raw = read_toml(text, source)
    if many := too_many_formulas(raw):
        raise SpecError(source, [many])
    across = chain(reserved_name(raw) if new else (), cross_problems(raw, max_trials, new))
    try:
        spec = JobSpec.model_validate(raw)
        problems = tuple(islice(across, MAX_PROBLEMS + 1))
    except ValidationError as error:
        fields = problems_of(error, raw, JobSpec.model_json_schema())
        raise SpecError(source, chain(fields, across)) from None
    if problems:
        raise SpecError(source, problems)
    spec._source_text = text
    return spec


def parse_stored(data: bytes, source: str) -> JobSpec:
    """Validates the bytes of a stored spec; the limit of trials was applied when it was new.

    Raises:
        SpecError: the spec is invalid, or its seal doesn't match.

    """
    try:
        return parse_spec(unsealed(data), source, max_trials=2**63)
    except SealError as error:
        raise SpecError(source, [f"damaged, {error}"]) from None


def canonical_json(value: Any) -> bytes:
    """Returns canonical JSON: sorted keys, no spaces, and the shortest floats that round-trip. NaN is a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _without_later(grid: dict[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in grid.items() if name not in LATER or values != [DEFAULTS[name]]}


def _canonical(grid: Grid, spec: JobSpec) -> dict[str, Any]:
    seeds = sorted(grid.seed_values) if isinstance(grid.seeds, tuple) else []
    count = len(grid.seed_values)
    return {
        "dataset": sorted(spec.names_of(grid)),
        **{name: sorted(values) for name, values in axes(grid, spec.train).items()},
        "seeds": seeds if seeds and seeds != list(range(count)) else count,
    }
