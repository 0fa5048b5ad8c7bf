"""What `sumsquares init` does: writes a first job spec with comments, about the question or about a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sumsquares.datasets.tables.resolve import resolve
from sumsquares.datasets.tables.shown import path_shown
from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.table_asked import as_options, check_name, name_of, with_target
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.pipeline.fitting import Fit, FitSpecs
from sumsquares.jobs.spec.first_spec import FIRST_NAME, FIRST_SPEC
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import StorageError


def init(
    file: str | None,
    keys: Mapping[str, Any],
    name: str | None,
    path: Path | None,
    overwrite: bool,
    shared: Shared,
) -> int:
    """Writes a spec, and says how it is run."""
    if file is None and (keys or name):
        given = f"--{next(iter(keys), 'name')}".replace("categories", "one-hot")
        raise UsageError(f"{given} is about a table: write which one, with --from TABLE")
    name = name or (FIRST_NAME if file is None else name_of(file))
    check_name(name)
    path = path or Path(f"{name}.toml")
    _check_output(path, overwrite)
    text = FIRST_SPEC if file is None else _of_table(name, file, keys, path)
    spec = parse_spec(text.encode(), str(path), new=True, resolve=resolve, folder=str(path.parent))
    _write(path, text, overwrite)
    facts = {"spec": str(path), "name": spec.name, "trials": len(trials(spec))}
    size = f"{counted(len(trials(spec)), 'trial')} on {counted(len(spec.datasets), 'dataset')}"
    shared.print(facts, f"wrote {path}, {size}\nnext: sumsquares run {path}")
    return exits.OK


def _of_table(name: str, file: str, keys: Mapping[str, Any], path: Path) -> str:
    """Returns the spec of a table, whose path is relative to the spec."""
    with as_options():
        table = with_target({"file": file, **keys})
        specs = FitSpecs(Fit(name, table), resolve)
    return specs.told(_relative(file, path))


def _relative(file: str, spec: Path) -> str:
    """Returns a path as a spec writes it; addresses and absolute paths stay."""
    if "://" in file or os.path.isabs(file):  # noqa: PTH117  a path as it was written
        return file
    return os.path.relpath(file, spec.parent)


def _check_output(path: Path, overwrite: bool) -> None:
    shown = path_shown(str(path))
    if not path.parent.is_dir():
        raise UsageError(f"--output {shown}: there is no folder {path_shown(str(path.parent))}; make it first")
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise UsageError(f"--output {shown} is there and no plain file; write another name")
    if path.exists() and not overwrite:
        raise UsageError(f"{shown} is there already: --overwrite replaces it, --output writes another file")


def _write(path: Path, text: str, overwrite: bool) -> None:
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _check_output(path, overwrite)
    except OSError as error:
        raise StorageError(
            f"{path_shown(str(path))} can't be written: {error.strerror}; write --output elsewhere"
        ) from error
