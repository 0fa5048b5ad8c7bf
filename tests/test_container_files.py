"""What Dockerfile and compose file must say, read from the files: pins, user, hardening, token. No Docker here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import sumsquares
from sumsquares.cluster.session import ENVIRONMENT
from sumsquares.jobs.cli.main import app

ROOT = Path(__file__).parent.parent
LINES = re.sub(r"\s*\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
LAST = LINES[max(index for index, line in enumerate(LINES) if line.startswith("FROM")) :]
SERVICES = yaml.safe_load((ROOT / "cluster/compose.yaml").read_text())["services"]
NODES = ("head", "worker")
RAY = (*NODES, "submit", "nightly")


def instructions(name, lines=LINES):
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def environment():
    (text,) = instructions("ENV", LAST)
    return dict(re.findall(r"(\w+)=(\S+)", text))


def test_the_image_has_the_settings_of_a_session():
    """`ray start` has no session: what a session sets for its own process, the image sets for nodes."""
    assert ENVIRONMENT.items() <= environment().items()
    assert environment()["SUMSQUARES_STORE"] in instructions("VOLUME", LAST)


def test_the_image_runs_as_a_fixed_user_and_starts_the_command():
    """By number, so that Kubernetes can tell that it isn't root."""
    assert instructions("USER", LAST) == ["10001:10001"]
    assert instructions("ENTRYPOINT", LAST) == ['["sumsquares"]']
    assert instructions("STOPSIGNAL", LAST) == ["SIGTERM"]
    assert len([line for line in LAST if line.startswith("HEALTHCHECK ")]) == 1


def test_the_image_is_of_exact_versions_from_one_base():
    """Both ends are the same base; the SBOM is made of the very stage that ships; the version is the distribution's."""
    assert dict(argument.split("=") for argument in instructions("ARG") if "BASE" in argument) == {
        "BASE": "python:3.11-slim-bookworm",
        "BUILD_BASE": "${BASE}",
    }
    assert instructions("FROM") == [
        "${BUILD_BASE} AS packages",
        "packages AS distribution",
        "${BASE} AS installed",
        "installed AS sbom",
        "installed",
    ]
    assert "PIP_ONLY_BINARY=:all:" in "".join(instructions("ENV"))
    assert f"VERSION={sumsquares.__version__}" in instructions("ARG")


def test_what_the_dockerfile_copies_is_all_that_the_build_is_sent():
    """`.dockerignore` leaves out everything else."""
    copied = {
        source.rstrip("/")
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name):
    """The fixed user, a read-only root, no capability, no new privileges, nothing of the host."""
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] > 0
    assert not set(service) & {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode", "env_file", "build"}
    assert service.get("network_mode", "none") == "none"
    assert service["image"] == "${IMAGE:-sumsquares}"
    mounts = [volume.rsplit(":", 1) for volume in service["volumes"] if not volume.startswith(("store:", "token:"))]
    assert mounts in ([], [["${SPECS:-../examples}:/specs", "ro"]])
    assert {mount.partition(":")[0] for mount in service["tmpfs"]} == {"/tmp", "/home/sumsquares"}  # noqa: S108


def test_a_night_has_a_ray_of_its_own_and_so_no_token_of_the_cluster():
    """It makes one itself."""
    assert "environment" not in SERVICES["nightly"]
    assert "token" not in str(SERVICES["nightly"]["volumes"])


@pytest.mark.parametrize("name", [name for name in RAY if name != "nightly"])
def test_whatever_speaks_to_a_cluster_has_the_token_by_its_file(name):
    """Which nobody but the service `token` can write, and whose content stands nowhere."""
    service = SERVICES[name]
    assert service["environment"] == {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": "/run/sumsquares/auth_token",
    }
    assert "token:/run/sumsquares:ro" in service["volumes"]
    assert "store:/store" in service["volumes"]
    assert SERVICES["token"]["volumes"] == ["token:/run/sumsquares"]


@pytest.mark.parametrize("name", RAY)
def test_whatever_runs_ray_has_the_room_it_needs(name):
    """Shared memory above the object store, open files, and more time to stop than a node takes to drain."""
    service = SERVICES[name]
    (store,) = re.findall(r"--object-store-memory=(\d+)", " ".join(SERVICES["head"]["entrypoint"]))
    assert service["shm_size"] == "1gb"
    assert int(store) <= 10**9
    assert service["ulimits"] == {"nofile": "${NOFILE:-65536}"}
    assert service["stop_grace_period"] == "45s"


def test_nothing_is_published_but_the_dashboard_on_loopback():
    """On the head; the cluster has a network of its own."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"head": ["127.0.0.1:${DASHBOARD_PORT:-8265}:8265"]}
    assert all(SERVICES[name]["networks"] == ["cluster"] for name in RAY)


def test_the_head_trains_nothing_and_starts_before_the_workers():
    """They wait for its health; the token is there before both."""
    assert "--num-cpus=0" in SERVICES["head"]["command"]
    assert SERVICES["worker"]["depends_on"] == {"head": {"condition": "service_healthy"}}
    assert SERVICES["head"]["depends_on"] == {"token": {"condition": "service_completed_successfully"}}
    assert "/api/gcs_healthz" in " ".join(SERVICES["head"]["healthcheck"]["test"])
    for name in NODES:
        assert SERVICES[name]["restart"] == "on-failure"
        assert "mem_limit" in SERVICES[name]


def test_the_services_that_are_asked_for_by_name_run_commands_that_exist():
    """`submit` waits; both are left alone by `up`."""
    commands = get_command(app).commands
    for name in ("submit", "nightly"):
        assert SERVICES[name]["profiles"] == [name]
        program, command, *options = SERVICES[name]["entrypoint"]
        assert (program, command) == ("sumsquares", name)
        assert command in commands
        found = commands[command]
        found = getattr(found, "commands", {}).get("start", found)  # what `nightly` is without a further word
        known = {flag for each in found.params for flag in each.opts}
        assert {option for option in options if option.startswith("--")} <= known
        assert (ROOT / "examples" / Path(SERVICES[name]["command"][0]).name).exists()
    assert "--wait" in SERVICES["submit"]["entrypoint"]
