"""Specs that are made of variants, as text: what they train."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_variants import DATASETS, VALUES, can_be_solved

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import Trial, Variant, trials
from sumsquares.jobs.spec.written import spec_of, toml_of

NAMED = [NamedDataset.model_validate(each) for each in DATASETS]


@st.composite
def variants(draw: st.DrawFn) -> Variant:
    """Draws a variant."""
    values: dict[str, Any] = {axis: draw(st.sampled_from(some)) for axis, some in VALUES.items()}
    assume(can_be_solved(values))
    return Variant(dataset=draw(st.sampled_from(NAMED)), **values | {"hidden": tuple(values["hidden"])})


SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4, unique=True).map(tuple)


@settings(max_examples=30)
@given(st.dictionaries(variants(), SEEDS, min_size=1, max_size=4))
def test_the_spec_has_exactly_these_variants_with_their_seeds(seeds_of):
    """With the ids that they have in any other spec, and again when its text is parsed."""
    spec = spec_of("some", "auto", seeds_of)
    wanted = {Trial(variant, seed).id for variant, seeds in seeds_of.items() for seed in seeds}
    assert {trial.id for trial in trials(spec)} == wanted
    again = parse_spec(spec.source_text, "again")
    assert (again.name, again.engine, again.digest) == ("some", "auto", spec.digest)


def test_datasets_with_the_same_rows_are_one():
    """Under the name of the first."""
    other = NAMED[0].model_copy(update={"name": "other"})
    spec = spec_of("some", "auto", {Variant(dataset=each): (0,) for each in (other, NAMED[0])})
    assert [each.name for each in spec.datasets] == ["other"]
    assert len(trials(spec)) == 1


TABLES = st.fixed_dictionaries(
    {"a": st.text(st.characters(max_codepoint=126), max_size=5), "b": st.lists(st.lists(st.integers(0, 9)))}
)


@settings(max_examples=30)
@given(
    st.fixed_dictionaries(
        {"name": st.just("x"), "dataset": st.lists(TABLES, min_size=1), "grid": st.lists(TABLES, min_size=1)},
        optional={
            "train": st.dictionaries(st.sampled_from(["lr", "c"]), st.floats(allow_nan=False, allow_infinity=False))
        },
    )
)
def test_written_data_are_read_again(raw):
    """Whatever the strings, numbers and lists are."""
    assert tomllib.loads(toml_of(raw)) == raw
