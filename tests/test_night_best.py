"""The gate for edited specs: what it calls worse and better, and how often it errs."""

from __future__ import annotations

import importlib
import json
import math
import sys
from itertools import permutations

import numpy as np
import pytest
from test_benchmarks import FOLDER, run

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.night.gate_best import NIGHTS, SEEDS, Pair, Table, compare, table_of, worst
from sumsquares.jobs.night.matching import match_datasets, same_test_rows
from sumsquares.jobs.results.gate import Policy, Scores
from sumsquares.jobs.results.scale import DIVERGED
from sumsquares.jobs.results.student_t import t_tail

sys.path.insert(0, str(FOLDER))
gate = importlib.import_module("gate")
"""The benchmark, whose parts are quicker than its whole."""
sys.path.remove(str(FOLDER))
STRICT = Policy(alpha=0.01, least_effect=0.02)


def table(rmse_VS):
    """Returns variants a, b ... with their seeds; None stands for a missing trial."""
    log_VS = [[np.nan if rmse is None else math.log(min(rmse, DIVERGED)) for rmse in rmse_S] for rmse_S in rmse_VS]
    return Table(tuple("abcdefghij"[: len(rmse_VS)]), np.array(log_VS))


def verdict(night, champion, history=(), policy=STRICT):
    (found,) = compare([Pair(night, champion, history)], policy)
    return found


def worlds(*only):
    """Those of the benchmark whose words have one of these in them."""
    found = [world for world in gate.worlds() if any(text in str(world) for text in only)]
    assert found
    return found


def simulated(nights, alpha, *only):
    """Returns what the benchmark finds in these worlds."""
    return json.loads(run("gate", "--json", "--nights", f"{nights}", "--alpha", f"{alpha}", "--only", *only))


def test_edits_that_change_nothing_are_called_worse_or_better_at_most_at_the_stated_rate():
    """Near ties of 1, 6 and 33 variants, 4 to 10 seeds, three kinds of noise, on the same and on fresh rows."""
    found = simulated(25, 0.01, "normal, same", "normal, fresh", "exponential", "student3")
    shares = [(each["worse"], each["better"]) for each in found if "one better" not in each["world"]]
    assert len(shares) > 60
    assert np.mean(shares, 0).max() <= 0.01
    assert np.max(shares) <= 0.16  # of 25 nights 4, where a quarter of one is expected


def test_choices_among_equal_variants_keep_the_rate_at_which_they_are_hardest():
    """At alpha = 0.05, with 1,200 edits of each world: 1 variant against 33, and 2 to 33 on both sides."""
    found = worlds("normal, same rows, equal", "1 x 5 and 33 x 5, normal, same")
    assert len(found) == 5
    for world in found:
        draw = np.random.default_rng(1)
        words = [word for _ in range(1200) for word in gate.live(world, 1, 0, Policy(alpha=0.05), draw)]
        assert max(words.count("worse"), words.count("better")) <= 0.07 * 1200


@pytest.mark.parametrize("world", ["1 x 4, normal, same rows", "6 x 5, normal, same rows", "33 x 10, student3, same"])
def test_ten_times_worse_is_found_nearly_always(world):
    """On the same rows, with seed noise of 30 %."""
    assert gate.found(worlds(world)[0], 10, 200, Policy(alpha=0.01), np.random.default_rng(1)) >= 0.9


def test_swapping_the_sides_swaps_worse_and_better():
    """The p-values are equal to the bit."""
    draw = np.random.default_rng(1)
    one, other = (table(np.exp(draw.normal(level, 0.1, (3, 6)))) for level in (5.0, 5.6))
    ahead, back = verdict(other, one), verdict(one, other)
    assert (ahead.verdict, back.verdict) == ("worse", "better")
    assert ahead.p == back.p
    assert 1 + ahead.effect == pytest.approx(1 / (1 + back.effect))


def test_the_best_is_measured_on_the_seeds_it_was_not_selected_on():
    """By hand: seeds 0 and 2 select a, which has 8 and 16 on the others; 1 and 3 select b, which has 4 and 4."""
    found = table([[2.0, 8.0, 2.0, 16.0], [4.0, 1.0, 4.0, 1.0]])
    assert np.exp(found.fitted) == pytest.approx([8.0, 16.0, 4.0, 4.0])
    assert found.level == pytest.approx(math.log(2048) / 4)
    assert found.variance == pytest.approx(2 * np.var(np.log([8, 16, 4, 4]), ddof=1) / 4)


def test_without_a_choice_it_is_welchs_test():
    """By Welch's formulas t = 3.96 at 5.2 degrees of freedom, rounded down to 5."""
    ours, theirs = np.log([12.0, 15.0, 11.0, 14.0]), np.log([7.0, 9.5, 6.0, 9.0])
    found = verdict(table([np.exp(ours)]), table([np.exp(theirs)]), policy=Policy(least_effect=0.0))
    v1, v2 = np.var(ours, ddof=1) / 4, np.var(theirs, ddof=1) / 4
    difference, error = ours.mean() - theirs.mean(), math.sqrt(v1 + v2)
    assert (v1 + v2) ** 2 / (v1**2 / 3 + v2**2 / 3) == pytest.approx(5.18, abs=0.005)
    assert difference / error == pytest.approx(3.96, abs=0.005)
    assert found.effect == pytest.approx(math.expm1(difference))
    assert found.low == pytest.approx(math.expm1(difference - 2.5706 * error), rel=1e-4)
    assert found.p == pytest.approx(t_tail(difference / error, 5))


