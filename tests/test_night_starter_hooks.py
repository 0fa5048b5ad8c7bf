"""The ready-made hooks and the drop-in work as they stand: against a server on loopback, and for systemd."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from proxy import authority
from receiver import OK, Receiver, answer

from sumsquares.jobs.night.notify import EVENTS
from sumsquares.jobs.night.payloads import FORMATS

FOLDER = Path(__file__).parent.parent / "cluster" / "starters"
FACTS = {"night": "2026-11-01-0123456789ab", "date": "2026-11-01", "message": "regressed: x < y & z"}
SYSTEMD = shutil.which("systemd-analyze")
SECRET = "hunter2hunter2"  # noqa: S105  it is one in tests alone
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


def run_hook(command, event, folder, facts=FACTS, **environment):
    """Runs a hook as a night does; returns how it ended."""
    given = {"PATH": os.environ["PATH"], "SUMSQUARES_EVENT": event, "no_proxy": "*", **environment}
    text = json.dumps({"event": event, **facts}) + "\n"
    return subprocess.run(command, input=text, env=given, capture_output=True, text=True, check=False, cwd=folder)


def test_the_scripts_are_valid_and_executable():
    """For bash and for Python; nothing is run."""
    for script in sorted(FOLDER.glob("hook-*")):
        assert os.access(script, os.X_OK)
        checker = ["bash", "-n"] if script.suffix == ".sh" else [sys.executable, "-m", "ast"]
        said = subprocess.run([*checker, script], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


@needs_curl
@pytest.mark.parametrize(
    ("event", "more", "path"),
    [
        ("success", [], ""),
        ("recovery", [], ""),
        ("regression", [], "/fail"),
        ("failure", [], "/fail"),
        ("missed", [], "/log"),
        ("", ["start"], "/start"),
        ("", ["stop"], "/8"),
    ],
)
def test_the_hook_for_healthchecks_pings_what_the_event_means(tmp_path, event, more, path):
    """With the event as the body."""
    with Receiver() as receiver:
        (tmp_path / "url").write_text(f"http://127.0.0.1:{receiver.port}/{SECRET}")  # without a line break
        command = [FOLDER / "hook-healthchecks.sh", "url", *more]
        ended = run_hook(command, event, tmp_path, EXIT_CODE="exited", EXIT_STATUS="8")
        assert (ended.returncode, SECRET in ended.stdout + ended.stderr) == (0, False)
        assert [each.split(b" HTTP")[0].decode() for each in receiver.requests] == [f"POST /{SECRET}{path}"]
        assert receiver.bodies[0] == {"event": event, **FACTS}


@needs_curl
def test_a_killed_night_is_a_failure_for_healthchecks(tmp_path):
    """systemd says how the process ended. A busy server is asked again; a refusal is told without the address."""
    with Receiver([answer(503), OK, answer(404)]) as receiver:
        (tmp_path / "url").write_text(f"http://127.0.0.1:{receiver.port}/{SECRET}\n")
        command = [FOLDER / "hook-healthchecks.sh", "url", "stop"]
        assert run_hook(command, "", tmp_path, EXIT_CODE="killed", EXIT_STATUS="KILL").returncode == 0
        assert [each.startswith(f"POST /{SECRET}/fail ".encode()) for each in receiver.requests] == [True, True]
        ended = run_hook(command, "", tmp_path, EXIT_CODE="exited", EXIT_STATUS="0")
        assert (ended.returncode != 0, "404" in ended.stderr, SECRET in ended.stderr) == (True, True, False)


REPLIES = {
    "DATA": b"354 go on\r\n",
    "EHLO": b"250-here\r\n250 AUTH PLAIN\r\n",
    "AUTH": b"235 yes\r\n",
    "QUIT": b"221 bye\r\n",
    "": None,
}


class Mailbox:
    """A mail server on loopback: keeps what it is told."""

    def __init__(self, context=None):
        self._context, self.heard = context, []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    @property
    def mail(self):
        """The last mail, parsed."""
        text = "".join(self.heard).split("data\r\n")[1].split("\r\n.\r\n")[0]
        return email.message_from_bytes(text.encode(), policy=email.policy.default)

    def _serve(self):
        with suppress(OSError):
            while True:
                plain, _ = self._server.accept()
                with suppress(OSError), plain, self._wrapped(plain) as client, client.makefile("rwb") as lines:
                    self._talk(lines)

    def _wrapped(self, plain):
        return self._context.wrap_socket(plain, server_side=True) if self._context else plain

    def _talk(self, lines):
        in_data, said = False, b"220 here\r\n"
        while said is not None:
            if said:
                lines.write(said)
                lines.flush()
            line = lines.readline().decode()
            self.heard.append(line)
            word = line.strip().upper().partition(" ")[0]
            if in_data:
                in_data, said = (False, b"250 taken\r\n") if word == "." else (True, b"")
            else:
                in_data = word == "DATA"
                said = REPLIES.get(word, b"250 ok\r\n")


def mail(folder, port, event="regression", facts=FACTS, more="", **environment):
    """Runs the hook with settings for a server; returns how it ended."""
    settings = f'from = "a@example.com"\nto = ["b@example.com", "c@example.com"]\nhost = "127.0.0.1"\nport = {port}\n'
    (folder / "mail.toml").write_text(settings + more)
    return run_hook([sys.executable, FOLDER / "hook-mail.py", "mail.toml"], event, folder, facts, **environment)


def test_the_hook_mails_what_was_said_of_the_night(tmp_path):
    """To all, with the event and the night as the subject."""
    with Mailbox() as box:
        ended = mail(tmp_path, box.port, facts={**FACTS, "details": ["second", "\u00fc"]})
        assert (ended.returncode, ended.stderr) == (0, "")
        assert box.mail["Subject"] == f"sumsquares: regression, night {FACTS['night']}"
        assert box.mail["To"] == "b@example.com, c@example.com"
        assert {"Date", "Message-ID"} <= set(box.mail.keys())
        assert box.mail.get_content().splitlines() == [FACTS["message"], "second", "\u00fc"]
        assert sum(line.lower().startswith("rcpt") for line in box.heard) == 2


@pytest.mark.parametrize(
    ("event", "facts", "said"),
    [
        ("failure", {"date": "2026-11-01", "error": "no spec"}, "no spec"),
        ("missed", {"date": "2026-11-04", "missed": ["2026-11-02", "2026-11-03"]}, "missed: 2026-11-03"),
    ],
)
def test_every_kind_of_event_is_mailed(tmp_path, event, facts, said):
    """Also where there is no night yet."""
    with Mailbox() as box:
        assert mail(tmp_path, box.port, event, facts).returncode == 0
        assert said in box.mail.get_content().splitlines()
        assert box.mail["Subject"] == f"sumsquares: {event}, night {facts['date']}"


def test_only_the_events_that_were_chosen_are_mailed(tmp_path):
    """No server is needed for the others. Those of the example are events that exist."""
    assert mail(tmp_path, 1, "success", more='only = ["failure"]\n').returncode == 0
    (chosen,) = re.findall(r"only = (\[.*\])", (FOLDER / "hook-mail.py").read_text())
    assert set(json.loads(chosen)) < set(EVENTS)


def test_a_password_is_sent_by_tls_to_a_server_that_is_trusted(tmp_path):
    """A certificate of an unknown authority ends the hook with an error, before anything is sent."""
    context, trusted = authority(tmp_path)
    more = f'security = "tls"\nuser = "me"\npassword = "{SECRET}"\n'
    with Mailbox(context) as box:
        ended = mail(tmp_path, box.port, more=more)
        assert (ended.returncode != 0, box.heard, SECRET in ended.stderr) == (True, [], False)
        assert mail(tmp_path, box.port, more=more, SSL_CERT_FILE=str(trusted)).returncode == 0
        (sent,) = [line.split()[2] for line in box.heard if line.upper().startswith("AUTH")]
        assert base64.b64decode(sent) == f"\0me\0{SECRET}".encode()


@pytest.mark.parametrize("security", ["none", "ssl"])
def test_a_password_is_not_sent_unencrypted(tmp_path, security):
    """Nor is a word taken for "none" that isn't one."""
    more = f'security = "{security}"\nuser = "me"\npassword = "{SECRET}"\n'
    with Mailbox() as box:
        ended = mail(tmp_path, box.port, more=more)
        assert (ended.returncode != 0, box.heard, "starttls" in ended.stderr) == (True, [], True)
        assert SECRET not in ended.stderr


