"""Where an answer ends: right, at the noise, at the end of what the output reaches, or right inside the range alone.

As those of cause_network.py.
"""

from __future__ import annotations

import math

import numpy as np

from sumsquares.datasets.tasks import target_range
from sumsquares.jobs.messages.numbers import at_most, counted, number, percent, share
from sumsquares.jobs.results.case import (
    FAR,
    GOOD,
    LEAST_GAIN,
    Case,
    Cause,
    Change,
    Row,
    by_neighbour,
    times,
    with_change,
)
from sumsquares.jobs.results.cause_tables import output_cannot_reach_on_table
from sumsquares.jobs.results.described import beyond_words, first_targets, noise_words, tested_rows

_NEAR_NOISE = (0.8, 1.1)
"""Between which multiples of the noise the training RMSE is at it. Few rows are fitted closer than that by anything."""
_BELOW_NOISE, _LEARNT = 0.5, 0.2
"""The RMSE on test rows, which have no noise, is then below this share of the noise, and of the standard deviation of
the target: what was learnt is the formula."""

_HOLDS = 0.2
"""An answer with a larger RMSE, as a share of the target's standard deviation, doesn't hold inside the range either."""


def outside_range(case: Case) -> Cause | None:
    """An answer that holds inside the range alone."""
    beyond, rmse = case.number("rmse_extrapolation_median"), case.rmse
    if beyond is None or rmse is None or rmse > _HOLDS * case.spread:
        return None
    if beyond < 10 * max(rmse, 5 * case.enough) or beyond < 0.01 * _size_beyond(case):
        return None
    told = (
        f"On {beyond_words(case.spec)}, which were not trained, the RMSE is {number(beyond)}; on the range itself "
        f"{number(rmse)}."
    )
    return Cause("outside_range", told, {"rmse": rmse, "rmse_extrapolation": beyond}, _beyond(case))


def _size_beyond(case: Case) -> float:
    """How large targets beyond the range are: of a task the smallest one, of a formula their root mean square."""
    spec = case.spec
    if spec.task is not None:
        assert spec.largest is not None
        return float(target_range(spec.task, spec.n_numbers, spec.largest + 1, 2 * spec.largest)[0])
    target_N = first_targets(spec, "extrapolation")
    return float(np.sqrt(np.square(target_N).mean())) if len(target_N) else 0.0


def _beyond(case: Case) -> Change | None:
    """The change to a layer for which the target has the same form everywhere, if there is one: of tasks alone."""
    if case.spec.task is None or case.spec.digits or case.row["output"] != "linear" or case.has_logs:
        return None
    if case.about["task"] == "sum":
        return Change("hidden", ()) if case.hidden else None
    can = case.about["task"] != "product" or case.about["n_numbers"] <= 2
    if not can or not case.hidden:
        return None
    # With more than one layer of squares the answer is of a higher degree, which is worse beyond the range.
    layer = Change("hidden", (max(case.hidden),)) if len(case.hidden) > 1 else None
    return layer if case.row["activation"] == "square" else Change("activation", "square", layer)


def solved(case: Case) -> Cause | None:
    """Right after rounding, or nearly right, on what was not trained or on the whole range."""
    if not case.has_integer_target:
        return _nearly_right(case)
    facts, exact, trials = case.about["facts"], case.row["n_exact"], case.row["n"] + case.row["n_diverged"]
    everywhere = case.number("exact_everywhere") == 1
    if 2 * exact <= trials or not (everywhere or facts["unseen_numbers"] or facts["covers_range"]):
        return None
    told = _right_everywhere(case) if everywhere or facts["covers_range"] else _right_on_test_rows(case)
    return Cause("solved", told, {"exact_seeds": exact / trials}, None, math.inf)


