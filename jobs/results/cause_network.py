"""Causes that lie in the network, the rows or the seeds, and what there is to say of a variant without a fault.

Each function returns the cause, with what shows it, or None. Where the grid has the variant with the change, that
variant decides. Thresholds were fixed as in cause_training.py.
"""

from __future__ import annotations

import math
from itertools import pairwise

from sumsquares.datasets.tasks import target_range
from sumsquares.jobs.engines.initialize import STEPS_WITHOUT_SCALE
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

_SMALL = 0.04
"""Share of the target's standard deviation from which on the best last layer on few units blames their number."""

_SMOOTH = frozenset({"elu", "tanh", "sigmoid", "gelu", "silu"})
_ROUNDS = 0.1
"""An RMSE below this is nearly always right after rounding."""
_OVERFIT = 1.2
"""From this ratio of the RMSE on other rows to that on training rows on, unused inputs are fitted, and so would more
units be."""
_APART = 3.0
"""By what factor the groups of seeds are apart at least."""


def no_activation(case: Case) -> Cause | None:
    """A network that is one linear function, on a target that isn't."""
    facts, rmse = case.about["facts"], case.rmse
    limit = facts["linear_rmse"]
    if not case.is_linear or rmse is None or facts["linear_exact"] or not limit:
        return None
    lacks = "an activation" if case.hidden else "a hidden layer"
    told = (
        f"Without {lacks} the network is one linear function, and none of those gets below an RMSE of {at_most(limit)} "
        f"on the test rows; this one has {number(rmse)}."
    )
    if case.hidden:
        tried = case.best_neighbour("activation", lambda name: name != "identity")
        change = Change("activation", tried[0]["activation"] if tried else "relu")
    else:
        tried = None
        layer_alone = Change("activation", "relu") if case.row["activation"] == "identity" else None
        change = Change("hidden", (16,), layer_alone)
    if tried is not None:
        if tried[1] < LEAST_GAIN:
            return None
        told += f" {with_change(change, tried[0])}"
    gain = tried[1] if tried else (5.0 if rmse < LEAST_GAIN * limit else LEAST_GAIN)
    return Cause("no_activation", told, {"rmse": rmse, "linear_rmse": limit}, change, gain)


def too_narrow(case: Case) -> Cause | None:
    """A network at the limit of its width."""
    if case.is_linear or case.rmse is None:
        return None
    ours = sum(case.hidden)
    tried = case.best_neighbour("hidden", lambda other: sum(widths(other)) > ours)
    if tried is not None:
        return by_neighbour(case, "too_narrow", "hidden", tried)
    floor = case.number("floor")
    change = Change("hidden", tuple(max(4 * width, 16) for width in case.hidden))
    if floor and case.rmse < LEAST_GAIN * floor:
        told = (
            f"No network of this shape gets below an RMSE of {at_most(floor)} on these rows; this one has "
            f"{number(case.rmse)}."
        )
        return Cause("too_narrow", told, {"rmse": case.rmse, "floor": floor}, change, 4.0)
    if case.is_solved and case.row["activation"] in _SMOOTH and case.rmse > _ROUNDS and (case.gap or 1.0) < _OVERFIT:
        units = counted(case.hidden[-1], "unit")
        told = f"The last layer is the best on its {units}, and the RMSE is {number(case.rmse)}."
        return Cause("too_narrow", told, {"rmse": case.rmse}, change, 10.0)
    solved = case.number("rmse_solved_median")
    if case.about["facts"]["linear_exact"]:  # then a unit suffices that doesn't bend on the range
        return None
    if solved is None or solved < _SMALL * case.spread or case.hidden[-1] > 4 or times(case.rmse, solved) > 3:
        return None
    told = f"With the best last layer on its {counted(case.hidden[-1], 'unit')}, the RMSE is {number(solved)} still."
    return Cause("too_narrow", told, {"rmse_solved": solved}, change, 3.0)


def knots_misplaced(case: Case) -> Cause | None:
    """ReLU units whose knots lie where they don't help."""
    if case.row["activation"] != "relu" or not case.hidden or case.rmse is None:
        return None
    tried = case.best_neighbour("init", lambda kind: kind == "spread_knots")
    if tried is not None:
        return by_neighbour(case, "knots_misplaced", "init", tried)
    solved = case.number("rmse_solved_median")
    if solved is None or case.row["init"] == "spread_knots":
        return None
    # Units that together tell nothing of the input are dead, or their weights are gone: their places don't matter.
    if solved > CONSTANT * case.spread:
        return None
    change = Change("init", "spread_knots", None if case.is_solved else Change("readout", "solved"))
    floor = case.number("floor") if case.row["floor_kind"] == "relu_pieces" else None
    if floor and solved >= 3 * floor:
        told = (
            f"With the best last layer the RMSE is {number(solved)}, {number(solved / floor)} times the lowest that "
            f"ReLU networks of this shape can have on these rows, {at_most(floor)}: the knots lie in the wrong places."
        )
        # Adam leaves knots in their places, so that the floor is nearly reached; SGD with momentum moves them.
        gain = times(case.rmse, floor) / (2 if case.row["optimizer"] in STEPS_WITHOUT_SCALE else 8)
        gain = LEAST_GAIN if case.is_memorised else gain
        return Cause("knots_misplaced", told, {"rmse_solved": solved, "floor": floor}, change, max(gain, LEAST_GAIN))
    if floor is None and _start_at_the_end(case) and solved >= _SMALL * case.spread and times(case.rmse, solved) < 1.5:
        told = (
            f"No input is below 0 and all biases start at 0, so all knots start at the end of the range; with the best "
            f"last layer the RMSE is {number(solved)}."
        )
        return Cause("knots_misplaced", told, {"rmse_solved": solved}, change, 2.0)
    return None


