"""The page of nights in a real browser: silent, loading nothing, accessible, fit for phones."""

from __future__ import annotations

import pytest
from browser_pages import AXE, LOOKS, browser, check, opened
from test_night_page import RESULTS, TODAY, shown, shown_night

from sumsquares.jobs.show.nights_page import ShownMove, nights_page


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages without a night, and with nights of all results."""
    folder, nights = tmp_path_factory.mktemp("pages"), []
    for number in range(300, 0, -1):
        result = RESULTS[number % len(RESULTS)]
        report = f"../runs/night-{number}/report.html" if number % 2 else None
        details = ["one", "two"] if result == "worse" else []
        nights.append(shown_night(number, result, message="a message", details=details, report=report))
    moves = [ShownMove("promoted", night.night, f"{night.day}T03:00:00Z") for night in nights[::40]]
    given = {"none": [], "three": nights[-3:], "many": nights}
    for name, some in given.items():
        page = shown(some, moves=moves if some else [], missed=[TODAY], problems=["a problem"] if some else [])
        (folder / f"{name}.html").write_text(nights_page(page))
    return {name: folder / f"{name}.html" for name in given}


@pytest.mark.parametrize("name", ["none", "three", "many"])
@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_silent_loads_nothing_and_is_accessible(chromium, pages, name, look):
    """No warning, no violation of its policy, no request but its own; axe-core finds nothing wrong."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `make browser` installs it")
    with opened(chromium, pages[name], look) as watched:
        check(watched, pages[name])
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= LOOKS[look]["viewport"]["width"]


def test_every_mark_of_a_chart_is_in_its_legend_and_none_is_told_by_colour_alone(chromium, pages):
    """Each kind of mark has a shape of its own."""
    with opened(chromium, pages["many"]) as watched:
        figure = watched.page.locator("figure").first
        shapes = {}
        for kind in ("flag", "cross", "square", "bar"):
            assert figure.locator(f".plot .night.{kind}").count() > 0
            shapes[kind] = figure.locator(f".keys .night.{kind}").get_attribute("d")
        assert len(set(shapes.values())) == len(shapes)


def test_tables_that_scroll_can_be_reached_by_the_keyboard(chromium, pages):
    """Each has a name and takes the focus."""
    with opened(chromium, pages["many"], "phone") as watched:
        for place in watched.page.locator(".wide").all():
            assert place.get_attribute("tabindex") == "0"
            assert place.get_attribute("aria-label")
