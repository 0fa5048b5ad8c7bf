"""Checks within seconds whether an address answers, where Ray's own clients would retry for minutes. No Ray here."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping

from sumsquares.cluster.workers import ClusterError

CONNECT_SECONDS = 10.0
NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
ONE_ATTEMPT: Mapping[str, str] = {
    "RAY_gcs_server_port_wait_time_s": "1",  # despite its name, a number of attempts
    "RAY_py_gcs_connect_timeout_s": "7",  # the last of an attempt's three waits; the other two take 5 s
}


def limit_attempts() -> None:
    """Makes Ray try only once to connect to a cluster. Must be called before Ray is imported, which reads this."""
    set_numbers(ONE_ATTEMPT)


def set_numbers(numbers: Mapping[str, str]) -> None:
    """Sets variables that Ray reads as numbers, unless the user's environment already holds a valid number."""
    for name, number in numbers.items():
        if not NUMBER.fullmatch(os.environ.get(name, "")):
            os.environ[name] = number


def check_answers(address: str, host: str, port: int) -> None:
    """Opens a connection and closes it again.

    Raises:
        ClusterError: the connection failed.

    """
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        raise ClusterError(
            f"nothing answers at {address}: {error}; check the address, and that the head's port {port} is open "
            "or forwarded to this machine"
        ) from error
