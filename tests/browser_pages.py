"""Pages in a real browser, for tests: headless Chromium, which Playwright drives, and axe-core.

Tests skip, with the reason, where one of them is missing: `make browser` installs axe-core, apt-get the browser.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

AXE = Path(__file__).parent / "browser/node_modules/axe-core/axe.min.js"
CHROMIUM = shutil.which("chromium")
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 780}, "color_scheme": "light"},
}
"""Widths and colours in which a page is checked."""
_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error(`policy: ${violatedDirective} ${blockedURI}`));
"""


class Watched:
    """A page that is open, with what it has told and asked for."""

    def __init__(self, page) -> None:
        self.page = page
        self.told: list[str] = []
        """Warnings, errors, dialogs and violations of its policy."""
        self.requests: list[str] = []
        page.on("console", lambda message: self._told(message.type, message.text))
        page.on("pageerror", lambda error: self.told.append(str(error)))
        page.on("dialog", lambda dialog: self.told.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(_VIOLATIONS)

    def _told(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.told.append(text)

    def violations(self) -> list[str]:
        """What axe-core finds wrong, each with the first element that it is wrong of."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]


@contextmanager
def browser() -> Iterator:
    """Starts Chromium, or skips."""
    drive = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with drive.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(started, path: Path, look: str = "light", **more) -> Iterator[Watched]:
    """Opens a file in a fresh profile."""
    context = started.new_context(**{**LOOKS[look], **more})
    watched = Watched(context.new_page())
    watched.page.goto(path.as_uri())
    yield watched
    context.close()


def check(watched, path):
    """Asserts that nothing was told or asked for but the page itself, and that axe-core finds nothing wrong."""
    assert watched.violations() == []
    assert watched.told == []
    assert watched.requests == [path.as_uri()]
