"""The gate: what it calls better, the same and worse, and how often it errs."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.results import gate
from sumsquares.jobs.results.gate import NIGHTS, Policy, Scores, judge
from sumsquares.jobs.results.student_t import holm, student_t975, t_tail

STRICT = Policy(alpha=0.01, least_effect=0.02)


def scores(rmse_VS, skip=()):
    """Returns the scores of variants and seeds; RMSE [V, S]."""
    rmse_VS = np.asarray(rmse_VS, float)
    places = [(v, s) for v in range(rmse_VS.shape[0]) for s in range(rmse_VS.shape[1]) if (v, s) not in skip]
    trials = np.array([f"v{v:02}-{s}" for v, s in places])
    return Scores(trials, np.array([f"v{v:02}" for v, _ in places]), np.array([rmse_VS[place] for place in places]))


NORMAL = "normal"
HEAVY = "heavy"
"""Student's t of 3 degrees of freedom: about 5 of 1,000 values are beyond 4 standard deviations."""
SKEWED = "skewed"
"""Exponential: outliers are worse, never better."""


class World:
    """Simulated nights: RMSEs with noise of the night's rows and noise of each seed."""

    def __init__(self, seed, variants, seeds, night_luck, seed_luck, kinds=(NORMAL, NORMAL)):
        self.draw = np.random.default_rng(seed)
        self.shape, self.luck, self.kinds = (variants, seeds), (night_luck, seed_luck), kinds
        self.base_VS = self.draw.normal(5, 2, (variants, 1)) + self.draw.normal(0, 0.3, self.shape)

    def night(self, worse_V=0.0):
        """Returns one night; worse_V is added to the logarithm of the RMSE."""
        shapes = ((self.shape[0], 1), self.shape)
        parts = [
            luck * self.noise(kind, shape) for luck, kind, shape in zip(self.luck, self.kinds, shapes, strict=True)
        ]
        return scores(np.exp(self.base_VS + sum(parts) + np.reshape(worse_V, (-1, 1))))

    def noise(self, kind, shape):
        """Returns noise of mean 0 and standard deviation 1."""
        if kind == HEAVY:
            return self.draw.standard_t(3, shape) / math.sqrt(3)
        return self.draw.exponential(1, shape) - 1 if kind == SKEWED else self.draw.normal(size=shape)


def live(world, nights, policy):
    """Returns the verdicts of nights, each judged against the champion that the ones before it left."""
    champion = world.night()
    history, verdicts = [champion], []
    for _ in range(nights):
        night = world.night()
        verdict = judge(night, champion, history, policy).verdict
        verdicts.append(verdict)
        if verdict == "better":
            champion, history = night, [night]
        elif verdict == "same":
            history = [champion, *history[1:], night][-20:]
    return verdicts


def at_most(share, of):
    """Returns the number of events that a share exceeds only once in 10,000 times."""
    chances = [math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(of + 1)]
    return next(k for k in range(of + 1) if sum(chances[: k + 1]) >= 0.9999)


@pytest.fixture
def remembered(monkeypatch):
    """Computes a night's means once instead of in each of the twenty nights that follow: all have the same trials."""
    compute, known = gate._night_means, {}

    def means(scores, like, names_V):
        if id(scores) not in known:
            known[id(scores)] = scores, compute(scores, like, names_V)  # kept, so that no other gets its id
        return known[id(scores)][1]

    monkeypatch.setattr(gate, "_night_means", means)


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize(
    ("alpha", "world"),
    [
        (0.05, (1, 5, 0.05, 0.05)),  # one variant: nothing is lost to Holm's correction
        (0.05, (6, 5, 0.1, 0.01)),  # the luck of the rows far above that of the seeds
        (0.01, (6, 3, 0.0, 0.1)),  # no luck but that of the seeds
        (0.05, (2, 5, 0.05, 0.1, (NORMAL, HEAVY))),
        (0.01, (6, 10, 0.1, 0.1, (HEAVY, NORMAL))),
        (0.01, (6, 10, 0.1, 0.1, (SKEWED, SKEWED))),
        (0.01, (6, 10, 0.45, 0.6, (SKEWED, NORMAL))),
        (0.01, (33, 3, 0.3, 0.3)),
    ],
)
def test_unchanged_nights_are_called_worse_or_better_at_most_at_the_stated_rate(alpha, world):
    """Champions follow each other, and some are champion by luck."""
    verdicts = live(World(1, *world), 1000, Policy(alpha=alpha))
    assert verdicts.count("worse") <= at_most(alpha, 1000)
    assert verdicts.count("better") <= at_most(alpha, 1000)
    assert verdicts.count("same") == 1000 - verdicts.count("worse") - verdicts.count("better")


