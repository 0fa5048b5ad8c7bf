"""Causes that lie in the network, the rows or the seeds.

Each function returns the cause, with what shows it, or None. Where the grid has the variant with the change, that
variant decides. Thresholds were fixed as in cause_training.py.
"""

from __future__ import annotations

import math
from itertools import pairwise

from sumsquares.jobs.engines.recipe import STEPS_WITHOUT_SCALE
from sumsquares.jobs.messages.numbers import at_most, counted, number
from sumsquares.jobs.results.case import (
    CONSTANT,
    FAR,
    GOOD,
    LEAST_GAIN,
    Case,
    Cause,
    Change,
    by_neighbour,
    times,
    widths,
    with_change,
)
from sumsquares.jobs.results.cause_scale import is_far_too_large
from sumsquares.jobs.results.cause_tables import memorised_on_table, no_activation_on_table, seed_luck_over_splits
from sumsquares.jobs.results.spread_knots import spread_rmse

_SMALL = 0.04
"""Share of the target's standard deviation from which on the best last layer on few units blames their number."""

_SMOOTH = frozenset({"elu", "tanh", "sigmoid", "gelu", "silu"})
_OVERFIT = 1.2
"""From this ratio of the RMSE on other rows to that on training rows on, unused inputs are fitted, and so would more
units be."""
_FAR_FROM_FLOOR = 3.0
"""How many times the floor the RMSE with the best last layer is at least where the knots are in the wrong places."""
_SETTLED_SLOPE = -0.15
"""A loss with a slope above this hardly falls any more: by 10 % while the number of epochs doubles."""
_FAR_OFF = 0.3
"""An RMSE above this share of the target's standard deviation blames few units whose best last layer isn't known."""
_FROM_LINEAR = 5.0
"""What an activation gains at least, mostly, where a network is at the limit of linear functions."""
_AT_LIMIT = 1.1
"""An RMSE below this many times what no linear function gets below is explained by that, whatever else is found."""
_OF_READOUT = 10.0
"""Where the best last layer alone gains this factor or more, the last layer is told before the knots."""
_APART = 3.0
"""By what factor the groups of seeds are apart at least."""


def no_activation(case: Case) -> Cause | None:
    """A network that is one linear function, on a target that isn't."""
    if case.is_table:
        return no_activation_on_table(case)
    if (case.row["activation"] != "identity" and case.hidden) or case.rmse is None or case.has_log_target:
        return None
    rmse, lacks = case.rmse, "an activation" if case.hidden else "a hidden layer"
    if case.is_linear:
        limit = _linear_limit(case)
        if not limit:
            return None
        logs = " of its inputs' logarithms" if case.has_log_inputs else ""
        told = (
            f"Without {lacks} the network is one linear function{logs}, and none of those gets below an RMSE of "
            f"{at_most(limit)} on the test rows; this one has {number(rmse)}."
        )
    else:
        # Nothing is known of how far such a function gets; a target that is nearly linear needs no more.
        facts = case.about["facts"]
        limit, best = facts["linear_rmse"], min(case.rmse_S, default=rmse)
        if min(limit, best) < FAR * case.spread or facts["linear_exact"] or case.has_log_inputs:
            return None
        told = (
            f"Without {lacks} the network is the {case.row['output']} of one linear function; its RMSE is "
            f"{number(rmse)}."
        )
    if case.hidden:
        tried = case.best_neighbour("activation", lambda name: name != "identity")
        change = Change("activation", tried[0]["activation"] if tried else "relu")
    else:
        tried = None
        layer_alone = Change("activation", "relu") if case.row["activation"] == "identity" else None
        change = Change("hidden", (16,), layer_alone)
    evidence = {"rmse": rmse, "linear_rmse": limit}
    is_near = rmse < LEAST_GAIN * limit if case.is_linear else rmse > LEAST_GAIN * FAR * case.spread
    if tried is None:
        return Cause("no_activation", told, evidence, change, _FROM_LINEAR if is_near else LEAST_GAIN)
    told += f" {with_change(change, tried[0])}"
    if tried[1] >= LEAST_GAIN:
        return Cause("no_activation", told, evidence, change, tried[1])
    # The limit holds, although an activation alone doesn't lead below it.
    is_at_limit = case.is_linear and rmse < _AT_LIMIT * limit and limit > FAR * case.spread
    return Cause("no_activation", told, evidence, None, _FROM_LINEAR) if is_at_limit else None