def test_noise_of_the_rows_does_not_count_as_a_change_before_it_is_known():
    """With a short history only a factor of ten counts; from ten nights on their spread decides."""
    champion = table([[100.0, 101.0, 99.0, 100.5, 100.2]])
    spread = [1.0, 0.9, 1.1, 1.05, 0.95, 1.02, 0.98, 1.0, 1.07, 0.93]
    history = [Table(("a",), champion.log_VS + math.log(each)) for each in spread]
    for factor, early, late in ((1.3, "same", "same"), (3.0, "same", "worse"), (11.0, "worse", "worse")):
        night = Table(("a",), champion.log_VS + math.log(factor))
        assert verdict(night, champion).verdict == "worse"
        assert verdict(night, champion, history[: NIGHTS - 1]).verdict == early
        assert verdict(night, champion, history).verdict == late


def test_at_least_half_of_the_seeds_diverged_is_worse_than_any_median_and_fewer_are_not():
    """The reverse is better. If half of both diverged, there is no difference."""
    good, lost, hurt = table([[5.0] * 4]), table([[5.0, 5.0, DIVERGED, DIVERGED]]), table([[5.0, 5.0, 5.0, DIVERGED]])
    results = [verdict(*pair).verdict for pair in ((lost, good), (good, lost), (lost, lost), (hurt, good))]
    assert results == ["worse", "better", "same", "same"]


def test_too_few_seeds_are_compared_by_the_medians_and_the_early_factor_alone():
    """It is enough that one side has too few."""
    few, many = table([[5.0] * (SEEDS - 1)]), table([[5.0] * 9])
    for seeds in (SEEDS - 1, 9):
        for factor, expected in ((9.9, "same"), (10.1, "worse"), (0.099, "better")):
            found = verdict(table([[5.0 * factor] * seeds]), few)
            assert (found.verdict, found.rule, found.p) == (expected, "few", None)
    assert verdict(few, many).rule == "few"
    assert verdict(many, many).rule == "seeds"


def test_variants_with_other_seeds_than_the_rest_are_compared_as_far_as_they_go():
    """Values are in the order of each variant's own seeds, which the trials' names end with."""
    trials = [("v-2", 3.0), ("v-10", 4.0), ("w-0", 5.0)]
    names, rmse = zip(*trials, strict=True)
    scores = Scores(np.array(names), np.array([name[0] for name in names]), np.array(rmse))
    found = table_of(scores)
    assert found.variants == ("v", "w")
    assert np.exp(found.log_VS) == pytest.approx(np.array([[3.0, 4.0], [5.0, np.nan]]), nan_ok=True, rel=1e-2)
    ragged = table([[5.0, 5.1, 5.0, 5.1, 5.0], [6.0, 6.1, 6.0, 6.1, None], [7.0, None, None, None, None]])
    assert verdict(ragged, ragged).verdict == "same"


def test_worse_outranks_apart_and_that_outranks_better():
    """Whatever their order."""
    for words in permutations(["same", "better", "apart", "worse"]):
        assert worst(words) == "worse"
        assert worst([word for word in words if word != "worse"]) == "apart"
        assert worst([word for word in words if word in ("same", "better")]) == "better"


def dataset(name, **fields):
    return NamedDataset(**{"name": name, "task": "sum", "largest": 50, "rows": 200, **fields})


def test_datasets_are_matched_by_their_rows_then_their_name_then_their_question():
    """Each is matched once. Another task, range or number of inputs makes a dataset incomparable."""
    a, b = dataset("a"), dataset("b", seed=1)
    swapped = [dataset("a", seed=1), dataset("b")]
    assert match_datasets([a, b], swapped) == {"a": swapped[1], "b": swapped[0]}
    more = [dataset("b", rows=300), dataset("c", rows=400)]
    assert match_datasets([a, b], more) == {"a": more[1], "b": more[0]}
    assert match_datasets([a, b], more[:1]) == {"a": None, "b": more[0]}
    for other in ({"task": "product"}, {"largest": 51}, {"n_numbers": 3}, {"unused": 1}):
        assert match_datasets([a], [dataset("a", **other)]) == {"a": None}


def formula(name, **fields):
    ranges = {"formula": "x1 * x2", "low": -1.0, "high": 1.0, "rows": 200, "test_rows": 100}
    return NamedDataset(**{"name": name, **ranges, **fields})


def test_formulas_are_matched_by_their_question():
    """It is the formula in canonical form, the range and the inputs; not the rows, their seed and their noise."""
    a = formula("a")
    for same in ({"formula": "(x1*x2)"}, {"low": (-1, -1.0)}, {"rows": 9}, {"seed": 1}, {"noise": 0.1}):
        assert match_datasets([a], [ours := formula("b", **same)]) == {"a": ours}
    for other in ({"formula": "x2 * x1"}, {"low": -2.0}, {"high": (1.0, 2.0)}, {"unused": 1}, {"numbers": "integer"}):
        assert match_datasets([a], [formula("a", **other)]) == {"a": None}
    assert match_datasets([dataset("a")], [a]) == {"a": None}


def test_noise_on_the_training_rows_changes_no_test_row():
    """They have none; so it is no reason to measure again."""
    assert same_test_rows(formula("a"), formula("a", noise=0.1))
    assert not same_test_rows(formula("a"), formula("a", low=-2.0))


def test_the_test_rows_depend_on_all_but_the_number_of_training_rows():
    """If the test rows are the same, nothing is measured again."""
    a = dataset("a", test_rows=100)
    assert same_test_rows(a, dataset("b", test_rows=100, rows=300))
    assert not same_test_rows(a, dataset("a", test_rows=101))
    assert not same_test_rows(a, dataset("a", test_rows=100, seed=1))
