"""The causes: one function each, from a case to the cause or None. causes.py ranks them.

Each says only what its evidence shows. Thresholds were fixed on sums and squares, and measured on other functions,
widths and seeds by benchmarks/causes.py. Where the grid has the variant with the change, that variant decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from sumsquares.jobs.messages.numbers import at_most, counted, number, plain, share
from sumsquares.jobs.results.case import LEAST_GAIN, Case, Cause, Change, Row, times, widths

_USUAL_LR = {
    "sgd": (0.003, 1.0),
    "momentum": (0.0003, 0.1),
    "nesterov": (0.0003, 0.1),
    "adam": (0.0002, 0.03),
    "adamw": (0.0002, 0.03),
    "rmsprop": (0.0001, 0.01),
}
"""Of each optimizer the lowest and the highest learning rate that is usual for inputs and targets of about -1..1."""
_LEAST_SPREAD = 0.1
"""A normalised column with a smaller standard deviation is squashed: columns of -1..1 have 0.58, of 0..1 0.29."""
_FEW_STEPS = 200
_STEEP = -0.6
"""d ln loss / d ln epoch from which on four times as many epochs are worth LEAST_GAIN."""
_GOOD = 0.003
"""An RMSE below this share of the target's standard deviation is no longer blamed on scales or the learning rate."""
_FAR = 0.05
"""An RMSE above this share of the target's standard deviation is far from any answer that a trained network gives."""


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
        told += f" {_with(change, tried[0]['rmse_median'])}"
    gain = tried[1] if tried else (5.0 if rmse < LEAST_GAIN * limit else LEAST_GAIN)
    return Cause("no_activation", told, {"rmse": rmse, "linear_rmse": limit}, change, gain)


def readout_not_trained(case: Case) -> Cause | None:
    """Hidden layers from which a better answer follows than the trained last layer gives."""
    solved, rmse = case.number("rmse_solved_median"), case.rmse
    if case.row.get("readout", "trained") != "trained" or solved is None or rmse is None:
        return None
    factor = times(rmse, solved)
    if factor < LEAST_GAIN:
        return None
    told = (
        f"With its hidden layers as they are and the last layer solved by least squares on the training rows, the RMSE "
        f"is {number(solved)} instead of {number(rmse)}."
    )
    return Cause(
        "readout_not_trained", told, {"rmse": rmse, "rmse_solved": solved}, Change("readout", "solved"), factor
    )


def too_few_steps(case: Case) -> Cause | None:
    """A loss that still falls when the training ends."""
    epochs, steps, rmse = case.row["epochs"], case.steps, case.rmse
    tried = case.best_neighbour("epochs", lambda other: other >= 2 * epochs)
    if tried is not None:
        return _neighbours_word(case, "too_few_steps", "epochs", tried)
    slope = case.number("loss_slope_median")
    if rmse is None or (slope is None and steps > _FEW_STEPS) or (slope is not None and slope > _STEEP):
        return None
    change = Change("epochs", min(4 * epochs, 10**7))
    if slope is None:
        told = f"The training was {counted(steps, 'step')} long."
        return Cause("too_few_steps", told, {"steps": steps}, change, _capped(case, 2.0))
    told = f"The loss still fell when the training ended after {counted(steps, 'step')}: by {_falls(slope)}."
    return Cause("too_few_steps", told, {"steps": steps, "loss_slope": slope}, change, _capped(case, 4 ** (-slope / 2)))


def lr_too_high(case: Case) -> Cause | None:
    """A learning rate at which the training diverges, or doesn't settle."""
    rate, lost = case.row["lr"], case.row["n_diverged"]
    tried = case.best_neighbour("lr", lambda other: other < rate)
    if tried is not None:
        return _neighbours_word(case, "lr_too_high", "lr", tried)
    high = _USUAL_LR[case.row["optimizer"]][1]
    if not lost and rate <= high:
        return None
    trials = case.row["n"] + lost
    shown = list(_signs_of_a_high_rate(case))
    if not shown:
        return None
    evidence = {"lr": rate, "diverged": lost / trials}
    told = f"{_sentence(shown)}, at a learning rate of {plain(rate)} with {case.row['optimizer']}."
    gain = math.inf if not case.row["n"] else 3.0
    return Cause("lr_too_high", told, evidence, Change("lr", _lower(rate, high)), gain)


