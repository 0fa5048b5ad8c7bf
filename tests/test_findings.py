"""Every sentence of a finding is read back and checked against the numbers, by plain Python on the raw results.

Summaries are drawn at random: any task, range, share of seen rows, and results that are exact, close, far, diverged or
missing. A sentence that none of the patterns below matches as a whole fails, so that nothing can be said unchecked.
"""

from __future__ import annotations

import math
import random
import re
import statistics
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import row_of, table_of, variant

from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.findings import finding, is_linear
from sumsquares.jobs.show.format import best_first, counted, describe_task, distinguish, named, number
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Trial

N = r"-?[\d,]+(?:\.\d+)?(?:e[+-]?\d+)?"


@dataclass
class World:
    """A dataset's rows, the results on it, and the findings."""

    dataset: NamedDataset
    trials: list[Trial]
    rows: list[dict]
    """Raw results."""
    said: list[str] = field(default_factory=list)

    def __post_init__(self):
        """Computes plainly what the sentences are about."""
        train, test = (block(self.dataset, split, 0) for split in ("train", "test"))
        seen = set(map(tuple, train[0].tolist()))
        self.test = list(zip(map(tuple, test[0].tolist()), test[1].tolist(), strict=True))
        self.unseen = sum(inputs not in seen for inputs, _ in self.test)
        numbers_of = {"test": [], "train": []}
        for split, (inputs_NI, _) in (("train", train), ("test", test)):
            numbers_of[split] = [*map(tuple, self.dataset.numbers_of(inputs_NI).tolist())]
        self.new_numbers = sum(each not in {*numbers_of["train"]} for each in numbers_of["test"])
        self.distinct = len({*numbers_of["test"]})
        self.count = count_of(self.dataset)
        self.covers = self.distinct == self.count
        self.targets = {*train[1].tolist(), *test[1].tolist()}
        self.largest = max(abs(target) for _, target in self.test)
        self.is_integer = self.dataset.source.has_integer_target
        self.spread = statistics.pstdev([target for _, target in self.test])
        columns = np.column_stack([test[0], np.ones(len(test[1]))]).astype(float)
        weights, *_ = np.linalg.lstsq(columns, test[1].astype(float))
        self.linear = math.sqrt(float(np.square(columns @ weights - test[1]).mean()))
        self.linear_exact = self.is_integer and bool((np.rint(columns @ weights) == test[1]).all())
        self.ok = [row for row in self.rows if row["status"] == "ok" and row["rmse"] <= (10 * self.largest or math.inf)]
        self.by_variant = defaultdict(list)
        for row in self.ok:
            self.by_variant[row["variant_id"]].append(row)
        self.exact = {row["variant_id"] for row in self.ok if self.is_integer and row["exact_fraction"] == 1}

    def of(self, variant_id, name):
        """A metric of a variant's trials that are ok."""
        return [row[name] for row in self.by_variant.get(variant_id, ()) if row[name] is not None]

    def median(self, variant_id, name="rmse"):
        return statistics.median(self.of(variant_id, name))


FORMULAS = (
    {"formula": "sin(x)", "low": -3.0, "high": 3.0},
    {"formula": "x1 * x2", "low": 0.5, "high": 9.0, "noise": 0.5},
    {"formula": "1.8 * x + 32", "low": -20.0, "high": 40.0},
    {"formula": "0 * x - 4", "low": 0.0, "high": 1.0},
    {"formula": "x / 4", "low": 0.0, "high": 9.0, "numbers": "integer"},
    {"formula": "(x1 + x2) % 2", "low": 0.0, "high": 1.0, "numbers": "integer"},
    {"formula": "abs(x1) - x2", "low": (-5.0, 0.0), "high": (5.0, 3.0), "numbers": "integer"},
    {"formula": "x % 3", "low": 0.0, "high": 20.0, "numbers": "integer", "digits": 2},
)


