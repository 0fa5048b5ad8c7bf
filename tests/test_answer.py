"""Every sentence of an answer is read back and checked against the numbers, by plain Python on the raw results.

Summaries are drawn at random and explained: any task, and results that show any cause, are exact, diverged or missing.
A sentence that none of the patterns below matches as a whole fails, so that nothing can be said unchecked. The p-values
are those of Student's distribution in closed form, and shares of variance those of numpy's least squares.
"""

from __future__ import annotations

import math
import random
import re
import statistics
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import row_of, table_of, variant
from test_findings import FORMULAS, N, count_of, value

from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results import explained
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.answer import REASONS, answer
from sumsquares.jobs.show.format import distinguish
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Trial

VALUES = {
    "activation": ["relu", "tanh", "identity"],
    "hidden": [(16,), (), (2,), (2, 2)],
    "lr": [0.001, 0.01, 1e-6, 10.0],
    "epochs": [500, 2000, 1],
    "normalize": ["unit", "question", "symmetric", "zscore"],
    "optimizer": ["adam", "sgd"],
    "weight_decay": [0.0, 0.1],
    "init": ["glorot_uniform", "spread_knots"],
    "readout": ["trained", "solved"],
}
VALUES_OF_FORMULAS = {
    **VALUES,
    "normalize": ["unit", "symmetric", "zscore", "none"],
    "normalize_target": ["same", "same", "none"],
    "output": ["linear", "linear", "sigmoid", "relu"],
    "loss": ["mse", "mae"],
}
OTHERS = (
    {"formula": "sqrt(x)", "low": 0.0, "high": 3000.0},
    {"formula": "x1 + x2", "low": (0.0, 0.0), "high": (1.0, 500.0), "noise": 9.0},
    {"formula": "x1 * x2 - 3", "low": -2.0, "high": 2.0, "noise": 0.2},
)
# Of a metric: what a healthy variant has, as a multiple of its RMSE or as it is; and what shows a fault.
USUAL = {
    "rmse_train": [0.95],
    "rmse_unseen": [None, 1.1],
    "rmse_solved": [None, 0.97],
    "rmse_extrapolation": [None, 1.5],
    "dead_share": [0.0, 0.1],
    "saturated_share": [0.0],
    "loss_slope": [None, -0.1],
    "loss_rise": [0.0, 0.1],
}
FAULTS_OF = {
    "rmse": [],  # one seed is much better than the others
    "rmse_train": [0.2],
    "rmse_unseen": [1.4],
    "rmse_solved": [0.5, 1e-6],
    "rmse_extrapolation": [1e4],
    "dead_share": [0.95, 1.0],
    "saturated_share": [0.5],
    "loss_slope": [-1.2],
    "loss_rise": [2.0],
}
FAULTS = [*FAULTS_OF, *["loss_slope"] * 5]


@dataclass
class World:
    """A dataset's rows, the results on it, the check on every number, and what the answer has said so far."""

    dataset: NamedDataset
    trials: list[Trial]
    rows: list[dict]
    """Raw results."""
    shares: dict[str, float]
    """Of right answers on the whole range, by the id of each trial that can be checked."""
    said: list[str] = field(default_factory=list)
    reason: str | None = None
    """The cause that was named as the reason, whether it was called the most likely one, and the one that was shown."""
    is_likely: bool = False
    cause: str | None = None

    @cached_property
    def test(self):
        return block(self.dataset, "test", 0)

    @cached_property
    def largest(self):
        return abs(self.test[1]).max().item()

    @cached_property
    def unit(self):
        """In which RMSEs are compared."""
        return 1.0 if self.dataset.source.has_integer_target else 0.01 * float(self.test[1].std()) or 1.0

    @cached_property
    def noise(self):
        """RMS of what was added to the training targets."""
        inputs_NI, target_N = block(self.dataset, "train", 0)
        exact_N = self.dataset.source.target(self.dataset.numbers_of(inputs_NI))
        return math.sqrt(float(np.square(target_N - exact_N).mean()))

    @cached_property
    def scale(self):
        """Of the first variant."""
        one = self.variants[self.first]
        moments = measure_facts(self.dataset).moments
        return normalization(self.dataset, one.normalize, one.normalize_target, moments)

    @cached_property
    def linear(self):
        """The RMSE of the best linear function on the test rows."""
        columns = np.column_stack([self.test[0], np.ones(len(self.test[1]))]).astype(float)
        weights, *_ = np.linalg.lstsq(columns, self.test[1].astype(float))
        return math.sqrt(float(np.square(columns @ weights - self.test[1]).mean()))

    @cached_property
    def spread(self):
        """The standard deviation of the target over the range; of a formula, on the test rows."""
        if self.dataset.formula:
            return float(self.test[1].std())
        if self.dataset.n_numbers == 1:
            numbers = np.arange(1, self.dataset.largest + 1, dtype=float)
            targets = numbers if self.dataset.task in ("sum", "product") else numbers**2
            return float(targets.std())
        return None

    @cached_property
    def variants(self):
        """In the order of the spec, by id."""
        return {trial.variant.id: trial.variant for trial in self.trials}

    @cached_property
    def first(self):
        return next(iter(self.variants))

    @property
    def checkers(self):
        """Those of the sentences that were said."""
        return {CLAIMS[pattern] for pattern in self.said}

    def results(self, variant_id):
        return [row for row in self.rows if row["variant_id"] == variant_id]

    def is_ok(self, row):
        return row["status"] == "ok" and row["rmse"] <= 10 * (self.largest or 1)

    def of(self, variant_id, name="rmse"):
        """A metric of a variant's trials that are ok."""
        return [row[name] for row in self.results(variant_id) if self.is_ok(row) and row[name] is not None]

    def median(self, variant_id, name="rmse"):
        found = self.of(variant_id, name)
        return statistics.median(found) if found else None

    def share(self, variant_id):
        """Of right answers of the best trial, None if it wasn't checked."""
        ok = [row for row in self.results(variant_id) if self.is_ok(row)]
        best = min(ok, key=lambda row: (row["rmse"], row["seed"]), default=None)
        return None if best is None else self.shares.get(best["trial_id"])

    def changed(self, change):
        """The variant that differs from the first in these fields alone, if there is one, and the change is of axes."""
        if not change.keys() <= set(AXES):
            return None
        wanted = {axis: getattr(self.variants[self.first], axis) for axis in AXES} | change
        same = [key for key, one in self.variants.items() if all(getattr(one, axis) == wanted[axis] for axis in AXES)]
        return same[0] if same else None

    def by_seed(self, variant_id, metric="rmse"):
        """Of each trial with a result; infinite where it diverged, or where its answers beyond the range are."""
        found = {row["seed"]: row[metric] if self.is_ok(row) else math.inf for row in self.results(variant_id)}
        unknown = None if metric == "rmse_solved" else math.inf
        return {seed: unknown if rmse is None else rmse for seed, rmse in found.items()}

    def tested(self, change):
        """The paired test of a change on the trials of the run, None if the run doesn't have the change."""
        metric = "rmse_extrapolation" if self.cause == "outside_range" else "rmse"
        if change == {"readout": "solved"} and self.cause == "readout_not_trained":
            return Paired.of(self.by_seed(self.first, metric), self.by_seed(self.first, "rmse_solved"), self.unit)
        other = self.changed(change)
        if other is None:
            return None
        return Paired.of(self.by_seed(self.first, metric), self.by_seed(other, metric), self.unit)