def _linear_limit(case: Case) -> float | None:
    """What no linear function of the network's inputs gets below; None if that is nothing, or isn't known."""
    facts = case.about["facts"]
    if case.has_log_inputs:
        return case.number("floor") if case.row["floor_kind"] == "linear" else None
    return None if facts["linear_exact"] else float(facts["linear_rmse"])


def too_narrow(case: Case) -> Cause | None:
    """A network at the limit of its width."""
    if not case.hidden or case.row["activation"] == "identity" or case.rmse is None:
        return None
    ours = sum(case.hidden)
    tried = case.best_neighbour("hidden", lambda other: sum(widths(other)) > ours)
    if tried is not None:
        return by_neighbour(case, "too_narrow", "hidden", tried)
    return None if case.is_table else _too_narrow(case, case.rmse)  # of a table, what is left may be noise


def _too_narrow(case: Case, rmse: float) -> Cause | None:
    """The cause, as far as it shows without a wider neighbour."""
    floor = case.floor
    change = Change("hidden", tuple(max(4 * width, 16) for width in case.hidden))
    if floor and rmse < LEAST_GAIN * floor:
        told = (
            f"No network of this shape{case.on_logs} gets below an RMSE of {at_most(floor)} on these rows; this one "
            f"has {number(rmse)}."
        )
        return Cause("too_narrow", told, {"rmse": rmse, "floor": floor}, change, 4.0)
    if case.is_solved and case.row["activation"] in _SMOOTH and rmse > case.enough and (case.gap or 1.0) < _OVERFIT:
        units = counted(case.hidden[-1], "unit")
        told = f"The last layer is the best on its {units}, and the RMSE is {number(rmse)}."
        return Cause("too_narrow", told, {"rmse": rmse}, change, 10.0)
    solved = case.number("rmse_solved_median")
    if case.about["facts"]["linear_exact"]:  # then a unit suffices that doesn't bend on the range
        return None
    if solved is None:
        return _few_units(case, change)
    if solved < _SMALL * case.spread or case.hidden[-1] > 4 or times(rmse, solved) > 3:
        return None
    if solved > _OVERFIT * rmse:  # rows that are too few for a least-squares fit, not units
        return None
    if floor and solved >= _FAR_FROM_FLOOR * floor:  # as many units in their places suffice
        return None
    told = f"With the best last layer on its {counted(case.hidden[-1], 'unit')}, the RMSE is {number(solved)} still."
    return Cause("too_narrow", told, {"rmse_solved": solved}, change, 3.0)


def _few_units(case: Case, change: Change) -> Cause | None:
    """Few units with an output activation, of which the best last layer isn't known, and a training that has ended."""
    assert case.rmse is not None
    slope = case.number("loss_slope_median")
    is_settled = slope is not None and slope > _SETTLED_SLOPE
    if case.row["output"] == "linear" or case.hidden[-1] > 4 or case.rmse < _FAR_OFF * case.spread or not is_settled:
        return None
    told = (
        f"The loss hardly falls any more, and with {counted(case.hidden[-1], 'unit')} the RMSE is {number(case.rmse)}."
    )
    return Cause("too_narrow", told, {"rmse": case.rmse, "units": case.hidden[-1]}, change, 2.0)


def knots_misplaced(case: Case) -> Cause | None:
    """ReLU units whose knots lie where they don't help."""
    is_open = case.row["output"] == "linear" and not case.has_log_target
    if case.row["activation"] != "relu" or not case.hidden or case.rmse is None or not is_open:
        return None
    tried = case.best_neighbour("init", lambda kind: kind == "spread_knots")
    if tried is not None:
        return by_neighbour(case, "knots_misplaced", "init", tried)
    solved = case.number("rmse_solved_median")
    if solved is None or case.row["init"] == "spread_knots" or case.is_table:
        return None
    # Units that together tell nothing of the input are dead, or their weights are gone: their places don't matter.
    if solved > CONSTANT * case.spread:
        return None
    change = Change("init", "spread_knots", None if case.is_solved else case.solving)
    floor = case.floor if case.row["floor_kind"] == "relu_pieces" else None
    if floor and solved >= _FAR_FROM_FLOOR * floor:
        told = (
            f"With the best last layer the RMSE is {number(solved)}, {number(solved / floor)} times the lowest that "
            f"ReLU networks of this shape{case.on_logs} can have on these rows, {at_most(floor)}: the knots lie in the "
            f"wrong places."
        )
        evidence = {"rmse_solved": solved, "floor": floor}
        # Spread knots are the best ones of a parabola, so of squares; on other functions they may be as bad as any.
        reached = floor if case.spec.task else spread_rmse(case.spec, case.hidden[0], case.has_log_inputs)
        # Adam leaves knots in their places, so that this is nearly reached; SGD with momentum moves them.
        gain = times(case.rmse, reached or floor) / (2 if case.row["optimizer"] in STEPS_WITHOUT_SCALE else 8)
        if case.spec.task is None and gain < LEAST_GAIN:
            return Cause("knots_misplaced", told, evidence, None)
        by_readout = 1.0 if case.is_solved else times(case.rmse, solved)
        gain = min(gain, 0.9 * by_readout) if by_readout >= _OF_READOUT else gain
        gain = LEAST_GAIN if case.is_memorised or is_far_too_large(case) else gain
        return Cause("knots_misplaced", told, evidence, change, max(gain, LEAST_GAIN))
    if floor is None and _start_at_the_end(case) and solved >= _SMALL * case.spread and times(case.rmse, solved) < 1.5:
        told = (
            f"No input is below 0 and all biases start at 0, so all knots start at the end of the range; with the best "
            f"last layer the RMSE is {number(solved)}."
        )
        return Cause("knots_misplaced", told, {"rmse_solved": solved}, change, 2.0)
    return None


