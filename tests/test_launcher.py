"""cluster/ray-cluster.yaml, for Ray's own launcher: valid, with the token on every node and nothing published."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

from sumsquares.cluster.session import ENVIRONMENT

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "cluster" / "ray-cluster.yaml").read_text())
SCHEMA = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
CLOUD = re.search(r"```yaml\n(provider:\n.*?)```", (ROOT / "docs" / "clusters.md").read_text(), re.DOTALL)
STARTS = {"head": CONFIG["head_start_ray_commands"][-1], "worker": CONFIG["worker_start_ray_commands"][-1]}


@pytest.mark.parametrize("place", ["machines", "cloud"])
def test_ray_accepts_the_configuration(place):
    """By Ray's schema, and by its own checks with the defaults filled in; also with the page's cloud provider."""
    config = copy.deepcopy(CONFIG)
    if place == "cloud":
        config |= yaml.safe_load(CLOUD[1])
    jsonschema.validate(config, SCHEMA)
    validate_config(prepare_config(config))


def test_an_unknown_field_is_rejected():
    """Otherwise the schema would prove nothing."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(CONFIG | {"headnode": {}}, SCHEMA)


@pytest.mark.parametrize("node", STARTS)
def test_every_node_requires_the_token_and_has_the_settings_of_a_session(node):
    """The token is a file; its value appears nowhere."""
    given = dict(word.split("=", 1) for word in shlex.split(STARTS[node]) if re.match(r"RAY_\w+=", word))
    assert given["RAY_AUTH_MODE"] == "token"
    assert ENVIRONMENT.items() <= given.items()
    assert "RAY_AUTH_TOKEN" not in given
    assert {"~/.ray/auth_token": "~/.ray/auth_token"}.items() <= CONFIG["file_mounts"].items()


@pytest.mark.parametrize("node", STARTS)
def test_ray_start_knows_every_option(node):
    """Parsed by Ray's own command line."""
    words = shlex.split(STARTS[node].split("/ray start", 1)[1])
    options = start.make_context("start", words).params
    assert options["object_store_memory"] == 500_000_000
    assert options["head"] == (node == "head")


def test_the_head_does_no_training_and_its_dashboard_is_local():
    """It is reachable only through a tunnel."""
    options = start.make_context("start", shlex.split(STARTS["head"].split("/ray start", 1)[1])).params
    assert (options["num_cpus"], options["dashboard_host"]) == (0, "127.0.0.1")


def test_the_commands_are_valid_shell():
    """All of them."""
    for name, commands in CONFIG.items():
        if name.endswith("_commands"):
            for command in commands:
                subprocess.run(["/bin/bash", "-n", "-c", command], check=True)
