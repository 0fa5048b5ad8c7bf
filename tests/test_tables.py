"""The tables in a terminal are readable at any width, whatever varies."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace

import pyarrow as pa
import pytest
from result_rows import row_of
from rich.console import Console
from rich.table import Table
from specs import SMALL

from sumsquares.jobs.results.causes import NAMES
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.format import best_first, counted, named, number, share, varying
from sumsquares.jobs.show.tables import BEST, WORST, result_tables
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

ONE = """
name = "one"
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1000
[[grid]]
dataset = "squares"
hidden = [[16]]
"""
EIGHT_AXES = ONE.replace(
    "hidden = [[16]]",
    """
hidden = [[16], [64, 64]]
activation = ["leaky_relu", "sigmoid"]
optimizer = ["momentum", "rmsprop"]
lr = [0.001, 1e-5]
schedule = ["constant", "cosine"]
weight_decay = [0.0, 0.0001]
batch_size = [50, 100]
init = ["glorot_uniform", "pytorch"]
""",
)
MANY_RATES = ONE + f"lr = {[round(0.001 + 0.0001 * i, 6) for i in range(1400)]}"
WIDTHS = (60, 80, 100)


def summary_of(text, **changes):
    """A summary of made-up results, and of causes of any name."""
    expected = trials(parse_spec(text.encode(), "spec.toml"))
    rows = [row_of(trial, **changes) for trial in expected]
    summary = summarize(expected, pa.Table.from_pylist(rows, schema=SCHEMA))
    place, causes = summary.table.schema.get_field_index("cause"), itertools.cycle(NAMES)
    cause = pa.array(itertools.islice(causes, len(summary.table)), pa.string())
    summary = replace(summary, table=summary.table.set_column(place, summary.table.schema.field(place), cause))
    for best in filter(None, summary.best.values()):
        best["samples"] = []
    return summary


def printed(summary, width, all_variants=False):
    """The tables, and the lines that a terminal of this width shows."""
    items = list(result_tables(summary, width, "one", all_variants))
    console = Console(file=io.StringIO(), width=width)
    for item in items:
        console.print(item)
    return [item for item in items if isinstance(item, Table)], console.file.getvalue().splitlines()


def named_variants(summary):
    """Every variant, by the description that distinguishes it."""
    rows = summary.table.to_pylist()
    return {", ".join(named(axis, row[axis]) for axis in varying(rows)): row for row in rows}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("large", [False, True])
def test_with_eight_axes_each_variant_is_described_in_unbroken_words_within_the_width(width, large):
    """No value is cut or folded, no line is too long, and no variant takes more than five of them."""
    errors = [name for name in METRIC_NAMES if name.startswith("rmse")]
    summary = summary_of(EIGHT_AXES, **(dict.fromkeys(errors, 1.23e17) if large else {}))
    (table,), lines = printed(summary, width)
    cells = list(table.columns[0].cells)
    told = [" ".join(cell.split()) for cell in cells]
    assert told.pop(BEST) == f"... {256 - BEST - WORST} more"
    assert set(told) <= named_variants(summary).keys()
    assert len(told) == BEST + WORST
    assert max(map(len, lines)) <= width
    assert max(cell.count("\n") + 1 for cell in cells) <= 5
    text = [line.rstrip() for line in lines]
    for line in (line for cell in cells for line in cell.split("\n")):
        assert any(shown.startswith(line) for shown in text), line


@pytest.mark.parametrize("width", WIDTHS)
def test_constants_are_in_the_title_and_omitted_columns_are_named(width):
    """This is how it is where axes are in a description; the median is never left out."""
    (table,), lines = printed(summary_of(EIGHT_AXES), width)
    text = " ".join(lines)
    assert "all with epochs 500, unit, float32, shuffle_seed 0" in " ".join(text.split())
    headers = [str(column.header).replace("\n", " ") for column in table.columns]
    assert "RMSE median" in headers
    for name in ("RMSE best", "rounded best", "beyond range"):
        assert (name in headers) != (name in text.partition("not shown for want of width: ")[2].partition("squares")[0])


def test_axes_that_fit_have_columns():
    """The axes' names are the headers, and the title has no constants."""
    tables, lines = printed(summary_of(SMALL), 100)
    for table in tables:
        assert [column.header for column in table.columns][:4] == ["hidden", "activation", "lr", "n"]
    assert not any("all with" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", [MANY_RATES, EIGHT_AXES], ids=["one axis", "eight"])
def test_the_number_of_omitted_variants_is_on_one_line(text, width):
    """The number of variants that are not shown is printed."""
    summary = summary_of(text)
    _, lines = printed(summary, width)
    left_out = len(summary.table) - BEST - WORST
    assert [line.strip() for line in lines if "... " in line] == [f"... {left_out:,} more"]
    assert f"{left_out:,} variants are not shown: --all-variants shows them" in lines


def test_all_variants_are_shown_on_request():
    """Each variant has its line, and no line says that some are left out."""
    (table,), lines = printed(summary_of(EIGHT_AXES), 100, all_variants=True)
    assert {" ".join(cell.split()) for cell in table.columns[0].cells} == named_variants(summary_of(EIGHT_AXES)).keys()
    assert not any("not shown:" in line for line in lines)


def test_a_share_is_never_rounded_to_all_or_nothing():
    """99.96 % isn't shown as 100 %."""
    expected = {None: "-", 0.0: "0%", 1e-9: "0.1%", 0.5: "50.0%", 1 - 1e-9: "99.9%", 1.0: "100%"}
    assert {value: share(value) for value in expected} == expected


def test_ties_go_to_the_fewer_parameters_as_for_the_best():
    """So the first line of the table is the best variant."""
    summary = summary_of(SMALL, **dict.fromkeys(METRIC_NAMES, 1.0))
    rows = best_first(summary.table.to_pylist())
    for name, best in summary.best.items():
        mine = [row for row in rows if row["dataset"] == name]
        assert mine[0]["variant_id"] == best["variant_id"]
        assert [row["parameters"] for row in mine] == sorted(row["parameters"] for row in mine)


def test_variants_without_a_result_come_last():
    """They come last, with dashes for numbers, and with their cause."""
    (table,), lines = printed(summary_of(ONE, status="diverged", **dict.fromkeys(METRIC_NAMES)), 60)
    words = NAMES[0].replace("_", " ").split()
    assert any(line.split() == ["0", "of", "1", *["-"] * (len(table.columns) - 2), *words] for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", [ONE, SMALL, EIGHT_AXES], ids=["one variant", "three axes", "eight"])
def test_no_column_is_cut(text, width):
    """Those that don't fit are left out and named, also where nothing varies."""
    _, lines = printed(summary_of(text), width)
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_one_of_a_kind_is_singular(width):
    """The title says 1 variant and 1 trial."""
    summary = summary_of(ONE)
    title = "squares: square of 1..1000; 1 variant, 1 trial; 600 of 1,000 test rows occur in training"
    assert title in " ".join(" ".join(printed(summary, width)[1]).split())
    assert [counted(n, "pack") for n in (0, 1, 2, 1362)] == ["0 packs", "1 pack", "2 packs", "1,362 packs"]


def test_a_network_of_very_many_layers_stays_within_the_width():
    """Its list of widths is wrapped between two layers."""
    text = ONE.replace("[[16]]", f"[{[128] * 64}, [16]]")
    (table,), lines = printed(summary_of(text), 60)
    assert max(map(len, lines)) <= 60
    assert " ".join(next(cell for cell in table.columns[0].cells if "128" in cell).split()) == str([128] * 64)


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (1234.5, "1,234"), (123456789.0, "123,456,789")])
def test_numbers_are_plain_where_that_is_readable(value, text):
    """Large and small numbers have an exponent."""
    assert number(value) == text
    assert len(number(value * 1e20)) < 12
