"""Pages taken apart, for tests: elements, the text that a reader sees, scripts, and the content security policy."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_VOID = frozenset({"meta", "br", "input", "link", "img", "hr"})


@dataclass
class Page(HTMLParser):
    """A page, parsed."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    """Each start tag with its attributes, in order."""
    texts: list[tuple[str, dict[str, str | None], str]] = field(default_factory=list)
    """Of each style and script: its name, its attributes and its text."""
    words: str = ""
    """All other text, with single spaces."""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        if tag in ("style", "script"):
            self.texts.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open[-1:] in (["style"], ["script"]):
            name, attributes, text = self.texts[-1]
            self.texts[-1] = name, attributes, text + data
        else:
            self.words += f" {data} "

    @property
    def policy(self) -> dict[str, list[str]]:
        """The content security policy: by directive, what it allows."""
        [content] = [a["content"] for tag, a in self.tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert content is not None
        return {name: allowed for name, *allowed in (part.split() for part in content.split(";"))}

    def code(self, tag: str) -> list[str]:
        """The styles, or the scripts that run."""
        return [text for name, attributes, text in self.texts if name == tag and "type" not in attributes]

    @property
    def data(self) -> list[Any]:
        """The data of the tables."""
        found = [text for name, attributes, text in self.texts if attributes.get("type") == "application/json"]
        return [json.loads(text) for text in found]

    @property
    def without_scripts(self) -> int:
        """Bytes of the page without its scripts and their data."""
        return len(self.source.encode()) - sum(len(text.encode()) for name, _, text in self.texts if name == "script")


def hash_of(text: str) -> str:
    """How a policy allows a text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
