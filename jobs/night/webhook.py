"""The webhook: an address of the user's to which each event of a night is posted.

The address is a secret, since whoever knows it can post. So no part of it is in a message, log or exception: troubles
are worded here, and what HTTP libraries log of a delivery is dropped. Redirects aren't followed, and netrc isn't read.
Proxies and authorities are those of the environment.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sumsquares import __version__
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.payloads import encoded
from sumsquares.jobs.night.webhook_answer import Answer, answer_of, failure_of

TRY_SECONDS = 10.0
"""Longest wait for one answer; services answer within a second or two."""
LONGEST_PAUSE = 30.0
"""Upper limit of the back-off, in seconds. What a receiver asks for may be longer."""
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"sumsquares/{__version__}"}
_THREAD = "sumsquares-webhook"


@dataclass(frozen=True)
class Webhook:
    """Where events are posted."""

    url: str = field(repr=False)
    """A checked address; it is a secret."""
    kind: str = "json"
    """Format of what is posted, one of `payloads.FORMATS`."""
    seconds: float = 60.0
    """Time limit of a delivery with all its tries."""


def post(webhook: Webhook | None, event: str, facts: Mapping[str, Any], clock: Clock) -> str | None:
    """Posts the event; returns what went wrong, or None.

    A thread does it, and is left behind when the time is up: no time limit covers a name server that doesn't answer, or
    a receiver that sends one byte at a time.
    """
    if webhook is None:
        return None
    answers: list[Answer] = []
    work = (webhook, encoded(webhook.kind, event, facts), clock, answers)
    thread = threading.Thread(target=_deliver, args=work, name=_THREAD, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return f"the webhook for {event} failed: this process may have no more threads"
    thread.join(webhook.seconds)
    known = answers[:]  # the thread may still be running
    if known and known[-1].trouble is None:
        return None
    if not known:
        return f"the webhook for {event} failed: no answer within {webhook.seconds:g} s"
    tries = "" if len(known) == 1 else f" ({len(known)} tries)"
    return f"the webhook for {event} failed: {known[-1].trouble}{tries}"


def _deliver(webhook: Webhook, body: bytes, clock: Clock, answers: list[Answer]) -> None:
    """Tries until it is delivered, another try wouldn't help, or there is no time for one."""
    deadline = clock.monotonic() + webhook.seconds
    for attempt in count():
        left = max(deadline - clock.monotonic(), 0.01)  # a sleep may take longer than asked for
        answer = _try(webhook.url, body, min(TRY_SECONDS, left), clock)
        answers.append(answer)
        pause = max(answer.pause, _back_off(attempt))
        if not answer.again or clock.monotonic() + pause >= deadline:
            return
        clock.sleep(pause)


def _back_off(attempt: int) -> float:
    """Returns seconds before the next try: 1, 2, 4 and so on, each less up to a half, so that not all come at once."""
    share = random.uniform(0.5, 1.0)  # noqa: S311  no secret
    return float(share * min(2.0 ** min(attempt, 30), LONGEST_PAUSE))


def _try(url: str, body: bytes, seconds: float, clock: Clock) -> Answer:
    """Posts once. Only the head of the answer is read."""
    try:
        import requests  # 80 ms, for those who have a webhook

        _drop_logs()
        with requests.Session() as session:
            user = requests.utils.get_auth_from_url(url)
            session.auth = user if any(user) else _unauthorized
            sent = session.post(url, body, headers=_HEADERS, timeout=seconds, allow_redirects=False, stream=True)
            with sent as reply:
                return answer_of(reply.status_code, reply.headers.get("Retry-After"), clock.now())
    except Exception as error:  # of any library; the address may be in its words
        return failure_of(error)


def _unauthorized(request: Any) -> Any:
    """Leaves a request as it is. Without it, requests would look for a password in netrc."""
    return request


class _OfDeliveries(logging.Filter):
    """Drops what is logged in the thread of a delivery."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != _THREAD


_DROP = _OfDeliveries()


def _drop_logs() -> None:
    """Drops it in all loggers of the HTTP libraries: they log paths, at any level."""
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("urllib3", "requests"):
            logging.getLogger(name).addFilter(_DROP)
