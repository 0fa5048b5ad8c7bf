"""The example specs that are installed with the package: their names, texts and files. Nothing is run here.

They are the files of examples/, which a link makes part of the package.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown

FIRST = "demo"
"""The example that `sumsquares demo` runs."""
_QUESTIONS = "questions"  # the folder of questions that others have asked
_TIME = re.compile(r"^# Time: (about [0-9,.]+ \w+ on \w+ cores?)", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One example spec."""

    path: Path
    """Where it is installed."""

    @property
    def name(self) -> str:
        """What commands call it; its spec has the same name."""
        return self.path.stem

    @property
    def text(self) -> str:
        """The spec, with comments."""
        return self.path.read_text("utf-8")

    @property
    def about(self) -> str:
        """What it asks, in a line or two: the first line of its spec."""
        return self.text.partition("\n")[0].removeprefix("# ").strip('"')

    @property
    def time(self) -> str:
        """How long it takes, such as "about 8 seconds on 2 cores"."""
        (time,) = _TIME.findall(self.text)
        return str(time)

    @property
    def tables(self) -> tuple[Path, ...]:
        """The files beside it whose rows it learns from."""
        named = (dataset.get("file") for dataset in tomllib.loads(self.text)["dataset"])
        return tuple(self.path.with_name(name) for name in named if name)

    def text_at(self, path: Path) -> str:
        """Returns the spec as it is written to another path, with that path in the command at its head."""
        folder = "examples/" + (f"{_QUESTIONS}/" if self.path.parent.name == _QUESTIONS else "")
        return self.text.replace(f"{folder}{self.path.name}", str(path))


def examples() -> list[Example]:
    """Returns all examples: the first one to try, the others by name, and then the questions of others."""
    folder = Path(str(files("sumsquares").joinpath("examples")))
    own = sorted(folder.glob("*.toml"), key=lambda path: (path.stem != FIRST, path.stem))
    return [Example(path) for path in (*own, *sorted(folder.joinpath(_QUESTIONS).glob("*.toml")))]


def example(name: str) -> Example:
    """Returns the example of a name; UsageError if there is none."""
    known = {each.name: each for each in examples()}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no example {shown(name)}: {guess}`sumsquares demo --list` shows all")
    return known[name]
