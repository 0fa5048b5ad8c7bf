"""The environment of a local Ray: a token that no one else has, and no connection to any other Ray. No Ray here.

Without a token, anyone who reaches Ray's servers can run code as this user. The token lives only in the environment of
the process that starts Ray and of Ray's own processes. As a second barrier the servers listen on loopback alone. Ray
has no option for that: it replaces `_node_ip_address="127.0.0.1"` with the machine's address.
"""

from __future__ import annotations

import os
import secrets

from sumsquares.cluster.connect import NUMBER

TUNING = ("RAY_memory_usage_threshold", "RAY_memory_monitor_refresh_ms", "RAY_task_oom_retries")
"""Ray's variables that a local Ray keeps if they are numbers: how it shares this machine's memory."""


def isolate(folder: str) -> None:
    """Prepares this process to start a local Ray whose files lie in `folder`.

    Must be called before Ray is imported, which reads part of the environment.

    All other Ray variables of the user are removed. They are meant for clusters: they would lead to another Ray or to
    another kind of authentication, or keep this Ray from starting. Ray reads hundreds of variables and exits silently
    on one that it cannot parse; docs/LOG.md lists what was tried.
    """
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        if name not in TUNING or not NUMBER.fullmatch(os.environ[name]):
            del os.environ[name]
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_TMPDIR"] = folder
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on every system: a single node on 127.0.0.1