def count_of(dataset):
    """How many inputs there are, infinite for real numbers."""
    if dataset.source.is_real:
        return math.inf
    return math.prod(int(high - low) + 1 for low, high in dataset.source.parts("train")[0])


def dataset_of(draw):
    """A random dataset: a task, or a formula."""
    sizes = {"rows": draw.choice([1, 8, 50, 500]), "test_rows": draw.choice([1, 10, 60]), "seed": draw.randint(0, 5)}
    if draw.random() < 0.4:
        fields = draw.choice(FORMULAS)
        unused = {} if "digits" in fields else {"unused": draw.choice([0, 0, 0, 1])}
        return NamedDataset.model_validate({"name": "data", **fields, **sizes, **unused})
    task = draw.choice(["sum", "product", "square", "sum_of_squares"])
    return NamedDataset(
        name="data",
        task=task,
        n_numbers=1 if task == "square" else draw.randint(1, 3),
        largest=draw.choice([1, 2, 5, 10, 30, 1000]),
        unused=draw.choice([0, 0, 0, 1]),
        **sizes,
    )


def world_of(seed):
    """A random world, determined by a number."""
    draw = random.Random(seed)  # noqa: S311  no secret
    dataset = dataset_of(draw)
    low = min(low for low, _ in dataset.source.parts("train")[0])
    values = {
        "hidden": [(), (2,), (16,), (64, 64)],
        "activation": ["identity", "relu", "square"],
        "lr": draw.choice([[0.001, 0.01, 10.0], [round(0.001 * 3**power, 4) for power in range(20)]]),
        "normalize": ["unit", "zscore", *(["log"] if low > 0 and draw.random() < 0.2 else [])],
        "epochs": [1, 300],
        "output": ["linear", *(["sigmoid"] if draw.random() < 0.2 else [])],
    }
    axes = {axis: draw.sample(known, draw.randint(1, len(known))) for axis, known in values.items()}
    variants = {}
    for _ in range(draw.choice([draw.randint(1, 12), 60])):
        one = variant(dataset, **{axis: draw.choice(known) for axis, known in axes.items()})
        variants.setdefault(one.id, one)
    trials = [Trial(one, number) for one in variants.values() for number in range(draw.randint(1, 4))]
    weights = draw.choice(
        [[1, 1, 1, 1, 1], [5, 0, 0, 0, 0], [1, 5, 0, 0, 0], [3, 0, 1, 1, 0], [0, 0, 1, 3, 1], [9, 1, 0, 0, 1]]
    )
    fates = draw.choices(["ok", "exact", "far", "diverged", "missing"], weights, k=len(trials))
    return World(
        dataset, trials, [row for trial, fate in zip(trials, fates, strict=True) if (row := made(trial, fate, draw))]
    )


def made(trial, fate, draw):
    """A result of a trial; an lr of 10 diverges, and zscore is better, more often than not."""
    if fate == "missing":
        return None
    if fate == "diverged" or (trial.variant.lr >= 10 and draw.random() < 0.8):
        return row_of(trial, status="diverged", **dict.fromkeys(METRIC_NAMES))
    largest = max(map(abs, block(trial.variant.dataset, "test", 0)[1].tolist()))
    scale = largest * (0.02 if trial.variant.normalize == "zscore" else 0.1)
    rmse = {
        "ok": scale * draw.uniform(0.5, 2),
        "exact": 0.01 * draw.random(),
        "far": 10 * largest * draw.uniform(0.9, 3),
    }
    exact = fate == "exact"
    return row_of(
        trial,
        rmse=rmse[fate],
        rmse_rounded=0.0 if exact else rmse[fate],
        rmse_train=rmse[fate] * draw.uniform(0.1, 1.2),
        rmse_unseen=draw.choice([None, rmse[fate] * 1.1]),
        rmse_extrapolation=draw.choice([None, *[draw.random()] * 9]),
        accuracy=draw.choice([None, None, draw.random()]),
        exact_fraction=1.0 if exact else draw.choice([0.0, 0.5]),
    )


