"""What went wrong with an object store: who said it, whether it may be tried again, what to do. It calls nothing."""

import errno
import os
import re

_PERMANENT = {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE, errno.EREMCHG}
_SETTINGS = ("Credential", "Profile", "Config", "Token", "Region", "Validation", "UnknownService")
"""Parts of the names of errors in what the user has set, which no repetition mends."""
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")
"""How the variables that object stores read begin: a secret may stand in the wrong one."""


class BucketError(OSError):
    """An object store's failure together with what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def is_refused(error: OSError) -> bool:
    """Say whether the store answered that a condition doesn't hold; 409, two at once, is repeated."""
    answer = getattr(error.__cause__, "response", None) or {}
    return isinstance(error, FileExistsError) or answer.get("Error", {}).get("Code") in ("PreconditionFailed", "412")


def is_answer(error: Exception) -> bool:
    """Say whether a server has said this, rather than nobody."""
    return getattr(error.__cause__, "response", None) is not None


def is_transient(error: Exception) -> bool:
    """Say whether a call may succeed when it is repeated; what is unknown may."""
    if isinstance(error, PermissionError | ValueError | TypeError | AttributeError | ImportError):
        return False
    name = type(error).__name__
    return not any(word in name for word in _SETTINGS) and getattr(error, "errno", None) not in _PERMANENT


def as_os_error(error: Exception, attempts: int) -> OSError:
    """Return an error with its reason and its remedy in words."""
    if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return BucketError(f"access denied ({error})", "check the credentials and what they allow")
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    remedy, text = "check the address and the network, then run again", str(error)
    if any(word in type(error).__name__ for word in _SETTINGS) or isinstance(error, ValueError):
        text = _without_values(text)
        remedy = "correct the environment (AWS_PROFILE, AWS_ENDPOINT_URL, ...) and the files that it names"
    return BucketError(f"{type(error).__name__}: {text}{tries}", remedy)


def _without_values(text: str) -> str:
    """A text about a setting, with the names of variables of the environment in place of their values."""
    named = {value: name for name, value in os.environ.items() if name.startswith(_CLOUDS) and value.strip()}
    values = "|".join(re.escape(value) for value in sorted(named, key=len, reverse=True))
    return re.sub(values, lambda found: f"${named[found[0]]}", text) if named else text
