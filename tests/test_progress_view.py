"""What is shown of long work in a width: nothing is cut, and nothing is wider than it may be."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sumsquares.jobs.show.progress_display import Drawn
from sumsquares.jobs.show.progress_view import BAR_CELLS, Item, View, head, names_line

WIDTHS = [40, 60, 80, 100, 200]
WORD = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
NAMES = st.lists(WORD, min_size=1, max_size=6).map("-".join)
VALUES = st.floats(1e-9, 1e9).map(lambda value: f"{value:,.4g}")


@st.composite
def trainings(draw):
    """Views of a training, as they get: from nothing known to a billion trials on many datasets."""
    total = draw(st.integers(1, 10**9))
    done = draw(st.integers(0, total))
    items = [
        Item(f"{done:,}/{total:,}", 0),
        Item(f"{draw(VALUES)} trials/s", 3),
        Item(f"{draw(st.integers(0, 99))}:{draw(st.integers(10, 59))} left", 1),
        Item("0:31 elapsed", 2),
    ]
    names = draw(st.dictionaries(NAMES, VALUES, max_size=30))
    return View("trials", tuple(items), draw(st.floats(0, 1)), tuple(names.items()), "lowest RMSE")


def words(text):
    """The smallest parts that mean something by themselves: words of names, numbers."""
    return [part for part in re.split(r"[\s_-]+|(?<=…)|(?=…)", text) if part]


def drawn(view, width):
    """What a terminal of this width shows."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(Drawn(view))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@given(view=trainings())
def test_nothing_is_cut_in_the_middle_of_a_word_or_number(width, view):
    """Every token that is shown is a whole one of the view, and so is every item."""
    known = {*words(view.title), *words(view.names_title + ":"), "more", "…"}
    known |= {token for item in view.items for token in words(item.text)}
    known |= {token for pair in view.names for part in pair for token in words(part)}
    known |= {f"{count}" for count in range(1, len(view.names) + 1)}
    for line in drawn(view, width):
        assert len(line) <= width
        assert {*words(re.sub("[━─]", " ", line))} <= known
    shown = head(view, width).items
    assert all(part in {item.text for item in view.items} for part in shown.split("  ") if part)


@pytest.mark.parametrize("width", WIDTHS)
@given(view=trainings())
def test_the_first_line_fills_the_width(width, view):
    """The bar takes what the others leave, wherever count and time left leave it room."""
    first = head(view, width)
    needed = len(view.title) + sum(2 + len(item.text) for item in view.items if item.rank < 2)
    if needed + 2 + BAR_CELLS <= width:
        assert len(drawn(view, width)[0]) == width
        assert first.bar >= BAR_CELLS


@pytest.mark.parametrize("width", WIDTHS)
@given(view=trainings())
def test_names_that_are_left_out_are_counted(width, view):
    """Those that are shown, and the number of the others, are all of them."""
    line = names_line(view, width)
    if not line:
        return
    more = re.search(r"  (\d+) more$", line)
    shown = line.removesuffix(more[0] if more else "").split("  ")[1:]
    assert len(shown) + (int(more[1]) if more else 0) == len(view.names)


@given(view=trainings(), width=st.integers(30, 250))
def test_items_are_left_out_from_the_highest_rank_on(view, width):
    """What is left out never matters more than what is kept."""
    shown = head(view, width).items
    kept = [item.rank for item in view.items if item.text in shown]
    left = [item.rank for item in view.items if item.text not in shown]
    assert not kept or not left or max(kept) < min(left)


def test_a_line_of_a_log_names_some_datasets_and_counts_the_others():
    """However many there are, the line stays readable."""
    names = tuple((f"data{index}", "1") for index in range(100))
    view = View("trials", (), None, names, "lowest RMSE", "5 of 10 trials")
    assert view.line.startswith("5 of 10 trials, lowest RMSE: data0 1, ")
    assert view.line.endswith("data4 1 and 95 more")
