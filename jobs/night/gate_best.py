"""The gate for an edited spec: the best variant of a dataset against the champion's best one. Pure numbers, no files.

After an edit no trial need have a partner, so the paired test of results/gate.py may have nothing to pair. Compared is
what a night delivers: the variant with the lowest mean logarithm of the RMSE, on the same rows for both.

1.  *Selection.* The best of many variants was lucky: its own values are too low, the more so the more variants there
    are. So it is selected on one half of the seeds and measured on the other, both ways, and both measurements are
    pooled (cross-fitting; Chernozhukov et al., Double/debiased machine learning, Econometrics Journal 21, 2018).
2.  *Over seeds.* A one-sided test of whether the difference of the means exceeds the least effect, for unequal
    variances (Welch, The generalization of `Student's' problem, Biometrika 34, 1947), degrees of freedom rounded down.
    With near ties the halves are not independent, as each half selects by what the other is measured on. The variance
    of the mean of two numbers is at most the mean of their variances (Cauchy, Schwarz), twice that of independent
    ones. So the variance of a side with a choice is taken SELECTED times.
3.  *Over nights.* Unless both drew their training rows from one stream, so that the smaller set is a prefix of the
    larger, the noise of the rows must be covered as in results/gate.py: by its test over the nights of the champion.
    Each of them counts with its own best, selected in the same way. Until there are NIGHTS of them, the medians of both
    bests must differ by a factor of `early` at least. Holm's correction is over the datasets.

A best variant of which at least half the seeds diverged has no median: it is worse than any that has one, without a
test. With fewer than SEEDS seeds on a side nothing is tested, and only medians that differ by `early` count.

Measured false alarms of edits that change nothing, worse and better each (`python benchmarks/gate.py`: 1, 6 and 33
variants in near ties; 4, 5 and 10 seeds; noise that is normal, exponential or Student's t of 3 degrees; alpha = 0.01):
at most 0.6 % of 4,000 edits on the same rows in each of 27 worlds, and at most 1.3 % of 1,000 with fresh rows, which
chance explains. The rate did not hold in these worlds:

-   one variant is better than many by 1.5 standard deviations of a half's mean: 1.2 to 1.7 % with 12 and 33 variants
-   one variant of four seeds of which 5 % diverge: 1.5 to 1.8 %, by the rule without a test
-   edit follows edit and a lucky champion stays: up to 2.8 % of the edits are called worse on the same rows, and up to
    8.9 % with 33 variants and heavy-tailed noise of the rows

Power: ten times worse is found in at least 93 % of the cases on the same rows, and in 32 to 100 % with fresh rows and
11 nights. It is found less often if seeds diverge, as one of them hides everything else: 40 % with 33 variants of 10
seeds of which 5 % diverge.

Suffixes: V variants, S seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.gate import SMALL, TRIMMED, Floats, NightNoise, Policy, Scores, t_test
from sumsquares.jobs.results.scale import DIVERGED, log_rmse
from sumsquares.jobs.results.student_t import holm, student_t975

SEEDS = 4
"""Seeds of the best variant that each side needs for a test: two for each half."""
SELECTED = 2.0
"""Factor of the variance of a cross-fitted mean if there was a choice."""
NIGHTS = 10
"""Nights of the champion, itself included, that are needed to use their spread. With exponential noise 2.2 % of the
tests over 5 nights were false alarms at alpha = 0.01, 0.9 % over 10: 100,000 draws each, seeds left aside."""
TAILS = 3
"""Degrees of freedom of the test over nights; with 4 of them 1.6 % over 10."""


@dataclass(frozen=True)
class Table:
    """The trials of one dataset in one night."""

    variants: tuple[str, ...]
    log_VS: Floats
    """Logarithms of each variant's RMSEs in the order of its splits and seeds, and NaN beyond them."""

    @cached_property
    def best(self) -> int:
        """The variant with the lowest mean over all its seeds."""
        return int(np.nanmean(self.log_VS, 1).argmin())

    @cached_property
    def fitted(self) -> Floats:
        """The values on each half of the seeds, of the variant that is the best on the other half."""
        enough_VS = self.log_VS[np.isfinite(self.log_VS).sum(1) >= SEEDS]
        halves = enough_VS[:, ::2], enough_VS[:, 1::2]
        first, second = (int(np.nanmean(half_VS, 1).argmin()) for half_VS in halves)
        values: Floats = np.concatenate([halves[1][first], halves[0][second]])
        return values[np.isfinite(values)]

    @cached_property
    def level(self) -> float:
        """The mean of the best variant, selected on other seeds than those it is measured on."""
        return float(self.fitted.mean())

    @property
    def variance(self) -> float:
        """Variance of the level."""
        chosen = SELECTED if len(self.variants) > 1 else 1.0
        return chosen * float(np.var(self.fitted, ddof=1)) / len(self.fitted)


