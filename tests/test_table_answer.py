"""Each sentence about a table is read back and checked against the results, by pandas on the raw rows.

Results are made up at random, on stored tables with one split, three or six. A sentence that none of the patterns
matches as a whole fails, so that nothing can be said unchecked.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from made_tables import noisy, put
from result_rows import row_of, table_of
from scipy import stats

from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.explained import explain
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.samples import MOST_INPUTS
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.answer import REASONS, answer
from sumsquares.jobs.show.findings import finding, seen_share
from sumsquares.jobs.show.format import best_first, describe_task, number
from sumsquares.jobs.show.headings import headings_of
from sumsquares.jobs.spec.variants import Trial, Variant
from sumsquares.jobs.storage.store import Store

N = r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?"
VARIANT = r"(?P<variant>[a-z][\w. ,\[\]]*?)"
AXES = {"lr": [0.001, 0.01], "activation": ["identity", "tanh"]}


@dataclass
class World:
    """A stored table, made-up results on it, and what was said."""

    table: object
    trials: list[Trial]
    frame: pd.DataFrame
    """Raw results, with the variant's id and split."""
    summary: object
    facts: list
    store: Store

    @property
    def ok(self):
        limits = {
            split.split or "": 10 * each.largest_target
            for split, each in zip(self.table.splits, self.facts, strict=True)
        }
        frame = self.frame[self.frame["status"] == "ok"]
        return frame[frame["rmse"] <= frame["split"].fillna("").map(limits)]

    @property
    def is_split(self):
        return len(self.table.splits) > 1

    def of(self, variant):
        """Its trials that are ok."""
        return self.ok[self.ok["variant_id"] == variant]

    def middle(self, variant):
        rmse = self.of(variant)["rmse"]
        return rmse.mean() if self.is_split else rmse.median()

    def total(self, variant):
        return int((self.frame["variant_id"] == variant).sum())

    @property
    def variants(self):
        return {trial.variant.group: trial.variant for trial in self.trials}

    def named(self, words):
        """The variant that these words name, by the axes of the grid."""
        found = [
            key
            for key, variant in self.variants.items()
            if words.removeprefix("[8], ") == f"{variant.activation}, lr {variant.lr:g}"
        ]
        assert len(found) == 1, words
        return found[0]

    @property
    def best(self):
        known = {key: self.middle(key) for key in self.variants if len(self.of(key))}
        return min(known, key=known.__getitem__)


SPLITS = {1: {"test": 0.25}, 3: {"folds": 3}, 6: {"folds": 6}}