def value(text):
    """A number as it was printed."""
    return float(text.replace(",", ""))


def is_near(text, expected, rel=6e-3):
    return value(text) == pytest.approx(expected, rel=rel, abs=1e-300)


def words_of(world, rows):
    """Variant ids by their distinguishing descriptions, which are unique."""
    found = {distinguish(row, rows): row["variant_id"] for row in rows}
    assert len(found) == len(rows)
    return found


def check_closest(world, known, words, match, among):
    """It has the lowest median of these variants."""
    told = words[match["variant"]]
    assert told in among
    assert world.median(told) == min(world.median(each) for each in among)
    assert is_near(match["median"], world.median(told))
    ok, results = len(world.of(told, "rmse")), sum(row["variant_id"] == told for row in world.rows)
    if match["seeds"]:
        assert int(match["seeds"]) == ok
        assert (match["of"] and int(match["of"])) == (results if results > ok else None)
        assert is_near(match["best"], min(world.of(told, "rmse")))
    else:
        assert (ok, results) == (1, 1)


CLOSEST = (
    rf"closest is (?P<variant>.+), RMSE (?P<median>{N})"
    rf"(?: \(median of (?P<seeds>\d+) seeds?(?: of (?P<of>\d+), as the others diverged)?, the best (?P<best>{N})\))?"
)
SHARE = (
    rf"(?P<seen>{N}) of (?P<rows>{N}) test rows? occurs? in training"
    rf"(?:, (?P<numbers>{N}) without the unused inputs?)?"
)


def check(sentence, world, rows, words):
    """Finds the pattern that a sentence matches, and checks what it claims."""
    for pattern, checker in CLAIMS.items():
        if match := re.fullmatch(pattern, sentence):
            world.said.append(pattern)
            checker(world, rows, words, match)
            return
    raise AssertionError(f"nothing checks the sentence: {sentence}")


def nothing(world, rows, words, match):
    assert not world.ok


def learnt(world, rows, words, match):
    assert world.exact
    assert len(world.targets) > 1
    assert world.new_numbers > 0
    assert rows_told(match) == len(world.test)
    assert world.new_numbers == (len(world.test) if match["some"] is None else value(match["some"]))
    assert (match["numbers"] is not None) == bool(world.dataset.unused and match["some"])


def rows_told(match):
    return 1 if match["rows"] is None else value(match["rows"])


def constant(world, rows, words, match):
    assert world.targets == {value(match["value"])}
    assert value(match["count"]) == world.dataset.rows + world.dataset.test_rows


def seen_only(world, rows, words, match):
    assert world.exact
    assert world.new_numbers == 0
    assert not world.covers
    assert rows_told(match) == len(world.test)
    assert (match["but"] is not None) == (world.unseen > 0 and len(world.test) > 1)


def whole_range(world, rows, words, match):
    assert world.exact
    assert (world.new_numbers, world.covers) == (0, True)
    assert value(match["count"]) == world.distinct == world.count
    assert (match["noun"][:6] == "number") == (world.dataset.n_numbers == 1)
    best = min(world.ok, key=lambda row: row["rmse"])
    if "beyond" in match.re.groupindex:
        told = match["beyond"]
        assert is_near(told, best["rmse_extrapolation"]) if told else best["rmse_extrapolation"] is None


def right_beyond(world, rows, words, match):
    whole_range(world, rows, words, match)
    best = min(world.ok, key=lambda row: row["rmse"])
    assert best["exact_fraction"] == 1
    assert best["rmse_extrapolation"] * math.sqrt(world.dataset.test_rows) < 0.5


def memorised(world, rows, words, match):
    whole_range(world, rows, words, match)
    parameters = {trial.variant.id: trial.variant.parameters for trial in world.trials}
    assert all(parameters[each] >= world.distinct for each in world.exact)


