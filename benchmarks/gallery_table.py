"""The table of docs/gallery.md and the heads of examples/questions, from what the runs have shown. It runs nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

NOT_ASKED = {"q32": "it needs a network with two outputs"}
"""Questions that no spec can ask."""
_WIDTH = 118


def gallery_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the table of docs/gallery.md, and what the questions have shown together."""
    head = ["", "question", "causes that are named", "RMSE as asked", "RMSE mended", "by"]
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- | ---: | ---: | --- |"]
    for name, each in sorted(found.items()):
        named = " ".join(f"`{cause}`" for cause in each["causes"][:2])
        restated = " *(restated)*" if each["restated"] else ""
        escaped = each["title"].replace("*", "\\*")
        cells = [
            f"![Target, answers as asked and mended](figures/gallery/{name}.svg)",
            f"[{name}](../examples/questions/{name}.toml): {escaped}{restated}",
            named,
            _figure(each["before"]) + (" beyond the range" if each["beyond"] else ""),
            _figure(each["after"]),
            f"`{each['cure']}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _together(found)])


def _together(found: Mapping[str, Mapping[str, Any]]) -> str:
    plain = [each for each in found.values() if not each["restated"]]
    within = {
        way: sum(not set(each["expected"]).isdisjoint(each[way][:2]) for each in plain)
        for way in ("causes", "causes_alone")
    }
    skipped = "; ".join(f"{name}: {why}" for name, why in NOT_ASKED.items())
    return (
        f"{len(plain)} of {len(found) + len(NOT_ASKED)} questions are asked as they were put, as far as function, "
        f"range, network, rows and training are known. Among the first two causes of those the true one is named in "
        f"{within['causes']}; without a look at the variants that mend it, in {within['causes_alone']}. Not asked: "
        f"{skipped}."
    )


def _figure(value: float | None) -> str:
    if value is None:
        return "diverged"
    return f"{value:,.0f}" if 1000 <= value < 1e5 else f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")


def question_head(each: Mapping[str, Any], text: str) -> str:
    """Returns a spec's text with its measured time and result as the last line of its head."""
    comment, mark, rest = text.partition('name = "')
    seconds = f"{each['seconds']} second{'s' if each['seconds'] > 1 else ''}"
    where = " beyond the range" if each["beyond"] else ""
    before = f"RMSE {_figure(each['before'])}{where}" if each["before"] is not None else "all trials diverge"
    result = f"{before}; {_figure(each['after'])} with {each['cure']}"
    told = f"# Time: about {seconds} on {each['cores']} cores. Result: {result}."
    lines = textwrap.wrap(told, _WIDTH, subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False)
    return comment.partition("# Time: ")[0] + "\n".join(lines) + f"\n{mark}{rest}"
