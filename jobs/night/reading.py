"""The results of a store as one night reads them: every pack once, however often a stage asks. It keeps no files.

A pack is read again where something was wrong with it, or a file of it is gone. One that is damaged in place while the
night runs is found by the next night.
"""

from __future__ import annotations

from sumsquares.jobs.results.stored import OF_TRIAL, Results, read_results
from sumsquares.jobs.storage.store import Store


class Reading:
    """Reads the results of one store."""

    def __init__(self) -> None:
        self._known: Results | None = None

    def __call__(self, store: Store) -> Results:
        """All results there are now."""
        self._known = read_results(store, OF_TRIAL, self._known)
        return self._known
