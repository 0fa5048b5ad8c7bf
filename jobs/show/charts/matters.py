"""What matters in the grid: the share of each axis in the differences between RMSEs, as bars."""

from __future__ import annotations

from dataclasses import dataclass

from sumsquares.jobs.results.axis_effects import sentence as effect_words
from sumsquares.jobs.results.described import splits_of
from sumsquares.jobs.results.importance import AxisShare, Importance
from sumsquares.jobs.results.scale import RESOLUTION, unit_in
from sumsquares.jobs.show.charts.chart import Chart, Numbers
from sumsquares.jobs.show.charts.rows import List, Row
from sumsquares.jobs.show.charts.scales import Linear
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import listed, named, number, share


@dataclass(frozen=True, slots=True)
class _Part:
    """A bar."""

    words: str
    share: float
    effect: str = ""
    """Of an axis: its best and its worst value."""


def matters_chart(subject: Subject, matters: Importance) -> Chart | None:
    """Returns the chart; None if no axis varies, or all RMSEs are the same."""
    splits = splits_of(subject.about)
    parts = _parts(matters, splits)
    if not matters.axes or not any(part.share for part in parts):
        return None
    label = f"Shares of the variance of log RMSE: {listed([f'{part.words} {share(part.share)}' for part in parts])}."
    scale = Linear(0.0, max(1.0, *(part.share for part in parts)))
    items = [Row(part.words, share(part.share), bar=(0.0, part.share), detail=part.effect) for part in parts]
    return Chart(
        name="matters",
        title="What matters in the grid",
        caption=_caption(matters, splits) + _counted_otherwise(subject),
        label=label,
        svg=List(label, scale, items, has_axis=False).html(),
        legend=(),
        numbers=Numbers(
            ["part", "share", "effect"], [[part.words, share(part.share), part.effect or "-"] for part in parts]
        ),
    )


def _parts(matters: Importance, splits: int) -> list[_Part]:
    """What the bars are of, in their order: axes, interactions, seeds."""
    found = [_Part(each.axis.replace("_", " "), each.share, _effect(each)) for each in matters.axes]
    rest = "interactions" if matters.seeds is not None else "interactions or seeds"
    found.append(_Part(rest, matters.interactions))
    if matters.seeds is not None:
        found.append(_Part("seeds" if splits == 1 else "seeds and splits", matters.seeds))
    return found


def _effect(each: AxisShare) -> str:
    return effect_words(each.effect, named) if each.effect is not None else ""


def _caption(matters: Importance, splits: int) -> str:
    within = " within a split" if splits > 1 else ""
    words = f"The share of each axis in the variance of the logarithm of the RMSE{within}"
    if matters.method == "full grid":
        return f"{words}. They add up to all of it."
    together = (
        f"What several axes explain alike is {share(matters.shared)}" if matters.shared >= 0 else "Axes hide each other"
    )
    return f"{words}, as far as no other axis explains it. {together}, so the bars don't add up to all of it."


def _counted_otherwise(subject: Subject) -> str:
    """Which trials count with another RMSE than their own: log_rmse and importance do so."""
    words = ""
    if any(row["n_diverged"] for row in subject.rows):
        words += " A diverged trial counts with the RMSE above which trials count as diverged."
    least = RESOLUTION * unit_in(subject.about)
    if any(row["rmse_best"] is not None and row["rmse_best"] < least for row in subject.rows):
        words += f" An RMSE below {number(least)} counts as about that."
    return words
