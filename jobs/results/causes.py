"""Why a variant ends where it does: its causes, the one whose remedy gains most first.

Pure: rows of the summary in, causes out; no files, and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable

from sumsquares.jobs.results.case import Case as Case
from sumsquares.jobs.results.case import Cause as Cause
from sumsquares.jobs.results.case import Change as Change
from sumsquares.jobs.results.case import cases as cases
from sumsquares.jobs.results.case import rmse_of, times, value_of, with_change
from sumsquares.jobs.results.cause_network import (
    knots_misplaced,
    memorised,
    no_activation,
    seed_luck,
    too_narrow,
    unused_input,
)
from sumsquares.jobs.results.cause_outcome import at_noise, output_cannot_reach, outside_range, solved
from sumsquares.jobs.results.cause_scale import inputs_not_scaled, target_not_scaled
from sumsquares.jobs.results.cause_training import (
    dead_units,
    lr_too_high,
    lr_too_low,
    readout_not_trained,
    saturated,
    too_few_steps,
    weight_decay_too_high,
)

CAUSES: tuple[Callable[[Case], Cause | None], ...] = (
    no_activation,
    readout_not_trained,
    too_few_steps,
    lr_too_high,
    lr_too_low,
    weight_decay_too_high,
    dead_units,
    saturated,
    inputs_not_scaled,
    target_not_scaled,
    too_narrow,
    knots_misplaced,
    memorised,
    unused_input,
    output_cannot_reach,
    seed_luck,
    outside_range,
    at_noise,
    solved,
)
"""Each is called what its cause is called. Causes of equal gain are listed in this order."""
NAMES = (*(cause.__name__ for cause in CAUSES), "unknown")
_WITHOUT_FAULT = (solved, at_noise, outside_range)
_BEYOND_FLOOR = frozenset({"hidden", "activation", "rows", "unused", "seeds", "output"})
"""Changes after which another floor holds, or more trials are looked at."""


def causes_of(case: Case) -> tuple[Cause, ...]:
    """Returns the causes of a case, the one whose remedy gains most first; never none.

    A solved variant has no fault, and neither has one that is at the noise, though it may not hold beyond the range.
    """
    looked_for = _WITHOUT_FAULT if solved(case) or at_noise(case) else CAUSES
    found = [cause for cause in (look(case) for look in looked_for) if cause is not None and _is_possible(case, cause)]
    return tuple(sorted(found, key=lambda cause: -cause.gain)) or (_unknown(case),)


def _is_possible(case: Case, cause: Cause) -> bool:
    """Whether its change may help: in the same architecture none leads below the floor."""
    floor = case.number("floor")
    if not floor or cause.change is None or cause.change.field in _BEYOND_FLOOR:
        return True
    return times(case.rmse, floor) >= case.least_gain


def _unknown(case: Case) -> Cause:
    if not case.row["n"] + case.row["n_diverged"]:
        return Cause("unknown", "It has no result yet.", {}, None)
    told = "None of the causes that are looked for shows in its results."
    found = ((axis, case.best_neighbour(axis, lambda _: True)) for axis in case.neighbours)
    known = {axis: tried for axis, tried in found if tried is not None}
    best = max(known, key=lambda axis: known[axis][1], default=None)
    if best is None or known[best][1] < case.least_gain:
        return Cause("unknown", told, {}, None)
    row, factor = known[best]
    change = value_of(best, row)
    evidence = {"rmse_with_change": rmse_of(row)}
    return Cause("unknown", f"{told} {with_change(change, row)}", evidence, change, factor)
