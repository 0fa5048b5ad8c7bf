"""Exit codes: every error carries its own, and the same failure ends `run`, `train` and a night with the same code."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from specs import SMALL

from sumsquares.cluster.workers import ClusterError
from sumsquares.datasets.errors import DamagedShard, DataError
from sumsquares.jobs import exits
from sumsquares.jobs.cli.streams import OutputError
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.nightly import RegressedError
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.engines.choice import EngineMissing
from sumsquares.jobs.night.context import NightContext
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.results.pack_files import DamagedResult, ForeignResult
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.errors import SpecError
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.address import AddressError
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store

ROOT = Path(__file__).parent.parent
SOURCES = [path for package in ("jobs", "cluster", "datasets") for path in sorted((ROOT / package).rglob("*.py"))]
TRANSLATED = {"SealError", "BucketError", "FormulaError", "NotPlain"}
"""Whoever calls the code that raises them raises another error in their place."""
OF_PACKS = {"CompileError", "CudaError", "NotForCuda"}
"""They fail a pack in a worker, and never a command."""
CODES = {
    exits.UsageError(): exits.USAGE,
    SpecError("spec.toml", []): exits.USAGE,
    EngineMissing(): exits.USAGE,
    AddressError(): exits.USAGE,
    DataError(): exits.DATA,
    DamagedShard(): exits.DATA,
    DamagedRecord(): exits.DATA,
    DamagedResult(): exits.DATA,
    ForeignFile(): exits.DATA,
    StorageError(): exits.STORAGE,
    OutputError(): exits.STORAGE,
    MemoryError(): exits.STORAGE,
    pa.ArrowMemoryError(): exits.STORAGE,
    ClusterError(): exits.CLUSTER,
    exits.BusyError(): exits.BUSY,
    RegressedError(): exits.REGRESSED,
    ValueError(): exits.INTERNAL,
    OSError(): exits.INTERNAL,
}
FAILURES = {
    DamagedShard("a shard"): exits.DATA,
    DamagedResult("a result"): exits.DATA,
    ForeignResult("a result"): exits.DATA,
    ForeignFile("a file"): exits.DATA,
    DataError("some data"): exits.DATA,
    ValueError("a bug"): exits.INCOMPLETE,
}


def test_every_error_of_ours_has_an_exit_code():
    """As a class attribute, its own or that of a base."""
    classes = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if type(node) is ast.ClassDef]
    builtin = {"Exception", "ValueError", "RuntimeError", "OSError", "LookupError", "TypeError"}
    errors = {node.name for node in classes if builtin & {ast.unparse(base) for base in node.bases}}
    with_code = {
        node.name for node in classes if "exit_code" in (ast.unparse(each).split(" ")[0] for each in node.body)
    }
    assert errors - TRANSLATED - OF_PACKS == with_code & errors


@pytest.mark.parametrize("error", CODES, ids=lambda error: type(error).__name__)
def test_the_exit_code_is_that_of_the_error(error):
    """For any other exception, it is that of an internal error."""
    assert exits.code_of(error) == CODES[error]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_failed_pack_ends_run_train_and_night_with_the_same_code(tmp_path, monkeypatch, error):
    """3 if stored data was at fault, else 7."""

    def fails(*_):
        raise error

    path, store = tmp_path / "spec.toml", Store(str(tmp_path / "store"))
    path.write_text(SMALL)
    shared = Shared(store.root, json=True, quiet=True)
    commands.generate(path, 10**6, IN_PROCESS, shared)
    monkeypatch.setattr("sumsquares.jobs.stages.train.train_pack", fails)
    ended = [command(path, 10**6, IN_PROCESS, shared) for command in (commands.run, commands.train)]
    night = Night(date(2026, 11, 1), load_spec(path))
    ended.append(run_night(NightContext(night, store, IN_PROCESS, Progress(quiet=True))).exit_code)
    assert ended == [FAILURES[error]] * 3
