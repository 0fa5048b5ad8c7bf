"""Classifies errors of an object store: their origin, whether they are retryable, the remedy. It makes no calls."""

import errno
import os
import re

_PERMANENT = {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE, errno.EREMCHG}
_SETTINGS = ("Credential", "Profile", "Config", "Token", "Region", "Validation", "UnknownService")
"""Parts of the names of configuration errors, which no retry fixes."""
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")
"""Prefixes of the environment variables that object stores read: a secret may be in the wrong one."""


class BucketError(OSError):
    """An object store's failure together with what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def is_refused(error: OSError) -> bool:
    """Whether the store answered that a condition doesn't hold; 409, for two at once, is retried."""
    answer = getattr(error.__cause__, "response", None) or {}
    return isinstance(error, FileExistsError) or answer.get("Error", {}).get("Code") in ("PreconditionFailed", "412")


def is_answer(error: Exception) -> bool:
    """Whether the error is a server's answer, rather than the lack of one."""
    return getattr(error.__cause__, "response", None) is not None


def is_transient(error: Exception) -> bool:
    """Whether a retry may succeed; an unknown error counts as retryable."""
    if isinstance(error, PermissionError | ValueError | TypeError | AttributeError | ImportError):
        return False
    name = type(error).__name__
    return not any(word in name for word in _SETTINGS) and getattr(error, "errno", None) not in _PERMANENT


def as_os_error(error: Exception, attempts: int) -> OSError:
    """Returns an error with its reason and its remedy in words."""
    if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return BucketError(f"access denied ({error})", "check the credentials and what they allow")
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    remedy, text = "check the address and the network, then run again", str(error)
    if any(word in type(error).__name__ for word in _SETTINGS) or isinstance(error, ValueError):
        text = _without_values(text)
        remedy = "correct the environment (AWS_PROFILE, AWS_ENDPOINT_URL, ...) and the files that it names"
    return BucketError(f"{type(error).__name__}: {text}{tries}", remedy)


def _without_values(text: str) -> str:
    """The text with environment variables' names in place of their values, which may be secret."""
    named = {value: name for name, value in os.environ.items() if name.startswith(_CLOUDS) and value.strip()}
    values = "|".join(re.escape(value) for value in sorted(named, key=len, reverse=True))
    return re.sub(values, lambda found: f"${named[found[0]]}", text) if named else text