def _start_at_the_end(case: Case) -> bool:
    """Whether first weights without biases put all knots where the inputs begin, and the target isn't linear."""
    has_no_bias = case.row["init"] in ("glorot_uniform", "he_uniform")
    is_one_sided = has_no_bias and all(column.low >= 0 for column in case.scale.inputs)
    return is_one_sided and not case.about["facts"]["linear_exact"] and not case.is_memorised


def memorised(case: Case) -> Cause | None:
    """Training rows that are answered far better than others."""
    if case.is_table:
        return memorised_on_table(case)
    train, unseen, gap = case.number("rmse_train_median"), case.number("rmse_unseen_median"), case.gap
    if train is None or unseen is None or gap is None or not case.is_memorised or unseen < GOOD * case.spread:
        return None
    rows = case.about["rows"]
    noisy = f", whose targets have noise of {number(case.noise)}," if train < case.noise else ""
    told = (
        f"The RMSE is {number(train)} on the {counted(rows, 'training row')}{noisy} and {number(unseen)} on test rows "
        f"that are not among them."
    )
    gain = min(max(gap, 2.0), 4.0)
    return Cause("memorised", told, {"rmse_train": train, "rmse_unseen": unseen}, Change("rows", 4 * rows), gain)


def unused_input(case: Case) -> Cause | None:
    """Inputs that the target doesn't depend on, and that are fitted nevertheless. Of a table, none is known."""
    unused, gap, rmse = case.about.get("unused"), case.gap, case.rmse
    if not unused or rmse is None:
        return None
    told = f"The target doesn't depend on {unused} of the {unused + case.about['n_numbers']} inputs, and"
    change = Change("unused", 0)
    if gap is not None and gap >= _OVERFIT:
        train, unseen = case.row["rmse_train_median"], case.row["rmse_unseen_median"]
        told += f" the RMSE is {number(train)} on training rows and {number(unseen)} on others."
        evidence = {"unused": unused, "rmse_train": train, "rmse_unseen": unseen}
        return Cause("unused_input", told, evidence, change, min(2 * gap, 8.0))
    if case.is_solved and not case.is_linear and rmse > case.enough:
        told += f" with the best last layer on units that see all of them the RMSE is {number(rmse)}."
        return Cause("unused_input", told, {"unused": unused, "rmse": rmse}, change, 2.0)
    return None


def seed_luck(case: Case) -> Cause | None:
    """Seeds that fall into two groups, of which the better one is not the larger."""
    if case.splits > 1:
        return seed_luck_over_splits(case)
    seeds = case.rmse_S
    if len(seeds) < 3 or not case.rmse:
        return None
    gaps = [times(high, low) for low, high in pairwise(seeds)]
    # The worse group must be one: seeds that are merely spread out are no groups.
    groups = {
        count: gap
        for count, gap in enumerate(gaps, 1)
        if gap >= _APART and 2 * count <= len(seeds) and seeds[-1] <= seeds[count] * math.sqrt(gap)
    }
    if not groups:
        return None
    count = max(groups, key=groups.__getitem__)
    have = "seeds has an RMSE of" if count == 1 else "seeds have an RMSE of at most"
    told = f"{count} of {len(seeds)} {have} {number(seeds[count - 1])}, the others of at least {number(seeds[count])}."
    change = Change("seeds", min(4 * len(seeds), 10**9))
    return Cause("seed_luck", told, {"share": count / len(seeds)}, change, LEAST_GAIN)
