"""The words of a night's verdict: one short line with the worst variant first, and details below it."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from night_world import TINY, spec_of

from sumsquares.jobs.night.decision import Decision, EditedJudgement
from sumsquares.jobs.night.effects import describe
from sumsquares.jobs.night.gate_best import Comparison
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.verdict import LONGEST, by_name, shortened, words_of
from sumsquares.jobs.results.gate import Change, Judgement, Policy

AGAINST = "2026-11-01-0123456789ab"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
LAYERS = st.lists(st.integers(1, 9999), max_size=40)
EFFECTS = st.floats(-0.999999, 1e12)


def night_of(name, layers, lrs, test_rows=100):
    """A night with a variant for each learning rate, whose dataset and layers have these names and widths."""
    text = TINY.replace('"sums"', f'"{name}"').replace("test_rows = 100", f"test_rows = {test_rows}")
    text = text.replace("[[4]]", f"[{layers}]").replace("[0.01, 0.02]", f"{lrs}")
    return Night(date(2026, 11, 2), spec_of(text))


def change(variant, verdict, effect, p=1e-4, diverged=(0, 0), is_small=False):
    return Change(variant, verdict, 5, effect, effect / 2, effect * 2, p, diverged, is_small)


def paired(night, result, effects, **others):
    """The words on a night whose variants have changed by these effects."""
    judgement = Judgement(
        result, tuple(change(name, result, each, **others) for name, each in zip(by_name(night), effects, strict=True))
    )
    return words_of(Decision(result, AGAINST, judgement), night, Policy())


def edited(names, result, effect, **others):
    """The words on an edited spec with one dataset of each name, all of which have changed by this effect."""
    nights = [night_of(name, [4], [0.01], 100 + place) for place, name in enumerate(names)]
    variants = {name: variant for night in nights for name, variant in by_name(night).items()}
    found = {
        name: Comparison(result, "seeds", variant, variant, (5, 6), effect, 0, effect, effect, effect, 1e-4, **others)
        for name, variant in zip(names, variants, strict=True)
    }
    judgement = EditedJudgement({name: name for name in names}, found, variants, variants)
    return words_of(Decision(result, AGAINST, judgement), nights[0], Policy())


@given(
    NAMES, LAYERS, st.lists(EFFECTS, min_size=1, max_size=12), st.sampled_from(["worse", "better"]),
    st.booleans(), st.sampled_from([(0, 0), (4, 1)]), st.floats(0, 1),
)  # fmt: skip
def test_a_line_is_short_whatever_the_names_are_and_the_details_have_the_whole_name(
    name, layers, effects, result, is_small, diverged, p
):
    """It names one variant, the one with the largest change; a name that doesn't fit ends with dots."""
    night = night_of(name, layers, [0.01 * (place + 1) for place in range(len(effects))])
    words = paired(night, result, effects, is_small=is_small, diverged=diverged, p=p)
    assert len(words.message) < LONGEST
    assert "\n" not in words.message
    sign = 1 if result == "worse" else -1
    largest = max(zip(effects, by_name(night).values(), strict=True), key=lambda pair: sign * pair[0])[0]
    leads = [describe(each) for size, each in zip(effects, by_name(night).values(), strict=True) if size == largest]
    told = re.match(r"(?:regressed|promoted): (.*?)(?:\.\.\.)?: ", words.message)[1]
    assert any(lead.startswith(told) for lead in leads)
    assert any(lead in "\n".join([words.message, *words.details]) for lead in leads)
    assert f"{len(effects)} of {len(effects)} variant" in words.message


@given(st.lists(NAMES, min_size=1, max_size=30, unique=True), EFFECTS, st.sampled_from(["worse", "better", "same"]))
def test_the_line_on_an_edited_spec_is_as_short(names, effect, result):
    """That holds for any number of datasets, whatever they are called."""
    words = edited(names, result, effect)
    assert len(words.message) < LONGEST
    assert AGAINST in words.message
    assert sum(" against " in line for line in words.details) == len(names)


@given(st.lists(NAMES, min_size=1, max_size=30, unique=True), st.sampled_from(["failed", "apart"]))
def test_the_line_on_datasets_without_a_comparison_is_as_short(names, result):
    """All of them are in the line or in the details."""
    judgement = EditedJudgement(dict.fromkeys(names), {}, {}, {}) if result == "apart" else None
    decision = Decision(result, AGAINST, judgement, names if result == "failed" else ())
    words = words_of(decision, night_of("sums", [4], [0.01]), Policy())
    assert len(words.message) < LONGEST
    assert all(f"'{name}'" in "\n".join([words.message, *words.details]) for name in names)


