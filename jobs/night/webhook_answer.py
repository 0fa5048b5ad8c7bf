"""What came back from a try to post to the webhook, in words of our own. They hold no part of the address."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Answer:
    """How a try ended."""

    trouble: str | None
    """What went wrong; None if it was delivered."""
    again: bool = False
    """Whether another try may help."""
    pause: float = 0.0
    """Seconds that the receiver asks to wait before it."""


def answer_of(status: int, retry_after: str | None, now: float) -> Answer:
    """Returns what a status means, with the time that the receiver asks for; `now` in seconds since 1970."""
    if 200 <= status < 300:
        return Answer(None)
    said = f"the receiver answered {_named(status)}"
    if 300 <= status < 400:
        return Answer(f"{said}, a redirect, which isn't followed: give the address that it leads to")
    again = status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500
    pause = seconds_of(retry_after, now) if again else 0.0
    return Answer(f"{said} and asks for a pause of {pause:.0f} s" if pause else said, again, pause)


def seconds_of(retry_after: str | None, now: float) -> float:
    """Returns the seconds of a Retry-After header, which is a number or a date; 0 if it is neither."""
    text = (retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0


def failure_of(error: Exception) -> Answer:
    """Returns what an exception of the HTTP library means."""
    from requests import exceptions

    if any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error)):
        return Answer("the receiver's certificate isn't trusted: $REQUESTS_CA_BUNDLE names a file of authorities")
    if isinstance(error, exceptions.ProxyError):
        return Answer("the proxy of the environment didn't connect", again=True)
    if isinstance(error, exceptions.SSLError):
        return Answer("no TLS connection", again=True)
    if isinstance(error, exceptions.Timeout):
        return Answer("no answer in time", again=True)
    if isinstance(error, exceptions.ConnectionError):
        return Answer("no connection, or no HTTP answer on it", again=True)
    if type(error) is OSError:  # what requests raises for files of certificates, and for nothing else
        return Answer("the file of authorities that $REQUESTS_CA_BUNDLE or $CURL_CA_BUNDLE names can't be read")
    return Answer(f"it could not be sent ({type(error).__name__})")


def _chain(error: object) -> Iterator[object]:
    """Yields an exception and those that it came from or carries."""
    seen: list[object] = []
    left = [error]
    while left:
        each = left.pop()
        if isinstance(each, BaseException) and not any(each is known for known in seen):
            seen.append(each)
            yield each
            left += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _named(status: int) -> str:
    """Returns a status as a message has it; a receiver's own words may hold anything."""
    return f"{status} {HTTPStatus(status).phrase}" if status in [*HTTPStatus] else str(status)
