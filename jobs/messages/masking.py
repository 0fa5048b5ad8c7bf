"""Masks what looks like a secret in texts that others wrote, such as error messages of libraries.

No list of patterns can be complete. So our own messages leave out values that may hold a secret: rejected addresses,
headers, a hook's arguments.
"""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"(?i)\b([\w-]*(?:sig|signature|credential|token|secret|key|passwd|password|auth))(=|%3D)[^&\s'\",;)]+"
)
_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s'\"@]*(?:@|%40)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")


def masked(text: str) -> str:
    """Returns the text with users in URLs, values of secret-looking keys, and header tokens masked."""
    return _BEARER.sub(r"\1 ***", _USER.sub(r"\1***@", _NAMED.sub(r"\1=***", text)))
