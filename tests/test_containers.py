"""The image and the compose cluster as real containers; test_container_files checks their files."""

from __future__ import annotations

import json
import os
import re
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import requests
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from specs import LONGER, SMALL
from test_run import summary_of

from sumsquares.jobs.storage.store import Store

ROOT = Path(__file__).parent.parent
IMAGE = "sumsquares:test"
READ_ONLY = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108
WALK = """
import os
for folder, folders, _ in os.walk("/"):
    if folder in ("/proc", "/sys"):
        folders.clear()
        continue
    try:
        os.close(os.open(f"{folder}/probe", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except OSError:
        continue
    os.unlink(f"{folder}/probe")
    folders.clear()
    print(folder)
"""
"""Prints the folders in which files can be created."""
PACKAGES = """for python in /opt/sumsquares/bin/python $(readlink -f /opt/sumsquares/bin/python); do $python -c '
import importlib.metadata, re
for each in importlib.metadata.distributions():
    print(re.sub("[-_.]+", "-", each.metadata["Name"]).lower(), each.version)'; done"""
"""Prints the packages of the environment and of its base Python."""
DPKG = "dpkg-query -W -f '${Status} ${Package} ${Version}\\n' | sed -n 's/^install ok installed //p'"

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]


def call(*command, **options):
    """Runs a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def sh(*command, **options):
    """Returns the output of a command, which must succeed."""
    ended = call(*command, **options)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


docker = partial(sh, "docker")


@pytest.fixture(scope="module")
def image():
    """The image, built as a user would; takes minutes, or seconds from Docker's cache."""
    if shutil.which("docker") is None or call("docker", "info").returncode:
        pytest.skip("no Docker Engine answers: `docker info` fails")
    sh("make", "image", f"IMAGE={IMAGE}", cwd=ROOT)
    return IMAGE


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """A folder of specs that the containers' user can read."""
    folder = tmp_path_factory.mktemp("specs")
    # Long enough that a worker still has work when the first result has been seen from outside its container.
    longer, endless = (LONGER.replace("epochs = 1500", f"epochs = {epochs}") for epochs in (3000, 50000))
    for name, text in (("small", SMALL), ("longer", longer), ("endless", endless)):
        (folder / f"{name}.toml").write_text(text)
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="module")
def quiet(image, specs, tmp_path_factory):
    """The summary of an undisturbed run of the longer spec, in one container."""
    name, folder = f"sumsquares-{secrets.token_hex(4)}", tmp_path_factory.mktemp("quiet")
    try:
        docker("run", *READ_ONLY[1:], "--name", name, "-v", f"{specs}:/specs:ro", image, "run", "/specs/longer.toml")
        docker("cp", f"{name}:/store", str(folder))
    finally:
        call("docker", "rm", "--force", "--volumes", name)
    return summary_of(Store(str(folder / "store")))


class Cluster:
    """A separate compose project with a head and two workers of one CPU each."""

    def __init__(self, image, specs):
        has_plugin = call("docker", "compose", "version").returncode == 0
        self.name = f"sumsquares-{secrets.token_hex(4)}"
        command = ["docker", "compose"] if has_plugin else ["docker-compose"]
        self.command = [*command, "-p", self.name, "-f", str(ROOT / "cluster/compose.yaml")]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.environment = os.environ | {
            "IMAGE": image,
            "SPECS": str(specs),
            "WORKER_CPUS": "1",
            "DASHBOARD_PORT": str(self.port),
            "NOFILE": str(65536 if files == resource.RLIM_INFINITY else min(65536, files)),
        }

    def compose(self, *arguments, **options):
        return sh(*self.command, *arguments, env=self.environment, **options)

    def start(self, log, *arguments):
        """Starts a compose command that runs beside the test."""
        return subprocess.Popen([*self.command, *arguments], env=self.environment, stdout=log, stderr=log)

    def up(self):
        """Starts the head and two workers, and waits until they are healthy."""
        self.compose("up", "--detach", "--scale", "worker=2")
        wait_until(lambda: [health(each) for each in self.containers("worker")] == ["healthy"] * 2, 90)

    def containers(self, service):
        return self.compose("ps", "--quiet", service).split()

    def get(self, path, token=None):
        """Returns the HTTP status of a request to the head."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10).status_code


@pytest.fixture(scope="module")
def cluster(image, specs):
    """A running cluster, removed with its volumes at the end."""
    found = Cluster(image, specs)
    try:
        found.up()
        yield found
    finally:
        found.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


def health(container):
    return docker("inspect", "--format", "{{.State.Health.Status}}", container).strip()


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.3)


def test_the_image_has_no_compiler_and_labels_its_version(image, capsys):
    """It runs as a fixed user, with the package and torch installed; its size is printed."""
    facts = json.loads(docker("image", "inspect", image))[0]
    with capsys.disabled():
        sys.stdout.write(f"\n{image} has {facts['Size'] / 1e9:.2f} GB\n")
    assert facts["Config"]["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert facts["Config"]["User"] == "10001:10001"
    tools = "command -v gcc cc g++ c++ clang tcc rustc go make ld; true"
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", tools) == ""
    code = "import sumsquares.jobs, sys, torch; print(sumsquares.jobs.__file__, torch.cuda.device_count() >= 0)"
    assert "site-packages" in docker("run", "--rm", "--entrypoint", "python", image, "-c", code)


def test_the_sbom_lists_what_is_in_the_image_and_nothing_else(image):
    """As listed by Python and dpkg in the image, including the base's Python; and it is valid by its schema."""
    text = sh("make", "--silent", "sbom", f"IMAGE={image}", cwd=ROOT)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    sbom = json.loads(text)
    asked = [docker("run", "--rm", "--entrypoint", "sh", image, "-c", command) for command in (PACKAGES, DPKG)]
    python, debian = ({tuple(line.split()) for line in printed.splitlines()} for printed in asked)
    subject, components = sbom["metadata"]["component"], sbom["components"]
    found = {kind: [each for each in components if each["purl"].startswith(f"pkg:{kind}/")] for kind in ("pypi", "deb")}
    listed = {kind: {(each["name"], each["version"]) for each in found[kind]} for kind in found}
    assert listed["pypi"] | {(subject["name"], subject["version"])} == python
    assert listed["deb"] == debian
    assert len(debian) > 50
    assert [each["name"] for each in components if each not in (*found["pypi"], *found["deb"])] == ["python"]
    revision = sh("git", "rev-parse", "HEAD", cwd=ROOT).strip()
    assert subject["properties"] == [{"name": "org.opencontainers.image.revision", "value": revision}]
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {each["name"] for each in found["pypi"] if "hashes" in each} >= {*locked, "torch"} - {"colorama", "tzdata"}