@dataclass(frozen=True)
class Pair:
    """One dataset in both nights, measured on the same rows."""

    night: Table
    champion: Table
    history: Sequence[Table] = ()
    """The champion's and those of nights that didn't differ; empty if both drew their rows from one stream."""


@dataclass(frozen=True)
class Comparison:
    """What the gate finds of one dataset; +0.1 is an RMSE 10 % higher than the champion's."""

    verdict: str
    """better, worse or same (no significant difference)."""
    rule: str
    """What decided: seeds (the test over seeds), nights (the test over nights as well), early (the factor as well), few
    (the factor alone, with fewer than SEEDS seeds), or diverged (at least half the seeds of a best variant did)."""
    night: str
    """The night's best variant."""
    champion: str
    """The champion's."""
    seeds: tuple[int, int]
    """Number of seeds of the night's best variant and of the champion's."""
    medians: float | None = None
    """By how much the medians of the best variants differ, as `few` and `early` use it. None if one has no median."""
    nights: int = 0
    """Nights of the champion that show the noise of the rows."""
    effect: float | None = None
    """By how much the geometric means of the cross-fitted best differ; None without a test."""
    low: float | None = None
    """Lower end of the effect's 95 % confidence interval over seeds; None without a test."""
    high: float | None = None
    p: float | None = None
    """P-value of the verdict after Holm's correction; for `same` the smaller of both; None without a test."""
    diverged: tuple[int, int] = (0, 0)
    """How many seeds of the two best variants diverged."""
    is_small: bool = False
    """Whether some RMSE of theirs is so small that the gate's resolution understates the effect."""


def table_of(scores: Scores) -> Table:
    """Returns the trials of one dataset by variant, split and seed; a trial's name ends with its seed."""
    values: dict[str, dict[tuple[str, int], float]] = {}
    for trial, variant, log in zip(scores.trial_T, scores.variant_T, log_rmse(scores.rmse_T), strict=True):
        before, _, seed = str(trial).rpartition("-")
        values.setdefault(str(variant), {})[before, int(seed)] = float(log)
    names = sorted(values)
    log_VS = np.full((len(names), max(map(len, values.values()))), np.nan)
    for v, name in enumerate(names):
        log_VS[v, : len(values[name])] = [values[name][key] for key in sorted(values[name])]
    return Table(tuple(names), log_VS)


def compare(pairs: Sequence[Pair], policy: Policy) -> list[Comparison]:
    """Compares the best with the best, dataset by dataset."""
    found = [_untested(pair, policy) for pair in pairs]
    tested = [index for index, each in enumerate(found) if each.verdict == "tested"]
    samples = [_sample(pairs[index]) for index in tested]
    worse, better = (_corrected(sign, samples, policy) for sign in (1, -1))
    for place, index in enumerate(tested):
        found[index] = _tested(found[index], samples[place], worse[place], better[place], policy)
    return found


def worst(verdicts: Sequence[str]) -> str:
    """Returns the verdict on all: worse outranks apart (not comparable), and that outranks better."""
    return next((word for word in ("worse", "apart", "better") if word in verdicts), "same")


@dataclass(frozen=True)
class _Sample:
    """The cross-fitted difference of one dataset."""

    mean: float
    error: float
    freedom: int
    medians: float
    """Difference of the medians of both bests."""
    noise: NightNoise | None

    def over_seeds(self, sign: int, policy: Policy) -> float:
        return t_test(sign * self.mean - math.log1p(policy.least_effect), self.error, self.freedom)

    def over_nights(self, sign: int, policy: Policy) -> float:
        """Returns the p-value that must be corrected for the number of datasets."""
        if self.noise is None:
            return self.over_seeds(sign, policy)
        offset, spread, nights = self.noise
        if nights < NIGHTS:
            return self.over_seeds(sign, policy) if _counts(sign * self.medians, policy) else 1.0
        return TRIMMED * t_test(sign * offset, spread * math.sqrt(1 + 1 / nights), TAILS)