def _signs_of_a_high_rate(case: Case) -> list[str]:
    lost, rise = case.row["n_diverged"], case.number("loss_rise_median")
    shown = [f"{lost} of {counted(case.row['n'] + lost, 'trial')} diverged"] if lost else []
    if rise is not None and rise > math.log(2):
        shown.append(f"the loss ended {number(math.exp(rise))} times above its lowest")
    if (rmse := case.rmse) is not None and rmse > _FAR * case.spread:
        shown.append(f"the RMSE is {share(rmse / case.spread)} of the target's standard deviation")
    return shown


def lr_too_low(case: Case) -> Cause | None:
    """A learning rate at which the training had no time to arrive."""
    rate, rmse = case.row["lr"], case.rmse
    tried = case.best_neighbour("lr", lambda other: other > rate)
    if tried is not None:
        return _neighbours_word(case, "lr_too_low", "lr", tried)
    if rate >= _USUAL_LR[case.row["optimizer"]][0] or rmse is None or rmse < _GOOD * case.spread:
        return None
    slope = case.number("loss_slope_median")
    falls = f", and the loss still fell when it ended: by {_falls(slope)}" if slope is not None and slope < 0 else ""
    told = (
        f"A learning rate of {plain(rate)} is low for {case.row['optimizer']}; "
        f"after {counted(case.steps, 'step')} the RMSE is {number(rmse)}{falls}."
    )
    gain = _capped(case, max(3.0, 10 ** (-(slope or 0.0) / 2)))
    return Cause("lr_too_low", told, {"lr": rate, "steps": case.steps}, Change("lr", _decimal(10 * rate)), gain)


def dead_units(case: Case) -> Cause | None:
    """Hidden units that never answer."""
    dead, rmse = case.number("dead_share_median"), case.rmse
    if dead is None or dead < 0.9 or rmse is None:
        return None
    tried = case.best_neighbour("activation", lambda name: name not in ("identity", "relu"))
    if tried is not None and tried[1] < LEAST_GAIN:
        return None
    change = Change("activation", tried[0]["activation"] if tried else "tanh")
    told = f"{share(dead)} of the hidden units are 0 on every training row"
    told += ": the answer is the same for every input." if dead == 1 else "."
    if tried:
        told += f" {_with(change, tried[0]['rmse_median'])}"
    return Cause("dead_units", told, {"dead_share": dead}, change, tried[1] if tried else 4.0)


def saturated(case: Case) -> Cause | None:
    """Hidden units at the ends of their range."""
    at_ends, rate = case.number("saturated_share_median"), case.row["lr"]
    if at_ends is None or at_ends < 0.1 or case.rmse is None:
        return None
    high = _USUAL_LR[case.row["optimizer"]][1]
    change = Change("normalize", "symmetric") if case.scale.input_std > 2 else Change("lr", _lower(rate, high))
    if (tried := case.best_neighbour(change.field, lambda value: value == change.value)) and tried[1] < LEAST_GAIN:
        return None
    told = f"{share(at_ends)} of the hidden units are at the ends of their range on nearly all training rows."
    return Cause("saturated", told, {"saturated_share": at_ends}, change, tried[1] if tried else 5.0)


def inputs_not_scaled(case: Case) -> Cause | None:
    """Inputs that are squashed into a small part of -1..1."""
    return _badly_scaled(case, "inputs_not_scaled", "inputs", case.scale.input_std, "symmetric")


def target_not_scaled(case: Case) -> Cause | None:
    """A target that is squashed into a small part of -1..1."""
    return _badly_scaled(case, "target_not_scaled", "target", case.scale.target_std, "zscore")


def _badly_scaled(case: Case, name: str, column: str, std: float, remedy: str) -> Cause | None:
    tried = case.best_neighbour("normalize", lambda kind: kind != case.row["normalize"])
    if not 0 < std < _LEAST_SPREAD or (tried is not None and tried[1] < LEAST_GAIN):
        return None
    rmse = case.rmse
    if rmse is not None and rmse < _GOOD * case.spread:
        return None
    change = Change("normalize", tried[0]["normalize"] if tried else remedy)
    told = f"Normalised by {case.row['normalize']}, the {column} have a standard deviation of {number(std)}."
    if column == "target":
        told = told.replace("have", "has")
    if tried:
        told += f" {_with(change, tried[0]['rmse_median'])}"
    far = rmse is None or rmse > _FAR * case.spread
    gain = tried[1] if tried else (10.0 if far else 3.0)
    return Cause(name, told, {"std": std}, change, gain)


