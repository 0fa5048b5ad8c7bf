"""What matters in the grid: the share of each axis in the differences between RMSEs, as bars."""

from __future__ import annotations

from sumsquares.jobs.results.axis_effects import sentence as effect_words
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.show.charts.chart import Chart, Numbers
from sumsquares.jobs.show.charts.rows import List, Row
from sumsquares.jobs.show.charts.scales import Linear
from sumsquares.jobs.show.format import listed, named, share


def matters_chart(matters: Importance, splits: int) -> Chart | None:
    """Returns the chart; None if nothing varies."""
    parts = _parts(matters, splits)
    if not any(value for _, value in parts):
        return None
    label = f"Shares of the variance of log RMSE: {listed([f'{words} {share(value)}' for words, value in parts])}."
    scale = Linear(0.0, max(1.0, *(value for _, value in parts)))
    items = [Row(words, share(value), bar=(0.0, value)) for words, value in parts]
    return Chart(
        name="matters",
        title="What matters in the grid",
        caption=_caption(matters, splits),
        label=label,
        svg=List(label, scale, items, has_axis=False).html(),
        legend=(),
        numbers=_numbers(matters, splits),
    )


def _parts(matters: Importance, splits: int) -> list[tuple[str, float]]:
    """What the bars are of, in their order: axes, interactions, seeds."""
    found = [(each.axis.replace("_", " "), each.share) for each in matters.axes]
    found.append(("interactions" if matters.seeds is not None else "interactions or seeds", matters.interactions))
    if matters.seeds is not None:
        found.append(("seeds" if splits == 1 else "seeds and splits", matters.seeds))
    return found


def _caption(matters: Importance, splits: int) -> str:
    within = " within a split" if splits > 1 else ""
    words = f"The share of each axis in the variance of the logarithm of the RMSE{within}"
    if matters.method == "full grid":
        return f"{words}. They add up to all of it."
    together = (
        f"What several axes explain alike is {share(matters.shared)}" if matters.shared >= 0 else "Axes hide each other"
    )
    return f"{words}, as far as no other axis explains it. {together}, so the bars don't add up to all of it."


def _numbers(matters: Importance, splits: int) -> Numbers:
    effects = {each.axis.replace("_", " "): each.effect for each in matters.axes}
    rows = []
    for words, value in _parts(matters, splits):
        effect = effects.get(words)
        rows.append([words, share(value), effect_words(effect, named) if effect is not None else "-"])
    return Numbers(["part", "share", "effect"], rows)