@given(st.text(st.characters(codec="ascii"), max_size=300), st.integers(4, 250))
def test_a_shortened_name_fits_begins_like_the_name_and_says_that_it_is_shortened(name, most):
    """One that fits stays as it is."""
    short = shortened(name, most)
    assert len(short) <= most
    assert short == name or (short.endswith("...") and name.startswith(short[:-3]))
    assert (short == name) or len(name) > most


def test_the_worst_variant_is_the_one_with_the_largest_factor_and_stands_first_and_once():
    """It need not be the most certain one. The next ones are below, each with its interval."""
    night = night_of("sums", [4], [0.01, 0.02, 0.03])
    first, second, third = by_name(night)
    judgement = Judgement(
        "worse",
        (
            change(first, "worse", 0.5, 1e-9),
            change(second, "worse", 11.3, 3e-4),
            change(third, "same", 90.0, 0.4),
        ),
    )
    words = words_of(Decision("worse", AGAINST, judgement), night, Policy())
    assert words.message == (
        "regressed: sums [4] tanh, adam lr 0.02, unit, 4 epochs, batch_size 20: RMSE x 12.3 (5 seeds, p = 0.0003); "
        f"2 of 3 variants worse than champion {AGAINST}, which stays"
    )
    assert words.details == (
        "its 95 % interval: x 6.65 to x 23.6",
        f"{describe(by_name(night)[first])}: RMSE +50.0% (95 % interval +25.0% to x 2, 5 seeds, p = 1e-09)",
        "p-values are Holm-corrected, tested at alpha = 0.01",
    )


def test_a_variant_that_diverged_is_worse_than_any_that_did_not():
    """Its effect is that of the RMSE that stands for a diverged trial."""
    night = night_of("sums", [4], [0.01, 0.02])
    first, second = by_name(night)
    changes = (change(first, "worse", 11.3), change(second, "worse", 1e30, diverged=(5, 0)))
    words = words_of(Decision("worse", AGAINST, Judgement("worse", changes)), night, Policy())
    assert words.message.startswith(f"regressed: {describe(by_name(night)[second])}: 5 of 5 seeds diverged, before 0")
    assert words.details[0].startswith("sums [4] tanh, adam lr 0.01")


def test_many_variants_are_counted_and_not_listed():
    """The details stay readable."""
    night = night_of("sums", [4], [0.01 * (place + 1) for place in range(40)])
    words = paired(night, "worse", [1.0 + place for place in range(40)])
    assert "40 of 40 variants worse" in words.message
    assert "and 35 variants more" in words.details
    assert len(words.details) == 1 + 4 + 1 + 1


@pytest.mark.parametrize("result", ["worse", "better"])
def test_a_best_variant_without_a_median_is_named_first(result):
    """At least half of its seeds diverged, so nothing can be larger."""
    names = ["a", "b"]
    nights = [night_of(name, [4], [0.01], 100 + place) for place, name in enumerate(names)]
    variants = {name: variant for night in nights for name, variant in by_name(night).items()}
    first, second = variants
    found = {
        "a": Comparison(result, "seeds", first, first, (5, 6), 9.0, 0, 9.0, 9.0, 9.0, 1e-4),
        "b": Comparison(result, "diverged", second, second, (5, 6), diverged=(3, 0)),
    }
    judgement = EditedJudgement({name: name for name in names}, found, variants, variants)
    words = words_of(Decision(result, AGAINST, judgement), nights[0], Policy())
    assert re.match(r"(regressed|promoted): b \[4\] tanh", words.message)
    assert f"2 of 2 datasets {result}" in words.message


def test_a_promoted_night_that_is_judged_again_and_does_not_differ_names_no_variant():
    """It stays promoted, and nothing is said of a change that isn't there."""
    night = night_of("sums", [4], [0.01])
    judgement = Judgement("same", tuple(change(name, "same", 0.0, 0.5) for name in by_name(night)))
    words = words_of(Decision("better", AGAINST, judgement), night, Policy())
    assert words.message == f"promoted: better than champion {AGAINST}: 1 variant"