def exact_ones(world, rows, words, match):
    parts = [re.fullmatch(r"(.+) \((\d+) of (\d+) seeds?\)", part) for part in match["all"].split("; ")]
    assert {words[part[1]] for part in parts} == world.exact
    for part in parts:
        mine = words[part[1]]
        assert int(part[2]) == world.of(mine, "exact_fraction").count(1.0)
        assert int(part[3]) == sum(row["variant_id"] == mine for row in world.rows)


def exact_networks(world, rows, words, match):
    of_network = defaultdict(set)
    for trial in world.trials:
        one = trial.variant
        if one.id in world.exact:
            flat = "a linear model" if one.output == "linear" else "no hidden layer"
            of_network[f"{list(one.hidden)} {one.activation}" if one.hidden else flat].add(one.id)
    parts = [re.fullmatch(r"(.+) \((\d+) variants?\)", part) for part in match["all"].split("; ")]
    assert {part[1]: int(part[2]) for part in parts} == {network: len(ids) for network, ids in of_network.items()}
    assert value(match["count"]) == len(world.exact)


def others(world, rows, words, match):
    check_closest(world, rows, words, match, [each for each in world.by_variant if each not in world.exact])


def not_exact(world, rows, words, match):
    assert not world.exact
    check_closest(world, rows, words, match, list(world.by_variant))


def closest(world, rows, words, match):
    assert not world.is_integer
    check_closest(world, rows, words, match, list(world.by_variant))
    best = words[match["variant"]]
    if match["share"]:
        ratio, (told, unit) = world.median(best) / world.spread, match["share"].split(" ")
        assert is_near(told.removesuffix("%"), 100 * ratio) if unit == "of" else is_near(told, ratio)
        assert (unit == "of") == (ratio < 1)
    else:
        assert world.spread == 0
    accuracy = world.of(best, "accuracy")
    assert (match["accuracy"] is not None) == bool(accuracy)
    if accuracy:
        assert value(match["accuracy"]) == pytest.approx(100 * statistics.median(accuracy), abs=0.11)


def linear_fits(world, rows, words, match):
    assert not world.is_integer
    assert world.linear < 1e-9


def linear_limit(world, rows, words, match):
    assert not world.linear_exact
    assert (match["logs"] is not None) == any(row["normalize"] == "log" for row in rows)
    assert is_near(match["limit"], world.linear)
    assert value(match["limit"]) <= world.linear  # nothing is below it


def linear_can(world, rows, words, match):
    assert world.linear_exact


def linear_trained(world, rows, words, match):
    mine = [row["variant_id"] for row in rows if is_linear(row)]
    assert world.linear_exact or not world.is_integer
    assert not world.exact & set(mine)
    assert is_near(match["rmse"], min(rmse for each in mine for rmse in world.of(each, "rmse")))


def only_linear(world, rows, words, match):
    for one in (trial.variant for trial in world.trials):
        assert one.activation == "identity" or not one.hidden
        assert (one.output, one.normalize == "log") == ("linear", False)


def is_median(world, match, variant_id):
    return (match["median"] is not None) == (len(world.of(variant_id, "rmse")) > 1)


def training(world, rows, words, match):
    best = min(world.by_variant, key=world.median)
    assert is_median(world, match, best)
    assert is_near(match["rmse"], world.median(best, "rmse_train"))
    assert world.median(best) > world.median(best, "rmse_train")
    assert value(match["rows"]) == world.dataset.rows


def seen(world, rows, words, match):
    assert value(match["seen"]) == len(world.test) - world.unseen
    assert value(match["rows"]) == len(world.test)
    assert (match["numbers"] is not None) == bool(world.dataset.unused)
    if match["numbers"]:
        assert value(match["numbers"]) == len(world.test) - world.new_numbers
    if match["rmse"]:
        best = min(world.by_variant, key=world.median)
        assert is_median(world, match, best)
        assert is_near(match["rmse"], world.median(best, "rmse_unseen"))


def all_seen(world, rows, words, match):
    seen(world, rows, words, {**match.groupdict(), "rmse": None})
    assert world.unseen == 0
    assert world.covers == ("all that there are" in match["rest"])


