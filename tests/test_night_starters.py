"""The ready-made starters are valid for cron, systemd and GitHub, and the commands in them are valid for ours."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from sumsquares.jobs.cli import main as cli
from sumsquares.jobs.commands import nightly as commands
from sumsquares.jobs.night.webhook_address import FILE_VARIABLE, VARIABLE

FOLDER = Path(__file__).parent.parent / "cluster" / "starters"
SYSTEMD = shutil.which("systemd-analyze")
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def is_cron(fields):
    """Whether five fields are a POSIX crontab time: only numbers, ranges, lists and *."""
    if len(fields) != 5:
        return False
    for field, (low, high) in zip(fields, LIMITS, strict=True):
        for part in field.split(","):
            match = re.fullmatch(r"\*|(\d{1,2})(?:-(\d{1,2}))?", part)
            ends = [int(number) for number in match.groups() if number] if match else [high + 1]
            if any(not low <= number <= high for number in ends) or sorted(ends) != ends:
                return False
    return True


def asked(monkeypatch, tmp_path, arguments):
    """Returns what our command line makes of the arguments: spec, dates and whether the data are fresh."""
    seen = []
    monkeypatch.setattr(
        commands, "start", lambda spec, _max, nights, *_: seen.append((str(spec), nights.days, nights.fresh)) or 0
    )
    monkeypatch.setattr(sys, "argv", ["sumsquares", *arguments])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.app()
    assert not ended.value.code
    return seen[0]


def test_the_check_of_cron_lines_knows_wrong_ones():
    """Cron refuses or misreads each of these."""
    assert is_cron(["0,30", "1-5", "*", "12", "0"])
    for wrong in ("17 3 * *", "60 3 * * *", "17 24 * * *", "17 3 0 * *", "17 5-3 * * *", "x 3 * * *", "17 3 * * 8"):
        assert not is_cron(wrong.split())


def test_the_crontab_is_one_line_that_starts_a_night(monkeypatch, tmp_path):
    """It runs once a day, and has no %, which cron would read as an end of line."""
    (line,) = [line for line in (FOLDER / "crontab").read_text().splitlines() if not line.startswith("#")]
    assert is_cron(line.split()[:5])
    assert re.fullmatch(r"\d+ \d+ \* \* \*", " ".join(line.split()[:5]))
    assert "%" not in line
    command = shlex.split(line.split("bin/sumsquares ")[1].split(" >>")[0])
    assert asked(monkeypatch, tmp_path, command) == ("spec.toml", [datetime.now(UTC).date()], True)


def test_what_is_commented_out_is_read_by_the_command():
    """The variables of the webhook, in the crontab and in the workflow, which stays valid with them."""
    for name, shape in (
        ("crontab", r"^# (SUMSQUARES_\w+)=\S+$"),
        ("github-actions.yaml", r"^ +# (SUMSQUARES_\w+): .+$"),
    ):
        text = (FOLDER / name).read_text()
        assert re.findall(shape, text, re.MULTILINE)
        assert set(re.findall(shape, text, re.MULTILINE)) <= {VARIABLE, FILE_VARIABLE, "SUMSQUARES_WEBHOOK_FORMAT"}
    steps = yaml.safe_load(re.sub(r"# (SUMSQUARES_\w+:)", r"\1", text))["jobs"]["nightly"]["steps"]
    assert any(VARIABLE in step.get("env", {}) for step in steps)


def test_the_service_starts_a_night_and_is_started_again_only_where_that_helps(monkeypatch, tmp_path):
    """It isn't restarted after exit codes that a second start doesn't change."""
    text = (FOLDER / "sumsquares-nightly.service").read_text()
    command = re.search(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)[1]
    assert asked(monkeypatch, tmp_path, shlex.split(command))[0] == "spec.toml"
    assert "RestartPreventExitStatus=2 3 6 7 8" in text


@pytest.mark.skipif(SYSTEMD is None, reason="no systemd-analyze here")
def test_systemd_understands_service_and_timer(tmp_path):
    """An existing program stands for ours, which isn't installed there."""
    for name in ("sumsquares-nightly.service", "sumsquares-nightly.timer"):
        text = (FOLDER / name).read_text().replace("/srv/sumsquares/.venv/bin/sumsquares", "/bin/true")
        (tmp_path / name).write_text(text)
    units = [str(path) for path in tmp_path.iterdir()]
    said = subprocess.run([SYSTEMD, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "sumsquares" not in said.stderr
    calendar = re.search(r"^OnCalendar=(.*)$", (tmp_path / "sumsquares-nightly.timer").read_text(), re.MULTILINE)[1]
    subprocess.run([SYSTEMD, "calendar", calendar], capture_output=True, check=True)


def test_the_workflow_is_yaml_that_starts_a_night(monkeypatch, tmp_path):
    """It runs daily, one at a time, with read access only, and its commands contain no input and no secret."""
    workflow = yaml.safe_load((FOLDER / "github-actions.yaml").read_text())
    on = workflow[True]  # YAML 1.1 reads `on` as a truth value
    assert is_cron(on["schedule"][0]["cron"].split())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"] == {"group": "nightly", "cancel-in-progress": False}
    steps = workflow["jobs"]["nightly"]["steps"]
    assert all("${{" not in step.get("run", "") for step in steps)
    (night,) = [step["run"] for step in steps if step.get("name") == "One night"]
    for given, days in (("", [datetime.now(UTC).date()]), ("2026-11-01", [datetime(2026, 11, 1, tzinfo=UTC).date()])):
        script = night.replace("sumsquares nightly", "printf '%s\\n' nightly").split(" >")[0]
        shell = ["/bin/sh", "-c", script]
        words = subprocess.run(shell, env={"NIGHT": given}, capture_output=True, text=True, check=True).stdout.split()
        assert asked(monkeypatch, tmp_path, words) == ("examples/question.toml", days, True)
        assert (FOLDER.parent.parent / words[1]).exists()
