"""What `sumsquares demo` does: runs an example that is installed with the package, or lists all of them."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Iterator

from sumsquares.jobs import exits
from sumsquares.jobs.commands.printing import Shown, console
from sumsquares.jobs.commands.run import run
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.spec.examples import FIRST, Example, example, examples
from sumsquares.jobs.spec.size import MAX_TRIALS
from sumsquares.jobs.stages.placement import Placement


def demo(name: str, placement: Placement, shared: Shared, shown: Shown) -> int:
    """Runs an example, prints its results, and says what to try next."""
    asked = example(name)
    shared.progress().say(f"{asked.about} ({asked.time})")
    code = run(asked.path, MAX_TRIALS, placement, shared, shown)
    if not shared.json and code in (exits.OK, exits.INCOMPLETE):
        sys.stdout.writelines(f"{line}\n" for line in _next(asked, shared.store))
    return code


def list_examples(shared: Shared) -> int:
    """Prints what each example is about, and how long it takes."""
    found = examples()
    facts = {"examples": [{"name": each.name, "about": each.about, "time": each.time} for each in found]}
    shared.print(facts, "\n".join(_line(each, console().width) for each in found))
    return exits.OK


def _line(shown: Example, width: int) -> str:
    text = f"{shown.about} ({shown.time})"
    return textwrap.fill(text, width, initial_indent=f"{shown.name:10}", subsequent_indent=" " * 10)


def _next(shown: Example, store: str) -> Iterator[str]:
    """Yields commands to go on with, each with what it does."""
    here = f"--store {shlex.quote(store)}"
    commands = {
        f"explain {shown.name} {here}": "why each network ends where it does",
        f"init --example {shown.name}": "writes this spec, to be changed",
        "demo --list": "shows the other examples",
    }
    if shown.name == FIRST:
        best, without = f"predict {FIRST} 12 {here}", f"predict {FIRST} 12 {here} --where activation=identity"
        commands = {best: "what the best network answers", without: "and one without an activation", **commands}
    longest = max(map(len, commands))
    for number, (command, what) in enumerate(commands.items()):
        yield f"{'' if number else 'next:':9}sumsquares {command:{longest}}  # {what}"
