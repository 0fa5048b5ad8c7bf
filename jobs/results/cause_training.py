"""Causes that lie in the training: last layer, steps, learning rate, weight decay, units that don't answer.

Each function returns the cause, with what shows it, or None. Where the grid has the variant with the change, that
variant decides. Thresholds were fixed on sums and squares, and measured on other functions, widths and seeds by
benchmarks/causes.py.
"""

from __future__ import annotations

import math

from sumsquares.jobs.messages.numbers import counted, listed, number, plain, share
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
    with_change,
)
from sumsquares.jobs.results.cause_scale import is_far_from_scaled

USUAL_LR = {
    "sgd": (0.003, 1.0),
    "momentum": (0.0003, 0.1),
    "nesterov": (0.0003, 0.1),
    "adam": (0.0002, 0.03),
    "adamw": (0.0002, 0.03),
    "rmsprop": (0.0001, 0.01),
}
"""Of each optimizer the lowest and the highest learning rate that is usual for inputs and targets of about -1..1."""
_FEWEST_STEPS, _FEW_STEPS = 100, 300
"""Up to the one number of steps they are too few for any of these networks, as long as the answer is far off; up to the
other the loss needn't fall as steeply to promise more."""
_ENOUGH_STEPS = 500
"""So many steps at least are the remedy."""
_STEEP_EARLY, _STEEP, _SETTLED = -0.5, -1.5, 0.05
"""The loss still falls if d ln loss / d ln epoch is at most the one, after few steps and after more, and if
ln(last loss / lowest loss) is below the last. At a slope of -1 four times as many epochs would halve the RMSE, if the
loss went on like that; it seldom does."""
_FINE = 0.01
"""An RMSE below this share of the target's standard deviation isn't blamed on too few steps: so small a loss falls and
rises with the noise of the steps."""
_ABOVE_FLOOR = 5.0
"""Trained networks stop at some five times their floor, so more steps don't promise less."""
_BY_STEPS = 2.5
"""Four times as many steps hardly ever gain more, however steep the loss."""
_HIGH_DECAY = 0.1
"""From this share of the target's standard deviation on, which weight decay explains, it is looked at. The RMSE of
networks that are right without it was 0.02 to 0.08 of it at a weight decay of 0.01, 0.06 to 0.44 at 0.1, 0.5 to 1 at 1;
for adamw, of which the weight decay is multiplied by the learning rate, at 100 times as much."""
_WITHOUT_DECAY = 0.02
"""Share of the target's standard deviation to which the RMSE falls without weight decay, or lower."""
_MOST_AT_ENDS = 0.5
"""Of a table, the share of saturated units from which on they are blamed without a comparison."""


def readout_not_trained(case: Case) -> Cause | None:
    """Hidden layers from which a better answer follows than the trained last layer gives."""
    solved, rmse = case.number("rmse_solved_median"), case.median
    if case.is_solved or solved is None or rmse is None:
        return None
    factor = times(rmse, solved)
    # A solution that is hardly better than a constant answer says that the hidden layers tell nothing of the inputs.
    if factor < case.least_gain or solved > CONSTANT * case.spread:
        return None
    # Where weight decay is what holds the weights, the last layer is trained out, but not for the least error.
    if _explained_by_decay(case) >= 1 and weight_decay_too_high(case):
        return None
    kept = "its hidden layers as they are and the last layer" if case.hidden else "its only layer"
    told = (
        f"With {kept} solved by least squares on the training rows, the {case.of_median} is {number(solved)} instead "
        f"of {number(rmse)}."
    )
    return Cause("readout_not_trained", told, {"rmse": rmse, "rmse_solved": solved}, case.solving, factor)