def too_narrow(case: Case) -> Cause | None:
    """A network at the limit of its width."""
    if case.is_linear or case.rmse is None:
        return None
    units = sum(case.hidden)
    tried = case.best_neighbour("hidden", lambda other: sum(widths(other)) > units)
    if tried is not None:
        return _neighbours_word(case, "too_narrow", "hidden", tried)
    floor = case.number("floor")
    change = Change("hidden", tuple(4 * width for width in case.hidden))
    if floor and case.rmse < LEAST_GAIN * floor:
        told = (
            f"No network of this shape gets below an RMSE of {at_most(floor)} on these rows; this one has "
            f"{number(case.rmse)}."
        )
        return Cause("too_narrow", told, {"rmse": case.rmse, "floor": floor}, change, 4.0)
    solved = case.number("rmse_solved_median")
    if solved is None or solved < 0.01 * case.spread or case.hidden[-1] > 4 or times(case.rmse, solved) > 3:
        return None
    told = (
        f"The last hidden layer has {counted(case.hidden[-1], 'unit')}, and with the best last layer on them the RMSE "
        f"is {number(solved)} still."
    )
    return Cause("too_narrow", told, {"units": case.hidden[-1], "rmse_solved": solved}, change, 3.0)


def knots_misplaced(case: Case) -> Cause | None:
    """ReLU units whose knots lie where they don't help."""
    if case.row["activation"] != "relu" or not case.hidden or case.rmse is None:
        return None
    tried = case.best_neighbour("init", lambda kind: kind == "spread_knots")
    if tried is not None:
        return _neighbours_word(case, "knots_misplaced", "init", tried)
    solved, floor = case.number("rmse_solved_median"), case.number("floor")
    if solved is None or not floor or case.row["init"] == "spread_knots" or solved < 3 * floor:
        return None
    told = (
        f"With the best last layer the RMSE is {number(solved)}, {number(solved / floor)} times the lowest that ReLU "
        f"networks of this shape can have on these rows, {number(floor)}: the knots lie in the wrong places."
    )
    gain = math.sqrt(solved / floor)
    return Cause("knots_misplaced", told, {"rmse_solved": solved, "floor": floor}, Change("init", "spread_knots"), gain)


def memorised(case: Case) -> Cause | None:
    """Training rows that are answered far better than others."""
    train, unseen = case.number("rmse_train_median"), case.number("rmse_unseen_median")
    if train is None or unseen is None or times(unseen, train) < 2:
        return None
    rows = case.about["rows"]
    told = (
        f"The RMSE is {number(train)} on the {counted(rows, 'training row')} and {number(unseen)} on test rows that "
        f"are not among them."
    )
    gain = min(times(unseen, train), 4.0)
    return Cause("memorised", told, {"rmse_train": train, "rmse_unseen": unseen}, Change("rows", 4 * rows), gain)


def unused_input(case: Case) -> Cause | None:
    """Inputs that the target doesn't depend on, and that are fitted nevertheless."""
    unused = case.about["unused"]
    train, unseen = case.number("rmse_train_median"), case.number("rmse_unseen_median")
    if not unused or train is None or unseen is None or case.rmse is None:
        return None
    gap = times(unseen, train)
    if gap < 1.2:
        return None
    told = (
        f"The target doesn't depend on {unused} of the {unused + case.about['n_numbers']} inputs, and the RMSE is "
        f"{number(train)} on training rows and {number(unseen)} on others."
    )
    return Cause("unused_input", told, {"unused": unused, "gap": gap}, Change("unused", 0), min(2 * gap, 8.0))


def seed_luck(case: Case) -> Cause | None:
    """Seeds that fall into two groups, of which the better one is the smaller."""
    seeds = case.rmse_S
    if len(seeds) < 3 or case.rmse is None:
        return None
    gaps = [times(high, max(low, 1e-300)) for low, high in pairwise(seeds)]
    place = max(range(len(gaps)), key=gaps.__getitem__)
    count = place + 1
    if gaps[place] < 4 or 2 * count > len(seeds):
        return None
    best, rest = seeds[place], seeds[place + 1]
    told = (
        f"{count} of {len(seeds)} seeds {'has' if count == 1 else 'have'} an RMSE of at most {number(best)}, "
        f"the others of at least {number(rest)}."
    )
    change = Change("seeds", min(4 * len(seeds), 10**9))
    return Cause("seed_luck", told, {"share": count / len(seeds), "gap": gaps[place]}, change, gaps[place])