def test_many_short_lives_give_no_more_false_alarms_than_one_long_one():
    """Nine nights in each of 110 new stores, most of them before the noise of the rows, 30 %, is known."""
    verdicts = [verdict for seed in range(110) for verdict in live(World(seed, 6, 10, 0.3, 0.3), 9, STRICT)]
    assert verdicts.count("worse") <= at_most(STRICT.alpha, len(verdicts))
    assert verdicts.count("better") <= at_most(STRICT.alpha, len(verdicts))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_regression_to_twice_the_rmse_is_found_nearly_always(seeds):
    """One of six variants regresses after twelve nights with 5 % noise from rows and from seeds."""
    found = 0
    for seed in range(50):
        world = World(seed, 6, seeds, 0.05, 0.05)
        champion, *others = [world.night() for _ in range(12)]
        found += (
            judge(world.night([math.log(2), 0, 0, 0, 0, 0]), champion, [champion, *others], STRICT).verdict == "worse"
        )
    assert found >= 45


def test_a_real_regression_of_one_variant_is_found_and_named():
    """One of six variants changes by 40 %, after ten nights with noise of 3 %. An improvement is found likewise."""
    world = World(2, 6, 5, 0.03, 0.03)
    champion, *others = [world.night() for _ in range(10)]
    for sign, verdict in ((1, "worse"), (-1, "better")):
        change_V = [0, 0, sign * math.log(1.4), 0, 0, 0]
        found = judge(world.night(change_V), champion, [champion, *others], STRICT)
        assert found.verdict == verdict
        (named,) = [change for change in found.changes if change.verdict != "same"]
        assert named.variant == "v02"
        assert (named.effect > 0.15) == (sign == 1)
        assert named.low < named.effect < named.high
        assert named.p <= STRICT.alpha


def test_one_variant_worse_outweighs_others_better():
    """Such a night counts as worse."""
    world = World(3, 3, 8, 0.0, 0.01)
    champion = world.night()
    found = judge(world.night([0.5, -0.5, -0.5]), champion, (), STRICT)
    assert [change.verdict for change in found.changes] == ["worse", "better", "better"]
    assert found.verdict == "worse"


def test_equal_nights_are_the_same():
    """That holds for any alpha and least effect, for RMSEs of 0, and with one seed."""
    for rmse in ([[0.0, 0.0, 0.0]], [[3.0, 5.0], [0.0, 1e-9]], [[7.0]]):
        same = scores(rmse)
        for history in ((), [same] * NIGHTS):
            found = judge(same, same, history, Policy(alpha=0.5, least_effect=0.0))
            assert found.verdict == "same"
            assert all(change.effect == 0 for change in found.changes)


def test_a_difference_without_any_spread_is_certain_beyond_the_least_effect_alone():
    """If every seed is 1.9 % worse the verdict is same; at 2.1 % it is worse."""
    champion = scores([[100.0, 100.0, 100.0]])
    assert judge(scores([[101.9] * 3]), champion, (), STRICT).verdict == "same"
    assert judge(scores([[102.1] * 3]), champion, (), STRICT).verdict == "worse"


def test_what_rounds_to_the_right_integer_has_no_better_or_worse():
    """RMSEs of 1e-6 and 1e-3 are both exact answers."""
    assert judge(scores([[1e-3] * 5]), scores([[1e-6] * 5]), (), STRICT).verdict == "same"
    assert judge(scores([[1.0] * 5]), scores([[1e-6] * 5]), (), STRICT).verdict == "worse"


