"""The contents of Dockerfile and compose file: pins, user, hardening, token. No Docker here."""

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
    """A session sets them for its own process; `ray start` has none, so the image sets them for nodes."""
    assert ENVIRONMENT.items() <= environment().items()
    assert environment()["SUMSQUARES_STORE"] in instructions("VOLUME", LAST)


def test_the_image_runs_the_command_as_a_fixed_user():
    """A numeric one, so that Kubernetes can verify that it isn't root."""
    assert instructions("USER", LAST) == ["10001:10001"]
    assert instructions("ENTRYPOINT", LAST) == ['["sumsquares"]']
    assert instructions("STOPSIGNAL", LAST) == ["SIGTERM"]
    assert len([line for line in LAST if line.startswith("HEALTHCHECK ")]) == 1


def test_the_image_has_exact_versions_and_one_base():
    """Build and result share the base; the SBOM describes the shipped stage; the version is the distribution's."""
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


def test_the_build_context_is_exactly_what_the_dockerfile_copies():
    """`.dockerignore` excludes everything else."""
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
    """The fixed user, a read-only root, no capabilities, no new privileges, nothing of the host."""
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


def test_a_night_has_no_token_of_the_cluster():
    """Its local Ray has its own."""
    assert "environment" not in SERVICES["nightly"]
    assert "token" not in str(SERVICES["nightly"]["volumes"])


@pytest.mark.parametrize("name", [name for name in RAY if name != "nightly"])
def test_every_service_that_connects_to_the_cluster_has_the_token_file(name):
    """Only the service `token` can write it, and its content appears nowhere."""
    service = SERVICES[name]
    assert service["environment"] == {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": "/run/sumsquares/auth_token",
    }
    assert "token:/run/sumsquares:ro" in service["volumes"]
    assert "store:/store" in service["volumes"]
    assert SERVICES["token"]["volumes"] == ["token:/run/sumsquares"]


@pytest.mark.parametrize("name", RAY)
def test_every_service_with_ray_has_the_room_it_needs(name):
    """More shared memory than the object store, open files, and more time to stop than a node takes to drain."""
    service = SERVICES[name]
    (store,) = re.findall(r"--object-store-memory=(\d+)", " ".join(SERVICES["head"]["entrypoint"]))
    assert service["shm_size"] == "1gb"
    assert int(store) <= 10**9
    assert service["ulimits"] == {"nofile": "${NOFILE:-65536}"}
    assert service["stop_grace_period"] == "45s"


def test_nothing_is_published_but_the_dashboard_on_loopback():
    """By the head; the cluster has its own network."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"head": ["127.0.0.1:${DASHBOARD_PORT:-8265}:8265"]}
    assert all(SERVICES[name]["networks"] == ["cluster"] for name in RAY)


def test_the_head_does_no_training_and_starts_before_the_workers():
    """They wait until it is healthy; the token exists before both."""
    assert "--num-cpus=0" in SERVICES["head"]["command"]
    assert SERVICES["worker"]["depends_on"] == {"head": {"condition": "service_healthy"}}
    assert SERVICES["head"]["depends_on"] == {"token": {"condition": "service_completed_successfully"}}
    assert "/api/gcs_healthz" in " ".join(SERVICES["head"]["healthcheck"]["test"])
    for name in NODES:
        assert SERVICES[name]["restart"] == "on-failure"
        assert "mem_limit" in SERVICES[name]


def test_the_services_with_a_profile_run_existing_commands():
    """`submit` waits for its job; `up` starts neither."""
    commands = get_command(app).commands
    for name in ("submit", "nightly"):
        assert SERVICES[name]["profiles"] == [name]
        program, command, *options = SERVICES[name]["entrypoint"]
        assert (program, command) == ("sumsquares", name)
        assert command in commands
        found = commands[command]
        found = getattr(found, "commands", {}).get("start", found)  # `nightly` without a subcommand is `nightly start`
        known = {flag for each in found.params for flag in each.opts}
        assert {option for option in options if option.startswith("--")} <= known
        assert (ROOT / "examples" / Path(SERVICES[name]["command"][0]).name).exists()
    assert "--wait" in SERVICES["submit"]["entrypoint"]
