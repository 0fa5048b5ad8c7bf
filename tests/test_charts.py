"""Charts show what the numbers are: inside their frame, in order, the same each time, and harmless as markup."""

from __future__ import annotations

import html
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_figures import BASELINES, MATTERS, all_charts, chart_named, chosen_of, figures_of, points_of, rows_of, svgs_of
from specs import SMALL

from sumsquares.jobs.results.figures.data import Figures, Residuals
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.show.charts.costs import DRAWN, pareto
from sumsquares.jobs.show.charts.numbers import MINUS
from sumsquares.jobs.show.charts.of_dataset import charts_of
from sumsquares.jobs.show.charts.plot import HEIGHT, WIDTH
from sumsquares.jobs.show.charts.rmse import BEST, WORST
from sumsquares.jobs.show.format import number
from sumsquares.jobs.show.page.render import _environment

ODD = {
    "nothing but NaN": lambda n: np.full(n, np.nan),
    "infinite": lambda n: np.where(np.arange(n) % 3, np.inf, -np.inf),
    "zeros": np.zeros,
    "all equal": lambda n: np.full(n, 7.25),
    "huge": lambda n: np.linspace(-1, 1, n) * 1.7e308,
    "tiny": lambda n: np.linspace(0, 1e-320, n),
    "wild": lambda n: np.exp(np.linspace(-300, 300, n)) * np.where(np.arange(n) % 2, 1, -1),
    "some NaN": lambda n: np.where(np.arange(n) % 4, np.arange(n) / 3.0, np.nan),
}
WIDE = SMALL.replace("lr = [0.001, 0.01]", f"lr = {[round(0.001 + 0.0001 * i, 6) for i in range(100)]}")
VALUES = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e300, -1e-300]) | st.floats(-1e6, 1e6)


def assert_sound(charts):
    """Each is XML without a style attribute, with no number that is none, and with all its points in the frame."""
    for chart in charts:
        assert "style=" not in chart.svg
        attributes = " ".join(value for svg in svgs_of(chart) for part in svg.iter() for value in numeric(part))
        assert not re.search(r"nan|inf", attributes, re.IGNORECASE), (chart.name, attributes)
        for svg in svgs_of(chart):
            assert_inside(svg, chart.name)


def numeric(element):
    """The attributes that hold coordinates."""
    return [value for name, value in element.items() if name not in ("class", "id", "aria-labelledby")]


def assert_inside(svg, name):
    """Everything that is drawn in plots lies in their viewBox, and in rows of lists within the row."""
    if svg.get("viewBox"):
        left, top, width, height = map(float, svg.get("viewBox").split())
        assert (left, width, top + height) == (0, WIDTH, HEIGHT)
        cells = {id(path) for group in svg.iter("g") if group.get("class") == "cells" for path in group.iter("path")}
        for path in svg.iter("path"):
            if id(path) not in cells:
                assert all(0 <= x <= WIDTH and top <= y <= HEIGHT for x, y in points_of(path.get("d"))), name
        assert all(0 <= float(text.get("x")) <= WIDTH for text in svg.iter("text"))
        assert all(top < float(text.get("y")) < HEIGHT for text in svg.iter("text"))
        return
    for inner in svg.findall("svg[@viewBox]"):
        assert all(0 <= x <= 1000 and 0 <= y <= 22 for path in inner.iter("path") for x, y in points_of(path.get("d")))
    places = [float(inner.get("x").rstrip("%")) for inner in svg.findall("svg[@x]")]
    assert all(0 <= place <= 100 for place in places)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("points", [1, 2, 33])
def test_charts_of_odd_numbers_are_sound(kind, points):
    """NaN, infinities, zeros, equal numbers and single points are drawn or left out, never written into the SVG."""
    assert_sound(all_charts(ODD[kind], points))


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=30))
def test_charts_of_any_numbers_are_sound(values):
    """Whatever the networks answer."""
    assert_sound(all_charts(lambda n: np.resize(np.array(values), n), 9))


def test_all_kinds_of_charts_are_there_in_reading_order():
    """Answers come first, then what variants reach, then why, and what it costs."""
    names = [chart.name for chart in all_charts()]
    assert names == ["curves", "map-1", "residuals-1", "rmse", "matters", "losses", "parameters"]
    assert [chart.name for chart in all_charts(maps=(), residuals=(), losses=())][:2] == ["curves", "rmse"]


def test_without_results_there_is_no_chart():
    """No figures, no variant with an RMSE, nothing that matters."""
    about, rows, _ = rows_of(changes=lambda _index, _trial: {"status": "diverged", "rmse": None})
    nothing = Importance((), 0.0, None, 0.0, "full grid")
    assert charts_of("squares", {**about, "baselines": ()}, rows, Figures(), nothing) == ()