@pytest.mark.skipif(SYSTEMD is None, reason="no systemd-analyze here")
def test_systemd_understands_the_drop_in(tmp_path):
    """Existing programs stand for ours, which aren't installed there. What it runs is among the starters."""
    text = (FOLDER / "notifications.conf").read_text()
    programs = set(re.findall(r"^Exec\w+=-/srv/sumsquares/(\S+)", text, re.MULTILINE))
    assert programs == {"hook-healthchecks.sh"}
    unit = "sumsquares-nightly.service"
    (tmp_path / f"{unit}.d").mkdir()
    (tmp_path / unit).write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", (FOLDER / unit).read_text()))
    drop_in = re.sub(r"/srv/sumsquares/hook\S+", "/bin/true", text)
    (tmp_path / f"{unit}.d/notifications.conf").write_text(drop_in)
    command = [SYSTEMD, "verify", "--man=no", str(tmp_path / unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, "notifications.conf" in said.stderr) == (0, False), said.stderr
    broken = drop_in.replace("LoadCredential=webhook:", "LoadCredentials=webhook:")
    (tmp_path / f"{unit}.d/notifications.conf").write_text(broken)
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "LoadCredentials" in said.stderr


def test_the_drop_in_sets_variables_that_the_command_reads():
    """Its format is one of those there are."""
    text = (FOLDER / "notifications.conf").read_text()
    sources = "".join(path.read_text() for path in (FOLDER.parent.parent / "jobs").rglob("*.py"))
    variables = dict(re.findall(r"^Environment=(\w+)=(\S+)$", text, re.MULTILINE))
    assert all(f'"{name}"' in sources for name in variables)
    assert len(variables) == 3
    assert variables["SUMSQUARES_WEBHOOK_FORMAT"] in FORMATS
