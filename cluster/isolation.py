"""The environment of a Ray of our own: a token that nobody else has, and no way to anybody else's Ray. No Ray here.

Whoever reaches Ray's servers without a token being asked for runs code as this user. The token lives in the environment
of the process that starts Ray and of Ray's own processes, and nowhere else. As a second barrier the servers listen on
loopback alone, which Ray has no option for: `_node_ip_address="127.0.0.1"` is turned into the machine's address.
"""

from __future__ import annotations

import os
import secrets

from sumsquares.cluster.connect import NUMBER

TUNING = ("RAY_memory_usage_threshold", "RAY_memory_monitor_refresh_ms", "RAY_task_oom_retries")
"""Variables of Ray's that a Ray of our own keeps, where they are numbers: how it shares the memory of this machine."""


def isolate(folder: str) -> None:
    """Prepares this process to start a Ray; to be called before Ray is imported, which is when it reads some of this.

    What Ray writes without being told where lies in `folder`.

    Whatever else the user's environment says to Ray is for clusters: it would lead to another Ray or to another way of
    authentication, or keep this one from starting. Ray reads hundreds of variables, and ends without a word for one
    that it can't read; docs/LOG.md says what was tried.
    """
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        if name not in TUNING or not NUMBER.fullmatch(os.environ[name]):
            del os.environ[name]
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_TMPDIR"] = folder
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on any system: a Ray of one node, on 127.0.0.1
