"""Failed packs: which of them end the run, which exit code they give it, and how they are reported."""

from __future__ import annotations

from collections.abc import Sequence

from sumsquares.cluster.work import Failure
from sumsquares.jobs import exits
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.storage.store import StorageError


def raise_if_fatal(failures: Sequence[Failure]) -> None:
    """Raises the fatal error of a worker here as well. Of our errors, StorageError alone is fatal."""
    for failure in failures:
        if failure.fatal:
            raise StorageError(failure.message)


def code_of(failures: Sequence[Failure], is_complete: bool) -> int:
    """The exit code of trained packs: 3 if one failed by damaged or foreign data, 7 if results are missing, else 0."""
    if any(failure.exit_code == exits.DATA for failure in failures):
        return exits.DATA
    return exits.OK if is_complete else exits.INCOMPLETE


def warn_of_failures(failures: Sequence[Failure], progress: Progress) -> None:
    """Names each pack that was given up, and why; with --debug, the worker's traceback."""
    progress.warn_all(str(failure) for failure in failures)
    if exits.is_debugging():
        progress.warn_all(failure.traceback for failure in failures if failure.traceback)
