"""What the README and the heads of the examples say of the examples' runs. It reads their text, and runs nothing."""

from __future__ import annotations

import re
import textwrap
from typing import Any

WIDTH = 120
QUESTION = 75_777.3  # the RMSE that the question measured


def answers(found: dict[str, Any]) -> dict[str, str]:
    """By dataset, what was found, in one line."""
    head, _, _ = found["printed"].partition("\n\n")
    told = re.split(r"^([a-z0-9][\w-]*) \([^)]*\): ", head, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(told[1::2], told[2::2], strict=True)}


def table(found: dict[str, Any], dataset: str) -> str:
    """The table of a dataset's variants as it was printed."""
    _, *parts = found["printed"].split("\n\n")
    (mine,) = (part for part in parts if part.startswith(f"{dataset}: "))
    return mine.partition(f"{dataset}: the best")[0].rstrip()


def rows(found: dict[str, Any], dataset: str) -> list[tuple[str, float]]:
    """Of each variant in a dataset's table its words and its median RMSE."""
    lines = table(found, dataset).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("hidden"))
    split = [re.fullmatch(r"(.+?)  +\d+ +(\S+) .*", line) for line in lines[start + 1 :]]
    return [(" ".join(line[1].split()), float(line[2].replace(",", ""))) for line in split if line]


def readme_block(found: dict[str, Any]) -> str:
    """What `make run` prints first, and the table of squares."""
    head = found["printed"].partition("\n\n")[0]
    return f"```\n{head}\n...\n{table(found, 'squares')}\n...\n```"


def readme_reading(found: dict[str, Any]) -> str:
    """How to read it, with its figures."""
    squares = rows(found, "squares")
    limit = re.search(r"No linear model gets below an RMSE of ([\d,]+)", answers(found)["squares"])
    assert limit
    relu = next(median for words, median in squares if "relu" in words)
    exact = re.search(r"Exact: (.*?)\. ", answers(found)["squares"])
    assert exact
    seeds = [(int(some), int(of)) for some, of in re.findall(r"\((\d+) of (\d+) seeds\)", exact[1])]
    right, trials = (sum(each[index] for each in seeds) for index in (0, 1))
    times = float(limit[1].replace(",", "")) / relu
    text = (
        "Read it like this. A stack of linear layers is one linear unit: it learns **sums** to the last digit, and on "
        f"**squares** it can't get below the best straight line: an RMSE of {limit[1]} on these test rows, 74,536 on "
        f"all numbers up to 1,000; the question measured {QUESTION:,.0f}. With ReLU the network is a chain of straight "
        f"pieces, {times:.0f} times closer than any line with inputs scaled to 0..1, and about as wrong as a line "
        "*beyond* the numbers that it has seen. With the right building block, a layer that squares, every test square "
        f"is exact in {right} of {trials} trials. The summary has all of it: `store/runs/question/summary.json`, "
        "`summary.parquet`, `trials.parquet` "
        "with a row per trial, and `report.html` to look at."
    )
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def example_head(found: dict[str, Any], text: str) -> str:
    """An example's text with its time and its result as they were measured."""
    size = f"{found['trials']:,} trials of {found['variants']:,} variants"
    time = f"Time: about {found['seconds']} seconds on {found['cores']} cores, {size}."
    head, _, _ = found["printed"].partition("\n\n")
    comment = [time, "Result:", *head.splitlines()]
    before, _, rest = text.partition("# Time:")
    return before + "".join(f"# {line}\n" for line in comment) + rest[rest.index('name = "') :]