@dataclass
class Paired:
    """A one-sided paired t test of whether the log RMSE falls by more than 2 %."""

    seeds: int
    factor: float
    p: float
    diverged: tuple[int, int]
    is_small: bool

    @classmethod
    def of(cls, before, after, unit):
        pairs = [
            (before[seed] / unit, after[seed] / unit)
            for seed in sorted(before.keys() & after.keys())
            if before[seed] is not None and after[seed] is not None
        ]
        logs = [[math.log(min(math.hypot(rmse, 0.1), 1e30)) for rmse in pair] for pair in pairs]
        falls = [one - other for one, other in logs]
        mean = statistics.fmean(falls) if falls else 0.0
        p = 1.0
        if len(falls) > 1:
            error = statistics.stdev(falls) / math.sqrt(len(falls))
            excess = mean - math.log(1.02)
            p = tail(excess / error, len(falls) - 1) if error else float(excess <= 0)
        lost = tuple(sum(math.isinf(pair[side]) for pair in pairs) for side in (0, 1))
        return cls(len(falls), math.exp(min(mean, 700)), p, lost, any(min(pair) < 1 for pair in pairs))

    @property
    def is_better(self):
        return self.seeds > 1 and self.p <= 0.01


def tail(t, freedom):
    """Student's distribution beyond t, in closed form; it loses its digits to cancellation below about 1e-12."""
    angle = math.atan(t / math.sqrt(freedom))
    odd, term, total = freedom % 2, 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= k / (k + 1) * math.cos(angle) ** 2
    inner = 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, (1 - inner) / 2)


def world_of(seed):
    """A random world, determined by a number."""
    draw = random.Random(seed)  # noqa: S311  no secret
    dataset = dataset_of(draw)
    values = VALUES if dataset.formula is None else VALUES_OF_FORMULAS
    varied = draw.sample(list(values), draw.choice([0, 1, 1, 2, 2, 3]))
    axes = {
        axis: draw.sample(known, draw.randint(2, len(known)))
        if axis in varied
        else [known[0] if draw.random() < 0.6 else draw.choice(known)]
        for axis, known in values.items()
    }
    points = [{}]
    for axis, values in axes.items():
        points = [{**point, axis: each} for point in points for each in values]
    if draw.random() < 0.3:
        points = [point for point in points if draw.random() < 0.7] or points
    # A readout is solved for a linear output and the squared error alone.
    free = {"output": "linear", "loss": "mse"}
    points = [{**point, **(free if point["readout"] == "solved" else {})} for point in points]
    variants = {}
    for point in points[:24]:
        one = variant(dataset, **point)
        variants.setdefault(one.id, one)
    seeds = draw.choice([1, 2, 3, 5, 8])
    trials = [Trial(one, number) for one in variants.values() for number in range(seeds)]
    world = World(dataset, trials, [], {})
    lost = draw.choice([0, 0, 0, 0.3, 1])
    for one in variants.values():
        world.rows += results_of(world, one, [trial for trial in trials if trial.variant is one], lost, draw)
    is_whole = dataset.source.has_integer_target and dataset.task != "product"
    if is_whole and count_of(dataset) <= 10**6 and not dataset.unused:
        for row in world.rows:
            is_all = row["exact_fraction"] == 1 and draw.random() < 0.7
            world.shares[row["trial_id"]] = 1.0 if is_all else draw.choice([0.0, 0.25, 0.99999])
    return world


def dataset_of(draw):
    """A random dataset: a task, or a formula."""
    sizes = {"rows": draw.choice([8, 50, 500]), "test_rows": draw.choice([1, 10, 60, 60]), "seed": draw.randint(0, 5)}
    if draw.random() < 0.45:
        fields = draw.choice([*FORMULAS, *OTHERS])
        unused = {} if "digits" in fields else {"unused": draw.choice([0, 0, 0, 1])}
        return NamedDataset.model_validate({"name": "data", **fields, **sizes, **unused})
    task = draw.choice(["sum", "product", "square", "square", "sum_of_squares"])
    numbers = 1 if task == "square" else draw.choice([1, 2, 2, 6])
    largest = draw.choice([5, 10, 30] if numbers == 6 else [5, 10, 30, 1000])
    unused = draw.choice([0, 0, 0, 1])
    return NamedDataset(name="data", task=task, n_numbers=numbers, largest=largest, unused=unused, **sizes)


