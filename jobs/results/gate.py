"""The gate: is a night better than its champion, worse, or neither? Pure numbers, no files.

Both nights have the same variants. Nights of an edited spec are compared in night/gate_best.py. The test over seeds
also decides whether a change of one hyperparameter is an improvement, as `explain --prove` asks.

Each variant is tested on its own, on the trials that both nights have. The compared quantity is the natural logarithm
of the RMSE on the same evaluation rows, so an effect is a ratio. Trials are paired by seed.

1.  *Over seeds.* A one-sided paired t test of whether the mean difference exceeds the least effect (Student, The
    probable error of a mean, 1908). Seeds are the replicates; their differences are assumed to be about normal.
2.  *Over nights.* With fresh data all seeds of a night share its training rows, so the noise of the rows moves all of
    them together. The seeds alone would take it for a change, however small their spread (Bouthillier et al.,
    Accounting for variance in machine learning benchmarks, MLSys 2021). So the night's mean must also be an outlier
    among the champion and the nights that didn't differ from it, by the t test for one new observation with heavier
    tails than a normal's. Until there are NIGHTS of them, an effect must be a factor of `early` at least.

A variant is worse (better) if both tests say so. Such a test errs no more often than each of its parts (Berger,
Multiparameter hypothesis testing, Technometrics 1982). So only one part needs Holm's correction over the variants,
which holds under any dependence: the test over nights if there is one, else the test over seeds.

The false-alarm rate is at most alpha, for worse and for better each, unless night-to-night noise is heavy-tailed. That
was measured for noise that is normal, exponential, or Student's t of 3 degrees of freedom. It did not hold where one
night in twenty has six times the noise of the others: 2 to 3 % were called worse at alpha = 0.01.

Suffixes: T trials, V variants, H nights of the history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.scale import RESOLUTION, log_rmse
from sumsquares.jobs.results.student_t import holm, student_t975, t_tail

NIGHTS = 5
"""Nights of one champion, itself included, that are needed to use their spread."""
TAILS = 4
"""Most degrees of freedom of the test over nights. One less than there are nights is right for normal noise, but
measured noise is skewed (by up to 1.8). With exponential noise and no such limit 600 nights gave 61 false alarms at
alpha = 0.01, with 4 degrees 6."""
TRIMMED = 2.0
"""Factor of the p-value over nights. Nights that were called worse or better are left out of the history, which trims
the tails of its spread: 1,000 unchanged nights of one variant gave 164 false alarms at alpha = 0.05 without the factor,
46 with it."""
SMALL = 10 * RESOLUTION
"""RMSE from which on the resolution changes an RMSE by half a percent at most."""

Floats = NDArray[np.float64]
NightNoise = tuple[float, float, int]
"""Of a variant: the night's mean minus the history's, the history's standard deviation, and its number of nights."""


@dataclass(frozen=True)
class Policy:
    """What counts as a change."""

    alpha: float = 0.01
    """False-alarm rate: share of unchanged nights that may be called worse, and likewise better."""
    least_effect: float = 0.02
    """Largest change of the RMSE that doesn't count: 0.02 is 2 %."""
    early: float = 10.0
    """Factor of the RMSE that counts with fresh data until NIGHTS nights show how large the noise of the rows is. It
    can be large: over 31 nights of 16 variants with 300 rows each the mean logarithm had a standard deviation of 0.001
    to 0.45. A factor of 2, with noise of 0.3, gave 119 false alarms in 1,000 nights at alpha = 0.01, most of them
    against a champion that had been lucky."""

    shared: float = 0.0
    """Where the pairs are splits of one table: test rows of a split over its training rows. The splits have most
    training rows in common, so that the variance of their mean is not 1/n of theirs, but 1/n + shared (Nadeau and
    Bengio, Inference for the generalization error, Machine Learning 52, 2003)."""


