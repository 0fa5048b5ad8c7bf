"""The ways to a run: opened from a store, or trained from a spec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sumsquares._run import Run
from sumsquares._spec import spec_text
from sumsquares.jobs.commands.asked import asked_run, known_best
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.pipeline.planning import tell_of_tables
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import load_spec, parse_spec
from sumsquares.jobs.stages.placement import Placement, PlacementOptions
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


def open(name: str, store: str | Path = "store") -> Run:  # noqa: A001  as gzip.open is named
    """Opens a finished run of a store: a folder, or an address such as s3://bucket/prefix.

    `name` is that of the spec, or `champion` for the night that was promoted. Nothing is trained or written.

    Raises:
        UsageError: there is no such run, or it isn't finished; it says which there are; a ValueError.
        DataError: a file of the run is damaged or missing; a ValueError.
        StorageError: the store can't be read; a RuntimeError.

    Example:
        >>> run = sumsquares.open("small", store=folder / "store")
        >>> run.best("squares").predict([[12]]).round()
        array([144.])

    """
    opened = _store(store)
    asked = asked_run(opened, str(name))
    known_best(opened, asked)  # raises if the run has no summary, or another one's
    return Run(opened, asked)


def run(
    spec: str | Path | Mapping[str, Any],
    store: str | Path = "store",
    workers: int | str | None = 0,
    progress: bool = False,
) -> Run:
    """Trains what a store lacks of a spec, as `sumsquares run` does, and returns the finished run.

    `spec` is the path of a TOML file, or its content as a mapping: {"name": ..., "dataset": [...], "grid": [...]}.
    `workers` is 0 to train in this process, a number of Ray workers, "all", or None to let the expected time decide, as
    the command does; a script that lets other processes train must call it below `if __name__ == "__main__":`, as
    Python's multiprocessing asks for. Nothing is printed but warnings, to stderr; with `progress` it says there how far
    it is.

    Raises:
        SpecError: the spec is invalid; it lists all problems; a ValueError.
        UsageError: it needs more memory than there is, or `workers` is not valid; a ValueError.
        StorageError: the store can't be written; what was committed stays, and the next call continues; a RuntimeError.

    Example:
        >>> spec = {
        ...     "name": "waves",
        ...     "dataset": [{"name": "waves", "formula": "sin(x)", "low": -3.0, "high": 3.0, "rows": 200}],
        ...     "grid": [{"hidden": [[16]], "activation": ["tanh"], "readout": ["solved"], "epochs": 20}],
        ... }
        >>> waves = sumsquares.run(spec, store=folder / "store")
        >>> waves.best().predict([[0.5]]).round(2)
        array([0.48])

    """
    placement = _placement(workers)
    opened = _store(store)
    tables = TableReader(opened)
    if isinstance(spec, Mapping):
        loaded = parse_spec(spec_text(spec), "spec", new=True, resolve=tables.resolve, folder=".")
    elif not isinstance(spec, str | os.PathLike):
        raise UsageError(f"spec is of type {type(spec).__name__}; write the path of a TOML file, or a dictionary")
    else:
        loaded = load_spec(spec, resolve=tables.resolve)
    with Runtime(placement, opened, Progress(quiet=not progress), tables=tables) as runtime:
        tell_of_tables(loaded, tables, runtime.progress)
        run_spec(loaded, runtime)
    return open(loaded.name, store)


def _store(store: str | Path) -> Store:
    if not isinstance(store, str | os.PathLike):
        raise UsageError(f"store is {store!r}; write a folder, or an address such as s3://bucket/prefix")
    return Store(str(store))


def _placement(workers: int | str | None) -> Placement:
    try:
        return PlacementOptions(workers=None if workers is None else str(workers)).placement(None)
    except UsageError as error:  # it speaks of the option
        raise UsageError(str(error).removeprefix("--")) from error