def test_noise_of_the_rows_does_not_count_as_a_change_before_it_is_known():
    """With fresh rows and a short history nine times the RMSE isn't enough, but more than ten times is."""
    champion = scores([[100.0, 101, 99, 100.5]])
    history = [champion] * (NIGHTS - 1)
    for factor, verdict in ((1.3, "same"), (9.0, "same"), (10.5, "worse")):
        night = scores(factor * np.array([[100.0, 101, 99, 100.5]]) + np.array([[0, 0.1, 0, 0.1]]))
        assert judge(night, champion, (), STRICT).verdict == "worse"
        assert judge(night, champion, history, STRICT).verdict == verdict
        assert judge(night, champion, history, Policy(early=1.2)).verdict == "worse"


def test_one_seed_far_off_is_no_change_of_its_variant():
    """It moves the mean beyond that of all nights before, but the seeds must agree."""
    champion = scores([[100.0, 101, 99, 100.5]])
    history = [
        champion,
        *(scores(factor * np.array([[100.0, 101, 99, 100.5]])) for factor in (0.99, 1.01, 1.0, 0.995, 1.005)),
    ]
    assert judge(scores([[300.0, 303, 298, 301]]), champion, history, STRICT).verdict == "worse"
    assert judge(scores([[9000.0, 101, 99, 100.5]]), champion, history, STRICT).verdict == "same"


def test_only_common_trials_are_compared():
    """A variant with fewer than two common trials is untested. Without any, the nights are not comparable."""
    champion = scores([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], skip={(1, 0), (1, 1)})
    found = judge(scores([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]]), champion, (), STRICT)
    assert [(change.verdict, change.seeds) for change in found.changes] == [("same", 3), ("untested", 1)]
    other = Scores(np.array(["x-0", "x-1"]), np.array(["x", "x"]), np.array([1.0, 1.0]))
    assert judge(other, champion, (), STRICT).verdict == "apart"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_swapping_the_nights_swaps_better_and_worse(seed):
    """Holds on the same rows, where there is no history."""
    world = World(seed, 4, 4, 0.0, 0.05)
    a, b = world.night(), world.night([0.3, -0.3, 0.0, 1.0])
    swapped = {"better": "worse", "worse": "better"}
    ahead, back = judge(b, a, (), STRICT), judge(a, b, (), STRICT)
    assert [swapped.get(c.verdict, c.verdict) for c in ahead.changes] == [c.verdict for c in back.changes]
    assert [c.p for c in ahead.changes] == pytest.approx([c.p for c in back.changes])


def test_the_tail_of_t_is_its_density_summed_up():
    """It also agrees with tabulated quantiles, and is exact at 0, for one degree of freedom (Cauchy) and far out."""
    for freedom in (1, 2, 3, 4, 7, 30, 101):
        assert t_tail(0.0, freedom) == pytest.approx(0.5)
        assert t_tail(float(student_t975(np.array([freedom]))[0]), freedom) == pytest.approx(0.025, rel=1e-4)
        t = np.linspace(1, 400, 400_001)
        density = (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
        density *= math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
        inside = float(((density[1:] + density[:-1]) / 2 * np.diff(t)).sum())
        assert t_tail(1.0, freedom) - t_tail(400.0, freedom) == pytest.approx(inside, rel=1e-5)
        assert t_tail(-2.0, freedom) == pytest.approx(1 - t_tail(2.0, freedom))
    assert t_tail(1.0, 1) == pytest.approx(0.25)
    assert t_tail(math.inf, 3) == pytest.approx(0, abs=1e-15)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_is_between_none_and_bonferronis(p):
    """It keeps the order, and the smallest p-value is Bonferroni's."""
    adjusted = holm(p)
    assert all(one <= two <= min(1, one * len(p)) for one, two in zip(p, adjusted, strict=True))
    assert min(adjusted) == min(1, min(p) * len(p))
    ordered = [adjusted[i] for i in sorted(range(len(p)), key=p.__getitem__)]
    assert all(one <= two for one, two in pairwise(ordered))


def test_holms_correction_of_a_known_example():
    """The expected values were computed by hand."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
