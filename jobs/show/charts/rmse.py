"""RMSE by variant: the seeds of each variant, their median, its floor, and the readout solved; baselines below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sumsquares.jobs.results.case import rmse_of
from sumsquares.jobs.results.middle import has_splits, middle
from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import LINEAR, OTHERS, dot_key, line_key, shape_key
from sumsquares.jobs.show.charts.numbers import column_text, rounded_down
from sumsquares.jobs.show.charts.rows import Gap, List, Mark, Row, known, without_middle
from sumsquares.jobs.show.charts.scales import Log
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.findings import is_linear
from sumsquares.jobs.show.format import Row as Variant
from sumsquares.jobs.show.format import counted

BEST, WORST = 20, 5
"""How many variants are drawn."""
_SEEDS = 12  # dots of a variant; more can't be told apart
_BELOW = 1000.0  # floors and solved readouts that are so much lower than the lowest RMSE are drawn at the edge
DISC = "M0 0h0"
SQUARE = "M-4.5-4.5h9v9h-9z"
DIAMOND = "M0-6.5L6.5 0 0 6.5-6.5 0z"
FLOOR = "M0-8v16M0 8h6M0-8h6"
CROSS = "M-4-4l8 8M-4 4l8-8"
LEFT_OF = "M5-5l-6 5 6 5"


def rmse_chart(subject: Subject, rmse: Mapping[str, Sequence[float]]) -> Chart | None:
    """Returns the chart; None if no variant has an RMSE. `rmse` has that of each trial by variant id."""
    measured = [row for row in subject.rows if middle(row) is not None]
    if not measured:
        return None
    best, worst = without_middle(measured, BEST, WORST)
    shown = measured[:best] + (measured[-worst:] if worst else [])
    baselines = subject.about.get("baselines", ())
    scale = _scale(shown, rmse, baselines)
    texts = column_text([rmse_of(row) for row in shown] + [row["rmse_mean"] for row in baselines])
    items: list[Row | Gap] = [
        _row(subject, row, text, _seeds(row, rmse), scale.edge) for row, text in zip(shown, texts, strict=False)
    ]
    if worst:
        left_out = len(measured) - best - worst
        items.insert(best, Gap(f"⋮ {left_out:,} variants between these are not drawn"))
    items += [_baseline(row, text) for row, text in zip(baselines, texts[len(shown) :], strict=True)]
    label = _label(subject, measured)
    return Chart(
        name="rmse",
        title="RMSE by variant",
        caption=_caption(shown, len(subject.rows) - len(measured), scale.edge),
        label=label,
        svg=List(label, scale, items).html(),
        legend=_legend(shown, baselines),
        numbers=_numbers(subject, shown, rmse, len(measured) - len(shown)),
        layout="wide",
    )


def _seeds(row: Variant, rmse: Mapping[str, Sequence[float]]) -> Sequence[float]:
    """The RMSE of each trial of a variant; where they aren't known, that of the best."""
    return rmse.get(row["variant_id"], ()) or known([row["rmse_best"]])


def _scale(shown: Sequence[Variant], rmse: Mapping[str, Sequence[float]], baselines: Sequence[Variant]) -> Log:
    """The axis: what is far below all RMSEs is not on it."""
    reached = [value for row in shown for value in (rmse_of(row), *_seeds(row, rmse))]
    reached += [row["rmse_mean"] for row in baselines]
    positive = [value for value in reached if value > 0]
    lowest = min(positive) / _BELOW if positive else 0.0
    extra = [value for row in shown for value in _bounds(row) if value >= lowest]
    return Log.of([*reached, *extra])


def _bounds(row: Variant) -> list[float]:
    """Floor and solved readout of a variant, where they are known and above 0."""
    return [value for value in known([row["floor"], row["rmse_solved_median"]]) if value > 0]


def _row(subject: Subject, row: Variant, text: str, seeds: Sequence[float], edge: float) -> Row:
    """A variant's row."""
    marks = []
    if row["floor"]:
        marks.append(_bound(row["floor"], "floor", FLOOR, edge))
    if row["rmse_solved_median"] is not None and row["readout"] != "solved":
        marks.append(_bound(row["rmse_solved_median"], "solved", CROSS, edge))
    rmse = rmse_of(row)
    marks.append(Mark(rmse, "square", SQUARE) if is_linear(row) else Mark(rmse, "disc", DISC))
    return Row(subject.words(row), text, marks, _even(seeds), (min(*seeds, rmse), max(*seeds, rmse)))


