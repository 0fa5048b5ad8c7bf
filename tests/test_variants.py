"""Properties of variants and trials: what their digests depend on, and how many there are."""

import hashlib
import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec.axes import AXES, DEFAULTS, LATER
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.spec.size import size_of
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.spec.variants import Trial, Variant, trials, variants

VALUES: dict[str, list[Any]] = {
    "hidden": [[], [8], [16, 4]],
    "activation": ["identity", "relu", "tanh"],
    "optimizer": ["adam", "sgd"],
    "lr": [0.001, 1.0, 2.5e-05],
    "schedule": ["constant", "cosine"],
    "weight_decay": [0.0, 1.0, 0.01],
    "batch_size": [100, 10],
    "epochs": [500, 3],
    "init": ["glorot_uniform", "he_uniform"],
    "normalize": ["unit", "zscore"],
    "dtype": ["float32", "float64"],
    "shuffle_seed": [0, 7],
    "readout": ["trained", "solved"],
    "normalize_target": ["same", "none"],
    "output": ["linear", "tanh"],
    "loss": ["mse", "huber"],
}
DATASETS = [
    {"name": "sums", "task": "sum", "n_numbers": 2, "largest": 1000, "rows": 1000, "seed": 1},
    {"name": "squares", "task": "square", "largest": 50, "rows": 100, "unused": 1},
    {"name": "waves", "formula": "sin(x1) + x2", "low": [-3.0, 0.0], "high": 3.0, "rows": 100, "noise": 0.1},
]
Grid = dict[str, Any]
Spec = dict[str, Any]


