"""Conditions on variants: which rows meet them, and what is said of those that no row meets or that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import small
from table_specs import houses
from test_variants import VALUES

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.results.where import matching, read_where
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Variant, variants

ROWS = [variant_columns(each) for each in variants(small(lr="[0.001, 1, 0.01]", epochs="8"))]
INVALID = {
    "nothing": "",
    "a name alone": "activation",
    "no name": "=relu",
    "no value": "activation=",
    "an unknown name": "colour=red",
    "a column that is no hyperparameter": "seed=3",
    "two keys": "lr=1\nepochs=3",
    "a table": "lr={a=1}",
    "a truth value": "lr=  true # or not",
    "an open list": "hidden=[64",
    "900 lists": "hidden=" + "[" * 900 + "]" * 900,
    "100,000 digits": "epochs=" + "1" * 100_000,
    "too short an id": "0123456789abcde",
}


@given(st.data())
def test_the_matching_rows_are_those_with_these_values(data):
    """Whatever the axes, as JSON or, of words, without quotes; spaces around the name and the value don't matter."""
    axes = data.draw(st.lists(st.sampled_from(AXES), max_size=3))
    row = data.draw(st.sampled_from(ROWS))
    texts = []
    for axis in axes:
        is_text = isinstance(row[axis], str) and axis != "hidden"
        quotes = is_text and data.draw(st.booleans())
        texts.append(
            f"{axis}{data.draw(st.sampled_from(['=', ' = ']))}{json.dumps(row[axis]) if quotes else row[axis]}"
        )
    found = matching(ROWS, [read_where(text) for text in texts])
    assert found == [each for each in ROWS if all(each[axis] == row[axis] for axis in axes)]


@pytest.mark.parametrize("axis", AXES)
def test_every_hyperparameter_can_be_selected(axis):
    """By each value that a spec may give it."""
    for value in VALUES[axis]:
        given_value = tuple(value) if isinstance(value, list) else value
        changes = {"hidden": (3,), axis: given_value} if given_value != () else {"hidden": ()}
        row = variant_columns(Variant(dataset=small().datasets[0], **changes))
        assert matching([row], [read_where(f"{axis}={json.dumps(value)}")]) == [row]


def test_an_id_selects_its_variant():
    """Alone, or with conditions that it meets."""
    for row in ROWS:
        assert matching(ROWS, [read_where(row["variant_id"]), read_where(f"lr={row['lr']}")]) == [row]


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_no_condition_is_a_usage_error(text):
    """It says what to write, in a line of bearable length."""
    with pytest.raises(UsageError, match="write ") as refused:
        read_where(text)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


def test_a_condition_that_no_variant_meets_names_the_values_that_there_are():
    """Of those that the conditions before it left."""
    with pytest.raises(UsageError, match=r"no variant has hidden = '\[7\]'; there are: \[5, 4\], \[6\], \[\]"):
        matching(ROWS, [read_where("hidden=[7]")])
    with pytest.raises(UsageError, match=r"before it; there are: identity$"):
        matching(ROWS, [read_where("hidden=[]"), read_where("activation=tanh")])


def test_trials_are_selected_by_their_split():
    """A row of the summary has none, and says so; a name that isn't a bare word is quoted as in a spec."""
    rows = [variant_columns(each) for each in variants(houses(test='["a", "b c"]'))]
    assert {row["split"] for row in matching(rows, [read_where("split=a")])} == {"a"}
    assert {row["split"] for row in matching(rows, [read_where('split="b c"')])} == {"b c"}
    with pytest.raises(UsageError, match=r"no variant has split = 'c'; there are: a, b c"):
        matching(rows, [read_where("split=c")])
    with pytest.raises(UsageError, match="there are: none"):
        matching([{name: row[name] for name in row if name != "split"} for row in rows], [read_where("split=a")])
