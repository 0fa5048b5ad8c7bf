"""What is posted of an event in each format: valid JSON that its service shows as it was said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.jobs.night.payloads import FORMATS, encoded

BASE = {"night": "2026-11-01-0123456789ab", "date": "2026-11-01"}
texts = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=50)


def shown(kind, facts, event="success"):
    """Returns what a person reads."""
    sent = json.loads(encoded(kind, event, facts))
    if kind == "slack":
        assert sent["mrkdwn"] is False
        text = sent["text"]
        assert "<" not in text
        assert ">" not in text
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    (attachment,) = sent["attachments"]
    assert (sent["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    headline, *rest = card["body"]
    assert headline["type"] == "TextBlock"
    runs = [run for block in rest for run in block["inlines"]]
    assert {block["type"] for block in rest} <= {"RichTextBlock"}
    assert {run["type"] for run in runs} <= {"TextRun"}
    return "\n".join([headline["text"], *(run["text"] for run in runs)])


@given(texts, st.lists(texts.filter(bool), max_size=3))
def test_json_has_all_facts(message, details):
    """As the hook gets them, in one line."""
    facts = {**BASE, "message": message, "details": details}
    line = encoded("json", "recovery", facts)
    assert json.loads(line) == {"event": "recovery", **facts}
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("kind", ["slack", "teams"])
@given(texts.filter(str.strip), st.lists(texts.filter(str.strip), max_size=3))
def test_a_message_shows_event_night_and_what_was_said_unchanged(kind, message, details):
    """The message first, then its details if there are some; markup in them stays text."""
    said = shown(kind, {**BASE, "message": message, "details": details}, "regression")
    wanted = "\n".join([f"sumsquares: regression, night {BASE['night']}", message, *details])
    assert said == (wanted.strip() if kind == "slack" else wanted)


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_each_kind_of_event_says_what_happened(kind):
    """An error instead of a message, a date where there is no night yet, and the dates that were missed."""
    assert shown(kind, {"date": "2026-11-01", "error": "no spec"}, "failure") == (
        "sumsquares: failure, night 2026-11-01\nno spec"
    )
    days = [f"2026-10-{day}" for day in range(10, 20)]
    text = shown(kind, {**BASE, "missed": days}, "missed")
    assert text == f"sumsquares: 10 nights missed before 2026-11-01\n{', '.join(days[:5])}, ... and 5 more"


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_long_message_is_cut(kind):
    """Services refuse what is too long for them: Teams more than 28 KB."""
    facts = {**BASE, "message": "&" * 100_000, "details": ["x" * 100_000]}
    assert len(shown(kind, facts)) < 3200
    assert len(encoded(kind, "success", facts)) < 28_000


def test_formats_are_listed_once():
    """The option takes these names."""
    assert [*FORMATS] == ["json", "slack", "teams"]