def _bound(value: float, classes: str, d: str, edge: float) -> Mark:
    return Mark(value, classes, d) if value >= edge else Mark(edge, f"{classes} off-axis", LEFT_OF)


def _even(seeds: Sequence[float]) -> Sequence[float]:
    """At most as many of the seeds as can be told apart, the lowest and the highest among them."""
    step = math.ceil(len(seeds) / _SEEDS)
    return seeds if step <= 1 else [*sorted(seeds)[::step], max(seeds)]


def _baseline(row: Variant, text: str) -> Row:
    return Row(f"{row['name']}, no network", text, [Mark(row["rmse_mean"], "baseline", DIAMOND)])


def _what(shown: Sequence[Variant]) -> str:
    """What the RMSE of a variant is."""
    if any(map(has_splits, shown)):
        return "mean over splits"
    return "median of the seeds" if any(row["n"] > 1 for row in shown) else "RMSE"


def _caption(shown: Sequence[Variant], without: int, edge: float) -> str:
    words = f"The best first; less is better, and the axis is logarithmic. The number is the {_what(shown)}."
    if any(row["n_diverged"] for row in shown):
        words += " Trials that diverged are left out of it."
    if any(row["n"] > _SEEDS for row in shown):
        words += f" Of more than {_SEEDS} trials some have a dot, the lowest and the highest among them."
    if any(value < edge for row in shown for value in _bounds(row)):
        words += " An arrowhead at the left edge: so much lower that it is not on the axis."
    if without:
        words += f" Not drawn, as there is no result: {counted(without, 'variant')}."
    return words


def _label(subject: Subject, measured: Sequence[Variant]) -> str:
    """The best and the worst in a sentence."""
    texts = column_text([rmse_of(measured[0]), rmse_of(measured[-1])])
    best = f"the lowest is {texts[0]} of {subject.words(measured[0])}"
    if len(measured) == 1:
        return f"RMSE of 1 variant: {best}."
    worst = f"the highest {texts[1]} of {subject.words(measured[-1])}"
    return f"RMSE of {counted(len(measured), 'variant')}: {best}, {worst}."


def _legend(shown: Sequence[Variant], baselines: Sequence[Variant]) -> list[Key]:
    what = _what(shown)
    linear = [*map(is_linear, shown)]
    keys = [] if all(linear) else [shape_key("disc", DISC, f"{what}, {OTHERS}")]
    keys += [shape_key("square", SQUARE, f"{what}, {LINEAR}")] if any(linear) else []
    if any(row["n"] > 1 for row in shown):
        keys += [dot_key("dot seed", "a trial"), line_key("span", "from the lowest trial to the highest")]
    if any(row["rmse_solved_median"] is not None and row["readout"] != "solved" for row in shown):
        keys.append(shape_key("solved", CROSS, "the same networks with the readout solved"))
    if any(row["floor"] for row in shown):
        keys.append(shape_key("floor", FLOOR, "floor of the architecture"))
    return keys + ([shape_key("baseline", DIAMOND, "baseline, no network")] if baselines else [])


def _numbers(subject: Subject, shown: Sequence[Variant], rmse: Mapping[str, Sequence[float]], left_out: int) -> Numbers:
    columns = {
        _what(shown): [rmse_of(row) for row in shown],
        "lowest trial": [min(_seeds(row, rmse)) for row in shown],
        "highest trial": [max(_seeds(row, rmse)) for row in shown],
        "readout solved": [row["rmse_solved_median"] for row in shown],
        "floor": [rounded_down(row["floor"] or None) for row in shown],
    }
    texts = column_text([value for column in columns.values() for value in column])
    cells = [texts[start::1][: len(shown)] for start in range(0, len(texts), len(shown))]
    rows = [[subject.words(row), *each] for row, each in zip(shown, zip(*cells, strict=True), strict=True)]
    return Numbers(["variant", *columns], rows, left_out)