def results_of(world, one, trials, lost, draw):
    """Results of a variant's trials: what shows a cause is the same for all of them, but for some noise."""
    level = (world.largest or 1) * 10 ** draw.uniform(-3, -0.3)
    if (not one.hidden or one.activation == "identity") and world.linear > 1e-6:
        level = world.linear * draw.choice([1.01, 1.2, 3.0])
    fate = draw.choices(["ok", "exact", "diverged", "missing"], [8, 2, 1, 0.5])[0]
    faults = draw.choices(FAULTS, k=draw.choice([0, 1, 1, 2]))
    if one.output != "linear" and one.hidden in ((2,), (2, 2)) and draw.random() < 0.6:
        level, faults = 0.6 * world.spread, []
    shown = {name: draw.choice(FAULTS_OF[name] if name in faults else usual) for name, usual in USUAL.items()}
    is_hidden = one.activation if one.hidden else None
    fixed = {
        "dead_share": shown.pop("dead_share") if is_hidden == "relu" else None,
        "saturated_share": shown.pop("saturated_share") if is_hidden == "tanh" else None,
        "loss_slope": shown.pop("loss_slope"),
        "loss_rise": shown.pop("loss_rise"),
    }
    groups, noise = "rmse" in faults, draw.choice([0.0, 0.02, 0.3])
    is_at_noise = world.dataset.noise and draw.random() < 0.5
    if is_at_noise:
        level, noise = 0.2 * min(world.noise, world.spread), 0.02
    made = []
    for trial in trials:
        ends = draw.choices([fate, "ok", "diverged", "missing"], [10, 0.5, 0.5 if lost else 0, lost])[0]
        if ends == "missing":
            continue
        if ends == "diverged":
            made.append(row_of(trial, status="diverged", **dict.fromkeys(METRIC_NAMES)))
            continue
        rmse = level * math.exp(draw.gauss(0, noise)) / (50 if groups and trial.seed == 0 else 1)
        rmse = 0.01 * draw.random() * world.unit if ends == "exact" else rmse
        near = {name: factor and rmse * factor for name, factor in shown.items() if name not in fixed}
        exact = {
            "exact_fraction": 1.0 if ends == "exact" else draw.choice([0.0, 0.2, 0.9]),
            "rmse_rounded": 0.0 if ends == "exact" else rmse,
        }
        if one.output != "linear":
            near["rmse_solved"] = None
        if is_at_noise:
            near["rmse_train"] = 1.01 * world.noise
        made.append(row_of(trial, **{"rmse": rmse, "accuracy": None, **near, **fixed, **exact}))
    return made


def is_near(text, expected, rel=6e-4):
    return value(text) == pytest.approx(expected, rel=rel, abs=1e-300)


def is_share(text, expected):
    """A percentage of one digit; only exact shares are shown as 0% and 100%."""
    if expected in (0.0, 1.0):
        return text == f"{expected:.0%}"
    return 0.1 <= value(text[:-1]) <= 99.9 and abs(value(text[:-1]) / 100 - expected) < 6e-4 + 1e-3 * (
        expected < 0.001 or expected > 0.999
    )


def is_spread(text, expected):
    """A share of the target's standard deviation, or how many times as large: `58.3% of`, `16.07 times`."""
    if expected < 1:
        assert is_share(text.removesuffix(" of"), expected)
    else:
        assert is_near(text.removesuffix(" times"), expected)


def fields_of(change):
    """The fields of a change, which is written as a spec writes it."""
    found = tomllib.loads("\n".join(re.split(r", (?=\w+ =)", change)))
    if "hidden" in found:
        [network] = found["hidden"]
        found["hidden"] = tuple(network)
    return found


# The first network.


def is_first(world, words, match):
    assert words[match["which"]] == world.first


def solved_everywhere(world, words, match):
    is_first(world, words, match)
    assert world.share(world.first) == 1
    assert 2 * world.of(world.first, "exact_fraction").count(1.0) > len(world.results(world.first))
    world.cause = "solved"


def solved_on_test_rows(world, words, match):
    is_first(world, words, match)
    assert int(match["exact"]) == world.of(world.first, "exact_fraction").count(1.0)
    assert int(match["n"]) == len(world.results(world.first))
    world.cause = "solved"


def solved_real(world, words, match):
    is_first(world, words, match)
    rmse = world.median(world.first)
    assert not world.dataset.source.has_integer_target
    assert rmse < 0.001 * world.spread
    assert is_near(match["share"], 100 * rmse / world.spread)
    world.cause = "solved"


def at_noise(world, words, match):
    is_first(world, words, match)
    world.cause = "at_noise"


def is_noise(world, words, match):
    assert world.cause == "at_noise"
    assert float(match["std"]) == world.dataset.noise
    assert is_near(match["noise"], world.noise)
    assert is_near(match["train"], world.median(world.first, "rmse_train"))
    assert is_near(match["rmse"], world.median(world.first))
    assert 2 * world.median(world.first) <= world.noise


def noisy(world, words, match):
    assert world.cause != "at_noise"
    assert float(match["std"]) == world.dataset.noise
    assert is_near(match["noise"], world.noise)


def no_result(world, words, match):
    is_first(world, words, match)
    assert not world.results(world.first)


def ended(world, words, match):
    is_first(world, words, match)
    rmse, results = world.of(world.first), world.results(world.first)
    if match["rmse"]:
        assert is_near(match["rmse"], statistics.median(rmse))
        assert (int(match["seeds"]) if match["seeds"] else 1) == len(rmse)
        assert (int(match["of"]) if match["of"] else len(rmse)) == len(results)
    else:
        assert not rmse
        assert (value(match["lost"]) if match["lost"] else 1) == len(results) > 0
    if match["reason"]:
        [world.reason] = [name for name, clause in REASONS.items() if clause == match["reason"]]
        world.is_likely = match["likely"] is not None


# What shows the cause.


