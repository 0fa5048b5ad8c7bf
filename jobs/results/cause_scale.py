"""Causes that lie in the scale of inputs and target: squashed into a small part of -1..1, or far beyond it.

As those of cause_training.py, and with thresholds that were fixed as those were.
"""

from __future__ import annotations

from sumsquares.jobs.messages.numbers import number
from sumsquares.jobs.results.case import FAR, GOOD, LEAST_GAIN, Case, Cause, Change, Row, by_neighbour, with_change
from sumsquares.jobs.results.normalized_columns import Column

Tried = tuple[Row, float] | None
"""The best neighbour with another scale, and by what factor it is better."""
_LEAST_SPREAD = 0.12
"""A normalised column with a smaller standard deviation is squashed: columns of -1..1 have 0.58, of 0..1 0.29."""
_LARGE = 6.0
"""A normalised column of this size is far from the -1..1 for which first weights and learning rates are usual: one of
-10..10 isn't, one of 0..30 is."""
_FEWEST_ROWS = 10
"""Rows from which on the spread of a column says something: that of fewer is small by chance now and then."""


def inputs_not_scaled(case: Case) -> Cause | None:
    """Inputs that are squashed into a small part of -1..1, or far beyond it."""
    tried = case.best_neighbour("normalize", lambda kind: kind != case.row["normalize"])
    change = Change("normalize", "symmetric")
    if case.scale.widest.size > _LARGE:
        return _too_large(case, "inputs_not_scaled", case.scale.widest, change, tried)
    # Of a table some columns are always narrow, as those of rare categories are.
    column = max(case.scale.inputs, key=lambda each: each.std) if case.is_table else case.scale.narrowest
    if not case.about.get("digits") and _is_squashed(case, column):
        return _squashed(case, "inputs_not_scaled", column, change, tried)
    # Nothing is wrong with the size of the inputs, and yet another scale may be better: that of logarithms, for one.
    return None if tried is None else by_neighbour(case, "inputs_not_scaled", "normalize", tried)


def target_not_scaled(case: Case) -> Cause | None:
    """A target that is squashed into a small part of -1..1, or far beyond it."""
    if case.row["loss"] == "bce":  # it takes targets as they are
        return None
    kind = {"sigmoid": "unit", "relu": "unit", "tanh": "symmetric"}.get(case.row["output"], "zscore")
    # Where the inputs are raw, they are another matter.
    alone = case.row["normalize_target"] != "same" or case.row["normalize"] in ("none", "log") or kind != "zscore"
    change = Change("normalize_target" if alone else "normalize", kind)
    known = [
        case.best_neighbour("normalize", lambda kind: kind != case.row["normalize"]),
        case.best_neighbour("normalize_target", lambda kind: kind != case.row["normalize_target"]),
    ]
    tried = max((each for each in known if each), key=lambda each: each[1], default=None)
    if case.scale.target.size > _LARGE:
        return _too_large(case, "target_not_scaled", case.scale.target, change, tried)
    if _is_squashed(case, case.scale.target):
        return _squashed(case, "target_not_scaled", case.scale.target, change, tried)
    return None if known[1] is None else by_neighbour(case, "target_not_scaled", "normalize_target", known[1])


def _is_squashed(case: Case, column: Column) -> bool:
    return 0 < column.std < _LEAST_SPREAD and case.rows >= _FEWEST_ROWS


def _squashed(case: Case, name: str, column: Column, change: Change, tried: Tried) -> Cause | None:
    if tried is not None and tried[1] < case.least_gain:
        return None
    rmse = case.rmse
    if rmse is not None and rmse < GOOD * case.spread:
        return None
    std = f"{number(column.std)}{case.over_splits}"
    told = f"With {_kind(case, name)} the {_have(case, column)} a standard deviation of {std}."
    far = rmse is None or rmse > FAR * case.spread
    gain = 10.0 if far else 3.0
    if case.is_memorised:  # what is learnt by heart was not held up by its scale
        gain = LEAST_GAIN
    return _of_scale(case, name, told, {"std": column.std}, change, tried, gain)


def _too_large(case: Case, name: str, column: Column, change: Change, tried: Tried) -> Cause | None:
    """The cause, where what it explains is far off: first weights and learning rates are for numbers of about -1..1."""
    rmse = case.rmse
    if tried is not None and tried[1] < case.least_gain:
        return None
    if rmse is not None and (rmse < FAR * case.spread or case.is_memorised):
        return None
    reach = "reaches" if column.name == "target" or not _are_alike(case) else "reach"
    told = (
        f"With {_kind(case, name)} the {_subject(case, column)} {reach} from {number(column.low)} to "
        f"{number(column.high)}, where -1 to 1 is usual."
    )
    return _of_scale(case, name, told, {"low": column.low, "high": column.high}, change, tried, 10.0)


def _of_scale(
    case: Case, name: str, told: str, evidence: dict[str, float], change: Change, tried: Tried, gain: float
) -> Cause:
    """The cause, with the change of the best neighbour if there is one."""
    if tried is None:
        return Cause(name, told, evidence, change, gain)
    row, factor = tried
    field = next(each for each in ("normalize", "normalize_target") if row[each] != case.row[each])
    change = Change(field, row[field])
    return Cause(name, f"{told} {with_change(change, row)}", evidence, change, factor)


def _kind(case: Case, name: str) -> Change:
    """The scaling that a variant has, as a spec writes it."""
    is_own = name == "target_not_scaled" and case.row["normalize_target"] != "same"
    field = "normalize_target" if is_own else "normalize"
    return Change(field, case.row[field])


def _are_alike(case: Case) -> bool:
    """Whether all inputs have the same scale."""
    return len({column[1:] for column in case.scale.inputs}) == 1 or len(case.scale.inputs) == 1


def _subject(case: Case, column: Column) -> str:
    if column.name == "target":
        return "target"
    return "inputs" if _are_alike(case) else f"input {column.name}"


def _have(case: Case, column: Column) -> str:
    subject = _subject(case, column)
    return f"{subject} {'have' if subject == 'inputs' else 'has'}"


def is_far_too_large(case: Case) -> bool:
    """Whether inputs are so large that units can't move their knots: biases grow by a learning rate a step."""
    return case.scale.widest.size > _LARGE and inputs_not_scaled(case) is not None


def is_far_from_scaled(case: Case) -> bool:
    """Whether the scale of inputs or target is the fault to tell first."""
    return inputs_not_scaled(case) is not None or target_not_scaled(case) is not None