def _nearly_right(case: Case) -> Cause | None:
    """What counts as solved where targets aren't integers: an RMSE far below the target's standard deviation."""
    facts, rmse = case.about["facts"], case.rmse
    unseen = case.number("rmse_unseen_median") if facts["unseen_rows"] < facts["measured_rows"] else rmse
    lost = case.row["n_diverged"]
    is_shown = facts["unseen_numbers"] or facts["covers_range"]
    if rmse is None or lost >= case.row["n"] or not is_shown or max(rmse, unseen or 0.0) >= case.enough:
        return None
    rows = tested_rows(case.about)
    least = "at least " if facts["measured_rows"] < rows else ""
    which = f"{least}{facts['unseen_numbers']:,} of them not in training"
    if facts["unseen_numbers"] == rows:
        which = "none of them in training"
    of_splits = f" of {case.splits} splits" if case.splits > 1 else ""
    told = (
        f"The RMSE is {percent(rmse / case.spread)} of the target's standard deviation on "
        f"{counted(rows, case.tested)}{of_splits}, {which}."
    )
    return Cause("solved", told, {"rmse": rmse, "share": rmse / case.spread}, None, math.inf)


def at_noise(case: Case) -> Cause | None:
    """Training rows whose errors are their noise, where it is known."""
    train, rmse, noise = case.number("rmse_train_median"), case.rmse, case.noise
    if not noise or train is None or rmse is None or case.row["n_diverged"] >= case.row["n"]:
        return None
    if not _NEAR_NOISE[0] <= train / noise <= _NEAR_NOISE[1] or rmse > min(_BELOW_NOISE * noise, _LEARNT * case.spread):
        return None
    told = (
        f"{noise_words(case.about)}, and the network {number(train)}. On the test rows, which have no noise, the "
        f"network has {number(rmse)}."
    )
    return Cause("at_noise", told, {"noise": noise, "rmse_train": train, "rmse": rmse}, None, math.inf)


def output_cannot_reach(case: Case) -> Cause | None:
    """An output activation with a range that doesn't hold the targets."""
    if case.is_table:
        return output_cannot_reach_on_table(case)
    if case.reach is None or case.rmse is None:
        return None
    tried = case.best_neighbour("output", lambda output: output == "linear")
    if tried is not None and tried[1] < LEAST_GAIN:
        return None
    return _beyond_reach(case, tried) or (tried and by_neighbour(case, "output_cannot_reach", "output", tried))


def _beyond_reach(case: Case, tried: tuple[Row, float] | None) -> Cause | None:
    """The cause, where targets lie beyond what the output reaches."""
    assert case.reach is not None
    assert case.rmse is not None
    low, high = case.reach
    target_N, limit = first_targets(case.spec, "test"), case.reach_rmse
    share_beyond = float((case.distances > 0).mean())
    if limit < max(case.enough, GOOD * case.spread) or (limit < FAR * case.spread and case.rmse > 2 * limit):
        return None
    least, most = float(target_N.min()), float(target_N.max())
    which = "the test rows" if len(target_N) == case.about["test_rows"] else f"the first {len(target_N):,} test rows"
    told = (
        f'With output = "{case.row["output"]}" answers lie {_interval(low, high)}, and the targets of {which} between '
        f"{number(least)} and {number(most)}: {share(share_beyond)} of them are out of reach, which alone makes an "
        f"RMSE of {at_most(limit)}."
    )
    if tried is not None:
        told += f" {with_change(Change('output', 'linear'), tried[0])}"
    change = Change("output", "linear", Change("loss", "mse") if case.row["loss"] == "bce" else None)
    gain = tried[1] if tried else max(LEAST_GAIN, 6.0 * min(1.0, times(limit, case.rmse)))
    evidence = {"rmse": case.rmse, "reach_rmse": limit, "share": share_beyond}
    return Cause("output_cannot_reach", told, evidence, change, gain)


def _interval(low: float, high: float) -> str:
    return f"at {number(low)} or above" if math.isinf(high) else f"between {number(low)} and {number(high)}"


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