def shows(name):
    """Makes a checker that notes which cause was shown."""

    def decorated(check):
        def checker(world, words, match):
            # What happens beyond the range may be told after the cause of the RMSE.
            if name != "outside_range" or world.cause is None:
                world.cause = name
            check(world, match)

        checker.__name__ = f"{name}_{check.__name__}"
        return checker

    return decorated


def neighbour(world, match, fields=None):
    """The other variant has only this change, and the RMSE that is told."""
    other = world.changed(fields or fields_of(match["change"]))
    assert other is not None
    assert other != world.first
    assert is_near(match["its"], world.median(other))


@shows("no_activation")
def linear(world, match):
    one = world.variants[world.first]
    assert not one.hidden or one.activation == "identity"
    assert (match["lacks"] == "an activation") == bool(one.hidden)
    assert is_near(match["limit"], world.linear, rel=1.1e-3)
    assert value(match["limit"]) <= world.linear
    assert is_near(match["rmse"], world.median(world.first))
    if match["change"]:
        neighbour(world, match)


@shows("no_activation")
def output_alone(world, match):
    one = world.variants[world.first]
    assert not one.hidden or one.activation == "identity"
    assert (match["lacks"] == "an activation") == bool(one.hidden)
    assert match["output"] == one.output != "linear"
    assert is_near(match["rmse"], world.median(world.first))
    if match["change"]:
        neighbour(world, match)


@shows("output_cannot_reach")
def reach(world, match):
    one, target_N = world.variants[world.first], world.test[1]
    assert match["output"] == one.output
    low, high = {"sigmoid": (0, 1), "relu": (0, math.inf)}[one.output]
    low, high = (float(world.scale.restore(np.array(float(end)))) for end in (low, high))
    assert (match["high"] is None) == math.isinf(high)
    told_low = match["least"] or match["low"]
    assert is_near(told_low, low) if low else float(told_low) == 0
    if match["high"]:
        assert is_near(match["high"], high)
    assert is_near(match["min"], target_N.min())
    assert is_near(match["max"], target_N.max())
    beyond_N = np.maximum(0, np.maximum(low - target_N, target_N - high))
    assert is_share(match["share"], float((beyond_N > 0).mean()))
    limit = math.sqrt(np.square(beyond_N).mean())
    assert is_near(match["limit"], limit, rel=1.1e-3)
    assert value(match["limit"]) <= limit
    if match["change"]:
        neighbour(world, match)


@shows("too_narrow")
def few_settled(world, match):
    one = world.variants[world.first]
    assert int(match["units"]) == one.hidden[-1]
    assert one.output != "linear"
    assert world.median(world.first, "loss_slope") > -0.15
    assert is_near(match["rmse"], world.median(world.first))


@shows("too_narrow")
def at_its_floor(world, match):
    floor = floor_of(world)
    assert is_near(match["floor"], floor, rel=1.1e-3)
    assert value(match["floor"]) <= floor
    assert is_near(match["rmse"], world.median(world.first))


def floor_of(world):
    """Floors have their own tests."""
    [row] = world.summary.table.slice(0, 1).to_pylist()
    return row["floor"]


@shows("too_narrow")
def few_units(world, match):
    assert int(match["units"]) == world.variants[world.first].hidden[-1]
    assert is_near(match["solved"], world.median(world.first, "rmse_solved"))


@shows("too_narrow")
def best_on_few_units(world, match):
    one = world.variants[world.first]
    assert one.readout == "solved"
    assert int(match["units"]) == one.hidden[-1]
    assert is_near(match["rmse"], world.median(world.first))


@shows("unused_input")
def seen_by_units(world, match):
    assert world.variants[world.first].readout == "solved"
    assert is_near(match["rmse"], world.median(world.first))
    assert int(match["unused"]) == world.dataset.unused
    assert int(match["inputs"]) == world.dataset.unused + world.dataset.n_numbers


@shows("knots_misplaced")
def knots(world, match):
    assert world.variants[world.first].activation == "relu"
    solved, floor = world.median(world.first, "rmse_solved"), floor_of(world)
    assert is_near(match["solved"], solved)
    assert is_near(match["floor"], floor, rel=1.1e-3)
    assert value(match["floor"]) <= floor
    assert is_near(match["factor"], solved / floor)


@shows("knots_misplaced")
def knots_at_the_end(world, match):
    one = world.variants[world.first]
    assert one.activation == "relu"
    low = min(low for low, _ in world.dataset.source.parts("train")[0])
    assert one.normalize in ("unit", "question") or (one.normalize == "none" and low >= 0)
    assert one.init in ("glorot_uniform", "he_uniform")
    assert is_near(match["solved"], world.median(world.first, "rmse_solved"))


@shows("memorised")
def heart(world, match):
    assert is_near(match["train"], world.median(world.first, "rmse_train"))
    assert is_near(match["unseen"], world.median(world.first, "rmse_unseen"))
    assert value(match["rows"]) == world.dataset.rows
    train = world.median(world.first, "rmse_train")
    assert (match["noise"] is not None) == bool(world.dataset.noise and train < world.noise)
    if match["noise"]:
        assert is_near(match["noise"], world.noise)


@shows("unused_input")
def unused(world, match):
    assert is_near(match["train"], world.median(world.first, "rmse_train"))
    assert is_near(match["unseen"], world.median(world.first, "rmse_unseen"))
    assert int(match["unused"]) == world.dataset.unused
    assert int(match["inputs"]) == world.dataset.unused + world.dataset.n_numbers


@shows("seed_luck")
def groups(world, match):
    rmse, count = sorted(world.of(world.first)), int(match["count"])
    assert len(rmse) == int(match["n"])
    assert is_near(match["low"], rmse[count - 1])
    assert is_near(match["high"], rmse[count])
    assert rmse[count] >= 3 * rmse[count - 1]
    assert (match["verb"] == "have an RMSE of at most") == (count > 1)


