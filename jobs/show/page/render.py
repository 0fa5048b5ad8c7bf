"""Pages: one self-contained HTML file each, made from a template in this folder. What they say is their callers'.

A template extends base.html.jinja, and names the style sheets and scripts of this folder that it needs:
`{% set styles = ["report.css"] %}`, `{% set scripts = ["report.js"] %}`; style.css is in every page. A page loads
nothing, and its content security policy allows these very texts by their hashes: nothing else is style or script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from sumsquares.jobs.messages.numbers import counted, number


def render(template: str, **content: Any) -> str:
    """Returns the page of a template, with its content escaped."""
    return _environment().get_template(template).render(content)


@cache
def _environment() -> Environment:
    """Compiling a template takes 0.1 s."""
    pages = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    pages.filters["with_code"] = _with_code
    pages.globals |= {"counted": counted, "number": number, "policy": _policy, "inlined": _inlined}
    return pages


@cache
def _text(name: str) -> str:
    """A file of this folder."""
    return files("sumsquares.jobs.show.page").joinpath(name).read_text("utf-8")


def _with_code(words: str) -> Markup:
    """A sentence with what is between backticks as code."""
    parts = words.split("`")
    if len(parts) % 2 == 0:
        return escape(words)
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _inlined(name: str) -> Markup:
    """A style sheet or script as the text of its element."""
    return Markup(_text(name))  # noqa: S704  our own


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> Markup:
    """The content security policy of a page with these."""
    rules = {
        "default-src": "'none'",
        "style-src": " ".join(map(_hash, styles)),
        "script-src": " ".join(map(_hash, scripts)) or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return Markup("; ").join(Markup(f"{name} {allowed}") for name, allowed in rules.items())  # noqa: S704  our own


@cache
def _hash(name: str) -> str:
    digest = hashlib.sha256(_text(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
