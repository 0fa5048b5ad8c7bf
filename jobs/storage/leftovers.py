"""What killed processes leave behind in a store: which names are ours alone, and when such a file is old.

Temporary files, probes, and lock files that nobody needs any more. Nothing is deleted here; folder.py and bucket.py do.
"""

import re

TEMPORARY = ".tmp-"
LOCK_NAME, TURN_NAME = f"{TEMPORARY}lock-", f"{TEMPORARY}turn-"
PROBE = "probe-"
PROBED = b"sumsquares"
"""What a probe holds."""
OLD_SECONDS = 86_400.0
"""Since the last write: a temporary file is written in minutes at most, and clocks of two machines differ by less."""

_HALF_WRITTEN = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{16}}")
_PROBE = re.compile(rf"{PROBE}[0-9a-f]{{16}}")


def is_half_written(name: str) -> bool:
    """Whether a file of this name was never finished: its random name says so."""
    return _HALF_WRITTEN.fullmatch(name) is not None


def is_probe(name: str) -> bool:
    """Whether it may be a probe; what it holds has to be compared."""
    return _PROBE.fullmatch(name) is not None