@shows("outside_range")
def beyond(world, match):
    parts = world.dataset.source.parts("extrapolation")
    if match["ranges"]:
        told = [tuple(map(value, each)) for each in re.findall(rf"from ({N}) to ({N})", match["ranges"])]
        assert told == [part[0] for part in parts]
    else:
        assert any(len({*part}) > 1 for part in parts)
        assert (match["both"] is not None) == (len(parts) == 2)
    assert is_near(match["beyond"], world.median(world.first, "rmse_extrapolation"))
    assert is_near(match["rmse"], world.median(world.first))


@shows("readout_not_trained")
def readout(world, match):
    assert world.variants[world.first].readout == "trained"
    assert (match["only"] is None) == bool(world.variants[world.first].hidden)
    assert is_near(match["solved"], world.median(world.first, "rmse_solved"))
    assert is_near(match["rmse"], world.median(world.first))


def steps(world):
    one = world.variants[world.first]
    return one.epochs * math.ceil(world.dataset.rows / one.batch_size)


@shows("too_few_steps")
def few_steps(world, match):
    assert value(match["steps"]) == steps(world)
    assert is_near(match["rmse"], world.median(world.first))


@shows("too_few_steps")
def still_falls(world, match):
    assert value(match["steps"]) == steps(world)
    assert is_share(match["falls"], 1 - 2 ** world.median(world.first, "loss_slope"))


@shows("lr_too_high")
def high_rate(world, match):
    one = world.variants[world.first]
    assert float(match["lr"]) == one.lr
    assert match["optimizer"] == one.optimizer
    told = match["signs"][0].lower() + match["signs"][1:]
    for sign in re.split(r", | and ", told):
        found = SIGN.fullmatch(sign)
        assert found, sign
        if found["trials"]:
            results = world.results(world.first)
            assert int(found["trials"]) == len(results)
            lost = len(results) - len(world.of(world.first))
            assert lost == (int(found["lost"]) if found["lost"] else len(results))
        elif found["only"]:
            assert len(world.results(world.first)) == 1 > len(world.of(world.first))
        elif found["rise"]:
            assert is_near(found["rise"], math.exp(world.median(world.first, "loss_rise")))
        elif world.spread:
            rmse = world.median(world.first)
            is_spread(found["share"], rmse / world.spread)


@shows("lr_too_low")
def low_rate(world, match):
    one = world.variants[world.first]
    assert float(match["lr"]) == one.lr
    assert match["optimizer"] == one.optimizer
    assert value(match["steps"]) == steps(world)
    assert is_near(match["rmse"], world.median(world.first))
    if match["falls"]:
        assert is_share(match["falls"], 1 - 2 ** world.median(world.first, "loss_slope"))


@shows("weight_decay_too_high")
def decay(world, match):
    one, rmse = world.variants[world.first], world.median(world.first)
    assert float(match["decay"]) == one.weight_decay
    assert match["optimizer"] == one.optimizer
    assert is_near(match["rmse"], rmse)
    if world.spread:
        is_spread(match["share"], rmse / world.spread)


@shows("dead_units")
def dead(world, match):
    share = world.median(world.first, "dead_share")
    assert is_share(match["share"], share)
    assert (match["all"] is not None) == (share == 1)
    if match["change"]:
        neighbour(world, match)


@shows("saturated")
def saturated(world, match):
    assert is_share(match["share"], world.median(world.first, "saturated_share"))


def scaled(world, words, match):
    """A column has the standard deviation of the normalised numbers of the whole range, or a sample's."""
    is_formula = world.dataset.formula is not None
    large = NamedDataset(name="large", **{**fields(world.dataset), "rows": 20_000, "unused": 0})
    column = column_of(world, match, world.dataset if is_formula else large)
    assert value(match["std"]) == pytest.approx(float(column.std()), rel=1e-3 if is_formula else 0.15)
    if match["change"]:
        neighbour(world, match)


def column_of(world, match, dataset):
    """The normalised numbers that a sentence is about."""
    one, what = world.variants[world.first], match["column"]
    world.cause = "target_not_scaled" if what == "target" else "inputs_not_scaled"
    assert match["kind"] == getattr(one, match["field"])
    assert match["field"] == "normalize" or what == "target"
    inputs_NI, target_N = block(dataset, "train", 0)
    if what == "target":
        return world.scale.target(target_N, "float64")
    columns_NI = (
        world.scale.inputs(inputs_NI, "float64")
        if dataset is world.dataset
        else (inputs_NI - world.scale.input_shift[0]) / world.scale.input_scale[0]
    )
    if what == "inputs":
        return columns_NI[:, 0] if dataset is world.dataset else columns_NI
    return columns_NI[:, world.dataset.columns.index(what.removeprefix("input "))]


def too_large(world, words, match):
    """A column lies far from 0: the range of the inputs as declared, of the target as it is in training."""
    column = column_of(world, match, world.dataset)
    assert max(column.std(), column.min(), -column.max()) > 5
    assert value(match["low"]) <= column.min() + 1e-3 * abs(column.min())
    assert value(match["high"]) >= column.max() - 1e-3 * abs(column.max())
    if match["change"]:
        neighbour(world, match)


def fields(dataset):
    return {name: each for name, each in dataset.model_dump().items() if name != "name"}


def better_neighbour(world, words, match):
    """Said of any cause for which the grid has the variant with the change."""
    [(axis, ours)] = fields_of(match["ours"]).items()
    assert getattr(world.variants[world.first], axis) == ours
    [(changed, _)] = fields_of(match["change"]).items()
    assert changed == axis
    neighbour(world, match)
    rmse = world.median(world.first)
    assert is_near(match["rmse"], rmse) if match["rmse"] else rmse is None
    assert rmse is None or rmse >= 1.5 * world.median(world.changed(fields_of(match["change"])))
    world.cause = world.reason


