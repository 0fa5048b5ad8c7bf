"""The report's table of variants: its texts, what is left out of it, and the data from which the script makes it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_reports import WIDE, made, with_causes
from specs import SMALL

from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.format import best_first, plain, varying
from sumsquares.jobs.show.listing import Column, Listing, Why, listing, share_of
from sumsquares.jobs.show.packed import CELL, ROW, SLOT, packed


def listed(text, most=10_000, changes=lambda _index, _trial: {}):
    """The table of the dataset of squares, and its variants, best first."""
    _, summary = made(text, changes)
    summary = with_causes(summary)
    rows = best_first([row for row in summary.table.to_pylist() if row["dataset"] == "squares"])
    tags = {rows[0]["variant_id"]: "best"}
    return listing(summary.datasets["squares"], rows, varying(rows), Counter(), summary.causes, tags, most), rows


def words(column):
    """What the script makes of a column of words: plain Python for the function `column` of variants.js."""
    if "cells" in column:
        return column["cells"].split(CELL)
    places = [int(place) for place in column["at"].split(CELL)]
    texts = [column["values"][place] for place in places]
    if "numbers" not in column:
        return texts
    found = []
    for text, numbers in zip(texts, column["numbers"].split(ROW), strict=True):
        parts, own = text.split(SLOT), numbers.split(CELL)
        found.append(parts[0] + "".join(number + part for number, part in zip(own, parts[1:], strict=False)))
    return found


def check(table):
    """What is packed is the table."""
    data = packed(table)
    assert [words(each) for each in data["columns"]] == [list(each.cells) for each in table.columns]
    assert [each["name"] for each in data["columns"]] == [each.name for each in table.columns]
    why = [words(data["why"][name]) for name in ("cause", "sentence", "remedy", "others")]
    assert list(zip(*why, strict=True)) == [tuple(each) for each in table.why]
    assert [rank for first, count in data["ranks"] for rank in range(first, first + count)] == list(table.ranks)
    assert data["total"] == table.total


@pytest.mark.parametrize(("text", "most"), [(SMALL, 10_000), (WIDE, 10_000), (WIDE, 100)])
def test_what_is_packed_is_the_table(text, most):
    """Each cell, each cause with its sentence and its remedy, and each rank."""
    check(listed(text, most)[0])


TEXT = st.text(st.characters(exclude_characters=SLOT, exclude_categories=("Cs",)), max_size=30)
SENTENCE = st.lists(st.one_of(TEXT, st.floats().map(str), st.integers().map("{:,}".format)), max_size=6).map(" ".join)


@given(st.lists(st.tuples(TEXT, SENTENCE, SENTENCE, TEXT).map(lambda each: Why(*each)), min_size=1, max_size=8))
def test_any_sentence_is_packed_and_found_again(why):
    """Whatever stands in it, numbers of any form too."""
    cells = [str(place) for place in range(len(why))]
    check(Listing([Column("n", ("n", ""), cells)], why, range(1, len(why) + 1), {}, "", "", len(why)))


def test_columns_are_in_order_and_say_what_the_summary_has():
    """Values of axes by size; a column in which all variants agree is told once, above the table."""
    table, rows = listed(SMALL)
    by_name = {column.name: column for column in table.columns}
    assert by_name["lr"].cells == [plain(row["lr"]) for row in rows]
    assert by_name["lr"].order == ["0.001", "0.01"]
    assert by_name["hidden"].order == ["[]", "[6]", "[5, 4]"]
    assert "trials" not in by_name
    assert "trials 3" in table.constants
    values = [float(cell) for cell in by_name["RMSE median"].cells]
    assert all(before <= after for before, after in pairwise(values))


def test_fewer_trials_are_before_more():
    """The page calls that ascending."""
    lost = {"status": "diverged", **dict.fromkeys(METRIC_NAMES)}
    table, _ = listed(SMALL, changes=lambda index, _trial: lost if index % 5 == 0 else {})
    [order] = [column.order for column in table.columns if column.name == "trials"]
    counts = [int(cell.split()[0]) for cell in order]
    assert counts == sorted(counts)
    assert len(set(counts)) > 1


def test_the_numbers_of_a_column_are_written_alike():
    """With four significant digits each, or with an exponent."""
    table, _ = listed(SMALL, changes=lambda index, _trial: {"rmse": 10.0 ** (index % 9 - 5) * 1.42564})
    [cells] = [column.cells for column in table.columns if column.name == "RMSE median"]
    assert {re.fullmatch(r"[\d,.]+|\d\.\d{3}e[-+]\d\d", cell) is not None for cell in cells} == {True}
    digits = {len(re.sub(r"e.*|\D", "", cell).lstrip("0")) for cell in cells}
    assert digits == {4}


@given(st.integers(1, 20_000), st.integers(2, 30))
def test_no_single_variant_is_left_out(total, most):
    """Between the best and the worst two are left out at least; all are there if they are not many."""
    empty = Listing([], [], range(1, total + 1), {}, "", "", total)
    best, worst = empty.ends(most)
    left_out = empty.lacks(most)
    assert len(best) + left_out + len(worst) == total
    assert left_out == 0 or left_out >= 2
    assert (left_out > 0) == (total > most + 1)
    assert [*best][:1] == [0]
    assert ([*best, *worst][-1]) == total - 1


def test_datasets_share_the_rows_of_a_page():
    """If all have no more than a page may have, each has all of its own."""
    assert share_of(200, 150, 3) == 200
    assert share_of(200, 1_000, 2) == 100
    assert share_of(200, 1_000, 50) == 20