@pytest.fixture(scope="module", name="tables")
def stored_tables(tmp_path_factory):
    """A store, and its tables by their number of splits; some rows occur twice."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    rows = noisy(90)
    twice = rows.slice(0, 20)
    both = pa.concat_tables([rows, twice])
    return store, {count: put(store, both, name=f"t{count}", **keys) for count, keys in SPLITS.items()}


def world(tables, splits, seed):
    """Results that are drawn at random: with faults, diverged ones, and missing ones."""
    store, of = tables
    table = of[splits]
    draw = random.Random(seed)  # noqa: S311  no secret
    seeds = draw.choice([1, 3])
    known = {split.split: facts_of(store, split) for split in table.splits}
    trials, rows = [], []
    widest = draw.choice([8, 200])
    for values in itertools.product(*AXES.values()):
        level = 10 ** draw.uniform(-2, 0.3)
        shared = draw.choice([0.9, 0.3])
        for split in table.splits:
            for number_ in range(seeds):
                trial = Trial(Variant(dataset=split, hidden=(widest,), **dict(zip(AXES, values, strict=True))), number_)
                trials.append(trial)
                fate = draw.choices(["ok", "diverged", "missing"], [20, 2, 1])[0]
                rmse = known[split.split].test_target_std * level * draw.uniform(0.9, 1.1)
                if values[1] == "identity":
                    rmse = max(rmse, draw.uniform(1.01, 1.02) * known[split.split].linear_rmse)
                more = {
                    "rmse": rmse,
                    "rmse_train": rmse * shared,
                    "rmse_unseen": rmse * 1.05,
                    "rmse_solved": rmse * draw.choice([0.99, 0.5]),
                    "rmse_extrapolation": None,
                    "r2": 1 - rmse**2 / known[split.split].test_target_std ** 2,
                    "dead_share": None,
                    "saturated_share": 0.0,
                    "loss_slope": -0.1,
                    "loss_rise": 0.0,
                    "accuracy": None,
                }
                more = dict.fromkeys(METRIC_NAMES) | {"status": "diverged"} if fate == "diverged" else more
                if fate != "missing":
                    rows.append(row_of(trial, **more))
    facts = cache(partial(facts_of, store))
    results = table_of(rows)
    summary = summarize(trials, results, facts)
    results = results.append_column("pack", [["none"] * len(rows)])
    summary = explain(summary, trials, results, store, facts, lambda *_: None)
    return World(table, trials, pd.DataFrame(rows), summary, [*known.values()], store)


def over(world, variant):
    """Over which trials an RMSE is told to be."""
    n, total, splits = len(world.of(variant)), world.total(variant), len(world.table.splits)
    kind, noun, where = ("mean", "trial", f" on {splits} splits") if world.is_split else ("median", "seed", "")
    if n < total:
        return f"{kind} of {n} of {total} {noun}{'s' if total > 1 else ''}{where}; the others diverged"
    return f"{kind} of {n} {noun}{'s' if n > 1 else ''}{where}" if n > 1 or where else ""


CHECKS = {}


def check(pattern):
    """Registers what is true where a sentence has this form."""

    def register(function):
        CHECKS[re.compile(pattern)] = function
        return function

    return register


@check(
    rf"The first network of the spec, {VARIANT}, has an RMSE of (?P<rmse>{N})(?: \((?P<over>[^)]*)\))?"
    r"(?P<how> because|, most likely because)? ?(?P<why>[^.]*)\."
)
def _first(world, variant, rmse, over, how, why):
    key = next(iter(world.variants))
    assert world.named(variant) == key
    assert (rmse, over or "") == (number(world.middle(key)), globals()["over"](world, key))
    cause = world.summary.causes[key][0].name
    assert (why or None) == (REASONS.get(cause) if how else None)
    assert world.summary.table["cause"][0].as_py() == cause


@check(
    rf"The first network of the spec, {VARIANT}, diverged in (?:all \d+ (?:seeds|trials) that were|the "
    rf"only \w+ that was) trained.*"
)
def _lost(world, variant):
    assert not len(world.of(next(iter(world.variants))))


@check(r"The first network of the spec, .*, has no result yet\.")
def _none(world):
    key = next(iter(world.variants))
    assert world.total(key) == 0


@check(
    rf"With (?P<axis>\w+) = (?P<value>\S+) the RMSE is (?P<rmse>{N})\. With (?P=axis) = (?P<other>\S+) and "
    rf"everything else equal the RMSE is (?P<better>{N})\."
)
def _neighbour(world, axis, value, rmse, other, better):
    first = world.variants[next(iter(world.variants))]
    same = [key for key, each in world.variants.items() if _with(each, first, axis, other)]
    assert len(same) == 1
    assert (rmse, better) == (number(world.middle(first.group)), number(world.middle(same[0])))
    assert str(getattr(first, axis)) == value.strip('"')
    assert world.middle(first.group) >= 1.1 * world.middle(same[0])


def _with(variant, first, axis, value):
    return str(getattr(variant, axis)) == value.strip('"') and all(
        getattr(variant, each) == getattr(first, each) for each in AXES if each != axis
    )


@check(
    rf"Without an activation the network is one linear function, and none of those gets below an RMSE of "
    rf"(?P<limit>{N}) "
    rf"on the test rows(?: \(mean over \d splits\))?; this one has (?P<rmse>{N})\."
    rf"(?: With activation = \"tanh\" and everything else equal the RMSE is (?P<better>{N})\.)?"
    rf"(?: The best variant with an activation has (?P<best>{N})\.)?"
)
def _linear(world, limit, rmse, better, best):
    key = next(iter(world.variants))
    _limit(world, limit)
    assert rmse == number(world.middle(key))
    bent = {each: world.middle(each) for each, variant in world.variants.items() if variant.activation == "tanh"}
    if better:
        assert better in map(number, bent.values())
    if best:
        assert best == number(min(bent.values()))
        assert min(bent.values()) < float(np.mean([each.linear_rmse for each in world.facts]))


@check(
    rf"No linear model gets below an RMSE of (?P<limit>{N}) on these test rows \(least squares "
    rf"fitted to these very rows(?:, mean over (?P<splits>\d) splits)?\)\."
)
def _no_linear(world, limit, splits):
    _limit(world, limit)
    assert int(splits or 1) == len(world.table.splits)


def _limit(world, limit):
    """Least squares on the test rows of each split."""
    found = []
    for split in world.table.splits:
        inputs_NI, target_N = (
            np.concatenate(part) for part in zip(*blocks_of(world.store, split, "test"), strict=True)
        )
        columns = np.column_stack([inputs_NI, np.ones(len(target_N))])
        weights, *_ = np.linalg.lstsq(columns, target_N)
        found.append(np.sqrt(np.square(columns @ weights - target_N).mean()))
    assert float(limit.replace(",", "")) == pytest.approx(np.mean(found), rel=1e-3)
    assert float(limit.replace(",", "")) <= np.mean(found)


@check(
    rf"With its hidden layers as they are and the last layer solved by least squares on the training rows, the "
    rf"(?P<median>median )?RMSE is (?P<solved>{N}) instead of (?P<rmse>{N})\."
)
def _solved(world, median, solved, rmse):
    mine = world.of(next(iter(world.variants)))
    assert (solved, rmse) == (number(mine["rmse_solved"].median()), number(mine["rmse"].median()))
    assert bool(median) == world.is_split


@check(
    rf"The (?P<median>median )?RMSE is (?P<train>{N}) on the training rows and (?P<unseen>{N}) on test "
    rf"rows that are not "
    rf"among them\.(?: With .* the RMSE is {N}\.)?"
)
def _by_heart(world, median, train, unseen):
    mine = world.of(next(iter(world.variants)))
    assert (train, unseen) == (number(mine["rmse_train"].median()), number(mine["rmse_unseen"].median()))
    assert bool(median) == world.is_split


@check(
    rf"The RMSE is at most (?P<low>{N}) times the lowest of its split in (?P<count>\d+) of (?P<n>\d+) trials, and at "
    rf"least (?P<high>{N}) times in the others\."
)
def _luck(world, low, count, n, high):
    mine = world.of(next(iter(world.variants)))
    ratios = sorted(mine["rmse"] / mine.groupby("split")["rmse"].transform("min"))
    assert (low, high) == (number(ratios[int(count) - 1]), number(ratios[int(count)]))
    assert int(n) == len(ratios)


@check(r"None of the causes that are looked for shows in its results\.(?: With .* the RMSE is .*\.)?")
def _unknown(world):
    assert world.summary.causes[next(iter(world.variants))][0].name == "unknown"


@check(
    rf"(?P<which>\d+ of \d+ trials|All \d+ trials|The only trial) diverged(?: and the RMSE is "
    rf"(?P<share>{N} times|{N}% of) "
    r"the target's standard deviation)?, at a learning rate of .*\."
)
def _rate(world, which, share):
    key = next(iter(world.variants))
    if share:
        _of_spread(world, key, share, 6e-3)
    lost = world.total(key) - len(world.of(key))
    assert re.findall(r"\d+|only", which)[0] in (str(lost), "only")


@check(
    r"What mends it: (?P<change>.*) \((?P<what>.*) over (?P<count>\d+) (?P<pair>seed|split)s?, p "
    r".*\)\.|What mends it: .* \(diverged: .*\)\."
)
def _mends(world, change, what, count, pair):
    if pair:
        assert pair == ("split" if len(world.table.splits) >= 5 else "seed")
        assert int(count) <= (len(world.table.splits) if pair == "split" else 3)
        assert what.endswith("times smaller")
    assert change is None or change == str(world.summary.causes[next(iter(world.variants))][0].change)


@check(r"What should mend it: (?P<change>.*)\. `sumsquares explain r --prove` puts that to the test\.")
def _should(world, change):
    assert change == str(world.summary.causes[next(iter(world.variants))][0].change)


@check(
    r"What matters, by share of the variance of log RMSE(?P<within> within a split)?(?:, each beyond all "
    r"other axes)?: .*\."
)
def _matters(world, within):
    assert bool(within) == world.is_split


@check(
    rf"Closest is {VARIANT}, RMSE (?P<rmse>{N})(?: \((?P<over>[^)]*)\))?; that is (?P<share>\S+ times|\S+% "
    rf"of) the target's "
    rf"standard deviation, and R\^2 is (?P<r2>{N})(?P<mean> on average)?\."
)
def _closest(world, variant, rmse, over, share, r2, mean):
    key = world.named(variant)
    mine = world.of(key)
    assert key == world.best
    assert rmse == number(world.middle(key))
    if world.is_split:
        means = mine.groupby("split")["rmse"].mean()
        told = globals()["over"](world, key)
        if len(means) > 1:
            low, high = stats.t.interval(0.95, len(means) - 1, means.mean(), means.std() / len(means) ** 0.5)
            told += f", 95 % interval {number(max(low, 0.0))} to {number(high)}"
        assert over == told
    _of_spread(world, key, share, 1e-3)
    assert r2 == number(mine["r2"].mean())
    assert bool(mean) == (len(mine) > 1)


def _of_spread(world, key, share, error):
    """A share of the target's standard deviation, or a multiple."""
    ratio = world.middle(key) / np.mean([each.test_target_std for each in world.facts])
    said = float(re.sub("[%,]", "", share.split()[0]))
    assert said == pytest.approx(ratio if "times" in share else 100 * ratio, rel=error)


