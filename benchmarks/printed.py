"""Text for the README and for the heads of the examples, made from what the examples printed. It runs nothing."""

from __future__ import annotations

import re
import textwrap
from typing import Any

WIDTH = 120
QUESTION = 75_777.3  # the RMSE that the question measured


def answers(found: dict[str, Any]) -> dict[str, str]:
    """Returns the finding on each dataset, by its name, as one line."""
    head, _, _ = found["printed"].partition("\n\n")
    sections = re.split(r"^([a-z0-9][\w-]*) \([^)]*\): ", head, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(sections[1::2], sections[2::2], strict=True)}


def table(found: dict[str, Any], dataset: str) -> str:
    """Returns the printed table of a dataset's variants."""
    _, *parts = found["printed"].split("\n\n")
    (mine,) = (part for part in parts if part.startswith(f"{dataset}: "))
    return mine.partition(f"{dataset}: the best")[0].rstrip()


def rows(found: dict[str, Any], dataset: str) -> list[tuple[str, float]]:
    """Returns the description and the median RMSE of each variant in a dataset's table."""
    lines = table(found, dataset).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(("hidden", "variant")))
    split = [re.fullmatch(r"(.+?)  +\d+ +(\S+) .*", line) for line in lines[start + 1 :]]
    return [(" ".join(line[1].split()), float(line[2].replace(",", ""))) for line in split if line]


def readme_block(found: dict[str, Any]) -> str:
    """Returns the answer on squares, up to what matters in the grid, and their table."""
    head = found["printed"].partition("\n\n")[0]
    section = re.search(r"^squares \(.*?(?=^  What matters)", head, re.MULTILINE | re.DOTALL)
    assert section
    return f"```\n{section[0]}  ...\n{table(found, 'squares')}\n```"


def readme_reading(found: dict[str, Any]) -> str:
    """Returns what the output says, in two paragraphs with its figures."""
    squares = rows(found, "squares")
    limit = re.search(r"No linear model gets below an RMSE of ([\d,]+)", answers(found)["squares"])
    assert limit
    relu = next(median for words, median in squares if "relu" in words)
    times = float(limit[1].replace(",", "")) / relu
    exact = re.search(r"Exact: (.*?)\. ", answers(found)["squares"])
    assert exact
    named = [words.strip() for words in re.findall(r"([^;]*) \(\d+ of \d+ seeds\)", exact[1])]
    solved = next(words for words in named if words.endswith("readout solved"))
    trained = next(median for words, median in squares if words == solved.removesuffix(", readout solved"))
    legend = (
        "`[16], tanh, lr 0.001, unit` is one hidden layer of 16 units, its activation, its learning rate, and inputs "
        "and target scaled to 0..1. `solved` is the RMSE with the last layer solved by least squares, `exact` the "
        "share of test rows that the best trial gets right after rounding, `cause` why the network ends where it does."
    )
    answer = (
        f"A stack of linear layers can't beat the best straight line, whose RMSE is {limit[1]} on these rows; the "
        f"network in the question measured {QUESTION:,.0f}. With ReLU the network is piecewise linear: {times:.0f} "
        "times closer than any line inside the training range, and about as wrong as a line beyond it. The small "
        f"network with tanh, which training leaves at {trained:,.0f}, is right on every number (its best trial) once "
        "its last layer is solved: its hidden layer held the square all along."
    )
    paragraphs = [
        textwrap.wrap(each, WIDTH, break_long_words=False, break_on_hyphens=False) for each in (legend, answer)
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def example_head(found: dict[str, Any], text: str) -> str:
    """Returns an example's text with its measured time and result."""
    size = f"{found['trials']:,} trials of {found['variants']:,} variants"
    time = f"Time: about {found['seconds']} seconds on {found['cores']} cores, {size}."
    head, _, _ = found["printed"].partition("\n\n")
    comment = [time, "Result:", *head.splitlines()]
    before, _, rest = text.partition("# Time:")
    return before + "".join(f"# {line}\n" for line in comment) + rest[rest.index('name = "') :]
