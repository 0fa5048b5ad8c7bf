"""Causes on tables of one's own, where another proof is needed than on generated rows.

Nothing is known there of the function behind the targets, nor of the noise in them: an RMSE far above 0 blames nothing.
So these rest on other variants of the run, on bounds, and on the training rows. As those of cause_network.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sumsquares.jobs.messages.numbers import at_most, number
from sumsquares.jobs.results.case import (
    GOOD,
    LEAST_GAIN,
    Case,
    Cause,
    Change,
    Row,
    by_neighbour,
    rmse_of,
    times,
    value_of,
    widths,
    with_change,
)

_AT_LIMIT = 1.1
"""An RMSE below this many times what no linear function gets below is explained by that, whatever else is found."""
_APART = 3.0
"""By what factor the groups of seeds are apart at least."""


def no_activation_on_table(case: Case) -> Cause | None:
    """One linear function, where with an activation the error is smaller. That none is, says that nothing bends."""
    if (case.row["activation"] != "identity" and case.hidden) or case.rmse is None:
        return None
    lacks = "an activation" if case.hidden else "a hidden layer"
    limit = case.floor if case.row["floor_kind"] == "linear" else None
    told = f"Without {lacks} the network is one linear function of its inputs; this one has an RMSE of"
    if limit:
        told = (
            f"Without {lacks} the network is one linear function, and none of those gets below an RMSE of "
            f"{at_most(limit)} on the {case.tested}s{case.over_splits}; this one has"
        )
    told += f" {number(case.rmse)}."
    evidence = {"rmse": case.rmse, **({"linear_rmse": limit} if limit else {})}
    tried = case.best_neighbour("activation", lambda name: name != "identity") if case.hidden else None
    if tried is not None and tried[1] >= case.least_gain:
        change = value_of("activation", tried[0])
        return Cause("no_activation", f"{told} {with_change(change, tried[0])}", evidence, change, tried[1])
    # Another variant may owe its smaller error to something else, unless no linear function gets there.
    other = case.bent
    if other is None or not limit or times(limit, rmse_of(other)) < case.least_gain:
        return None
    told += f" The best variant with an activation has {number(rmse_of(other))}."
    gain = times(limit, rmse_of(other))
    if tried is None:
        return Cause("no_activation", told, evidence, _bending(case, other), gain)
    # An activation alone doesn't lead below the limit, but at the limit nothing else does.
    return Cause("no_activation", told, evidence, None, gain) if case.rmse < _AT_LIMIT * limit else None


def _bending(case: Case, other: Row) -> Change:
    """The change to the activation of another variant, and to a hidden layer where there is none."""
    activation = value_of("activation", other)
    return activation if case.hidden else Change("hidden", widths(other["hidden"]), activation)


def memorised_on_table(case: Case) -> Cause | None:
    """Training rows that are answered far better than others. More rows can't be asked for: smaller ones may help."""
    train, unseen, gap = case.number("rmse_train_median"), case.number("rmse_unseen_median"), case.gap
    if train is None or unseen is None or gap is None or not case.is_memorised or unseen < GOOD * case.spread:
        return None
    told = (
        f"The {case.of_median} is {number(train)} on the training rows and {number(unseen)} on {case.tested}s that are "
        f"not among them."
    )
    evidence = {"rmse_train": train, "rmse_unseen": unseen}
    best = max(_less_to_learn(case), key=lambda each: each[2], default=None)
    if best is None or best[2] < case.least_gain:
        return Cause("memorised", told, evidence, None, min(gap, 4.0))
    axis, row, factor = best
    change = value_of(axis, row)
    return Cause("memorised", f"{told} {with_change(change, row)}", evidence, change, factor)


def _less_to_learn(case: Case) -> Iterator[tuple[str, Row, float]]:
    """Yields the neighbours that learn less by heart: fewer epochs, fewer units, more weight decay."""
    epochs, decay, units = case.row["epochs"], case.row["weight_decay"], sum(case.hidden)
    found = {
        "epochs": case.best_neighbour("epochs", lambda other: other < epochs),
        "weight_decay": case.best_neighbour("weight_decay", lambda other: other > decay),
        "hidden": case.best_neighbour("hidden", lambda other: sum(widths(other)) < units),
    }
    yield from ((axis, *tried) for axis, tried in found.items() if tried is not None)


def output_cannot_reach_on_table(case: Case) -> Cause | None:
    """An output activation with a range that doesn't hold the targets of the test rows."""
    if case.reach is None or case.rmse is None:
        return None
    tried = case.best_neighbour("output", lambda output: output == "linear")
    if tried is not None and tried[1] < case.least_gain:
        return None
    limit = case.reach_rmse
    if limit < max(case.enough, GOOD * case.spread):
        return tried and by_neighbour(case, "output_cannot_reach", "output", tried)
    told = (
        f'With output = "{case.row["output"]}" answers can\'t reach all targets of the {case.tested}s, which alone '
        f"makes an RMSE of {at_most(limit)}{case.over_splits}; this one has {number(case.rmse)}."
    )
    if tried is not None:
        told += f" {with_change(Change('output', 'linear'), tried[0])}"
    change = Change("output", "linear", Change("loss", "mse") if case.row["loss"] == "bce" else None)
    gain = tried[1] if tried else max(LEAST_GAIN, 6.0 * min(1.0, times(limit, case.rmse)))
    return Cause("output_cannot_reach", told, {"rmse": case.rmse, "reach_rmse": limit}, change, gain)


def seed_luck_over_splits(case: Case) -> Cause | None:
    """Trials that fall into two groups, each over the lowest of its split, of which the better is not the larger."""
    ratios = case.rmse_S
    if len(ratios) < 3 * case.splits or not case.rmse:
        return None
    gaps = [times(high, low) for low, high in pairwise(ratios)]
    groups = {
        count: gap
        for count, gap in enumerate(gaps, 1)
        if gap >= _APART and 2 * count <= len(ratios) and ratios[-1] <= ratios[count] * gap**0.5
    }
    if not groups:
        return None
    count = max(groups, key=groups.__getitem__)
    told = (
        f"The RMSE is at most {number(ratios[count - 1])} times the lowest of its split in {count} of {len(ratios)} "
        f"trials, and at least {number(ratios[count])} times in the others."
    )
    change = Change("seeds", min(4 * -(-len(ratios) // case.splits), 10**9))
    return Cause("seed_luck", told, {"share": count / len(ratios)}, change, LEAST_GAIN)