def best_trial(world, rows, words, match):
    best = min(world.ok, key=lambda row: row["rmse"])
    told = words[match["variant"]]
    assert (told, int(match["seed"])) == (best["variant_id"], best["seed"])
    assert is_near(match["rmse"], best["rmse"])
    closest = min(world.by_variant, key=world.median)
    assert world.median(told) > world.median(closest)
    assert best["rmse"] < min(world.of(closest, "rmse"))


def axis_effect(world, rows, words, match):
    by_name = {(axis, named(axis, row[axis])): row[axis] for row in rows for axis in AXES}
    (axis,) = {axis for axis, name in by_name if name == match["a"]} & {
        axis for axis, name in by_name if name == match["b"]
    }
    alike = defaultdict(dict)
    for row in rows:
        if row["n"] + row["n_diverged"]:
            alike[tuple(row[other] for other in AXES if other != axis)][named(axis, row[axis])] = row["variant_id"]
    pairs = [
        (group[match["a"]], group[match["b"]]) for group in alike.values() if {match["a"], match["b"]} <= group.keys()
    ]
    factors, others = [], 0
    for better, worse in pairs:
        lost = [
            1 - len(world.of(each, "rmse")) / sum(row["variant_id"] == each for row in world.rows)
            for each in (better, worse)
        ]
        assert world.of(better, "rmse")
        assert lost[0] <= lost[1] + 1e-12
        if not world.of(worse, "rmse") or world.median(better) == 0:
            others += 1
        else:
            factors.append(world.median(worse) / world.median(better))
    factors.sort()
    assert value(match["count"]) == len(factors)
    assert (value(match["more"]) if match["more"] else 0) == others
    assert factors[0] > 1
    assert is_near(match["mean"], math.exp(statistics.fmean(map(math.log, factors))))
    if match["low"]:
        assert is_near(match["low"], factors[0])
        assert is_near(match["high"], factors[-1])


def diverged(world, rows, words, match):
    bad = [row for row in world.rows if row not in world.ok]
    assert (value(match["lost"]), value(match["total"])) == (len(bad), len(world.trials))


def diverged_by(world, rows, words, match):
    axis = match["axis"]
    counts = {}
    for row in world.rows:
        lost, total = counts.get(name := named(axis, row[axis]), (0, 0))
        counts[name] = (lost + (row not in world.ok), total + 1)
    parts = [WHERE.fullmatch(part) for part in match["where"].split("; ")]
    for part in sorted(parts, key=lambda part: part["names"] is None):
        names = names_in(part["names"]) if part["names"] else None
        if names is None:  # the others: those that the parts with names leave
            names = [name for name, (lost, _) in counts.items() if (lost > 0) == (part["none"] is None)]
            assert (value(part["others"]), part["axis"]) == (len(names), axis)
        lost, total = (sum(counts[name][index] for name in names) for index in (0, 1))
        if part["none"]:
            assert lost == 0
        else:
            assert (1 if part["total"] is None else value(part["total"])) == total
            assert lost == (total if part["lost"] is None else value(part["lost"]))
        counts = {name: count for name, count in counts.items() if name not in names}
    assert not counts
    for other in re.findall(r"\w+", (match["alike"] or "").replace(" and ", " ")):
        assert surprise(world, other) == pytest.approx(surprise(world, axis), abs=0.06 * surprise(world, None))


def surprise(world, axis):
    """The entropy, in nats, of which trials diverged, given the value of an axis."""
    groups = defaultdict(list)
    for row in world.rows:
        groups[row[axis] if axis else None].append(row in world.ok)
    return sum(
        -count * math.log(count / len(group))
        for group in groups.values()
        for count in (sum(group), len(group) - sum(group))
        if count
    )


def names_in(text):
    """Splits a list of axis values; commas within brackets belong to a network."""
    return re.split(r", (?![^\[]*\])| or ", text)


