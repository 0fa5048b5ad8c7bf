"""What is sent of an event: the JSON that programs read, and the messages that Slack and Teams show. No sending here.

Both services take a POST to a secret address (an incoming webhook). Slack shows `text`, Teams an Adaptive Card.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.numbers import counted

_MOST = 3000
"""Characters of a text: a message of Teams holds 28 KB, and a section of Slack 3,000 characters."""
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack reads as markup: links, mentions and its own escapes."""


def as_json(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the event with all its facts, what the hook gets too."""
    return {"event": event, **facts}


def as_slack(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a message for an incoming webhook of Slack, shown as it is, without formatting."""
    headline, text = _words(event, facts)
    return {"text": f"{headline}\n{text}".strip().translate(_SLACK), "mrkdwn": False}


def as_teams(event: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an Adaptive Card for a workflow of Teams. Rich text, unlike a text block, isn't read as Markdown."""
    headline, text = _words(event, facts)
    body: list[dict[str, Any]] = [{"type": "TextBlock", "text": headline, "weight": "Bolder", "wrap": True}]
    body += [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]} for line in text.split("\n") if line
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


FORMATS: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "json": as_json,
    "slack": as_slack,
    "teams": as_teams,
}
"""By the name that --webhook-format takes."""


def encoded(kind: str, event: str, facts: Mapping[str, Any]) -> bytes:
    """Returns what is sent in one of the formats: one line of strict JSON."""
    return json.dumps(FORMATS[kind](event, facts), allow_nan=False).encode() + b"\n"


def _words(event: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Returns a headline and what was said of the night, each fact read by its name."""
    if missed := facts.get("missed"):
        return f"sumsquares: {counted(len(missed), 'night')} missed before {facts['date']}", few_names(missed)
    night = facts.get("night") or facts["date"]
    lines = [str(facts.get("message") or facts.get("error") or ""), *map(str, facts.get("details", ()))]
    text = "\n".join(lines)
    return f"sumsquares: {event}, night {night}", text if len(text) <= _MOST else f"{text[:_MOST]} ..."