def unknown(world, words, match):
    assert world.reason is None
    world.cause = "unknown"
    if match["change"]:
        neighbour(world, match)
        assert world.median(world.first) >= 1.5 * world.median(world.changed(fields_of(match["change"])))


# What mends it.


def mends(world, words, match):
    found = world.tested(fields_of(match["change"]))
    assert found is not None
    assert found.is_better
    if match["p"]:
        assert found.p < 1e-12 if value(match["p"]) < 1e-12 else value(match["p"]) == pytest.approx(found.p, rel=0.51)
    else:
        assert found.p < 1e-12
    if match["factor"]:
        assert found.diverged == (0, 0)
        assert is_near(match["factor"], found.factor, rel=6e-3)
        assert int(match["seeds"]) == found.seeds
        assert (match["least"] is not None) == found.is_small
        assert (match["beyond"] is not None) == (world.cause == "outside_range")
    else:
        assert (int(match["before"]), int(match["after"])) == found.diverged
        assert int(match["of"]) == found.seeds


def should_mend(world, words, match):
    change = fields_of(match["change"])
    one = world.variants[world.first]
    assert any(getattr(one, axis, getattr(world.dataset, axis, None)) != new for axis, new in change.items())
    found = world.tested(change)
    assert found is None or not found.is_better


# Every number, and what matters.


def checked(world):
    """The variants that were checked with their shares, in the order of the spec."""
    return {key: world.share(key) for key in world.variants if world.share(key) is not None}


def counts_range(world, match):
    assert value(match["count"]) == count_of(world.dataset) <= 10**6
    assert (match["noun"][:6] == "number") == (world.dataset.n_numbers == 1)


def right_everywhere(world, words, match):
    counts_range(world, match)
    exact = [key for key, share in checked(world).items() if share == 1]
    told = [words[part] for part in match["all"].split("; ")]
    assert told == exact[: len(told)]
    assert len(exact) - len(told) == (value(match["more"]) if match["more"] else 0)
    assert len(told) == min(len(exact), 6)


def every_exact_one_right_everywhere(world, words, match):
    counts_range(world, match)
    exact = {key for key, share in checked(world).items() if share == 1}
    on_test = {row["variant_id"] for row in world.rows if row["exact_fraction"] == 1}
    assert exact == on_test
    assert len(exact) > 1


def right_on_most(world, words, match):
    counts_range(world, match)
    shares = checked(world)
    assert 1.0 not in shares.values()
    assert shares[words[match["variant"]]] == max(shares.values())
    assert is_share(match["share"], max(shares.values()))


def residual(trials, axes):
    """The sum of squares that indicators of these axes leave of the log RMSEs of trials: (variant, log)."""
    columns = [
        [getattr(one, axis) == each for one, _ in trials]
        for axis in axes
        for each in {getattr(v, axis) for v, _ in trials}
    ]
    log_T, design = np.array([log for _, log in trials]), np.array([[True] * len(trials), *columns], float).T
    weights, *_ = np.linalg.lstsq(design, log_T)
    return float(np.square(log_T - design @ weights).sum())


def matters(world, words, match):
    trials = [
        (
            world.variants[row["variant_id"]],
            math.log(math.hypot((row["rmse"] if world.is_ok(row) else 10 * (world.largest or 1)) / world.unit, 0.1)),
        )
        for row in world.rows
    ]
    axes = [axis for axis in AXES if len({getattr(one, axis) for one, _ in trials}) > 1]
    logs = defaultdict(list)
    for one, log in trials:
        logs[one.id].append(log)
    total, rest = residual(trials, []), residual(trials, axes)
    within = sum((log - statistics.fmean(log_S)) ** 2 for log_S in logs.values() for log in log_S)
    expected = {axis: (residual(trials, [other for other in axes if other != axis]) - rest) / total for axis in axes}
    has_seeds = max(map(len, logs.values())) > 1
    rest_name = "interactions" if has_seeds else "interactions or seeds"
    parts = [re.fullmatch(r"(.+) ([\d.]+%)", part) for part in re.split(r", | and ", match["all"])]
    shares = {part[1]: part[2] for part in parts}
    order = [axis for axis in shares if axis in expected]
    assert [expected[axis] for axis in order] == pytest.approx(sorted((expected[axis] for axis in order), reverse=True))
    assert {axis for axis, share in expected.items() if share > 0.0101} <= set(order)
    for name, share in shares.items():
        known = {**expected, rest_name: (rest - within) / total, "seeds": within / total}[name]
        assert value(share[:-1]) == pytest.approx(100 * min(max(known, 0), 1), abs=0.11)
    assert ("seeds" in shares) == has_seeds
    combinations = math.prod(len({getattr(one, axis) for one, _ in trials}) for axis in axes)
    is_full = combinations == len(logs) and len({len(log_S) for log_S in logs.values()}) == 1
    assert (match["beyond"] is None) == is_full