def missing(world, rows, words, match):
    assert value(match["lost"]) == len(world.trials) - len(world.rows)
    assert value(match["total"]) == len(world.trials)
    assert match["verb"] == ("has" if match["lost"] == "1" else "have")


WHERE = re.compile(
    rf"(?:(?P<none>none)|the only one|(?:all|(?P<lost>{N}) of) (?P<total>{N})) with "
    rf"(?:(?:the other )?(?P<others>{N})(?: other)? values of (?P<axis>\w+)|(?P<names>.+))"
)
RIGHT = rf"(?:the only test row is|all (?P<rows>{N}) test rows are) right after rounding"
RANGE = rf"all (?P<count>{N}) (?P<noun>\w+) of the range were in training"
BEYOND = rf"beyond the range (?:the best trial has an RMSE of (?P<beyond>{N})|nothing could be measured)"
CLAIMS = {
    r"No trial gave a result\.": nothing,
    rf"Learnt exactly: {RIGHT}, (?:none of (?:them|it)|(?P<some>{N}) of them) "
    r"(?:in|not in|(?P<numbers>with numbers that are not in)) training\.": learnt,
    rf"Constant: (?P<count>{N}) targets of training and test, and all are (?P<value>{N})\.": constant,
    rf"Seen rows only: {RIGHT}, but (?:all of them also occur|it is) in training"
    r"(?P<but> but for the unused inputs)?\.": seen_only,
    rf"Learnt exactly: {RANGE}, and the numbers beyond it that were tested "
    r"are right after rounding too\.": right_beyond,
    rf"Memorised, as far as the test can tell: {RANGE}, "
    rf"no exact network has fewer parameters, and {BEYOND}\.": memorised,
    rf"Exact on the whole range: {RANGE}, and are right after rounding; {BEYOND}\.": whole_range,
    r"Exact: (?P<all>.+)\.": exact_ones,
    rf"Exact in some seed: (?P<count>{N}) variants: (?P<all>.+)\.": exact_networks,
    rf"Of the others {CLOSEST}\.": others,
    rf"Not exact: {CLOSEST}\.": not_exact,
    rf"C{CLOSEST[1:]}(?:; that is (?P<share>{N}% of|{N} times) the target's standard deviation)?"
    rf"(?:, and (?P<accuracy>{N})% of the test rows are on the right side of 1/2)?\.": closest,
    r"A linear model fits all test rows \(least squares\)\.": linear_fits,
    rf"No linear model(?P<logs> of the inputs)? gets below an RMSE of (?P<limit>{N}) on these test rows "
    r"\(least squares\)\.": linear_limit,
    r"A linear model can get every test row right after rounding \(least squares\)\.": linear_can,
    rf"The best linear trial has an RMSE of (?P<rmse>{N})\.": linear_trained,
    r"Only linear models were trained\.": only_linear,
    rf"On training rows its RMSE is (?P<rmse>{N})(?P<median> \(median\))?; "
    rf"the dataset has (?P<rows>{N}) training rows?\.": training,
    rf"{SHARE}: (?P<rest>nothing is known of its errors on others|these are all that there are)\.": all_seen,
    rf"{SHARE}(?:; on the others its RMSE is (?P<rmse>{N})(?P<median> \(median\))?)?\.": seen,
    r"The best single trial is of another variant: "
    rf"(?P<variant>.+), seed (?P<seed>\d+), RMSE (?P<rmse>{N})\.": best_trial,
    rf"With (?P<a>.+) the median RMSE is (?P<mean>{N}) times smaller than with (?P<b>.+), everything else equal "
    rf"\((?P<count>{N}) pairs?(?:, (?P<low>{N}) to (?P<high>{N}) times)?"
    rf"(?:; in (?P<more>{N}) more pairs? it alone has a result, or has no error at all)?\)\.": axis_effect,
    rf"(?P<lost>{N}) of (?P<total>{N}) trials? diverged \(a loss that is not finite, or an RMSE above 10 times the "
    r"largest target\)\.": diverged,
    r"Diverged by (?P<axis>\w+): (?P<where>.+?)(?: \((?P<alike>[\w, ]+?) tells? as much\))?\.": diverged_by,
    rf"(?P<lost>{N}) of (?P<total>{N}) trials? (?P<verb>has|have) no result yet, so this may change\.": missing,
}


