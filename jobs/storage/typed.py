"""Commands as a message shows them: ready to be typed, with the store that they are about."""

from __future__ import annotations

import shlex

from sumsquares.jobs.storage.store import Store


def typed(store: Store, *words: str) -> str:
    """A command in backquotes; words such as SPEC and NIGHT are for the reader to fill in."""
    return f"`{shlex.join(['sumsquares', *words, '--store', store.root])}`"