WHICH = r"The first network of the spec, (?P<which>.+),"
LIKELY = (
    rf"(?:(?: because|(?P<likely>, most likely because)) (?P<reason>{'|'.join(map(re.escape, REASONS.values()))}))?"
)
CHANGE = r"(?P<change>\w+ = .+)"
WITH = rf"With {CHANGE} and everything else equal the RMSE is (?P<its>{N})\."
FALLS = rf"by about (?P<falls>{N}%) in the second half of the epochs"
MEDIAN = r"(?: \(median of (?P<seeds>\d+)(?: of (?P<of>\d+) seeds?; the others diverged| seeds)\))?"
SIGN = re.compile(
    r"(?:(?P<lost>\d+) of|all) (?P<trials>\d+) trials diverged|(?P<only>the only trial) diverged|"
    rf"the loss ended (?P<rise>{N}) times above its lowest|"
    rf"the RMSE is (?P<share>{N}% of|{N} times) the target's standard deviation"
)
RANGE = rf"Checked on all (?P<count>{N}) (?P<noun>\w+) of the range, the best trial"
CLAIMS = {
    rf"{WHICH} is solved: its best trial is right after rounding on the whole range\.": solved_everywhere,
    rf"{WHICH} is solved: every test row is right after rounding in (?P<exact>\d+) of (?P<n>\d+) seeds?\.": (
        solved_on_test_rows
    ),
    rf"{WHICH} is solved: its RMSE is (?P<share>{N})% of the target's standard deviation\.": solved_real,
    rf"{WHICH} is at the noise of its training rows\.": at_noise,
    rf"The training targets have noise of standard deviation (?P<std>{N}); the formula itself has an RMSE of "
    rf"(?P<noise>{N}) on the training rows, and the network (?P<train>{N})\. On the test rows, which have no noise, "
    rf"the network has (?P<rmse>{N})\.": is_noise,
    rf"The training targets have noise of standard deviation (?P<std>{N}); the formula itself has an RMSE of "
    rf"(?P<noise>{N}) on the training rows; test rows have none\.": noisy,
    rf"{WHICH} has no result yet\.": no_result,
    rf"{WHICH} has an RMSE of (?P<rmse>{N}){MEDIAN}{LIKELY}(?P<lost>)\.": ended,
    rf"{WHICH} diverged in (?:all (?P<lost>{N}) seeds that were|the only seed that was) trained{LIKELY}"
    r"(?P<rmse>)(?P<seeds>)(?P<of>)\.": ended,
    r"Without (?P<lacks>an activation|a hidden layer) the network is one linear function, and none of those gets "
    rf"below an RMSE of (?P<limit>{N}) on the test rows; this one has (?P<rmse>{N})\.(?: {WITH})?": linear,
    r"Without (?P<lacks>an activation|a hidden layer) the network is the (?P<output>\w+) of one linear function; its "
    rf"RMSE is (?P<rmse>{N})\.(?: {WITH})?": output_alone,
    r'With output = "(?P<output>\w+)" answers lie '
    rf"(?:between (?P<low>{N}) and (?P<high>{N})|at (?P<least>{N}) or above), and the targets of the test rows between "
    rf"(?P<min>{N}) and (?P<max>{N}): (?P<share>[\d.]+%) of them are out of reach, which alone makes an RMSE of "
    rf"(?P<limit>{N})\.(?: {WITH})?": reach,
    rf"The loss hardly falls any more, and with (?P<units>\d+) units? the RMSE is (?P<rmse>{N})\.": few_settled,
    rf"No network of this shape gets below an RMSE of (?P<floor>{N}) on these rows; this one has (?P<rmse>{N})\.": (
        at_its_floor
    ),
    rf"With the best last layer on its (?P<units>\d+) units?, the RMSE is (?P<solved>{N}) still\.": few_units,
    rf"The last layer is the best on its (?P<units>\d+) units?, and the RMSE is (?P<rmse>{N})\.": best_on_few_units,
    r"The target doesn't depend on (?P<unused>\d+) of the (?P<inputs>\d+) inputs, and with the best last layer on "
    rf"units that see all of them the RMSE is (?P<rmse>{N})\.": seen_by_units,
    rf"With the best last layer the RMSE is (?P<solved>{N}), (?P<factor>{N}) times the lowest that ReLU networks of "
    rf"this shape can have on these rows, (?P<floor>{N}): the knots lie in the wrong places\.": knots,
    r"No input is below 0 and all biases start at 0, so all knots start at the end of the range; with the best last "
    rf"layer the RMSE is (?P<solved>{N})\.": knots_at_the_end,
    rf"The RMSE is (?P<train>{N}) on the (?P<rows>{N}) training rows?(?:, whose targets have noise of (?P<noise>{N}),)?"
    rf" and (?P<unseen>{N}) on test rows that are not among them\.": heart,
    r"The target doesn't depend on (?P<unused>\d+) of the (?P<inputs>\d+) inputs, and the RMSE is "
    rf"(?P<train>{N}) on training rows and (?P<unseen>{N}) on others\.": unused,
    rf"(?P<count>\d+) of (?P<n>\d+) seeds (?P<verb>has an RMSE of|have an RMSE of at most) (?P<low>{N}), the "
    rf"others of at least (?P<high>{N})\.": groups,
    rf"On numbers (?:(?P<ranges>from {N} to {N}(?: and from {N} to {N})?)|(?P<both>below and )?above the ranges"
    r"(?:, as far again)?), which were not trained, "
    rf"the RMSE is (?P<beyond>{N}); on the range itself (?P<rmse>{N})\.": beyond,
    r"With its (?:hidden layers as they are and the last|(?P<only>only)) layer solved by least squares on the training "
    rf"rows, the RMSE is (?P<solved>{N}) instead of (?P<rmse>{N})\.": readout,
    rf"The RMSE is (?P<rmse>{N}) after no more than (?P<steps>{N}) steps?\.": few_steps,
    rf"The loss still fell when the training ended after (?P<steps>{N}) steps?: {FALLS}\.": still_falls,
    r"(?P<signs>.+), at a learning rate of (?P<lr>\S+) with (?P<optimizer>\w+)\.": high_rate,
    rf"A learning rate of (?P<lr>\S+) is low for (?P<optimizer>\w+); after (?P<steps>{N}) steps? the RMSE is "
    rf"(?P<rmse>{N})(?:, and the loss fell {FALLS})?\.": low_rate,
    r"A weight decay of (?P<decay>\S+) is high for (?P<optimizer>\w+); the RMSE is "
    rf"(?P<rmse>{N}), (?P<share>{N}% of|{N} times) the target's standard deviation\.": decay,
    r"(?P<share>[\d.]+%) of the hidden units are 0 on every training row(?P<all>, and so the answer is the same on all "
    rf"of them)?\.(?: {WITH})?": dead,
    r"(?P<share>[\d.]+%) of the hidden units are at the ends of their range on nearly all training rows\.": saturated,
    r'With (?P<field>normalize|normalize_target) = "(?P<kind>\w+)" the '
    rf"(?P<column>inputs|target|input \w+) (?:have|has) a standard deviation of (?P<std>{N})\.(?: {WITH})?": scaled,
    r'With (?P<field>normalize|normalize_target) = "(?P<kind>\w+)" the '
    rf"(?P<column>inputs|target|input \w+) (?:reach|reaches) from (?P<low>{N}) to (?P<high>{N}), where -1 to 1 is usual"
    rf"\.(?: {WITH})?": too_large,
    rf"With (?P<ours>\w+ = [^.]+(?:\.\d[^.]*)?) (?:all trials diverged|the RMSE is (?P<rmse>{N}))\. {WITH}": (
        better_neighbour
    ),
    rf"None of the causes that are looked for shows in its results\.(?: {WITH})?": unknown,
    rf"What mends it: {CHANGE} \((?:(?P<beyond>beyond the range )?(?P<least>at least )?(?P<factor>{N}) times smaller "
    rf"over (?P<seeds>\d+) seeds?|diverged: (?P<before>\d+) of (?P<of>\d+) seeds? before, (?P<after>\d+) after), "
    r"(?:p = (?P<p>[\d.e-]+)|p < 1e-15)\)\.": mends,
    rf"What should mend it: {CHANGE}\. `sumsquares explain small --prove` puts that to the test\.": should_mend,
    rf"{RANGE} is right on every one: (?P<all>.+?)(?:; and (?P<more>{N}) other variants?)?\.": right_everywhere,
    rf"{RANGE} of every exact variant is right on every one\.": every_exact_one_right_everywhere,
    rf"{RANGE} of (?P<variant>.+) is right on (?P<share>[\d.]+%)\.": right_on_most,
    r"What matters, by share of the variance of log RMSE(?P<beyond>, each beyond all other axes)?: (?P<all>.+)\.": (
        matters
    ),
}