@dataclass(frozen=True)
class Scores:
    """The trials of one night, measured on the evaluation rows."""

    trial_T: NDArray[np.str_]
    """Names of the trials, unique, and the same for the same variant and seed of any night."""
    variant_T: NDArray[np.str_]
    """Names of their variants."""
    rmse_T: Floats
    """In the unit of their dataset, scale.py's; infinite if the trial diverged."""


@dataclass(frozen=True)
class Change:
    """What the gate finds of one variant; +0.1 is an RMSE 10 % higher than the champion's."""

    variant: str
    verdict: str
    """better, worse, same (no significant difference), or untested (fewer than two common seeds)."""
    seeds: int
    effect: float
    low: float
    """Lower end of the effect's 95 % confidence interval over seeds."""
    high: float | None
    """Upper end; None if there is only one seed and so no interval. The lower end is then -1."""
    p: float
    """P-value of the verdict after Holm's correction; for `same` the smaller of both."""
    diverged: tuple[int, int] = (0, 0)
    """How many of its seeds diverged in the night, and in the champion's."""
    is_small: bool = False
    """Whether some RMSE is so small that RESOLUTION understates the effect."""


@dataclass(frozen=True)
class Judgement:
    """What the gate finds of a night."""

    verdict: str
    """worse (some variant is), better (some is and none is worse), same, or apart (no common trial)."""
    changes: tuple[Change, ...]
    """By common variant, in the order of their names."""


def judge(night: Scores, champion: Scores, history: Sequence[Scores], policy: Policy) -> Judgement:
    """Compares a night with its champion.

    `history` holds the nights whose spread shows the noise of the rows, the champion among them. It is empty if both
    were trained on the same rows.
    """
    # Trials are paired by their names, which say variant and seed.
    _, ours_T, theirs_T = np.intersect1d(night.trial_T, champion.trial_T, return_indices=True)
    names_V, variant_T = np.unique(night.variant_T[ours_T], return_inverse=True)
    if not len(names_V):
        return Judgement("apart", ())
    difference_T = log_rmse(night.rmse_T[ours_T]) - log_rmse(champion.rmse_T[theirs_T])
    rmse_ST = np.stack([night.rmse_T[ours_T], champion.rmse_T[theirs_T]])
    diverged_SV = np.stack([_counted(~np.isfinite(rmse_T), variant_T, len(names_V)) for rmse_T in rmse_ST])
    small_V = _counted(np.any(rmse_ST < SMALL, axis=0), variant_T, len(names_V)) > 0

    # One p-value for each direction: both tests are one-sided.
    n_V, mean_V, std_V = _moments(difference_T, variant_T, len(names_V))
    with np.errstate(divide="ignore", invalid="ignore"):
        error_V = std_V / np.sqrt(n_V) * np.sqrt(1 + n_V * policy.shared)
    noise_V = _night_noise(night, history, names_V) if history else [None] * len(names_V)
    half_V = student_t975(n_V - 1) * error_V
    worse_V, better_V = (_corrected(sign, policy, n_V, mean_V, error_V, noise_V) for sign in (1, -1))

    changes = tuple(
        Change(
            variant=str(name),
            verdict=_verdict(worse_V[v], better_V[v], policy.alpha) if n_V[v] > 1 else "untested",
            seeds=int(n_V[v]),
            effect=math.expm1(mean_V[v]),
            low=math.expm1(mean_V[v] - half_V[v]) if n_V[v] > 1 else -1.0,
            high=math.expm1(mean_V[v] + half_V[v]) if n_V[v] > 1 else None,
            p=min(worse_V[v], better_V[v]),
            diverged=(int(diverged_SV[0, v]), int(diverged_SV[1, v])),
            is_small=bool(small_V[v]),
        )
        for v, name in enumerate(names_V)
    )
    found = {change.verdict for change in changes}
    return Judgement(next((word for word in ("worse", "better") if word in found), "same"), changes)


def _counted(is_so_T: NDArray[np.bool_], variant_T: NDArray[np.intp], variants: int) -> NDArray[np.intp]:
    """Returns for each variant for how many of its trials the condition holds."""
    return np.bincount(variant_T[is_so_T], minlength=variants)