@check(rf"Its (?P<parameters>{N}) parameters are more than the (?P<rows>.*) training rows\.")
def _many(world, parameters, rows):
    counts = [split.rows for split in world.table.splits]
    assert parameters == f"{world.variants[world.best].parameters:,}"
    assert rows == (str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}")
    assert world.variants[world.best].parameters > min(counts)


@check(
    rf"On training rows its RMSE is (?P<train>{N})(?: \(median\))?; (?P<has>each split|the dataset) has "
    rf"(?P<rows>.*) training rows\."
)
def _train(world, train, has, rows):
    assert train == number(world.of(world.best)["rmse_train"].median())
    assert (has == "each split") == world.is_split
    counts = [split.rows for split in world.table.splits]
    assert rows == (str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}")


@check(
    rf"(?P<seen>\d+) of (?P<all>\d+) test rows occurs? in training; on the others its RMSE is "
    rf"(?P<rmse>{N})(?: \(median\))?\."
)
def _seen(world, seen, all, rmse):  # noqa: A002  the pattern's name
    count = same = 0
    for split in world.table.splits:
        train, test = (
            np.concatenate([inputs_NI for inputs_NI, _ in blocks_of(world.store, split, part)]).tolist()
            for part in ("train", "test")
        )
        known = set(map(tuple, train))
        same += sum(tuple(row) in known for row in test)
        count += len(test)
    assert (int(seen), int(all)) == (same, count)
    assert rmse == number(world.of(world.best)["rmse_unseen"].median())


