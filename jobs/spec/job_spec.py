"""The job spec: a TOML file of datasets, training constants and grids, validated once and frozen.

All problems are raised as a single SpecError. The expansion to variants is in variants.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, Tag, ValidationError

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.jobs.spec.axes import DEFAULTS, LATER, Engine, Grid, Hyperparameters, axes
from sumsquares.jobs.spec.checks import cross_problems, reserved_name, table_problems
from sumsquares.jobs.spec.checks_formulas import too_many_formulas
from sumsquares.jobs.spec.errors import MAX_PROBLEMS, SpecError, problems_of
from sumsquares.jobs.spec.raw import Raw, kind_of
from sumsquares.jobs.spec.resolving import read_tables, told_tables, unreadable
from sumsquares.jobs.spec.seal_line import SealError, unsealed, without_seal
from sumsquares.jobs.spec.size import MAX_TRIALS
from sumsquares.jobs.spec.tables import MOST_BYTES, Resolve, divided, with_resolved
from sumsquares.jobs.spec.toml_text import MAX_BYTES, read_toml
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.storage.plain import NotPlain, read_plain

__all__ = ["MAX_TRIALS", "JobSpec", "SpecError", "load_spec", "parse_spec", "parse_stored"]

Written = Annotated[
    Annotated[NamedDataset, Tag("NamedDataset")] | Annotated[TableKeys, Tag("TableKeys")], Discriminator(kind_of)
]
"""A [[dataset]]. The tags are the names of the models: by them messages find what is allowed."""


class _Keys(BaseModel):
    """The keys of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["question"])]
    """Name of the run and of its folder in the store: 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit."""
    datasets: Annotated[tuple[Any, ...], Field(alias="dataset", min_length=1)]
    """[[dataset]]: no two have the same name or the same rows."""
    train: Hyperparameters = Hyperparameters()
    """[train]: the values of hyperparameters that a grid doesn't list."""
    engine: Engine = "auto"
    """auto, torch, lanes or cuda. It is part neither of a trial's id nor of the digest."""
    grids: Annotated[tuple[Grid, ...], Field(alias="grid", min_length=1)]
    """[[grid]]: the variants are the union of those of all grids."""


class WrittenSpec(_Keys):
    """A spec as it is written: its tables are not read yet."""

    datasets: Annotated[tuple[Written, ...], Field(alias="dataset", min_length=1)]


class JobSpec(_Keys):
    """The work of a run. `load_spec` and `parse_spec` create it, and check its tables against each other."""

    datasets: Annotated[tuple[Whole, ...], Field(alias="dataset", min_length=1)]
    """The datasets; of a table what its file held."""

    _source_text: bytes = PrivateAttr(default=b"")
    _tables: dict[str, TableKeys] = PrivateAttr(default_factory=dict)
    _gone: tuple[str, ...] = PrivateAttr(default=())
    _training_version: int = PrivateAttr(default=TRAINING_VERSION)

    @property
    def source_text(self) -> bytes:
        """What the user has written, with comments; not part of the digest."""
        return self._source_text

    @property
    def stored_text(self) -> bytes:
        """What a store keeps of it, without the seal: the source text, and below it what the files of tables held."""
        return with_resolved(self._source_text, self.datasets)

    @property
    def tables(self) -> Mapping[str, TableKeys]:
        """The keys of each [[dataset]] with a file, by its name; not part of the digest."""
        return self._tables

    @property
    def gone(self) -> tuple[str, ...]:
        """Names of tables that are what a stored spec says, since their file is gone; not part of the digest."""
        return self._gone

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


def load_spec(path: str | Path, max_trials: int = MAX_TRIALS, resolve: Resolve | None = None) -> JobSpec:
    """Reads and validates a user's spec. `resolve` reads its tables, relative to its folder.

    Raises:
        SpecError: the file can't be read, or the spec or a table is invalid; it lists all problems.
        DamagedTable: a table's file is damaged.
        TableUnreachable: the storage of a table's file failed.

    """
    try:
        text = read_plain(Path(path), MAX_BYTES + MOST_BYTES + 128)  # room for a seal
    except NotPlain as error:
        remedy = "give the path of a job spec in TOML, a plain file of at most 1 MiB"
        raise SpecError(str(path), [f"not read: it is {error.strerror}; {remedy}"]) from None
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(str(path), [f"cannot be read: {reason}; give the path of a job spec in TOML"]) from None
    # It may be a copy of a stored one.
    return parse_spec(without_seal(text), str(path), max_trials, True, resolve, str(Path(path).parent))


def parse_spec(
    text: bytes,
    source: str,
    max_trials: int = MAX_TRIALS,
    new: bool = False,
    resolve: Resolve | None = None,
    folder: str = ".",
) -> JobSpec:
    """Validates the bytes of a spec, which messages call `source`.

    A spec of more than `max_trials` trials is rejected from the lengths of its lists, before it is expanded. A `new`
    spec, which is not from a store, must not have a reserved name, and its formulas are evaluated on their first rows.
    `resolve` reads the tables, relative to `folder`: those of which a stored spec doesn't tell what they hold, and of a
    new spec, which may be a copy of a stored one, all whose files are there. It reads none if the spec is invalid.

    Raises:
        SpecError: the spec is invalid; it lists all problems.
        DamagedTable, TableUnreachable: as `load_spec`.

    """
    own, below = divided(text)
    raw = read_toml(own, source)
    if many := too_many_formulas(raw):
        raise SpecError(source, [many])
    written = _validated(raw, source, chain(reserved_name(raw) if new else (), cross_problems(raw, max_trials, new)))
    tables = {each.name: each for each in written.datasets if isinstance(each, TableKeys)}
    read = (lambda keys: resolve(keys, folder)) if resolve else unreadable
    found = (read_tables if new else told_tables)(raw, tables, below, source, read)
    if problems := tuple(islice(table_problems(raw, found.tables), MAX_PROBLEMS + 1)):
        raise SpecError(source, problems)
    fields = {JobSpec.model_fields[name].alias or name: getattr(written, name) for name in written.model_fields_set}
    datasets = tuple(found.tables.get(each.name, each) for each in written.datasets)
    spec = JobSpec.model_validate({**fields, "dataset": datasets})
    spec._source_text, spec._tables, spec._gone = own, tables, found.gone
    return spec


def _validated(raw: Raw, source: str, across: Iterator[str]) -> WrittenSpec:
    """Returns the spec if it has no problem by itself or across its tables."""
    try:
        written = WrittenSpec.model_validate(raw)
    except ValidationError as error:
        fields = problems_of(error, raw, WrittenSpec.model_json_schema())
        raise SpecError(source, _distinct(chain(fields, across))) from None
    if problems := tuple(islice(across, MAX_PROBLEMS + 1)):
        raise SpecError(source, problems)
    return written


def _distinct(problems: Iterable[str]) -> Iterator[str]:
    """Yields each line once: a dataset of no kind is told by its own model, or else across the tables."""
    seen = set()
    for line in problems:
        if line not in seen:
            seen.add(line)
            yield line


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
