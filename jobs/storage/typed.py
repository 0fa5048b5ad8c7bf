"""Commands as a message shows them: ready to be typed, with their store."""

from __future__ import annotations

import shlex

from sumsquares.jobs.storage.store import Store


def typed(store: Store, *words: str) -> str:
    """A command in backquotes; the reader fills in words such as SPEC and NIGHT."""
    return f"`{shlex.join(['sumsquares', *words, '--store', store.root])}`"