def _start_at_the_end(case: Case) -> bool:
    """Whether first weights without biases put all knots where the inputs begin, and the target isn't linear."""
    is_one_sided = case.row["normalize"] in ("unit", "question") and case.row["init"] in (
        "glorot_uniform",
        "he_uniform",
    )
    return is_one_sided and not case.about["facts"]["linear_exact"] and not case.is_memorised


def memorised(case: Case) -> Cause | None:
    """Training rows that are answered far better than others."""
    train, unseen, gap = case.number("rmse_train_median"), case.number("rmse_unseen_median"), case.gap
    if train is None or unseen is None or gap is None or not case.is_memorised or unseen < GOOD * case.spread:
        return None
    rows = case.about["rows"]
    told = (
        f"The RMSE is {number(train)} on the {counted(rows, 'training row')} and {number(unseen)} on test rows that "
        f"are not among them."
    )
    gain = min(gap, 4.0)
    return Cause("memorised", told, {"rmse_train": train, "rmse_unseen": unseen}, Change("rows", 4 * rows), gain)


def unused_input(case: Case) -> Cause | None:
    """Inputs that the target doesn't depend on, and that are fitted nevertheless."""
    unused, gap, rmse = case.about["unused"], case.gap, case.rmse
    if not unused or rmse is None:
        return None
    told = f"The target doesn't depend on {unused} of the {unused + case.about['n_numbers']} inputs, and"
    change = Change("unused", 0)
    if gap is not None and gap >= _OVERFIT:
        train, unseen = case.row["rmse_train_median"], case.row["rmse_unseen_median"]
        told += f" the RMSE is {number(train)} on training rows and {number(unseen)} on others."
        evidence = {"unused": unused, "rmse_train": train, "rmse_unseen": unseen}
        return Cause("unused_input", told, evidence, change, min(2 * gap, 8.0))
    if case.is_solved and not case.is_linear and rmse > _ROUNDS:
        told += f" with the best last layer on units that see all of them the RMSE is {number(rmse)}."
        return Cause("unused_input", told, {"unused": unused, "rmse": rmse}, change, 2.0)
    return None


def seed_luck(case: Case) -> Cause | None:
    """Seeds that fall into two groups, of which the better one is not the larger."""
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


def outside_range(case: Case) -> Cause | None:
    """An answer that holds inside the range alone."""
    beyond, rmse = case.number("rmse_extrapolation_median"), case.rmse
    largest = case.about["largest"]
    if beyond is None or rmse is None or rmse > FAR * case.spread:
        return None
    smallest_target, _ = target_range(case.about["task"], case.about["n_numbers"], largest + 1, 2 * largest)
    if beyond < 10 * max(rmse, 0.5) or beyond < 0.01 * smallest_target:
        return None
    told = (
        f"On numbers from {largest + 1:,} to {2 * largest:,}, which were not trained, the RMSE is {number(beyond)}; "
        f"on the range itself {number(rmse)}."
    )
    return Cause("outside_range", told, {"rmse": rmse, "rmse_extrapolation": beyond}, _beyond(case))


def _beyond(case: Case) -> Change | None:
    """The change to a layer for which the target has the same form everywhere, if there is one."""
    if case.about["task"] == "sum":
        return Change("hidden", ()) if case.hidden else None
    can = case.about["task"] != "product" or case.about["n_numbers"] <= 2
    if not can or not case.hidden:
        return None
    # With more than one layer of squares the answer is of a higher degree, which is worse beyond the range.
    layer = Change("hidden", (max(case.hidden),)) if len(case.hidden) > 1 else None
    return layer if case.row["activation"] == "square" else Change("activation", "square", layer)


def solved(case: Case) -> Cause | None:
    """Right after rounding on what was not trained, or on the whole range."""
    facts, exact, trials = case.about["facts"], case.row["n_exact"], case.row["n"] + case.row["n_diverged"]
    everywhere = case.number("exact_everywhere") == 1
    if 2 * exact <= trials or not (everywhere or facts["unseen_numbers"] or facts["covers_range"]):
        return None
    told = _right_everywhere(case) if everywhere or facts["covers_range"] else _right_on_test_rows(case)
    return Cause("solved", told, {"exact_seeds": exact / trials}, None, math.inf)


def _right_everywhere(case: Case) -> str:
    what = "number" if case.about["n_numbers"] == 1 else "combination of numbers"
    who = _exact_seeds(case) if case.about["facts"]["covers_range"] else "The best trial is"
    return f"{who} right after rounding on every {what} of the range."


def _right_on_test_rows(case: Case) -> str:
    facts, rows = case.about["facts"], case.about["test_rows"]
    least = "at least " if facts["measured_rows"] < rows else ""
    which = f"{least}{facts['unseen_numbers']:,} of them not in training"
    return f"{_exact_seeds(case)} right after rounding on {counted(rows, 'test row')}, {which}."


def _exact_seeds(case: Case) -> str:
    """Which seeds have every test row right: `All 5 seeds are`, `4 of 5 seeds are`, `The only seed is`."""
    exact, trials = case.row["n_exact"], case.row["n"] + case.row["n_diverged"]
    if trials == 1:
        return "The only seed is"
    return f"All {trials} seeds are" if exact == trials else f"{exact} of {trials} seeds are"