def lists_of(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Draws one to three distinct values of an axis, in any order."""
    return st.permutations(values).flatmap(lambda order: st.integers(1, len(order)).map(lambda n: order[:n]))


SEEDS = st.one_of(st.integers(1, 3), st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
DATASET_NAMES = {"dataset": lists_of([str(each["name"]) for each in DATASETS])}
GRIDS = st.fixed_dictionaries(
    {}, optional=DATASET_NAMES | {name: lists_of(values) for name, values in VALUES.items()}
).flatmap(
    # At most four axes: the product of all has 331,776 variants.
    lambda grid: st.tuples(st.just({k: grid[k] for k in list(grid)[:5]}), SEEDS)
)
CONSTANTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


def test_the_table_of_values_covers_every_axis() -> None:
    """An axis can't be added without the tests below."""
    assert tuple(VALUES) == AXES


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Draws a spec of one to three grids as plain data."""
    grids = [grid | {"seeds": seeds} for grid, seeds in draw(st.lists(GRIDS, min_size=1, max_size=3))]
    train = draw(CONSTANTS)
    assume(all(can_be_solved(train | grid) for grid in grids))
    return {"name": "law", "dataset": DATASETS, "train": train, "grid": grids}


def can_be_solved(values: Grid) -> bool:
    """Whether these values, single or in lists, are no readout that would be solved for another output or loss."""
    one = {name: [value] if isinstance(value, str) else value for name, value in values.items()}
    return "solved" not in one.get("readout", []) or (
        one.get("output", ["linear"]) == ["linear"] and one.get("loss", ["mse"]) == ["mse"]
    )


def parse(spec: Spec, dice: random.Random | None = None) -> JobSpec:
    """Parses the data as TOML; `dice` decide how it is written."""
    order = dice.sample if dice else lambda items, _: items
    tables = [("[[dataset]]", table) for table in spec["dataset"]] + [("[train]", spec["train"])]
    tables += [("[[grid]]", table) for table in spec["grid"]]
    lines = [f'name = "{spec["name"]}"']
    for header, table in order(tables, len(tables)):
        items = order(list(table.items()), len(table))
        lines += [header, *(f"{key} = {written(key, value, dice, header)}" for key, value in items)]
    return parse_spec("\n".join(lines).encode(), "law.toml")


def written(key: str, value: Any, dice: random.Random | None, header: str) -> str:
    """Writes a value in TOML: lists in any order, a scalar or a list of one, and floats in several notations."""
    if not dice:
        return json.dumps(value)
    if isinstance(value, list) and header == "[[grid]]":
        values = [written(key, item, dice, "") for item in dice.sample(value, len(value))]
        bare = len(values) == 1 and key != "hidden" and key != "seeds" and dice.random() < 0.5
        return values[0] if bare else f"[ {', '.join([*values, values[0]])}, ]"
    if isinstance(value, float):
        exact = [str(int(value))] if value == int(value) else []
        return dice.choice([repr(value), f"{value:e}", f"{value:.10f}", *exact])
    return dice.choice([hex(value), f"{value:_}"]) if isinstance(value, int) else json.dumps(value)


def ids(spec: JobSpec) -> set[str]:
    """Returns the ids of a spec's trials."""
    return {trial.id for trial in trials(spec)}


def a_variant(**changes: Any) -> Variant:
    """Returns the same variant each time, except for the changes."""
    first = {name: values[1] if name == "hidden" else values[0] for name, values in VALUES.items()}
    values = {"dataset": NamedDataset.model_validate(DATASETS[0]), **first, **changes}
    return Variant(**values | {"hidden": tuple(values["hidden"])})


@settings(max_examples=60, deadline=None)
@given(specs(), st.randoms(use_true_random=False))
def test_however_a_spec_is_written_its_digests_are_the_same(data: Spec, dice: random.Random) -> None:
    """The order of keys, tables and lists, the notation of numbers and repeated values change no digest."""
    plain, other = parse(data), parse(data, dice)
    assert plain.digest == other.digest
    assert ids(plain) == ids(other)
    assert describe_difference(plain, other) == []


@settings(max_examples=60, deadline=None)
@given(specs())
def test_constants_may_be_in_train_or_in_every_grid(data: Spec) -> None:
    """A spec without [train], whose grids contain the constants, is the same spec."""
    inlined = [{name: [value] for name, value in data["train"].items()} | grid for grid in data["grid"]]
    moved = parse({**data, "train": {}, "grid": inlined})
    assert moved.digest == parse(data).digest
    assert ids(moved) == ids(parse(data))


@settings(max_examples=60, deadline=None)
@given(specs(), specs())
def test_specs_with_one_digest_have_the_same_trials_and_no_difference(one: Spec, other: Spec) -> None:
    """Digests differ if and only if a difference is reported; different trials have different digests."""
    first, second = parse(one), parse(other)
    assert (first.digest == second.digest) == (describe_difference(first, second) == [])
    if ids(first) != ids(second):
        assert first.digest != second.digest


@settings(max_examples=60, deadline=None)
@given(specs())
def test_grids_add_up_and_equal_trials_count_once(data: Spec) -> None:
    """The trials are the union of those of all grids, in a fixed order, and writing a grid twice adds none."""
    each = [ids(parse({**data, "grid": [grid]})) for grid in data["grid"]]
    spec = parse(data)
    found = [trial.id for trial in trials(spec)]
    assert len(found) == len(set(found))
    assert set(found) == set().union(*each)
    assert [trial.id for trial in trials(parse({**data, "grid": data["grid"] * 2}))] == found
    assert list(dict.fromkeys(trial.variant for trial in trials(spec))) == variants(spec)


@settings(max_examples=60, deadline=None)
@given(specs())
def test_the_count_is_an_upper_bound_and_exact_if_nothing_collides(data: Spec) -> None:
    """Only the activations of linear networks and trials of two grids can be equal, which the bound counts twice."""
    spec = parse(data)
    bound = size_of(enumerate(spec.grids), {each.name: len(each.splits) for each in spec.datasets}).trials
    assert bound >= len(trials(spec))
    per_grid = [len(trials(parse({**data, "grid": [grid]}))) for grid in data["grid"]]
    linear = any(() in grid["hidden"] and len(grid["activation"]) > 1 for grid in spec.canonical_grids)
    assert linear or bound == sum(per_grid)


@settings(max_examples=30, deadline=None)
@given(specs(), GRIDS)
def test_a_longer_spec_keeps_the_trials_of_the_shorter(data: Spec, more: tuple[Grid, Any]) -> None:
    """After a grid was added, only the new trials are left to train."""
    assume(can_be_solved(data["train"] | more[0]))
    longer = {**data, "grid": [*data["grid"], more[0] | {"seeds": more[1]}]}
    assert ids(parse(data)) <= ids(parse(longer))


def test_anything_that_changes_a_result_changes_the_id() -> None:
    """The id depends on each field of a variant, each field of its dataset except the name, and the seed."""
    rows = {"name": "d", "rows": 1000, "seed": 1, "test_rows": 100, "unused": 0}
    other = {"rows": 999, "seed": 2, "test_rows": 99, "unused": 1}
    of_tasks = {"task": "product", "n_numbers": 3, "largest": 999} | other
    of_formulas = {"formula": "sum(x) / 2", "low": -1.0, "high": 3.0, "noise": 0.1, "n_numbers": 2} | other
    of_digits = {"digits": 2, "numbers": "real"}
    assert set(NamedDataset.model_fields) == {"name", *of_tasks, *of_formulas, *of_digits}
    tables = []
    for base, changes in (
        ({"task": "sum", "n_numbers": 2, "largest": 1000}, of_tasks),
        ({"formula": "sum(x)", "n_numbers": 1, "low": 0.0, "high": 2.0}, of_formulas),
        ({"formula": "x % 3", "low": 0, "high": 5, "numbers": "integer"}, of_digits),
    ):
        tables += [rows | base, *(rows | base | {key: value} for key, value in changes.items())]
    found = [a_variant(dataset=NamedDataset.model_validate(table)) for table in tables]
    found += [a_variant(**{name: values[-1]}) for name, values in VALUES.items()]
    digests = [trial.id for variant in found for trial in (Trial(variant, 0), Trial(variant, 1))]
    assert len(set(digests)) == len(digests) == 2 * (len(tables) + len(VALUES))


def test_the_name_of_a_dataset_is_not_part_of_the_id() -> None:
    """A dataset with another name and the same rows gives the same trials."""
    renamed = NamedDataset.model_validate(DATASETS[0] | {"name": "adds"})
    assert a_variant(dataset=renamed).id == a_variant().id


def test_a_linear_network_has_no_activation() -> None:
    """Without hidden layers all activations give the same variant; with hidden layers they don't."""
    linear = [a_variant(hidden=(), activation=name) for name in VALUES["activation"]]
    assert len(set(linear)) == len({variant.id for variant in linear}) == 1
    assert linear[0].activation == "identity"
    assert len({a_variant(activation=name).id for name in VALUES["activation"]}) == 3


@pytest.mark.parametrize("name", AXES)
def test_the_digest_is_that_of_the_canonical_json(name: str) -> None:
    """It is the SHA-256 of the fields and the training version as JSON with sorted keys, for any values.

    Fields that were added later are left out at their defaults.
    """
    for value in VALUES[name]:
        variant = a_variant(**{name: value})
        content = {
            field: getattr(variant, field)
            for field in AXES
            if field not in LATER or getattr(variant, field) != DEFAULTS[field]
        }
        content |= {"dataset": variant.dataset.digest, "training": TRAINING_VERSION}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        assert variant.digest == hashlib.sha256(canonical.encode()).hexdigest()
        trial = json.dumps({"seed": 3, "variant": variant.digest}, sort_keys=True, separators=(",", ":"))
        assert Trial(variant, 3).id == hashlib.sha256(trial.encode()).hexdigest()[:16]


def test_an_integer_in_place_of_a_float_gives_the_same_variant() -> None:
    """A variant that is created in Python with lr = 1 equals the one with lr = 1.0, and has a float."""
    whole = a_variant(lr=1, weight_decay=0)
    assert whole.id == a_variant(lr=1.0, weight_decay=0.0).id
    assert (type(whole.lr), type(whole.weight_decay)) == (float, float)


def test_variants_come_in_the_order_of_the_spec() -> None:
    """Datasets change slowest, then the axes in their order, then the seeds."""
    grid = {"dataset": ["squares", "sums"], "hidden": [[8], [16, 4]], "lr": [1.0, 0.001], "seeds": [5, 3]}
    found = trials(parse({"name": "law", "dataset": DATASETS, "train": {}, "grid": [grid]}))
    assert [(t.variant.dataset.name, t.variant.hidden, t.variant.lr, t.seed) for t in found] == [
        (dataset, tuple(hidden), lr, seed)
        for dataset in grid["dataset"]
        for hidden in grid["hidden"]
        for lr in grid["lr"]
        for seed in grid["seeds"]
    ]


@given(st.lists(st.integers(1, 300), max_size=5).map(tuple), st.integers(0, 3))
def test_parameters_are_those_of_the_layers(hidden: tuple[int, ...], unused: int) -> None:
    """A layer has a weight per pair of units and a bias per unit; the output layer has one unit."""
    dataset = NamedDataset.model_validate(DATASETS[0] | {"unused": unused})
    sizes = [2 + unused, *hidden, 1]
    shapes = [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]
    assert a_variant(dataset=dataset, hidden=hidden).parameters == sum(i * o for i, o in shapes) + sum(sizes[1:])


def test_a_variant_is_frozen_and_replaceable() -> None:
    """A copy with changes has the digest of its new values."""
    assert replace(a_variant(), lr=1.0).id == a_variant(lr=1.0).id != a_variant().id


def test_a_large_grid_is_expanded_fast() -> None:
    """20,000 variants and the ids of their trials take about 0.25 s; the limit leaves room for a busy machine."""
    grid = {"dataset": ["sums"], "hidden": [[i] for i in range(1, 101)], "lr": [i / 1e4 for i in range(1, 201)]}
    spec = parse({"name": "law", "dataset": DATASETS, "train": {}, "grid": [grid]})
    start = time.perf_counter()
    assert len(ids(spec)) == 20_000
    assert time.perf_counter() - start < 3


def test_a_large_count_needs_no_expansion() -> None:
    """A million trials are counted immediately, with their factors."""
    many = {"lr": [i / 1e4 for i in range(1, 5001)], "hidden": [[i] for i in range(1, 101)]}
    grid = {"dataset": ["sums", "squares"], **many, "seeds": 1}
    spec = parse({"name": "law", "dataset": DATASETS, "train": {}, "grid": [grid]})
    (size,) = size_of(enumerate(spec.grids), {each.name: len(each.splits) for each in spec.datasets}).grids
    assert size.factors == (("dataset", 2), ("hidden", 100), ("lr", 5000))
    assert str(size) == "grid[0]: 2 dataset x 100 hidden x 5_000 lr = 1_000_000"
