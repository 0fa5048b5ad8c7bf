"""Names of what killed processes leave behind in a store, and from which age on it may be deleted.

These are temporary files, probes and lock files without a holder. folder.py and bucket.py delete them.
"""

import re

TEMPORARY = ".tmp-"
LOCK_NAME, TURN_NAME = f"{TEMPORARY}lock-", f"{TEMPORARY}turn-"
PROBE = "probe-"
PROBED = b"sumsquares"
"""The content of a probe."""
OLD_SECONDS = 86_400.0
"""Since the last write. Writing a temporary file takes minutes at most, and two machines' clocks differ by less."""

_HALF_WRITTEN = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{16}}")
_PROBE = re.compile(rf"{PROBE}[0-9a-f]{{16}}")


def is_half_written(name: str) -> bool:
    """Whether a file of this name is a temporary file of ours."""
    return _HALF_WRITTEN.fullmatch(name) is not None


def is_probe(name: str) -> bool:
    """Whether it has a probe's name; the content has to be compared too."""
    return _PROBE.fullmatch(name) is not None
