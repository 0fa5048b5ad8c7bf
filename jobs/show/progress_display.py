"""Shows views of long work while it is done: live on a terminal, in lines of a log elsewhere.

A thread shows them, so that nothing is silent while the work itself says nothing. Of work within other work, the
innermost is shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from sumsquares.jobs.show.progress_view import GAP, View, head, names_line

LINE_SECONDS = 2.5
"""The longest silence in a log while something is being done."""
FRAMES_PER_SECOND = 4.0
Look = Callable[[], View]
"""Returns the work as it is now. Called from another thread."""


class Display(Protocol):
    """Where people read how far long work is."""

    def showing(self, look: Look) -> Iterator[None]:
        """Shows work while the generator is open."""

    def print(self, text: str) -> None:
        """Prints a line above what is shown."""


def display_on(console: Console) -> Display:
    """Returns the display for a console: a terminal that can't move its cursor gets lines."""
    return Terminal(console) if console.is_terminal and not console.is_dumb_terminal else Log(console)


class Silent:
    """Shows nothing, and prints what is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def showing(self, look: Look) -> Iterator[None]:
        """Shows nothing."""
        del look
        yield

    def print(self, text: str) -> None:
        """Prints a line."""
        self._console.print(text, markup=False, soft_wrap=True)


class Terminal(Silent):
    """One or two lines at the bottom that are drawn again and again, and erased at the end."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._looks: list[Look] = []
        self._live: Live | None = None

    def showing(self, look: Look) -> Iterator[None]:
        """Shows work while the generator is open."""
        self._looks.append(look)
        if self._live is None:
            # Standard output is the answer's, and may go elsewhere.
            self._live = Live(
                get_renderable=self._drawn,
                console=self._console,
                refresh_per_second=FRAMES_PER_SECOND,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start()
        try:
            yield
        finally:
            self._looks.remove(look)
            if not self._looks:
                self._live.stop()
                self._live = None

    def _drawn(self) -> Drawn | str:
        looks = self._looks[-1:]
        return Drawn(looks[0]()) if looks else ""


class Drawn:
    """A view on a terminal."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields its lines, in the width that there is."""
        view, width = self._view, options.max_width
        first = head(view, width)
        line = Text(first.title, no_wrap=True)
        if first.bar:
            line.append(GAP).append(_bar(view.share or 0.0, first.bar, options.ascii_only))
        yield line.append(f"{GAP}{first.items}" if first.items else "")
        if names := names_line(view, width):
            yield Text(names, no_wrap=True)


def _bar(share: float, cells: int, is_ascii: bool) -> Text:
    done = round(min(1.0, share) * cells)
    full, empty = ("#", "-") if is_ascii else ("━", "─")
    return Text(full * done, style="bar.complete").append(empty * (cells - done), style="bar.back")


class Log(Silent):
    """A line whenever nothing was printed for a while."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: list[Look] = []
        self._printed = clock()
        self._ended = threading.Event()

    def showing(self, look: Look) -> Iterator[None]:
        """Prints lines while the generator is open, the first after a silence."""
        with self._lock:
            self._looks.append(look)
            is_first = len(self._looks) == 1
        if is_first:
            self._ended = threading.Event()
            threading.Thread(target=self._watch, args=(self._ended,), daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._looks.remove(look)
                if not self._looks:
                    self._ended.set()

    def print(self, text: str) -> None:
        """Prints a line, which ends a silence."""
        with self._lock:
            self._print(text)

    def look(self) -> float:
        """Prints a line if the silence has lasted long enough; returns in how many seconds to look again."""
        with self._lock:
            left = self._printed + LINE_SECONDS - self._clock()
            if left > 0 or not self._looks:
                return max(left, 0.0)
            self._print(self._looks[-1]().line)
            return LINE_SECONDS

    def _print(self, text: str) -> None:
        self._printed = self._clock()
        super().print(text)
        self._console.file.flush()

    def _watch(self, ended: threading.Event) -> None:
        """The thread."""
        while not ended.wait(self.look()):
            pass


@contextmanager
def shown(display: Display, look: Look) -> Iterator[None]:
    """Shows work while the block runs."""
    yield from display.showing(look)