def told(world):
    """The finding of a world, and its variants' rows."""
    summary = summarize(world.trials, table_of(world.rows))
    rows = best_first(summary.table.to_pylist())
    return finding(summary.datasets["data"], rows, summary.best_trial["data"]), rows


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_each_sentence_of_a_finding_is_true_of_the_results(seed):
    """Every sentence follows from the raw results and the rows."""
    world = world_of(seed)
    found, rows = told(world)
    words = words_of(world, rows)
    for sentence in (*found.sentences, *found.caveats):
        check(sentence, world, rows, words)
    if found.verdict in ("solved", "not solved"):
        best = min(world.by_variant, key=world.median)
        assert (found.verdict == "solved") == (world.median(best) < 0.001 * world.spread and world.new_numbers > 0)
    elif found.verdict != "constant":
        assert (found.verdict in ("not exact", "no result")) == (not world.exact)
    if world.exact:
        assert {exact_ones, exact_networks} & {CLAIMS[said] for said in world.said}


TELLING = (0, 1, 2, 3, 4, 5, 6, 11, 13, 29, 133, 452)
"""Worlds in which every pattern is said; they are tried first."""


def test_every_pattern_matches_a_sentence_that_is_printed():
    """So the check above can't pass merely because nothing is said."""
    said = set()
    for seed in (*TELLING, *range(1500)):
        world = world_of(seed)
        found, rows = told(world)
        for sentence in (*found.sentences, *found.caveats):
            check(sentence, world, rows, words_of(world, rows))
        said |= set(world.said)
        if said == set(CLAIMS):
            break
    assert said == set(CLAIMS)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"task": "sum", "n_numbers": 16, "largest": 2}, "sum of 16 numbers 1..2"),
        ({"task": "product", "largest": 100}, "product of 2 numbers 1..100"),
        ({"task": "square", "largest": 1000, "unused": 1}, "square of 1..1000, 1 unused input"),
        ({"task": "sum_of_squares", "n_numbers": 1, "largest": 9}, "sum of the squares of 1 number 1..9"),
        ({"task": "square", "largest": 100, "digits": 2}, "square of 1..100, by the 8 binary digits"),
        (
            {"formula": "sin(x1)+0.5*x2**2", "low": -3.0, "high": 3.0, "noise": 0.1},
            "sin(x1) + 0.5 * x2**2 for x1, x2 in -3..3, noise 0.1",
        ),
        (
            {"formula": "x1 % x2", "low": (0.0, 1.0), "high": (1000.0, 9.0), "numbers": "integer", "unused": 2},
            "x1 % x2 for integers x1 in 0..1000, x2 in 1..9, 2 unused inputs",
        ),
        (
            {"formula": "sum(x)", "n_numbers": 20, "low": 0.25, "high": 1e6},
            "sum(x1, ..., x20) for x1 to x20 in 0.25..1000000",
        ),
        ({"formula": "x % 2", "low": 0.0, "high": 7.0, "numbers": "integer"}, "x % 2 for integer x in 0..7"),
    ],
)
def test_a_title_says_how_many_numbers_go_in(fields, text):
    """And of which range they are."""
    dataset = NamedDataset(name="d", rows=5, **fields)
    assert describe_task(dataset.model_dump()) == describe_task(dataset.model_dump(mode="json")) == text


def test_counts_and_numbers_are_readable():
    """Singular and plural, thousands, four digits."""
    assert (counted(1, "seed"), counted(1362, "trial"), number(None), number(0.123456)) == (
        "1 seed",
        "1,362 trials",
        "-",
        "0.1235",
    )