def test_the_same_numbers_give_the_same_charts():
    """To the byte."""
    assert repr(all_charts()) == repr(all_charts())


def test_each_chart_has_words_and_numbers_for_those_who_do_not_see_it():
    """A title, a caption, a sentence that the markup holds, and a table whose rows are all as long as its heading."""
    for chart in all_charts():
        assert chart.title
        assert chart.caption.endswith(".")
        assert chart.label.endswith(".")
        assert chart.label in html.unescape(chart.svg)
        assert chart.numbers.rows
        assert {len(row) for row in chart.numbers.rows} == {len(chart.numbers.headings)}


def test_halves_come_in_pairs():
    """A chart of half the width that would be alone in its row has its words beside it."""
    for changes in ({}, {"maps": ()}, {"residuals": ()}, {"losses": ()}, {"curves": None, "losses": ()}):
        row = []
        for chart in all_charts(**changes):
            row = [*row, chart] if chart.layout == "half" else []
            assert chart.layout == "half" or len(row) == 0
            row = [] if len(row) == 2 else row
        assert row == []


def test_ids_are_unique_and_named_by_the_plots():
    """Every plot is labelled by its own description, whose id no other chart of the page has."""
    text = "".join(chart.svg for chart in all_charts())
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(set(ids)) == len(ids) > 4
    assert set(re.findall(r'aria-labelledby="([^"]*)"', text)) == set(ids)


def test_markup_in_names_is_text():
    """Names of inputs and targets are one's own: in the SVG, the legend and the tables they are escaped."""
    about, rows, rmse = rows_of()
    evil = '<img src=x onerror="alert(1)">&'
    figures = figures_of(rows, rmse)
    figures = replace(
        figures,
        curves=replace(figures.curves, name=evil),
        maps=(replace(figures.maps[0], names=(evil, "x2")),),
    )
    facts = {
        **about,
        "file": "t.csv",
        "target": evil,
        "split_rows": [{"name": None, "train": 9, "test": 9}],
        "facts": {**about["facts"], "test_target_std": 1.0},
    }
    source = '{% from "charts.html.jinja" import show_chart %}{% for c in charts %}{{ show_chart(c, "d") }}{% endfor %}'
    page = _environment().from_string(source).render(charts=charts_of("d", facts, rows, figures, MATTERS))
    assert "<img" not in page
    assert html.unescape(page).count(evil) > 4
    assert "style=" not in page


def test_a_chart_on_a_page_is_a_figure_with_a_closed_table():
    """Its title is a heading that names the figure, and the numbers are in a details element."""
    source = '{% from "charts.html.jinja" import show_chart %}{{ show_chart(chart, "d", 4) }}'
    page = _environment().from_string(source).render(chart=chart_named(all_charts(), "residuals-1"))
    assert page.count("<figure") == page.count("</figure>") == 1
    assert re.search(r'<figure[^>]* aria-labelledby="d.residuals-1.title">\s*<h4 id="d.residuals-1.title">', page)
    assert re.search(r'<details class="numbers">\s*<summary>', page)
    assert page.count('<th scope="row">') == len(chart_named(all_charts(), "residuals-1").numbers.rows)


def test_the_sentence_of_the_curves_has_the_largest_errors():
    """In the training range and beyond it, for each network."""
    about, rows, rmse = rows_of()
    figures = figures_of(rows, rmse)
    curves = figures.curves
    label = chart_named(charts_of("squares", about, rows, figures, None), "curves").label
    inside_P = (curves.inputs_P >= curves.low) & (curves.inputs_P <= curves.high)
    for _, answers_P in curves.answers:
        error_P = np.abs(answers_P - curves.target_P)
        near, far = number(error_P[inside_P].max()), number(error_P[~inside_P].max())
        assert f"is off by at most {near} there and {far} beyond" in label


@pytest.mark.parametrize("factor", [1.0, 1e9])
def test_what_is_cut_off_is_told(factor):
    """A wild answer beyond the training range doesn't flatten the others, and the caption says that it is cut off."""
    about, rows, rmse = rows_of()
    figures = figures_of(rows, rmse)
    curves = figures.curves
    wild_P = np.where(curves.inputs_P > curves.high, factor * curves.target_P, curves.target_P)
    curves = replace(curves, answers=((chosen_of(rows)[0], wild_P),))
    chart = chart_named(charts_of("squares", about, rows, replace(figures, curves=curves), None), "curves")
    assert ("cut off" in chart.caption) == (factor > 1)
    target = re.search(r'class="line target" d="([^"]*)"', chart.svg)
    heights = [y for _, y in points_of(target[1])]
    assert max(heights) - min(heights) > HEIGHT / 3


