"""Whether anything answers at an address, within seconds: Ray's own clients would try for minutes. No Ray here."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

from sumsquares.cluster.workers import ClusterError

CONNECT_SECONDS = 10.0
NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
ONE_ATTEMPT: Mapping[str, str] = {
    "RAY_gcs_server_port_wait_time_s": "1",  # a number of attempts, in spite of its name
    "RAY_py_gcs_connect_timeout_s": "7",  # of one attempt's three waits the last; the others take 5 s
}


def limit_attempts() -> None:
    """Has Ray try once to connect to a cluster. To be called before Ray is imported: that is when it reads this."""
    set_numbers(ONE_ATTEMPT)


def set_numbers(numbers: Mapping[str, str]) -> None:
    """Sets variables that Ray reads as numbers where the user's environment has none, or something that is none."""
    for name, number in numbers.items():
        if not NUMBER.fullmatch(os.environ.get(name, "")):
            os.environ[name] = number


def check_answers(address: str, host: str, port: int) -> None:
    """Opens a connection and closes it again.

    Raises:
        ClusterError: it can't be opened.

    """
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # a name that can't be one of a host is the latter
        raise ClusterError(
            f"nothing answers at {address}: {error}; check the address, and that the head's port {port} is open "
            "or forwarded to here"
        ) from error
