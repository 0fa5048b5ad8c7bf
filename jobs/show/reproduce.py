"""How to get a run's numbers again, and what to ask of it: commands, as they are typed in a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sumsquares.jobs.results.described import is_table
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.job_spec import JobSpec


class Command(NamedTuple):
    """A command, and what it does."""

    does: str
    words: str


def commands(spec: JobSpec, summary: Summary, store: str, has_chosen: bool) -> Iterator[Command]:
    """Yields the commands for a run in a store; its address never holds a secret.

    Of a run that `has_chosen` a network, predict asks that one.
    """
    where = ["--store", store] if store else []
    yield Command(
        "Train what the store lacks of it, and write this page again", _words("run", f"{spec.name}.toml", where)
    )
    if (asked := _asked(summary)) is not None:
        which = "chosen" if has_chosen else "best"
        yield Command(f"Ask the {which} network", _words("predict", spec.name, [*asked[0], *where, *asked[1]]))
    yield Command("Tell why a variant ends where it does", _words("explain", spec.name, where))
    yield Command("Put the remedies to the test", _words("explain", spec.name, ["--prove", *where]))
    yield Command("Check the store for damage", _words("verify", "", where))


def _words(command: str, what: str, options: Sequence[str]) -> str:
    return shlex.join(["sumsquares", command, *filter(None, [what]), *options])


def _asked(summary: Summary) -> tuple[list[str], list[str]] | None:
    """Options and numbers of a question that the best network can answer; None without one."""
    for name, best in summary.best.items():
        if is_table(summary.datasets[name]):
            return ["--input", "new.parquet", "--output", "predicted.parquet"], []
        if best is not None and best.get("samples"):
            return ["--dataset", name] if len(summary.best) > 1 else [], _numbers(best["samples"][0]["numbers"])
    return None


def _numbers(numbers: Sequence[float]) -> list[str]:
    """Numbers as arguments: of those below 0 a shell command says that they are no options."""
    return [*(["--"] if any(number < 0 for number in numbers) else []), *map(str, numbers)]