def test_the_main_job_needs_only_the_image(image):
    """`docker run IMAGE run examples/question.toml` trains all 180 trials; sums and squares are learnt exactly."""
    facts = json.loads(docker("run", "--rm", image, "run", "examples/question.toml", "--json"))
    assert facts["trials"] == {"total": 180, "ok": 180, "diverged": 0, "missing": 0, "missing_ids": []}
    assert [facts["best"][name]["trial"]["exact_fraction"] for name in ("sums", "squares")] == [1, 1]
    assert facts["engines"] == {"lanes": 180}, "the kernel was not built into the image"


def test_a_container_can_write_only_to_its_volumes(image):
    """As user 10001 with a read-only root: only to the store and to file systems in memory."""
    walked = docker("run", "-i", *READ_ONLY, "--entrypoint", "python", image, "-", input=WALK)
    assert set(walked.split()) - {"/dev/mqueue"} == {"/store", "/tmp", "/dev/shm"}  # noqa: S108
    identity = docker("run", *READ_ONLY, "--entrypoint", "sh", image, "-c", "id -u; id -g; echo $HOME")
    assert identity.split() == ["10001", "10001", "/home/sumsquares"]


def test_an_unwritable_store_is_reported(image, specs):
    """With exit code 4, before any work, in one message."""
    container = ["docker", "run", *READ_ONLY, "-v", f"{specs}:/specs:ro", image]
    ended = call(*container, "run", "/specs/small.toml", "--store", "/mine")
    assert ended.returncode == 4, ended.stderr
    assert "/mine" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_nodes_run_without_any_privilege(cluster):
    """According to the kernel, for their first process; and they can write only to their volumes."""
    for node in cluster.containers("head") + cluster.containers("worker"):
        status = docker("exec", node, "cat", "/proc/1/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == facts["Gid"].split() == ["10001"] * 4
        assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {0}
        assert facts["NoNewPrivs"] == "1"
        walked = docker("exec", "-i", node, "python", "-", input=WALK)
        assert set(walked.split()) - {"/dev/mqueue"} == {"/store", "/tmp", "/home/sumsquares", "/dev/shm"}  # noqa: S108


def test_a_missing_or_wrong_token_is_rejected(cluster, image):
    """With 401 or 403, and exit code 5; the token from `run --rm token cat` is accepted."""
    token = cluster.compose("run", "--rm", "token", "cat").split()[-1]
    assert len(token) == 64
    for path in ("/api/jobs/", "/api/version", "/nodes?view=summary"):
        assert [cluster.get(path), cluster.get(path, "0" * 64), cluster.get(path, token)] == [401, 403, 200]
    inside = ["docker", "run", "--rm", "--network", f"{cluster.name}_cluster", "-e", "RAY_AUTH_MODE=token"]
    for wrong in (["-e", f"RAY_AUTH_TOKEN={'0' * 64}"], []):
        ended = call(*inside, *wrong, image, "list", "--address", "http://head:8265")
        assert ended.returncode == 5, ended.stderr
        assert token not in ended.stdout + ended.stderr
    assert token not in cluster.compose("logs")


def test_the_token_is_created_once(cluster):
    """Another start doesn't change it, and other users cannot read it."""
    before = cluster.compose("run", "--rm", "token", "cat").split()[-1]
    cluster.compose("run", "--rm", "token")
    assert cluster.compose("run", "--rm", "token", "cat").split()[-1] == before
    (head,) = cluster.containers("head")
    assert docker("exec", head, "stat", "-c", "%a %u", "/run/sumsquares/auth_token").split() == ["600", "10001"]


def test_nothing_listens_beyond_loopback(cluster):
    """Only one port of one container is published, on 127.0.0.1."""
    nodes = cluster.containers("head") + cluster.containers("worker")
    published = [line for node in nodes for line in docker("port", node).splitlines()]
    assert published == [f"8265/tcp -> 127.0.0.1:{cluster.port}"]


def test_a_store_inside_one_container_is_rejected(cluster):
    """Exit code 5 within half a minute, naming the nodes that can't see it and the alternative."""
    began = time.monotonic()
    submit = ("run", "--rm", "submit", "/specs/small.toml", "--store", "/tmp/mine")  # noqa: S108
    ended = call(*cluster.command, *submit, env=cluster.environment)
    assert ended.returncode == 5, ended.stdout + ended.stderr
    assert "can't see" in ended.stdout
    assert "s3://bucket/prefix" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert time.monotonic() - began < 60  # 30 s, plus compose's own start


def crash(node):
    """Kills all its processes at once; compose restarts it."""
    call("docker", "exec", node, "sh", "-c", "kill -9 -1")


def lose(node):
    """Has the engine kill it for good."""
    docker("kill", node)


@pytest.mark.parametrize("kill", [crash, lose])
def test_a_killed_worker_changes_nothing_in_the_summary(cluster, quiet, tmp_path, kill):
    """Whether it restarts or is lost for good, the job ends with exit code 0 and the same summary."""
    cluster.up()
    (head,), (worker, _) = cluster.containers("head"), cluster.containers("worker")
    store, log = f"/store/{kill.__name__}", tmp_path / "log"
    with log.open("w") as file:
        submit = cluster.start(file, "run", "--rm", "submit", "/specs/longer.toml", "--store", store)
    try:
        wait_until(lambda: ".parquet" in call("docker", "exec", head, "ls", f"{store}/trials").stdout, 180)
        kill(worker)
        assert submit.wait(timeout=300) == 0, log.read_text()
    finally:
        submit.kill()
        submit.wait()
    assert "its worker died" in log.read_text()
    assert "FATAL" not in log.read_text()
    docker("cp", f"{head}:{store}", str(tmp_path / "store"))
    assert summary_of(Store(str(tmp_path / "store"))) == quiet


def test_a_night_runs_once(cluster):
    """With the command that cron starts; a second start of the same night finds it finished."""
    night = ("run", "--rm", "nightly", "/specs/small.toml", "--date", "2026-01-05")
    assert "promoted" in cluster.compose(*night)
    again = call(*cluster.command, *night, env=cluster.environment)
    assert again.returncode == 0
    assert "there is nothing to do" in again.stderr


@pytest.mark.attack
@pytest.mark.parametrize("token", ["", "0" * 64], ids=["no token", "a wrong token"])
@pytest.mark.parametrize("where", ["host", "container"])
def test_the_ray_in_a_container_rejects_attackers_without_its_token(training, where, token):
    """From the host over its address, and from inside as its own user: no attack succeeds, and no task runs."""
    name, address = training
    text = (ROOT / "tests" / "attack.py").read_text()
    ports = json.loads(docker("exec", "-i", name, "python", "-", "find", input=text))
    assert len(ports) > 5
    marker = f"/tmp/marker-{secrets.token_hex(4)}"  # noqa: S108
    here = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if where == "container" else {}
    mode = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    given = [f"{key}={value}" for key, value in (here | mode).items()]
    inside = ["docker", "exec", "-i", *(word for each in given for word in ("-e", each)), name, "python"]
    program = inside if where == "container" else ["env", *given, sys.executable]
    host = "127.0.0.1" if where == "container" else address
    ended = call(*program, "-", "try", host, marker, *map(str, ports), input=text, timeout=90)
    assert "all ways tried" in ended.stdout, ended.stdout + ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("IN: ")] == []
    assert call("docker", "exec", name, "ls", marker).returncode
    assert not Path(marker).exists()
    assert docker("inspect", "--format", "{{.State.Running}}", name).strip() == "true"


@pytest.fixture(scope="module")
def training(image, specs):
    """A container that trains for a long time, and its address."""
    name = f"sumsquares-{secrets.token_hex(4)}"
    command = ("run", "/specs/endless.toml", "--workers", "2")
    try:
        docker("run", "--detach", *READ_ONLY[1:], "--name", name, "-v", f"{specs}:/specs:ro", image, *command)
        wait_until(lambda: "ray::RayTrainWorker" in call("docker", "top", name).stdout, 90)
        yield name, docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name).strip()
    finally:
        call("docker", "rm", "--force", "--volumes", name)
