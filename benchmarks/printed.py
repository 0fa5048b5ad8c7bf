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
    """Returns what `make run` prints first, and the table of squares."""
    head = found["printed"].partition("\n\n")[0]
    return f"```\n{head}\n...\n{table(found, 'squares')}\n...\n```"


def readme_reading(found: dict[str, Any]) -> str:
    """Returns the two paragraphs that explain the output, with its figures."""
    squares = rows(found, "squares")
    limit = re.search(r"No linear model gets below an RMSE of ([\d,]+)", answers(found)["squares"])
    assert limit
    relu = next(median for words, median in squares if "relu" in words)
    exact = re.search(r"Exact: (.*?)\. ", answers(found)["squares"])
    assert exact
    named = re.findall(r"([^;]*) \((\d+) of (\d+) seeds\)", exact[1])
    seeds = [(int(some), int(of)) for words, some, of in named if "square" in words]
    right, trials = (sum(each[index] for each in seeds) for index in (0, 1))
    [(solved, _, _)] = [each for each in named if "readout solved" in each[0]]
    trained = next(median for words, median in squares if words == solved.strip().removesuffix(", readout solved"))
    times = float(limit[1].replace(",", "")) / relu
    legend = (
        "How to read this. `[16], square, lr 0.001, unit` is a variant: one hidden layer of 16 units, the activation "
        "`square`, a learning rate of 0.001, and inputs and target each scaled to 0..1 (`unit`; with `question` both "
        "are divided by the largest target, as in the question). In the table, `solved` is the RMSE with the last "
        "layer solved by least squares, `exact` the share of test rows that the best trial gets right after rounding, "
        "and `cause` why the variant ends where it does."
    )
    answer = (
        "What it says. A stack of linear layers is equivalent to a single linear layer. It learns **sums** "
        f"exactly. On **squares** it can't beat the best straight line, whose RMSE is {limit[1]} on these test rows "
        f"and 74,535 on all numbers up to 1,000; the network in the question measured {QUESTION:,.0f}. A network with "
        f"ReLU is piecewise linear. With inputs scaled to 0..1 it is {times:.0f} times closer than any line, but "
        "*beyond* the training range it is about as wrong as a line. With the right building block, an activation "
        f"that squares, every test square is exact in {right} of {trials} trials. No such block is needed either: the "
        f"small network with tanh, which training leaves at an RMSE of {trained:,.0f}, is right on every number (its "
        "best trial) once its last layer is solved. The hidden layer held the square all along. All results are in "
        "`store/runs/question/`: `summary.json`, `summary.parquet`, `trials.parquet` with one row per trial, and "
        "`report.html` with charts."
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
