"""The webhook's address: from the environment or a file, and what is refused before the night. It is never shown.

There is no option that takes it, since everybody on a machine can read command lines.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.storage.plain import NotPlain, read_plain

VARIABLE = "SUMSQUARES_WEBHOOK"
FILE_VARIABLE = "SUMSQUARES_WEBHOOK_FILE"
MOST_BYTES = 4096
_FILE = f"the file of --webhook-file or ${FILE_VARIABLE}"
_NEVER = '"<>\\^`{|}#'
"""Signs that no such address has: parsers don't agree on what they mean."""
_HIDDEN = "what was given is not shown here, since it may be a secret"


def read_address(file: str | None, environment: MutableMapping[str, str], warn: Callable[[str], None]) -> str | None:
    """Returns the address, if there is one.

    It is taken out of the environment, so that neither workers nor the hook inherit it.

    Raises:
        UsageError: it is empty or no address, its file isn't one, or there are both.

    """
    given = environment.pop(VARIABLE, None)
    file = environment.get(FILE_VARIABLE) if file is None else file
    if given is not None and file is not None:
        raise UsageError(f"the webhook's address is in ${VARIABLE}, and a file is named for it too: leave one out")
    if file is not None:
        return _checked(_content(file, warn), _FILE, warn)
    return _checked(given, f"${VARIABLE}", warn) if given is not None else None


def _content(file: str, warn: Callable[[str], None]) -> str:
    """Returns what a file of one line holds."""
    trouble = "is not named: give its path"
    if file.strip():
        try:
            data = read_plain(Path(file), MOST_BYTES)
            if Path(file).stat().st_mode & stat.S_IROTH:
                warn(f"{_FILE} can be read by every user of this machine: `chmod 600` leaves it to its owner")
            return data.decode("utf-8", "replace")
        except NotPlain as error:
            trouble = f"is {error.strerror}: give a file that holds the address alone"
        except OSError as error:
            trouble = f"cannot be read: {error.strerror}"
        except ValueError:
            trouble = "cannot be read: its name cannot be a path"
    raise UsageError(f"{_FILE} {trouble}; {_HIDDEN}")


def _checked(text: str, place: str, warn: Callable[[str], None]) -> str:
    """Returns the address without space around it."""
    url = text.strip()
    if not url:
        raise UsageError(f"{place} is empty: give the webhook's address, or leave it out")
    if not _is_address(url):
        remedy = "write https:// and what follows, as the service shows it"
        raise UsageError(f"{place} is not an address that can be posted to: {remedy}; {_HIDDEN}")
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        warn("the webhook's address begins with http://: it is sent unencrypted, and so is every message")
    return url


def _is_address(url: str) -> bool:
    """Whether it is http or https, has a host, and can be sent as it stands."""
    if (
        not url.isascii()
        or not url.isprintable()
        or any(sign in url for sign in ' "<>\\^`{|}#')
        or len(url) > MOST_BYTES
    ):
        return False
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return False
        parts.hostname.encode("idna")  # as the resolver does: it refuses empty and long labels
        import requests

        requests.Request("POST", url).prepare()
    except (ValueError, OSError):  # OSError: the base of the errors of requests
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