def check(sentence, world, words):
    """Finds the pattern that a sentence matches, and checks what it claims."""
    for pattern, checker in CLAIMS.items():
        if match := re.fullmatch(pattern, sentence):
            world.said.append(pattern)
            checker(world, words, match)
            return
    raise AssertionError(f"nothing checks the sentence: {sentence}")


def told(world):
    """The answer of a world, and the ids of its variants by their distinguishing descriptions."""
    results = table_of(world.rows).append_column("pack", pa.array(["pack"] * len(world.rows), pa.string()))
    shares = {trial.id: world.shares[trial.id] for trial in world.trials if trial.id in world.shares}

    def checks(_store, best, _on_lost):
        return {trial.id: shares[trial.id] for trial, _ in best if trial.id in shares}

    with patch.object(explained, "check_everywhere", checks):
        summary = summarize(world.trials, results, measure_facts)
        world.summary = explained.explain(summary, world.trials, results, None, measure_facts, None)
    rows = world.summary.table.to_pylist()
    words = {distinguish(row, rows): row["variant_id"] for row in rows}
    assert len(words) == len(rows)
    return answer(world.summary, "data", "small"), words


def checked_answer(seed):
    """A random world whose answer was checked, as a whole too."""
    world = world_of(seed)
    sentences, words = told(world)
    for sentence in sentences:
        check(sentence, world, words)
    # The reason is what the next sentence shows, and only called more than likely where it is.
    assert CLAIMS[world.said[0]] in (solved_everywhere, solved_on_test_rows, solved_real, at_noise, no_result, ended)
    assert world.reason is None or world.cause == world.reason
    # What happens beyond the range is told, whatever the cause of the RMSE is.
    known = [cause.name for cause in world.summary.causes.get(world.first, ())]
    if "outside_range" in known[1:] and known[0] not in ("solved", "at_noise"):
        assert beyond in [CLAIMS[pattern] for pattern in world.said]
    if world.reason:
        is_linear = world.cause == "no_activation" and world.variants[world.first].output == "linear"
        is_at_floor = is_linear and world.median(world.first) < 1.5 * world.linear
        assert world.is_likely == (not is_at_floor and mends not in world.checkers)
    everywhere = {right_everywhere, every_exact_one_right_everywhere} & world.checkers
    assert (1.0 in checked(world).values()) == (len(everywhere) == 1)
    return world


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_each_sentence_of_an_answer_is_true_of_the_results(seed):
    """Every sentence follows from the raw results.

    Because is only said of what is shown: by a paired test between trials, or by the floor of a linear function near
    which the network ends.
    """
    checked_answer(seed)


TELLING = (
    0,
    1,
    2,
    4,
    5,
    9,
    10,
    12,
    14,
    16,
    19,
    21,
    24,
    29,
    30,
    36,
    46,
    54,
    72,
    82,
    104,
    109,
    130,
    133,
    211,
    306,
    522,
    528,
    791,
    3705,
)
"""Worlds in which every pattern is said; they are tried first, which takes a second instead of thirteen."""


def test_every_pattern_matches_a_sentence_that_is_printed():
    """So the check above can't pass merely because nothing is said."""
    seen, likely = set(), set()
    for seed in (*TELLING, *range(4000)):
        world = checked_answer(seed)
        seen |= set(world.said)
        likely |= {world.is_likely} if world.reason else set()
        if seen == set(CLAIMS):
            break
    assert seen == set(CLAIMS)
    assert likely == {True, False}


@given(st.floats(-5, 5), st.integers(1, 9))
def test_the_closed_form_of_students_tail_is_the_integral(t, freedom):
    """This is the reference of the p-values; it is integrated by Simpson's rule."""
    scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
    x_N = np.linspace(0, abs(t), 2001)
    density_N = scale * (1 + x_N**2 / freedom) ** (-(freedom + 1) / 2)
    weights_N = np.array([1, *[4, 2] * 999, 4, 1]) * abs(t) / 6000
    assert tail(t, freedom) == pytest.approx(0.5 - math.copysign(float(weights_N @ density_N), t), abs=1e-9)
