"""What `sumsquares init` does: writes a first job spec with comments, about the question or a table, or an example."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
from sumsquares.jobs.show.links import linked
from sumsquares.jobs.spec.examples import example
from sumsquares.jobs.spec.first_spec import FIRST_NAME, FIRST_SPEC
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import StorageError


@dataclass(frozen=True)
class Wanted:
    """What the spec is about: a table, an example, or neither, which is a first spec."""

    file: str | None
    example: str | None
    keys: Mapping[str, Any]
    """Of the [[dataset]] of the table, without name and file."""
    name: str | None
    """Of the run on the table."""


def init(wanted: Wanted, path: Path | None, overwrite: bool, shared: Shared) -> int:
    """Writes a spec, and says how it is run."""
    _check(wanted)
    found = example(wanted.example) if wanted.example else None
    name = wanted.name or wanted.example or (FIRST_NAME if wanted.file is None else name_of(wanted.file))
    check_name(name)
    path = path or Path(f"{name}.toml")
    beside = {path.with_name(each.name): each.read_bytes() for each in found.tables} if found else {}
    for each in (path, *beside):
        _check_output(each, overwrite, beside.get(each))
    if found:
        text, folder = found.text_at(path), found.path.parent
    else:
        text = FIRST_SPEC if wanted.file is None else _of_table(name, wanted.file, wanted.keys, path)
        folder = path.parent
    spec = parse_spec(text.encode(), str(path), new=True, resolve=resolve, folder=str(folder))
    for each, content in {**beside, path: text.encode()}.items():
        _write(each, content, overwrite)
    shared.print(*_told(path, spec, beside))
    return exits.OK


def _check(wanted: Wanted) -> None:
    """Raises a UsageError for options that don't belong together."""
    if wanted.file is None and (wanted.keys or wanted.name):
        given = f"--{next(iter(wanted.keys), 'name')}".replace("categories", "one-hot")
        raise UsageError(f"{given} is about a table: write which one, with --from TABLE")
    if wanted.file and wanted.example:
        raise UsageError("--from and --example are two specs: write one of them")


def _told(path: Path, spec: JobSpec, beside: Iterable[Path]) -> tuple[dict[str, Any], str]:
    """Returns what was written and what comes next, as facts and as text."""
    count = len(trials(spec))
    size = f"{counted(count, 'trial')} on {counted(len(spec.datasets), 'dataset')}"
    wrote = ", ".join([f"wrote {linked(str(path), str(path))}", *(f"{each} beside it" for each in beside), size])
    facts = {"spec": str(path), "name": spec.name, "trials": count, "tables": [str(each) for each in beside]}
    return facts, f"{wrote}\nnext: sumsquares run {shlex.quote(str(path))}"


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


def _check_output(path: Path, overwrite: bool, content: bytes | None = None) -> None:
    """Raises a UsageError if a file can't be written there, or must not be; one with this content may stay."""
    shown = path_shown(str(path))
    if not path.parent.is_dir():
        raise UsageError(f"--output {shown}: there is no folder {path_shown(str(path.parent))}; make it first")
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise UsageError(f"--output {shown} is there and no plain file; write another name")
    if path.exists() and not overwrite and path.read_bytes() != content:
        raise UsageError(f"{shown} is there already: --overwrite replaces it, --output writes another file")


def _write(path: Path, content: bytes, overwrite: bool) -> None:
    try:
        with path.open("wb" if overwrite else "xb") as file:
            file.write(content)
    except FileExistsError:
        _check_output(path, overwrite, content)
    except OSError as error:
        raise StorageError(
            f"{path_shown(str(path))} can't be written: {error.strerror}; write --output elsewhere"
        ) from error