def test_variants_are_drawn_or_counted_and_stand_in_their_order():
    """Best first, with the middle of a long list left out; and to the right of each other on the axis."""
    about, rows, rmse = rows_of(WIDE)
    chart = chart_named(charts_of("squares", about, rows, Figures(rmse=rmse), None), "rmse")
    words = re.findall(r'<span class="words">', chart.svg)
    left_out = int(re.search(r"⋮ ([\d,]+) variants", chart.svg)[1].replace(",", ""))
    assert len(words) == BEST + WORST + len(BASELINES)
    assert BEST + WORST + left_out == len(rows)
    assert chart.numbers.left_out == left_out
    places = [
        float(inner.get("x").rstrip("%"))
        for svg in svgs_of(chart)
        for inner in svg.findall("svg[@x]")
        if inner.find("path").get("class") in ("disc", "square")
    ]
    assert places == sorted(places)
    assert len(places) == BEST + WORST


def test_each_seed_of_a_variant_is_a_dot_on_its_line():
    """As many dots as trials, between the ends of the line."""
    about, rows, rmse = rows_of()
    chart = chart_named(charts_of("squares", about, rows, Figures(rmse=rmse), None), "rmse")
    svgs = svgs_of(chart)
    for row, svg in zip([row for row in rows if middle(row) is not None], svgs, strict=False):
        dots = [x for x, _ in points_of(svg.find("svg/path[@class='dot seed']").get("d"))]
        ends = [x for x, _ in points_of(svg.find("svg/path[@class='span']").get("d"))]
        assert len(dots) == 2 * len(rmse[row["variant_id"]])
        assert (min(dots), max(dots)) == (min(ends), max(ends))


def test_floors_and_solved_readouts_have_marks_of_their_own():
    """Each once per variant that has one; a readout far below all RMSEs is an arrowhead at the edge, and told."""
    about, rows, rmse = rows_of()
    changed = [
        {**row, "floor": 0.01, "rmse_solved_median": 1e-200 if place else 0.02} for place, row in enumerate(rows)
    ]
    chart = chart_named(charts_of("squares", about, changed, Figures(rmse=rmse), None), "rmse")
    assert len(re.findall('class="floor"', chart.svg)) == len(rows)
    assert len(re.findall('class="solved"', chart.svg)) == 1
    assert len(re.findall('class="solved off-axis"', chart.svg)) == len(rows) - 1
    assert "arrowhead" in chart.caption


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_front_is_what_nothing_undercuts(pairs):
    """Compared with every pair by definition; of equal pairs one is named."""
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    best = {pair for pair in pairs if not any(p != pair and p[0] <= pair[0] and p[1] <= pair[1] for p in pairs)}
    found = [pairs[place] for place in pareto(xs, ys)]
    assert set(found) == best
    assert len(found) == len(best)
    assert [x for x, _ in found] == sorted(x for x, _ in found)


def test_of_many_variants_a_bounded_number_is_drawn_with_the_whole_front():
    """The caption says how many; the marks are as many."""
    about, rows, _ = rows_of(WIDE)
    many = [{**row, "variant_id": str(place), "parameters": 10 + place % 500} for place, row in enumerate(rows * 9)]
    chart = chart_named(charts_of("squares", about, many, Figures(), None), "parameters")
    marks = len(re.findall(r"M[^M]*h0", chart.svg)) + chart.svg.count("h5v5h-5z")
    told = re.search(r"Drawn are ([\d,]+) of ([\d,]+) variants", chart.caption)
    assert int(told[1]) == marks <= DRAWN
    assert int(told[2].replace(",", "")) == len(many)
    best = min(middle(row) for row in many)
    assert number(best) in chart.label


def test_points_of_residuals_are_rows_and_those_beyond_the_axis_are_counted():
    """A prediction far outside doesn't shrink the others."""
    about, rows, _ = rows_of()
    expected_R = np.linspace(0, 100, 50)
    predicted_R = np.where(expected_R > 99, 1e6, expected_R)
    residuals = Residuals(chosen_of(rows)[1], expected_R, predicted_R, 50)
    chart = chart_named(charts_of("squares", about, rows, Figures(residuals=(residuals,)), None), "residuals-1")
    assert "49 of 50 test rows" in chart.caption
    assert "1 prediction of 50 lies beyond the axis" in chart.caption
    dots = [(x, y) for x, y in points_of(re.search(r'class="dot row" d="([^"]*)"', chart.svg)[1])][::2]
    assert len(dots) == 49
    assert [x for x, _ in dots] == sorted(x for x, _ in dots)


