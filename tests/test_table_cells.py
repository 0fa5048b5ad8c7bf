"""Cells of text as numbers: one meaning for each cell, whatever stands around it."""

import csv
import io
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.tables.cells import MISSING, as_kind, first_bad, read
from sumsquares.datasets.tables.csv_rows import rows_end
from sumsquares.datasets.tables.kinds import joined
from sumsquares.datasets.tables.scan import finished

INTEGERS = st.integers(-(2**63), 2**63 - 1).map(str)
REALS = st.floats(allow_nan=False, allow_infinity=False).map(repr)
PLAIN = st.one_of(INTEGERS, REALS, st.sampled_from(["+5", " 7", "1.", ".5", "007", "1e5", "+.5E-3", "-0", "8 "]))
CELLS = st.lists(st.one_of(PLAIN, st.sampled_from(MISSING)), min_size=1, max_size=12)


def plain(cell):
    """A cell as Python reads it; None for a missing value."""
    return None if cell.strip() in MISSING else float(cell)


@given(CELLS)
def test_a_cell_is_the_nearest_number(cells):
    """As Python's float() reads it; integers are exact."""
    found = read(pa.array(cells), ".")
    if found.kind == "empty":
        assert all(plain(cell) is None for cell in cells)
        return
    assert found.values is not None
    assert finished(found.values).to_pylist() == [
        plain(cell) if found.kind == "double" else number(cell) for cell in cells
    ]


def number(cell):
    """A cell as an exact integer."""
    return None if cell.strip() in MISSING else int(cell)


@given(CELLS, st.integers(0, 12))
def test_a_column_has_the_same_kind_however_it_is_cut(cells, cut):
    """And values of that kind are the same as those of the whole."""
    whole = read(pa.array(cells, pa.string()), ".")
    first = read(pa.array(cells[:cut], pa.string()), ".").kind if cells[:cut] else "empty"
    rest = read(pa.array(cells[cut:], pa.string()), ".", first).kind if cells[cut:] else "empty"
    assert joined(first, rest) == whole.kind
    if whole.values is not None and whole.kind != "empty":
        parts = [as_kind(pa.array([cell]), whole.kind, ".") for cell in cells]
        assert [finished(part)[0].as_py() for part in parts] == finished(whole.values).to_pylist()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["true", "FALSE", "", "False"], "bool"),
        (["true", "1"], "text"),
        (["1", "true"], "text"),
        (["0x10", "0xff"], "text"),
        (["1_000"], "text"),
        (["1,5"], "text"),
        (["١٢"], "text"),
        (["1 000"], "text"),
        (["nan", "3"], "int"),
        (["inf", "3"], "double"),
        (["99999999999999999999", "3"], "wide"),
        (["99999999999999999999", "3.5"], "double"),
        (["-9223372036854775808", "9223372036854775807"], "int"),
        (["9223372036854775808"], "wide"),
        (["1e400"], "double"),
        (["NA", "", " null "], "empty"),
    ],
)
def test_what_a_column_of_cells_is(cells, kind):
    """Hexadecimal, separators of thousands and digits of other scripts are text, as pandas reads them."""
    assert read(pa.array(cells), ".").kind == kind


def test_another_decimal_point():
    """A point is then no part of a number."""
    assert read(pa.array(["1,5", "2"]), ",").values.to_pylist() == [1.5, 2.0]
    assert read(pa.array(["1.000,5", "2"]), ",").kind == "text"
    assert read(pa.array(["12", "2"]), ",").kind == "int"


def test_bad_cells_are_counted_and_the_first_is_found():
    """What is missing is not bad."""
    assert first_bad(pa.array(["1", "", "NA", "x", "2.5", "?", None]), ".") == (2, 3)
    assert first_bad(pa.array(["1", "inf"]), ".") == (0, None)


def test_minus_zero_and_nan_are_not_stored():
    """Both would make equal tables differ."""
    (zero, nan) = finished(pa.array([-0.0, math.nan])).to_pylist()
    assert math.copysign(1, zero) == 1
    assert nan is None


FIELD = st.lists(st.sampled_from(["a", "b", ",", '"', "\n", "\r\n"]), max_size=6).map("".join)


@given(
    st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_rows_end_where_the_csv_module_ends_them(rows, end, data):
    """A file that is cut anywhere is cut back to whole rows: line ends in quoted cells end none."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    whole = text.getvalue()
    cut = data.draw(st.integers(0, len(whole)))
    starts = [0]
    for row in rows:
        one = io.StringIO()
        csv.writer(one, lineterminator=end).writerow(row)
        starts.append(starts[-1] + len(one.getvalue()))
    assert rows_end(whole[:cut].encode(), ",") == max(start for start in starts if start <= cut)