def outside_range(case: Case) -> Cause | None:
    """An answer that holds inside the range alone."""
    beyond, rmse = case.number("rmse_extrapolation_median"), case.rmse
    if beyond is None or rmse is None or rmse > _FAR * case.spread or beyond < 10 * max(rmse, 0.5):
        return None
    largest = case.about["largest"]
    told = (
        f"On numbers from {largest + 1:,} to {2 * largest:,}, which were not trained, the RMSE is {number(beyond)}; "
        f"on the range itself {number(rmse)}."
    )
    return Cause("outside_range", told, {"rmse": rmse, "rmse_extrapolation": beyond}, _beyond(case))


def _beyond(case: Case) -> Change | None:
    """The change to a layer for which the target has the same form everywhere, if there is one."""
    if case.about["task"] == "sum" or case.about["n_numbers"] == 1 == case.about["largest"]:
        return Change("hidden", ()) if case.hidden else None
    can = case.about["task"] != "product" or case.about["n_numbers"] == 2
    return Change("activation", "square") if can and case.hidden and case.row["activation"] != "square" else None


def solved(case: Case) -> Cause | None:
    """Right after rounding on what was not trained, or on the whole range."""
    facts, exact, trials = case.about["facts"], case.row["n_exact"], case.row["n"] + case.row["n_diverged"]
    everywhere = case.number("exact_everywhere") == 1
    if 2 * exact <= trials or not (everywhere or facts["unseen_numbers"] or facts["covers_range"]):
        return None
    seeds = f"{'all' if exact == trials else exact} of {counted(trials, 'seed')}" if trials > 1 else "the only seed"
    if everywhere or facts["covers_range"]:
        what = "number" if case.about["n_numbers"] == 1 else "combination of numbers"
        where = f"every {what} of the range"
        who = "the best trial" if everywhere and not facts["covers_range"] else seeds
        told = f"Right after rounding on {where}: {who}."
    else:
        told = (
            f"Right after rounding on all {case.about['test_rows']:,} test rows: {seeds}. "
            f"{facts['unseen_numbers']:,} of these rows were not in training."
        )
    return Cause("solved", told, {"exact_seeds": exact / trials}, None, math.inf)


def _neighbours_word(case: Case, name: str, axis: str, tried: tuple[Row, float]) -> Cause | None:
    """The cause, if the neighbour that has the change is better."""
    row, factor = tried
    if factor < LEAST_GAIN:
        return None
    value = widths(row[axis]) if axis == "hidden" else row[axis]
    ours = "all trials diverged" if case.rmse is None else f"the RMSE is {number(case.rmse)}"
    change = Change(axis, value)
    told = f"With {axis} {plain(case.row[axis])} {ours}. {_with(change, row['rmse_median'])}"
    return Cause(name, told, {"factor": factor}, change, factor)


def _with(change: Change, rmse: float | None) -> str:
    return f"With {change} and everything else equal it is {number(rmse)}."


def _capped(case: Case, gain: float) -> float:
    """A gain that doesn't promise an RMSE below the floor."""
    floor = case.number("floor")
    return min(gain, times(case.rmse, floor)) if floor else gain


def _falls(slope: float) -> str:
    """How much the loss falls from one epoch to twice as many: `24.5%`."""
    return f"{share(1 - 2**slope)} from half the epochs to all"


def _lower(rate: float, high: float) -> float:
    """A tenth of the learning rate, or less where that is still unusually high."""
    rate /= 10
    while rate > high:
        rate /= 10
    return _decimal(rate)


def _decimal(value: float) -> float:
    return float(f"{value:.6g}")


def _sentence(parts: list[str]) -> str:
    text = ", ".join(parts[:-1]) + (" and " if parts[:-1] else "") + parts[-1]
    return text[0].upper() + text[1:]


FAULTS: tuple[Callable[[Case], Cause | None], ...] = (
    no_activation,
    readout_not_trained,
    too_few_steps,
    lr_too_high,
    lr_too_low,
    dead_units,
    saturated,
    inputs_not_scaled,
    target_not_scaled,
    too_narrow,
    knots_misplaced,
    memorised,
    unused_input,
    seed_luck,
)