@pytest.mark.parametrize(("points", "cells"), [(1, 1), (5, 25), (40, 1600), (90, 1600)])
@pytest.mark.parametrize("lacks", [False, True])
def test_the_cells_of_a_map_fill_it_once(points, cells, lacks):
    """Runs of equal cells, the classes together, cover the lattice, a larger one evenly."""
    about, rows, rmse = rows_of()
    found = figures_of(rows, rmse, points=points).maps[0]
    column = (
        np.where(np.arange(points) == points // 2, np.nan, found.error_AB) if lacks and points > 1 else found.error_AB
    )
    charts = charts_of("squares", about, rows, Figures(maps=(replace(found, error_AB=column),)), None)
    covered = []
    for path in svgs_of(chart_named(charts, "map-1"))[0].find("g[@class='cells']").iter("path"):
        for x, y, count in re.findall(r"M(\d+) (\d+)h(\d+)", path.get("d")):
            covered += [(int(x) + step, int(y)) for step in range(int(count))]
    side = math.isqrt(cells)
    missing = side if lacks and 1 < points <= side else 0
    assert len(covered) == len(set(covered))
    assert cells - side <= len(covered) <= cells
    assert len(covered) == cells - missing or points > side


def test_errors_below_zero_are_striped_in_the_map_and_signed_in_numbers():
    """What the colour says, the stripes and the written numbers say too."""
    chart = chart_named(all_charts(lambda n: np.where(np.arange(n) % 2, -3.0, 5.0), 9), "map-1")
    svg = svgs_of(chart)[0]
    assert [path for path in svg.iter("path") if "low" in path.get("class").split()]
    written = [text.text for text in svg.iter("text") if text.get("class") == "note"]
    assert {"+5.0", f"{MINUS}3.0"} == set(written)
    assert {cell for row in chart.numbers.rows for cell in row[1:]} == {"5", "-3"}


def test_bars_are_as_long_as_their_shares():
    """And each axis has its best and worst value below it."""
    chart = chart_named(all_charts(), "matters")
    widths = [float(bar.get("width")) for svg in svgs_of(chart) for bar in svg.iter("rect")]
    assert np.allclose(np.array(widths) / 960, [0.6, 0.1, 0.3], atol=1e-3)
    assert "with tanh the error is about 47 times smaller than with identity" in chart.svg


def test_charts_of_a_dataset_are_small():
    """At most 40 kB together with 500 variants, and 15 kB each, also a map in which no two neighbours are alike."""
    about, rows, rmse = rows_of(WIDE)
    figures = figures_of(rows, rmse, points=161)
    noise_AB = np.random.default_rng(1).normal(size=(161, 161))
    figures = replace(figures, maps=(replace(figures.maps[0], error_AB=noise_AB),))
    sizes = {chart.name: len(chart.svg.encode()) for chart in charts_of("squares", about, rows, figures, MATTERS)}
    assert max(sizes.values()) < 15_000, sizes
    assert sum(sizes.values()) - sizes["map-1"] < 40_000, sizes


@pytest.mark.parametrize(("test", "noun"), [(0.2, "test row"), (0, "training row")])
def test_rows_are_called_what_they_are(test, noun):
    """Of a table without test rows, trials are measured on what they were trained on, and the charts say so."""
    about, rows, rmse = rows_of()
    split = {"name": "first", "train": 9, "test": 9}
    facts = {**about, "file": "t.csv", "target": "price", "test": test, "split_rows": [split, split]}
    residuals = figures_of(rows, rmse).residuals[0]
    residuals = replace(residuals, chosen=replace(residuals.chosen, split="first"))
    chart = chart_named(charts_of("d", facts, rows, Figures(residuals=(residuals,)), None), "residuals-1")
    assert f"33 {noun}s of split first:" in chart.caption
    assert f"33 {noun}s" in chart.label
    assert chart.legend[0].words == f"a {noun}"


def test_lines_of_a_legend_differ_in_their_dashes():
    """Six lines have six patterns in the style sheet, so that colour isn't all that tells them apart."""
    css = re.findall(r"\.s\d \{ stroke: var\(--s\d\);(?: stroke-dasharray: ([^;]*);)? \}", style())
    assert len(css) == len(set(css)) == 6


def style():
    """The charts' style sheet."""
    from importlib.resources import files

    return files("sumsquares.jobs.show.page").joinpath("charts.css").read_text("utf-8")


def test_every_class_of_a_chart_is_documented():
    """The comment at the head of the style sheet names each class that charts use."""
    head = style().partition("*/")[0]
    parts = [ElementTree.fromstring(f"<div>{chart.svg}</div>") for chart in all_charts()]  # noqa: S314  our own
    used = {name for part in parts for element in part.iter() for name in element.get("class", "").split()}
    assert used
    missing = {name for name in used if not re.search(rf"\.{name}\b", head) and not re.fullmatch(r"s\d|e\d", name)}
    assert missing == set()
