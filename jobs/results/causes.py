"""Why a variant ends where it does: its causes, the one whose remedy gains most first.

Pure: rows of the summary in, causes out; no files, and nothing is trained. What each cause needs to be named is in
cause_kinds.py, what is known of a variant in case.py.
"""

from __future__ import annotations

from sumsquares.jobs.results.case import Case as Case
from sumsquares.jobs.results.case import Cause as Cause
from sumsquares.jobs.results.case import Change as Change
from sumsquares.jobs.results.case import cases as cases
from sumsquares.jobs.results.cause_kinds import FAULTS, outside_range, solved

CAUSES = (*(fault.__name__ for fault in FAULTS), "outside_range", "solved", "unknown")
"""The names, in the order in which causes of equal gain are listed."""


def causes_of(case: Case) -> tuple[Cause, ...]:
    """Returns the causes of a case, the one whose remedy gains most first; never none.

    A solved variant has no fault. That it doesn't hold beyond the range is listed last, since mending it doesn't lower
    the RMSE.
    """
    if (right := solved(case)) is not None:
        found = [right]
    else:
        found = sorted(filter(None, (fault(case) for fault in FAULTS)), key=lambda cause: -cause.gain)
    if (beyond := outside_range(case)) is not None:
        found.append(beyond)
    return tuple(found) or (_unknown(case),)


def _unknown(case: Case) -> Cause:
    has_result = bool(case.row["n"] or case.row["n_diverged"])
    told = "None of the causes that are looked for shows in its results." if has_result else "It has no result yet."
    return Cause("unknown", told, {}, None)
