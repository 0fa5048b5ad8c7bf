"""What matters in a grid, in words: the share of each axis, and its best and worst value."""

from __future__ import annotations

from collections.abc import Iterator

from sumsquares.jobs.results.axis_effects import sentence as effect_words
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.show.format import listed, named, share

_LEAST_SHARE = 0.01  # of the variance, from which on an axis is named in the sentence


def sentence(matters: Importance, splits: int = 1) -> str | None:
    """Returns the shares of the axes as a sentence; None if none of them matters.

    With several splits, how the splits differ is left out, and what is left within variants is of seeds and splits.
    """
    words = [f"{each.axis} {share(each.share)}" for each in matters.axes if each.share >= _LEAST_SHARE]
    if not words:
        return None
    if matters.interactions >= _LEAST_SHARE:
        # With one seed each, the noise of the seeds can't be told from interactions.
        rest = "interactions" if matters.seeds is not None else "interactions or seeds"
        words.append(f"{rest} {share(matters.interactions)}")
    if matters.seeds is not None:
        words.append(f"{'seeds' if splits == 1 else 'seeds and splits'} {share(matters.seeds)}")
    within = " within a split" if splits > 1 else ""
    beyond = "" if matters.method == "full grid" else ", each beyond all other axes"
    return f"What matters, by share of the variance of log RMSE{within}{beyond}: {listed(words)}."


def lines_of(matters: Importance, splits: int = 1) -> Iterator[str]:
    """Yields the sentence, then a line for each axis with its best and its worst value."""
    if (opening := sentence(matters, splits)) is None:
        return
    yield opening
    for each in matters.axes:
        if each.effect is not None:
            yield f"  {each.axis}: {effect_words(each.effect, named)}"
