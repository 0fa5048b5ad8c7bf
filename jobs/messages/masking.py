"""Secrets are never shown: what looks like one in a text of somebody else's is masked. No list can be complete, so
what we say ourselves leaves out what may hold one: addresses that are refused, headers, a hook's arguments.
"""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"(?i)\b([\w-]*(?:sig|signature|credential|token|secret|key|passwd|password|auth))(=|%3D)[^&\s'\",;)]+"
)
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s'\"@]*(?:@|%40)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


def masked(text: str) -> str:
    """The text without user parts of addresses, values of keys that name a secret, and tokens of headers."""
    return _BEARER.sub(r"\1 ***", _USER.sub(r"\1***@", _NAMED.sub(r"\1=***", text)))
