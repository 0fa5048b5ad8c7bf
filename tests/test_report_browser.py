"""The report in a real browser: silent, loading nothing, sortable by mouse and keyboard, accessible, fit for phones."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from browser_pages import AXE, LOOKS, browser, check, opened
from made_reports import EVIL, made, many, page_of, with_causes
from own_tables import houses, put
from specs import SMALL

import sumsquares
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.report import report

LOST = {"status": "diverged", **dict.fromkeys(METRIC_NAMES)}
ONE = SMALL[: SMALL.index("[[grid]]")] + '[[grid]]\ndataset = ["squares"]\nhidden = [[6]]\n'
FIT = ["fit", "houses.csv", "--target", "price", "--workers", "0", "--epochs", "2", "--folds", "3", "--quiet"]
PAGES = ("trained", "fitted", "missing", "diverged", "one", "evil", "large")


@pytest.fixture(scope="module")
def chromium():
    """The browser."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(chromium, tmp_path_factory):
    """Reports by name: of real runs, and made-up ones."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "small.toml").write_text(SMALL)
    trained = sumsquares.run(folder / "small.toml", store=str(folder / "store"), workers=0)
    put(folder / "houses.csv", houses())
    command = [sys.executable, "-m", "sumsquares", *FIT]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    spec, summary = made(f"# {EVIL}\n{SMALL}")
    written = {
        "missing": page_of(SMALL, lambda index, _trial: None if index % 3 else {})[0].source,
        "diverged": page_of(SMALL, lambda _index, _trial: LOST)[0].source,
        "one": page_of(ONE)[0].source,
        "evil": report(spec, with_causes(summary, EVIL), {"python": EVIL}),
        "large": many(10_000, ["squares"]).source,
    }
    for name, source in written.items():
        (folder / f"{name}.html").write_text(source)
    real = {"trained": Path(trained.report), "fitted": folder / "store/runs/houses/report.html"}
    return real | {name: folder / f"{name}.html" for name in written}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("look", LOOKS)
def test_a_page_is_silent_loads_nothing_and_is_accessible(chromium, pages, name, look):
    """No warning, no violation of its policy, no request but its own; axe-core finds nothing wrong."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `make browser` installs it")
    with opened(chromium, pages[name], look) as watched:
        check(watched, pages[name])