def too_few_steps(case: Case) -> Cause | None:
    """A loss that still falls when the training ends."""
    epochs, steps = case.row["epochs"], case.steps
    tried = case.best_neighbour("epochs", lambda other: other >= 2 * epochs)
    if tried is not None:
        return by_neighbour(case, "too_few_steps", "epochs", tried)
    if case.rmse is None or case.is_solved or not _may_gain_by_steps(case):
        return None
    slope, rise = case.number("loss_slope_median"), case.number("loss_rise_median")
    has_curve = slope is not None and case.is_table  # what is left then needn't be the fault of the steps
    steep = _STEEP_EARLY if steps <= _FEW_STEPS else _STEEP
    still_falls = slope is not None and slope * case.per_square <= steep and (rise or 0.0) < _SETTLED
    # Four times as many epochs or, where those are still few steps, as many as make enough.
    enough = -(-_ENOUGH_STEPS * epochs // steps)
    change = Change("epochs", min(max(4 * epochs, enough), 10**7))
    gain = _capped(case, _BY_STEPS)
    if gain < case.least_gain:
        return None
    if still_falls and slope is not None:
        told = f"The loss still fell when the training ended after {counted(steps, 'step')}: {_fell(slope)}."
        return Cause("too_few_steps", told, {"steps": steps, "loss_slope": slope}, change, gain)
    # A loss curve of one or two epochs has no slope: then nothing speaks against more of them.
    few = _FEW_STEPS if slope is None else _FEWEST_STEPS
    if steps <= few and case.rmse > FAR * case.spread and not has_curve:
        told = f"The RMSE is {number(case.rmse)} after no more than {counted(steps, 'step')}."
        return Cause("too_few_steps", told, {"steps": steps, "rmse": case.rmse}, change, gain)
    return None


def _may_gain_by_steps(case: Case) -> bool:
    """Whether more steps promise anything: not where they are too large, and not where rows are learnt by heart."""
    far = case.rmse is not None and case.rmse >= _FINE * case.spread
    return far and case.row["lr"] <= USUAL_LR[case.row["optimizer"]][1] and not case.is_memorised


def _capped(case: Case, gain: float) -> float:
    """A gain that promises no RMSE as low as the floor."""
    floor = case.number("floor")
    least = (floor or 0.0) * (1.0 if case.is_linear else _ABOVE_FLOOR)
    return min(gain, times(case.rmse, least)) if least else gain


def _fell(slope: float) -> str:
    """How much the loss fell while the number of epochs doubled."""
    return f"by about {share(1 - 2**slope)} in the second half of the epochs"


def lr_too_high(case: Case) -> Cause | None:
    """A learning rate at which the training diverges, or doesn't settle."""
    rate, lost = case.row["lr"], case.row["n_diverged"]
    tried = case.best_neighbour("lr", lambda other: other < rate)
    # Where the best of the lower rates diverges too, the remedy is lower still.
    all_diverge = case.rmse is None and tried is not None and tried[0]["rmse_median"] is None
    if tried is not None and not all_diverge:
        return by_neighbour(case, "lr_too_high", "lr", tried)
    high = USUAL_LR[case.row["optimizer"]][1]
    if not lost and rate <= high:
        return None
    trials = case.row["n"] + lost
    shown = list(_signs_of_a_high_rate(case))
    if not shown:
        return None
    evidence = {"lr": rate, "diverged": lost / trials}
    told = f"{_opening(listed(shown))}, at a learning rate of {plain(rate)} with {case.row['optimizer']}."
    # Where most trials diverged the median of all does; what settles is at most a quarter of the spread off.
    gain = math.inf if 2 * lost >= trials else 4 * max(1.0, (case.rmse or 0.0) / case.spread if case.spread else 1.0)
    gain = LEAST_GAIN if is_far_from_scaled(case) else gain
    lowest = min([rate, *(row["lr"] for row in case.neighbours.get("lr", ()))] if all_diverge else [rate])
    return Cause("lr_too_high", told, evidence, Change("lr", _lower(lowest, high / 3 if lost else high)), gain)


def _opening(text: str) -> str:
    return text[0].upper() + text[1:]


def _signs_of_a_high_rate(case: Case) -> list[str]:
    lost, rise = case.row["n_diverged"], case.number("loss_rise_median")
    shown = [_diverged(lost, case.row["n"] + lost)] if lost else []
    if rise is not None and rise > math.log(2):
        shown.append(f"the loss ended {number(math.exp(min(rise, 700.0)))} times above its lowest")
    if (rmse := case.rmse) is not None and rmse > case.far > 0:
        shown.append(f"the RMSE is {_of_spread(rmse / case.spread)} the target's standard deviation")
    return shown


def _of_spread(ratio: float) -> str:
    """`58.3% of`, `16.07 times`: a share never shows more than 100 %."""
    return f"{share(ratio)} of" if ratio < 1 else f"{number(ratio)} times"


def _diverged(lost: int, trials: int) -> str:
    if lost < trials:
        return f"{lost:,} of {counted(trials, 'trial')} diverged"
    return "the only trial diverged" if trials == 1 else f"all {trials:,} trials diverged"


def lr_too_low(case: Case) -> Cause | None:
    """A learning rate at which the training had no time to arrive."""
    rate, rmse = case.row["lr"], case.rmse
    tried = case.best_neighbour("lr", lambda other: other > rate)
    if tried is not None:
        return by_neighbour(case, "lr_too_low", "lr", tried)
    low = USUAL_LR[case.row["optimizer"]][0]
    if case.is_solved or rate >= low or rmse is None or rmse < GOOD * case.spread:
        return None
    slope = case.number("loss_slope_median")
    has_settled = slope is not None and slope * case.per_square > _STEEP_EARLY
    if case.is_table and has_settled and rmse < case.far:  # it has arrived somewhere, and what is left may be noise
        return None
    falls = f", and the loss fell {_fell(slope)}" if slope is not None and slope < 0 else ""
    told = (
        f"A learning rate of {plain(rate)} is low for {case.row['optimizer']}; "
        f"after {counted(case.steps, 'step')} the RMSE is {number(rmse)}{falls}."
    )
    gain = _capped(case, max(3.0, 10 ** (-(slope or 0.0) * case.per_square / 2)))
    gain = min(gain, LEAST_GAIN) if is_far_from_scaled(case) else gain
    if gain < LEAST_GAIN:
        return None
    return Cause("lr_too_low", told, {"lr": rate, "steps": case.steps}, Change("lr", _higher(rate, low)), gain)


def _lower(rate: float, high: float) -> float:
    """A tenth of the learning rate, or less where that is still higher than `high`."""
    rate /= 10
    while rate > high:
        rate /= 10
    return _decimal(rate)


def _higher(rate: float, low: float) -> float:
    """Ten times the learning rate, or more where that is still among the lowest of the usual ones."""
    rate *= 10
    while rate < 5 * low:
        rate *= 10
    return _decimal(rate)


def _decimal(value: float) -> float:
    return float(f"{value:.6g}")


def weight_decay_too_high(case: Case) -> Cause | None:
    """Weights that are held so near 0 that the answer is far off."""
    decay, rmse = case.row["weight_decay"], case.rmse
    tried = case.best_neighbour("weight_decay", lambda other: other < decay)
    if tried is not None:
        return by_neighbour(case, "weight_decay_too_high", "weight_decay", tried)
    explained = _explained_by_decay(case)
    is_far = rmse is not None and rmse >= case.far > 0
    if explained < _HIGH_DECAY or rmse is None or not is_far or case.is_memorised:
        return None
    told = (
        f"A weight decay of {plain(decay)} is high for {case.row['optimizer']}; the RMSE is {number(rmse)}, "
        f"{_of_spread(rmse / case.spread)} the target's standard deviation."
    )
    gain = rmse / max(rmse - explained * case.spread, _WITHOUT_DECAY * case.spread)
    if floor := case.number("floor"):
        gain = min(gain, times(rmse, floor))
    if gain < LEAST_GAIN:
        return None
    change = Change("weight_decay", 0.0)
    return Cause("weight_decay_too_high", told, {"weight_decay": decay, "rmse": rmse}, change, gain)


def _explained_by_decay(case: Case) -> float:
    """The RMSE that weight decay alone explains, as a share of the target's standard deviation, at most."""
    return float(case.row["weight_decay"]) * (0.1 if case.row["optimizer"] == "adamw" else 10.0)


def dead_units(case: Case) -> Cause | None:
    """Hidden units that never answer."""
    dead, rmse = case.number("dead_share_median"), case.rmse
    if dead is None or dead < 0.9 or rmse is None:
        return None
    tried = case.best_neighbour("activation", lambda name: name not in ("identity", "relu"))
    if tried is not None and tried[1] < case.least_gain:
        return None
    rate, high = case.row["lr"], USUAL_LR[case.row["optimizer"]][1]
    change = Change("activation", tried[0]["activation"] if tried else "tanh")
    # At such a rate, units of other activations would end up at the ends of their range.
    if not tried and (rate > high or case.row["n_diverged"]):
        change = Change("lr", _lower(rate, high))
    same = ", and so the answer is the same on all of them" if dead == 1 else ""
    told = f"{share(dead)} of the hidden units are 0 on every training row{same}."
    if tried:
        told += f" {with_change(change, tried[0])}"
    gain = tried[1] if tried else (LEAST_GAIN if case.is_memorised else 4.0)
    return Cause("dead_units", told, {"dead_share": dead}, change, gain)


def saturated(case: Case) -> Cause | None:
    """Hidden units at the ends of their range."""
    at_ends, rate = case.number("saturated_share_median"), case.row["lr"]
    if at_ends is None or at_ends < 0.1 or case.rmse is None:
        return None
    high = USUAL_LR[case.row["optimizer"]][1]
    change = Change("normalize", "symmetric") if case.scale.widest.std > 2 else Change("lr", _lower(rate, high))
    if (tried := case.best_neighbour(change.field, lambda value: value == change.value)) and tried[1] < case.least_gain:
        return None
    if case.is_table and not tried and at_ends < _MOST_AT_ENDS:  # the others may well do
        return None
    told = f"{share(at_ends)} of the hidden units are at the ends of their range on nearly all training rows."
    # Where the learning rate is what is too high, that is the cause to be told first.
    gain = tried[1] if tried else (4.0 if change.field == "lr" and lr_too_high(case) else 5.0)
    return Cause("saturated", told, {"saturated_share": at_ends}, change, gain)