def _corrected(
    sign: int,
    policy: Policy,
    n_V: NDArray[np.int64],
    mean_V: Floats,
    error_V: Floats,
    noise_V: Sequence[NightNoise | None],
) -> list[float]:
    """Returns p-values of being worse (sign 1) or better (-1) after Holm's correction; 1 if there is no test."""
    least = math.log1p(policy.least_effect)
    tested = [v for v in range(len(n_V)) if n_V[v] > 1]
    over_seeds = [t_test(sign * float(mean_V[v]) - least, float(error_V[v]), int(n_V[v]) - 1) for v in tested]
    p = holm(
        [_p(sign, policy.early, float(mean_V[v]), each, noise_V[v]) for v, each in zip(tested, over_seeds, strict=True)]
    )
    corrected = {v: max(both) for v, *both in zip(tested, over_seeds, p, strict=True)}
    return [corrected.get(v, 1.0) for v in range(len(n_V))]


def _verdict(worse: float, better: float, alpha: float) -> str:
    if worse <= alpha:
        return "worse"
    return "better" if better <= alpha else "same"


def _p(sign: int, early: float, mean: float, over_seeds: float, noise: NightNoise | None) -> float:
    """Returns the p-value of one variant that must be corrected for the number of variants."""
    if noise is None:
        return over_seeds
    offset, spread, nights = noise
    if nights < NIGHTS:
        return over_seeds if sign * mean >= math.log(early) else 1.0
    return TRIMMED * t_test(sign * offset, spread * math.sqrt(1 + 1 / nights), min(TAILS, nights - 1))


def t_test(excess: float, error: float, freedom: int) -> float:
    """Returns the tail beyond excess / error. If nothing varies, any excess is certain."""
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return t_tail(excess / error, freedom)


def _night_noise(night: Scores, history: Sequence[Scores], names_V: NDArray[np.str_]) -> list[NightNoise]:
    """Returns the noise between nights of each variant."""
    means_HV = np.array([_night_means(each, night, names_V) for each in history])
    own_V = _night_means(night, night, names_V)
    known_HV = np.isfinite(means_HV)
    count_V = known_HV.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre_V = np.where(known_HV, means_HV, 0.0).sum(0) / count_V
        squares_V = np.where(known_HV, means_HV - centre_V, 0.0) ** 2
        spread_V = np.sqrt(squares_V.sum(0) / (count_V - 1))
    return list(zip((own_V - centre_V).tolist(), spread_V.tolist(), count_V.tolist(), strict=True))


def _night_means(scores: Scores, like: Scores, names_V: NDArray[np.str_]) -> Floats:
    """Returns the mean log RMSE of each variant in one night; NaN unless the night has all trials that `like` has."""
    _, theirs_T, ours_T = np.intersect1d(scores.trial_T, like.trial_T, return_indices=True)
    wanted_T = np.searchsorted(names_V, like.variant_T[np.isin(like.variant_T, names_V)])
    keep_T = np.isin(like.variant_T[ours_T], names_V)
    variant_T = np.searchsorted(names_V, like.variant_T[ours_T][keep_T])
    n_V, mean_V, _ = _moments(log_rmse(scores.rmse_T[theirs_T][keep_T]), variant_T, len(names_V))
    return np.where(n_V == np.bincount(wanted_T, minlength=len(names_V)), mean_V, np.nan)


def _moments(values_T: Floats, variant_T: NDArray[np.intp], variants: int) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Returns number, mean and standard deviation (with n - 1) of each variant's values; NaN if there are too few."""
    n_V = np.bincount(variant_T, minlength=variants)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_V = np.bincount(variant_T, values_T, minlength=variants) / n_V
        squares_T = (values_T - mean_V[variant_T]) ** 2
        std_V = np.sqrt(np.bincount(variant_T, squares_T, minlength=variants) / (n_V - 1))
    return n_V, mean_V, std_V