def test_the_checks_find_what_is_wrong(chromium, tmp_path):
    """A page that has a script of its own, an image from elsewhere, and words that nobody can read."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `make browser` installs it")
    wrong = '<img src="http://localhost/x.png"><p>grey</p><script>alert(1)</script><script>console.warn("hm")</script></main>'
    path = tmp_path / "wrong.html"
    path.write_text(page_of(ONE)[0].source.replace("</main>", wrong))
    with opened(chromium, path) as watched:
        assert any(each.startswith("image-alt") for each in watched.violations())
        assert {each.split()[1] for each in watched.told if each.startswith("policy: ")} == {
            "img-src",
            "script-src-elem",
        }
    path.write_text(wrong)
    with opened(chromium, path) as watched:
        assert {"1", "hm"} <= set(watched.told)
        assert watched.requests == [path.as_uri(), "http://localhost/x.png"]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_scrolls_the_page_sideways(chromium, pages, name):
    """Wide tables scroll by themselves, and above each stands how many of its columns are out of sight."""
    with opened(chromium, pages[name], "phone") as watched:
        page = watched.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for place in page.locator(".variants .wide").all():
            cells = place.locator("thead th").all()
            right = place.bounding_box()["x"] + place.bounding_box()["width"]
            boxes = [cell.bounding_box() for cell in cells]
            hidden = sum(box["x"] + box["width"] > right + 1 for box in boxes)
            hint = place.locator("xpath=preceding-sibling::p[1]").inner_text()
            assert hint == f"Scroll sideways: {hidden} more column{'s' if hidden > 1 else ''} →"
            place.evaluate("place => { place.scrollLeft = place.scrollWidth; }")
            place.locator("xpath=preceding-sibling::p[1][not(text())]").wait_for(state="attached")


def column(page, heading):
    """The cells of a column of the first table of variants."""
    table = page.locator(".variants table").first
    headings = [each.split("▲")[0].split() for each in table.locator("thead th").all_inner_texts()]
    place = headings.index(heading.split())
    return [row[place] for row in (texts(each) for each in table.locator("tbody tr").all())]


def texts(row):
    """The cells of a row."""
    return row.locator("th, td").all_inner_texts()


def number(text):
    """What a cell says."""
    return float(text.replace(",", ""))


def status(page):
    """What is told of the first table of variants."""
    return page.locator(".variants [role=status]").first.inner_text()


@pytest.mark.parametrize("press", ["mouse", "keyboard"])
def test_tables_are_sorted_by_mouse_and_by_keyboard(chromium, pages, press):
    """First up, then down; the heading and the live region say so."""
    with opened(chromium, pages["trained"]) as watched:
        page = watched.page
        head = page.locator(".variants").first.locator("thead th", has_text="RMSE").first
        button = head.locator("button")
        name = " ".join(button.inner_text().split())
        for order in ("ascending", "descending", "ascending"):
            if press == "mouse":
                button.click()
            else:
                button.focus()
                page.keyboard.press("Enter")
            values = [number(cell) for cell in column(page, name)]
            assert values == sorted(values, reverse=order == "descending")
            assert head.get_attribute("aria-sort") == order
            assert status(page).endswith(f"sorted by {name}, {order}.")
        assert page.locator(".variants").first.locator("[aria-sort]").count() == 1
        assert watched.told == []


def test_tables_are_filtered_by_text_and_by_values(chromium, pages):
    """What is left has all of it, and the live region counts it."""
    with opened(chromium, pages["trained"]) as watched:
        page = watched.page
        form = page.locator(".variants form").first
        whole = len(column(page, "activation"))
        page.keyboard.press("Tab")
        form.get_by_label("activation").select_option("tanh")
        assert set(column(page, "activation")) == {"tanh"}
        count = len(column(page, "activation"))
        assert status(page).startswith(f"Shown: {count} of {count} that match of {whole} variants; ")
        form.get_by_role("searchbox").fill("0.01 TANH")
        rows = [" ".join(texts(row)) for row in page.locator(".variants tbody").first.locator("tr").all()]
        assert rows
        assert all("0.01" in row and "tanh" in row for row in rows)
        form.get_by_role("searchbox").fill("nothing has this")
        assert status(page).startswith(f"Shown: 0 of 0 that match of {whole} variants; ")


def test_ten_thousand_variants_are_shown_a_hundred_at_a_time(chromium, pages):
    """Sorted as a whole: the first row by descending rank is the last of all."""
    with opened(chromium, pages["large"]) as watched:
        page = watched.page
        assert len(column(page, "#")) == 100
        assert status(page).startswith("Shown: 100 of 10,000 variants; ")
        page.get_by_role("button", name="Show 100 more").click()
        assert [number(text.split()[0]) for text in column(page, "#")] == [*range(1, 201)]
        page.locator(".variants thead button").first.click()
        assert number(column(page, "#")[0].split()[0]) == 10_000


def test_what_the_script_shows_is_what_the_page_has_without_it(chromium, pages):
    """The rows, with their causes and evidence; without the script the controls are hidden."""
    with opened(chromium, pages["trained"]) as watched:
        shown = [texts(row) for row in watched.page.locator(".variants tbody tr").all()]
        reasons = watched.page.locator(".variants details").evaluate_all("all => all.map(each => each.textContent)")
    with opened(chromium, pages["trained"], java_script_enabled=False) as watched:
        plain = watched.page
        assert [texts(row) for row in plain.locator(".variants tbody tr").all()] == shown
        assert plain.locator(".variants details").evaluate_all("all => all.map(each => each.textContent)") == reasons
        assert not plain.locator(".variants form").first.is_visible()
        assert reasons


def test_the_keyboard_reaches_everything(chromium, pages):
    """The first stop skips to the content; each stop is visible; a cause opens by Enter, and shows its evidence."""
    with opened(chromium, pages["trained"]) as watched:
        page = watched.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert page.locator(".skip").bounding_box()["y"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        summary = page.locator(".variants details summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator(".variants details p").first.is_visible()
        stops = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            stops.add(page.evaluate("document.activeElement.tagName"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert "SUMMARY" in stops


def test_on_paper_everything_is_there_but_what_is_for_hands(chromium, pages):
    """The spec and the commands are expanded; the controls are gone, and nothing is cut off."""
    with opened(chromium, pages["trained"]) as watched:
        page = watched.page
        page.emulate_media(media="print")
        assert page.locator("pre").bounding_box()["height"] > 100
        assert not page.locator(".variants details p").first.is_visible()
        assert page.locator(".commands code").first.is_visible()
        assert not page.locator(".variants form").first.is_visible()
        assert page.locator(".wide").first.evaluate("place => getComputedStyle(place).overflowX") == "visible"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(("motion", "behaviour"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_nothing_moves_for_those_who_asked_for_that(chromium, pages, motion, behaviour):
    """A link scrolls at once, and otherwise smoothly."""
    with opened(chromium, pages["one"], reduced_motion=motion) as watched:
        assert watched.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behaviour


def test_headings_and_landmarks_are_in_order(chromium, pages):
    """One h1, no level is skipped; every section has a name; every table has a caption or a name."""
    with opened(chromium, pages["trained"]) as watched:
        page = watched.page
        levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert page.locator("main").count() == 1
        assert re.search(r"squares", page.title())