@check(r"The best single trial is of another variant: .*")
def _other(world):
    assert not world.is_split


@check(
    r"With (?P<better>.*) the (?P<kind>mean|median) RMSE is .* times smaller than with .*, everything "
    r"else equal \(.*\)\."
)
def _effect(world, better, kind):
    assert kind == ("mean" if world.is_split else "median")


@check(r"(?P<lost>\d+) of (?P<total>\d+) trials? diverged \(.*\)\.")
def _diverged(world, lost, total):
    assert (int(lost), int(total)) == (len(world.frame) - len(world.ok), len(world.trials))


@check(r"Diverged by \w+: .*\.")
def _by(world):
    assert len(world.ok) < len(world.frame)


@check(r"(?P<lost>\d+) of (?P<total>\d+) trials? (?:has|have) no result yet, so this may change\.")
def _missing(world, lost, total):
    assert (int(lost), int(total)) == (len(world.trials) - len(world.frame), len(world.trials))


def sentences(world):
    (name,) = world.summary.datasets
    about = world.summary.datasets[name]
    found = finding(about, best_first(world.summary.table.to_pylist()), world.summary.best_trial[name])
    assert found.verdict in ("not solved", "solved")
    return [*answer(world.summary, name, "r"), *found.sentences, *found.caveats]


def told(world):
    """Checks all sentences; returns the patterns that matched."""
    matched = []
    for sentence in sentences(world):
        found = [(pattern, pattern.fullmatch(sentence)) for pattern in CHECKS if pattern.fullmatch(sentence)]
        assert len(found) == 1, (sentence, [pattern.pattern for pattern, _ in found])
        CHECKS[found[0][0]](world, **found[0][1].groupdict())
        matched.append(found[0][0].pattern)
    return matched


def test_each_sentence_about_a_table_is_true_of_the_results(tables):
    """Whatever the results; and most patterns match one, so that this tests something."""
    worlds = (world(tables, splits, f"{splits} {seed}") for splits in SPLITS for seed in range(12))
    found = {pattern for each in worlds for pattern in told(each)}
    unused = {pattern.pattern for pattern in CHECKS} - found
    assert len(unused) <= 7, unused


def test_a_table_is_described_by_its_rows_and_splits(tables):
    """In the opening of its answer and in the title of its table; and its headings have no integers and no range."""
    for splits, words in ((1, "110 rows"), (6, "110 rows in 6 splits")):
        one = world(tables, splits, 1)
        (about,) = one.summary.datasets.values()
        assert describe_task(about) == f"target of t{splits}.parquet by 3 inputs, {words}"
        assert re.fullmatch(rf"\d+ of {110 if splits == 6 else 28} test rows occurs? in training", seen_share(about))
        columns = {each.column for each in headings_of(about, one.summary.table.to_pylist())}
        assert ("rmse_mean" in columns, "rmse_median" in columns) == (splits > 1, splits == 1)
        assert not columns & {"exact_fraction_best", "rmse_rounded_best", "rmse_extrapolation_median"}
    assert MOST_INPUTS >= 6
