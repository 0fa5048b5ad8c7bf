#!/usr/bin/env python3
"""Mails the events of nights. It reads the event as JSON from standard input, and its settings from a TOML file.

sumsquares nightly spec.toml --hook "./hook-mail.py /etc/sumsquares/mail.toml"

    from = "nights@example.com"
    to = ["me@example.com"]
    only = ["regression", "recovery", "failure", "missed"]  # without this line successes too
    host = "smtp.example.com"  # without this line the mail server of this machine
    port = 587
    security = "starttls"  # or "tls", or "none"; without this line "none"
    user = "nights@example.com"
    password = "..."
"""

import json
import smtplib
import ssl
import sys
import tomllib
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

SECONDS = 20
"""Longest wait for the server; the hook itself is killed after --hook-timeout."""


def mail_of(facts: Mapping[str, Any], settings: Mapping[str, Any]) -> EmailMessage:
    """Returns the mail: its subject is the event and the night, its text what was said of it."""
    mail = EmailMessage()
    mail["From"], mail["To"] = settings["from"], ", ".join(settings["to"])
    mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid("sumsquares")
    mail["Subject"] = f"sumsquares: {facts['event']}, night {facts.get('night') or facts['date']}"
    lines = [facts.get("message") or facts.get("error") or "", *facts.get("details", [])]
    mail.set_content("\n".join([*lines, *(f"missed: {day}" for day in facts.get("missed", []))]) + "\n")
    return mail


def send(mail: EmailMessage, settings: Mapping[str, Any]) -> None:
    """Hands the mail to the server."""
    trusted, security = ssl.create_default_context(), settings.get("security", "none")
    where: dict[str, Any] = {
        "host": settings.get("host", "localhost"),
        "port": settings.get("port", 25),
        "timeout": SECONDS,
    }
    if security not in ("starttls", "tls", "none") or (security == "none" and "user" in settings):
        raise SystemExit('hook-mail.py: write security = "starttls" or "tls"; "none" is for servers without a password')
    with smtplib.SMTP_SSL(**where, context=trusted) if security == "tls" else smtplib.SMTP(**where) as server:
        if security == "starttls":
            server.starttls(context=trusted)
        if "user" in settings:
            server.login(settings["user"], settings["password"])
        server.send_message(mail)


if __name__ == "__main__":
    chosen = tomllib.loads(Path(sys.argv[1]).read_text())
    told = json.load(sys.stdin)
    if told["event"] in chosen.get("only", [told["event"]]):
        send(mail_of(told, chosen), chosen)
