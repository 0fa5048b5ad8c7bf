"""docs/clusters.md: its arithmetic gives its table, from the numbers of the code, and it names all deployments."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import yaml
from kubernetes_laws import KEYS, TOKEN
from kustomize import Document, load, render

from cluster.fits import BEAT_SECONDS
from cluster.workers import GROUP_SIZE
from jobs import exits
from jobs.cli import app
from jobs.engines.program import Program
from jobs.packs import pack_size

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "clusters.md").read_text()
(BLOCK,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OVERLAYS = sorted(path.parent for path in (ROOT / "cluster" / "kuberay").glob("overlays/*/kustomization.yaml"))


def _command_lines() -> list[str]:
    """Every call of the command line in the page and in the manifests."""
    lines = re.findall(r"^ *(?:RAY_\w+=\w+ )?(sumsquares .*)", PAGE, re.MULTILINE)
    lines += re.findall(r"`(sumsquares \w+ [^`]*)`", PAGE)
    for overlay in OVERLAYS:
        for document in render(overlay):
            job = document.get("spec", {}).get("jobTemplate", document.get("spec", {}))
            if "entrypoint" in job:
                lines.append(job["entrypoint"])
            elif document["kind"] == "CronJob":
                lines.append(shlex.join(["sumsquares", *_night(document)["args"]]))
    return sorted(set(lines))


def _night(cron_job: Document) -> Document:
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]


def test_the_arithmetic_gives_the_table():
    """Run as it stands there, line for line."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(BLOCK, {})  # noqa: S102  our own page
    rows = [line for line in PAGE.splitlines() if re.match(r"\| 1-\d+-", line)]
    assert printed.getvalue().splitlines() == rows


def test_the_arithmetic_uses_the_numbers_of_the_code():
    """Packs, signs of life and groups; and the rates are those of the log."""
    for width, size in ((16, 70), (64, 14)):
        program = Program(
            inputs=1,
            hidden=(width, width),
            activation="relu",
            optimizer="adam",
            schedule="constant",
            batch_size=100,
            epochs=500,
            rows=1000,
            dtype="float32",
            shuffle_seed=0,
        )
        assert pack_size(program, "cpu") == size
        assert f'"1-{width}-{width}-1", ' in BLOCK
        assert f", {size})" in BLOCK
    assert f"BEATS, CALLS, CORE_HOUR, PUT = {1 / BEAT_SECONDS}, " in BLOCK
    assert f"group of {GROUP_SIZE}" in PAGE
    log = (ROOT / "docs" / "LOG.md").read_text()
    assert "544 against 11.1 us" in log
    assert "625 against 72 us" in log


def test_every_overlay_is_in_the_page_and_no_other():
    """In its table."""
    named = re.findall(r"^\| `cluster/kuberay/overlays/([\w-]+)`", PAGE, re.MULTILINE)
    assert sorted(named) == [overlay.name for overlay in OVERLAYS]


def test_the_secrets_that_a_person_makes_are_those_that_the_manifests_name():
    """Both, and nothing else is made by hand."""
    assert set(re.findall(r"create secret generic ([\w-]+)", PAGE)) == {TOKEN, KEYS}


def test_the_exit_codes_that_a_retry_cannot_mend_are_those_of_the_night():
    """In the page and in the CronJob, and all of them are codes of ours."""
    (codes,) = re.findall(r"can't mend \(([\d, ]+)\)", PAGE)
    (night,) = load(ROOT / "cluster" / "kuberay" / "nightly" / "cron-job.yaml")
    (rule,) = [
        rule for rule in night["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule
    ]
    assert [int(code) for code in codes.split(",")] == rule["onExitCodes"]["values"]
    assert {exits.USAGE, exits.DATA, exits.INCOMPLETE} <= set(rule["onExitCodes"]["values"])


@pytest.mark.parametrize("line", _command_lines())
def test_a_command_line_is_one_that_the_command_line_knows(line):
    """The command and each of its options."""
    import typer

    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]
    command = getattr(command, "commands", {}).get("start", command)  # what `nightly` is without a further word
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_yaml_of_the_page_is_yaml():
    """Each block by itself."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        assert yaml.safe_load(block)