def _untested(pair: Pair, policy: Policy) -> Comparison:
    """Returns the comparison if it needs no test; else one whose verdict, `tested`, is a placeholder."""
    ours, theirs = (table.log_VS[table.best] for table in (pair.night, pair.champion))
    names = pair.night.variants[pair.night.best], pair.champion.variants[pair.champion.best]
    seeds = int(np.isfinite(ours).sum()), int(np.isfinite(theirs).sum())
    have_diverged = _has_diverged(ours), _has_diverged(theirs)
    diverged = _diverged(ours), _diverged(theirs)
    is_small = bool(min(np.nanmin(ours), np.nanmin(theirs)) < math.log(SMALL))

    # Without a median there is nothing to measure by.
    if any(have_diverged):
        verdict = _verdict(have_diverged[0] - have_diverged[1])
        return Comparison(verdict, "diverged", *names, seeds, diverged=diverged, is_small=is_small)

    # A test needs SEEDS seeds on both sides; with fewer the factor alone decides.
    rule = "seeds" if not pair.history else "nights" if len(pair.history) >= NIGHTS else "early"
    difference = float(np.nanmedian(ours) - np.nanmedian(theirs))
    frame = Comparison("tested", rule, *names, seeds, math.expm1(difference), len(pair.history))
    frame = replace(frame, diverged=diverged, is_small=is_small)
    if min(seeds) >= SEEDS:
        return frame
    verdict = _verdict(_counts(difference, policy) - _counts(-difference, policy))
    return replace(frame, verdict=verdict, rule="few")


def _tested(frame: Comparison, sample: _Sample, worse: float, better: float, policy: Policy) -> Comparison:
    verdict = _verdict((worse <= policy.alpha) - (better <= policy.alpha))
    half = float(student_t975(np.array([sample.freedom]))[0]) * sample.error
    effect, low, high = (math.expm1(each) for each in (sample.mean, sample.mean - half, sample.mean + half))
    return replace(frame, verdict=verdict, effect=effect, low=low, high=high, p=min(worse, better))


def _corrected(sign: int, samples: Sequence[_Sample], policy: Policy) -> list[float]:
    """Returns p-values of being worse (sign 1) or better (-1) after Holm's correction."""
    over_nights = holm([each.over_nights(sign, policy) for each in samples])
    return [max(each.over_seeds(sign, policy), p) for each, p in zip(samples, over_nights, strict=True)]


def _sample(pair: Pair) -> _Sample:
    """Returns Welch's statistic, with v = var / n of each side.

    Its degrees of freedom are (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)).
    """
    v1, v2 = pair.night.variance, pair.champion.variance
    n1, n2 = len(pair.night.fitted) - 1, len(pair.champion.fitted) - 1
    freedom = (v1 + v2) ** 2 / (v1**2 / n1 + v2**2 / n2) if v1 + v2 else min(n1, n2)
    mean = pair.night.level - pair.champion.level
    ours, theirs = (float(np.nanmedian(table.log_VS[table.best])) for table in (pair.night, pair.champion))
    return _Sample(mean, math.sqrt(v1 + v2), int(freedom), ours - theirs, _night_noise(pair))


def _night_noise(pair: Pair) -> NightNoise | None:
    """Returns the night's level minus the history's mean, the history's spread and its number of nights."""
    if not pair.history:
        return None
    levels = [table.level for table in pair.history]
    spread = float(np.std(levels, ddof=1)) if len(levels) > 1 else math.nan
    return pair.night.level - float(np.mean(levels)), spread, len(levels)


def _counts(difference: float, policy: Policy) -> bool:
    """Whether it is above 0 and a factor of `early` at least."""
    return difference > 0 and difference >= math.log(policy.early)


def _has_diverged(log_S: NDArray[np.float64]) -> bool:
    """Whether at least half of the seeds diverged."""
    return bool(2 * _diverged(log_S) >= np.isfinite(log_S).sum())


def _diverged(log_S: NDArray[np.float64]) -> int:
    return int((log_S >= math.log(DIVERGED)).sum())


def _verdict(sign: float) -> str:
    return "same" if sign == 0 else "worse" if sign > 0 else "better"
