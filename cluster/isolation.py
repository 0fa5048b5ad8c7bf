"""The environment of a Ray of our own: a token that nobody else has, and no way to anybody else's Ray. No Ray here.

Whoever reaches Ray's servers without a token being asked for runs code as this user. The token lives in the environment
of the process that starts Ray and of Ray's own processes, and nowhere else. As a second barrier the servers listen on
loopback alone, which Ray has no option for: `_node_ip_address="127.0.0.1"` is turned into the machine's address.
"""

from __future__ import annotations

import os
import secrets

ELSEWHERE = (
    "RAY_ADDRESS",  # KubeRay sets it in its pods: ray.init would connect instead of starting a Ray
    "RAY_API_SERVER_ADDRESS",
    "RAY_REDIS_ADDRESS",
    "RAY_gcs_storage",  # redis: the state of somebody's cluster
    "RAY_NAMESPACE",
    "RAY_CLIENT_MODE",  # one more server, in the driver
    "RAY_JOB_CONFIG_JSON_ENV_VAR",  # of the job that this process is part of, on another Ray
    "RAY_RUNTIME_ENV_HOOK",
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING",
    "RAY_OVERRIDE_RESOURCES",  # the autoscaler's words for a node of another Ray
    "RAY_OVERRIDE_LABELS",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_ENABLE_K8S_TOKEN_AUTH",  # Kubernetes would decide who is let in
    "RAY_USE_TLS",  # with the certificates of a cluster, which 127.0.0.1 is not in
    "RAY_grpc_enable_http_proxy",
)
"""Variables that lead a Ray of our own to another one or to another way of authentication, or keep it from starting,
and their kin: docs/LOG.md says what was tried."""


def isolate(folder: str) -> None:
    """Prepares this process to start a Ray; to be called before Ray is imported, which is when it reads some of this.

    What Ray writes without being told where lies in `folder`.

    Set and not defaulted: what the user's environment says is for clusters.
    """
    for name in ELSEWHERE:
        os.environ.pop(name, None)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_TMPDIR"] = folder
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on any system: a Ray of one node, on 127.0.0.1
