"""docs/clusters.md: its program prints its table, with the code's constants, and it names all deployments."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_laws import KEYS, TOKEN
from kustomize import Document, load, render

from sumsquares.cluster.ray_train import HEARTBEAT_SECONDS, HEARTBEATS_PER_SECOND
from sumsquares.cluster.workers import GROUP_SIZE
from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.stages.packs import lanes_pack_size

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "clusters.md").read_text()
LOG = (ROOT / "docs" / "LOG.md").read_text()
(BLOCK,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OVERLAYS = sorted(path.parent for path in (ROOT / "cluster" / "kuberay").glob("overlays/*/kustomization.yaml"))


def _command_lines() -> list[str]:
    """Returns every command line in the page and in the manifests."""
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


def _run() -> tuple[dict[str, Any], list[str]]:
    """Runs the page's program; returns its names and the lines that it prints."""
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(BLOCK, names)  # noqa: S102  our own page
    return names, printed.getvalue().splitlines()


def test_the_program_prints_the_table():
    """Unchanged, and line for line."""
    assert _run()[1] == [line for line in PAGE.splitlines() if re.match(r"\| 1-\d+-", line)]


def test_the_arithmetic_agrees_with_the_measurements():
    """Within 2 %; twice the trials, or half the cores, take twice as long to train."""
    seconds = _run()[0]["seconds"]
    few, many = re.findall(r"10,000 in ([\d.]+) s with 2 workers.*? 100,000 in ([\d.]+) s with 2", LOG, re.DOTALL)[0]
    for trials, measured in ((10_000, few), (100_000, many)):
        assert f" {measured} " in PAGE
        assert seconds(1.55, trials, 2)[3] == pytest.approx(float(measured), rel=0.02)
    for work in (seconds(1.55, 640_000, 10)[0], seconds(1.55, 320_000, 5)[0]):
        assert work == pytest.approx(2 * seconds(1.55, 320_000, 10)[0])


def test_the_arithmetic_uses_the_constants_of_the_code_and_the_log():
    """Packs, heartbeats and groups; step times, overheads and the queue's rate."""
    names = _run()[0]
    for width, micros in ((16, "1.55"), (64, "21.1")):
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
        assert lanes_pack_size(program) == names["PACK"]
        assert program.steps == names["STEPS"]
        assert f'("1-{width}-{width}-1", {micros})' in BLOCK
        assert f"1-{width}-{width}-1 {micros} us" in LOG
    assert (names["HEARTBEATS"], names["MAX_HEARTBEATS"]) == (1 / HEARTBEAT_SECONDS, HEARTBEATS_PER_SECOND)
    assert f"group of {GROUP_SIZE}" in PAGE
    plan, summarize = re.findall(r"`plan` ([\d.]+) s .*`summarize` ([\d.]+) s", LOG)[0]
    assert names["HEAD"] == pytest.approx((float(plan) + float(summarize)) / 100_000)
    assert f"answered {names['CALLS']:,} calls a second" in LOG


def test_the_conclusions_follow_from_the_arithmetic():
    """The queue's rate and the workers it supports; numbers of packs and puts."""
    names = _run()[0]
    rate = (names["CALLS"] - names["MAX_HEARTBEATS"]) / 2
    assert f"takes back {rate:.0f} packs a second" in PAGE
    for shape, micros in (("1-16-16-1", 1.55), ("1-64-64-1", 21.1)):
        workers = rate * names["seconds"](micros, names["PACK"], 1)[0]
        assert f"{workers:,.0f} {'workers ' if micros < 2 else ''}of {shape}, {workers // 16:.0f} nodes" in PAGE
    packs = ceil(100_000 / names["PACK"])
    assert f"{packs:,} packs for {100 * names['CORES']:,} workers" in PAGE
    packs = ceil(10_000_000 / names["PACK"])
    assert f"reading {packs:,} packs, 16 at a time, takes {packs * 0.03 / 16:.0f} s" in " ".join(PAGE.split())
    assert f"{2 * packs:,} puts in {names['seconds'](1.55, 10_000_000, 1_600)[1]:.0f} s" in PAGE


def test_the_page_lists_exactly_the_overlays():
    """In its table."""
    named = re.findall(r"^\| `cluster/kuberay/overlays/([\w-]+)`", PAGE, re.MULTILINE)
    assert sorted(named) == [overlay.name for overlay in OVERLAYS]


def test_the_page_creates_exactly_the_secrets_of_the_manifests():
    """Both of them, and nothing else is created by hand."""
    assert set(re.findall(r"create secret generic ([\w-]+)", PAGE)) == {TOKEN, KEYS}


def test_the_exit_codes_without_a_retry_are_those_of_the_cron_job():
    """The same in the page and in the CronJob, among them usage, data and incomplete."""
    (codes,) = re.findall(r"can't fix \(([\d, ]+)\)", PAGE)
    (night,) = load(ROOT / "cluster" / "kuberay" / "nightly" / "cron-job.yaml")
    (rule,) = [
        rule for rule in night["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule
    ]
    assert [int(code) for code in codes.split(",")] == rule["onExitCodes"]["values"]
    assert {exits.USAGE, exits.DATA, exits.INCOMPLETE} <= set(rule["onExitCodes"]["values"])


@pytest.mark.parametrize("line", _command_lines())
def test_a_command_line_is_valid(line):
    """The command exists and has each of the options."""
    import typer

    _, name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]
    command = getattr(command, "commands", {}).get(
        "start", command
    )  # `nightly` without a subcommand is `nightly start`
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_yaml_of_the_page_parses():
    """Each block on its own."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        assert yaml.safe_load(block)
