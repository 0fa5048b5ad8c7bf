"""What legends, captions and labels of charts say is true of what is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from made_figures import MATTERS, all_charts, chart_named, chosen_of, rows_of

from sumsquares.jobs.results.figures.data import Figures, Losses
from sumsquares.jobs.show.charts.of_dataset import charts_of
from sumsquares.jobs.show.format import at_most

LOST = {"status": "diverged", "rmse": None}


def chart(name, rows, about, figures=None, matters=None):
    """One chart of a dataset."""
    return chart_named(charts_of("squares", about, rows, figures or Figures(), matters), name)


def linear(row):
    """The row of a variant without an activation."""
    return {**row, "hidden": "[]", "normalize": "unit", "normalize_target": "same", "output": "linear"}


def curved(row):
    """The row of a variant without an activation that sees logarithms."""
    return {**linear(row), "normalize": "log"}


@pytest.mark.parametrize("name", ["rmse", "seconds"])
@pytest.mark.parametrize(("kind", "told"), [(linear, [True, False]), (curved, [False, True])])
def test_a_legend_has_the_marks_that_are_drawn(name, kind, told):
    """Squares of what is linear in the inputs, discs of all else, which may have no activation either."""
    about, rows, _ = rows_of()
    changed = [{**kind(row), "train_seconds": 1.0 + place} for place, row in enumerate(rows)]
    words = [key.words for key in chart(name, changed, about).legend]
    is_linear = any(re.search(r"(^|, )linear in the inputs", each) for each in words)
    is_other = any("not linear in the inputs" in each for each in words)
    assert [is_linear, is_other] == told


def test_a_floor_is_the_same_number_in_the_chart_and_in_the_table():
    """Rounded down, since no network gets below it."""
    about, rows, rmse = rows_of()
    changed = [{**row, "floor": 9.33679} for row in rows]
    shown = chart("rmse", changed, about, Figures(rmse=rmse)).numbers
    floor = list(shown.headings).index("floor")
    assert {row[floor] for row in shown.rows} == {at_most(9.33679)} == {"9.336"}


def losses_of(rows, loss_SE, split=None):
    """The losses of one variant."""
    chosen = replace(chosen_of(rows)[0], split=split)
    return Figures(losses=(Losses(chosen, tuple(range(len(loss_SE))), np.arange(1.0, 5.0), loss_SE),))


def test_of_trials_that_diverged_those_are_counted_whose_lines_are_drawn():
    """Seven of ten diverged, of which five have lines."""
    about, rows, _ = rows_of()
    loss_SE = np.ones((10, 4))
    loss_SE[:7, 2:] = np.nan
    found = chart("losses", rows, about, losses_of(rows, loss_SE))
    assert found.caption.endswith("that diverged: 5.")


def test_losses_say_of_which_split_they_are_and_where_one_is_0():
    """A logarithmic axis has no 0."""
    about, rows, _ = rows_of()
    plain, odd = (
        chart("losses", rows, about, losses_of(rows, loss_SE, split)).caption
        for loss_SE, split in ((np.ones((2, 4)), None), (np.array([[2.0, 1.0, 0.0, 0.0]]), "fold_2"))
    )
    assert "on the split of its best one" in odd
    assert "split" not in plain
    assert "A loss of 0 is not on the axis" in odd
    assert "loss of 0" not in plain


@pytest.mark.parametrize("name", ["map-1", "residuals-1", "curves"])
def test_a_chart_of_a_network_says_that_it_is_of_the_best_trial(name):
    """Others of the variant may be worse."""
    assert "best trial" in chart_named(all_charts(), name).caption


def test_the_largest_error_of_a_curve_is_that_of_counted_points():
    """Between them it may be larger."""
    assert " at 33 points, trained from 0 to 10" in chart_named(all_charts(), "curves").label


def test_a_map_that_is_nearly_everywhere_right_calls_no_error_0():
    """Its classes are those of the errors that aren't 0."""
    found = chart_named(all_charts(lambda n: np.where(np.arange(n) % 10 == 9, 5.0, 0.0)), "map-1")
    assert [key.words for key in found.legend] == ["within ±5", "training range"]


def test_what_matters_says_which_trials_count_with_another_rmse_than_their_own():
    """Those that diverged, and those that are too small to differ."""
    about, rows, _ = rows_of(changes=lambda index, _trial: LOST if index % 5 == 1 else {"rmse": 5.0 + index})
    lost = chart("matters", rows, about, matters=MATTERS).caption
    about, rows, _ = rows_of(changes=lambda index, _trial: {"rmse": 1e-6 if index % 2 else 5.0 + index})
    small = chart("matters", rows, about, matters=MATTERS).caption
    assert ("diverged" in lost, "diverged" in small) == (True, False)
    assert ("below 0.1 counts" in lost, "below 0.1 counts" in small) == (False, True)


def test_without_an_axis_that_varies_nothing_matters_in_the_grid():
    """Of a single variant only seeds differ."""
    about, rows, _ = rows_of()
    charts = charts_of("squares", about, rows[:1], Figures(), replace(MATTERS, axes=(), interactions=0.0, seeds=1.0))
    assert "matters" not in [each.name for each in charts]
