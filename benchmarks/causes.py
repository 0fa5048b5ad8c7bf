"""Measures how often a planted fault is found, and whether the remedy that is named mends it.

    python benchmarks/causes.py [--cases 60] [--seed 0] [--only NAME ...] [--tuning | --formulas] [--prove]
        [--seeds 10] [--core N] [--json]

For each cause, settings of a dataset and a network are drawn at random, and one fault is planted in each; the control
is the same setting without it. A drawn pair counts if it is one: the control's RMSE must be at least FAULT times
smaller. Variants are diagnosed alone, without neighbours in a grid, which would give the answer away. Then every first
diagnosis is put to the test: the same seeds are trained again with the one change that it names, and it is right if the
median RMSE is at least LEAST_GAIN times smaller. Columns:

* named: of the cases, how many have the planted cause among their causes, and how many as the first one.
* mended: of the cases, how many are mended by the change that their first cause names (recall: any repair that works).
* right: of all first diagnoses, of cases and of controls, how many are mended by the change they name (precision).
* false: of the controls, how many have the planted cause among their causes although its change mends nothing.

With --prove each first diagnosis is also proved as `explain --prove` does it, with ten seeds (--seeds), those that it
was made from among them:

* proved: of all first diagnoses, how many changes the gate's paired test calls better.
* control: the same share of other changes, each of a hyperparameter drawn at random, of the same variants.

A second table has the share of right diagnoses by the cause that is named first, whatever was planted.

Thresholds were fixed with --tuning: squares and sums, other widths and seeds. --formulas plants the same faults in
networks that learn formulas of real numbers and integers, some of them with noise; what fails beyond the range has no
remedy there. By default it takes minutes on one core,
with --prove twice as long.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from peers.contender import machine
from tables import markdown, share

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.engines.draws import uniform
from sumsquares.jobs.engines.initialize import WEIGHTS
from sumsquares.jobs.pipeline.proving import experiment, prove
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import LEAST_GAIN, Case, Cause, Change, times
from sumsquares.jobs.results.causes import NAMES, causes_of
from sumsquares.jobs.results.proof import Proof
from sumsquares.jobs.results.proof_size import SEEDS as SEEDS_OF_PROOF
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.spec.variants import Variant
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

FAULT = 2.0
"""By what factor a fault must raise the RMSE to count as one."""
FAULT_BEYOND = 10.0
"""The same for the RMSE beyond the range."""
SEEDS = 5
CONTROL = 0
"""The seed that the controls of proofs are drawn with, as `explain --prove` does by default."""
_OF_DATASET = tuple(name for name in NamedDataset.model_fields if name != "name")
Function = tuple[str, int] | tuple[str, int, float, float] | tuple[str, int, float, float, float]
"""A task with its number of numbers; or a formula with that, its range and its noise."""


@dataclass(frozen=True)
class Setting:
    """A dataset and a network: the fields of a spec that aren't at their defaults, and the seeds."""

    fields: tuple[tuple[str, Any], ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, seeds: Sequence[int], **fields: Any) -> Setting:
        """The setting with these fields; a batch has at most as many rows as the dataset."""
        fields["batch_size"] = min(fields.get("batch_size", 100), fields["rows"])
        if not fields.get("unused", True):
            del fields["unused"]
        return cls(tuple(sorted(fields.items())), tuple(seeds))

    def but(self, **changed: Any) -> Setting:
        """The same with other fields or seeds."""
        seeds = changed.pop("seeds", self.seeds)
        return Setting.of(seeds, **{**dict(self.fields), **changed})

    def __getitem__(self, field: str) -> Any:
        return dict(self.fields)[field]

    @property
    def dataset(self) -> tuple[tuple[str, Any], ...]:
        """Its fields that are the dataset's."""
        return tuple((name, value) for name, value in self.fields if name in _OF_DATASET)


@dataclass(frozen=True)
class World:
    """What settings are drawn from."""

    curved: tuple[Function, ...]
    """Those that no linear function is right on."""
    tasks: tuple[Function, ...]
    many: tuple[Function, ...]
    """Those whose target varies little over its largest value."""
    raw: tuple[Function, ...]
    """Formulas of numbers far from -1..1."""
    largest: tuple[int, ...]
    rows: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]
    epochs: tuple[int, ...]
    batch_size: int
    first_seed: int


TUNING = World(
    curved=(("square", 1),),
    tasks=(("square", 1), ("sum", 2), ("sum", 3)),
    many=(("sum", 8), ("sum", 12), ("sum", 16)),
    largest=(100, 300, 1000),
    rows=(400, 800),
    widths=((8,), (16,), (32,), (16, 16)),
    epochs=(100, 200),
    raw=(),
    batch_size=50,
    first_seed=0,
)
OTHER = World(
    curved=(("square", 1), ("product", 2), ("product", 3), ("sum_of_squares", 2), ("sum_of_squares", 3)),
    tasks=(("square", 1), ("product", 2), ("product", 3), ("sum_of_squares", 2), ("sum_of_squares", 3)),
    many=(("product", 4), ("product", 5), ("sum_of_squares", 8), ("sum_of_squares", 12), ("sum_of_squares", 16)),
    largest=(60, 200, 500, 1500),
    rows=(500, 1000),
    widths=((12,), (24,), (48,), (12, 12)),
    epochs=(120, 240),
    raw=(),
    batch_size=40,
    first_seed=1_000_000,
)
_FORMULAS: tuple[Function, ...] = (
    ("sin(x)", 1, -3.0, 3.0),
    ("sin(x)", 1, 0.0, 6.0, 0.05),
    ("(x - 0.5)**2", 1, 0.0, 1.0),
    ("exp(x)", 1, -2.0, 2.0),
    ("tanh(3 * x) + x**2", 1, -2.0, 2.0, 0.1),
    ("x1 * x2", 2, -1.0, 1.0),
    ("x1 / x2", 2, 1.0, 4.0),
    ("abs(x1 - x2)", 2, -5.0, 5.0),
    ("sin(x1) + 0.5 * x2**2", 2, -3.0, 3.0, 0.1),
    ("max(x1, x2, x3)", 3, 0.0, 1.0),
)
FORMULAS = replace(
    OTHER,
    curved=_FORMULAS,
    tasks=(*_FORMULAS, ("x1 - 2 * x2", 2, -3.0, 3.0)),
    many=(("exp(3 * x)", 1, -2.0, 2.0), ("x1 * x2 * x3 * x4", 4, 0.0, 9.0), ("exp(x1 + x2)", 2, -3.0, 3.0)),
    raw=(
        ("sqrt(x)", 1, 0.0, 3000.0),
        ("x**2", 1, 0.0, 1000.0),
        ("x1 * x2", 2, 0.0, 100.0),
        ("x1 + x2", 2, 0.0, 500.0),
        ("sin(x / 100)", 1, 0.0, 600.0),
    ),
    first_seed=2_000_000,
)
_LR = {"adam": (0.003, 0.01), "adamw": (0.003, 0.01), "rmsprop": (0.001, 0.003), "momentum": (0.01, 0.03)}
_ANY = ("relu", "relu", "tanh", "gelu", "leaky_relu", "silu")
_SMOOTH = ("tanh", "sigmoid", "gelu", "silu")
Pair = tuple[Setting, Setting]
"""A setting with a planted fault, and the same without it."""


def healthy(draw: random.Random, world: World, **fixed: Any) -> Setting:
    """A setting in which nothing is wrong; keys in capitals name what is drawn from instead."""
    function = draw.choice(fixed.pop("TASKS", world.tasks))
    n_numbers = function[1]
    optimizer = draw.choice(fixed.pop("OPTIMIZERS", ("adam", "adam", "rmsprop", "momentum")))
    first = world.first_seed + draw.randrange(100_000)
    fields = {
        **target_of(function, draw.choice(world.largest[: 2 if n_numbers > 3 else None])),
        "rows": draw.choice(fixed.pop("ROWS", world.rows)),
        "test_rows": 400,
        "seed": draw.randrange(3),
        "hidden": draw.choice(fixed.pop("WIDTHS", world.widths)),
        "activation": draw.choice(fixed.pop("ACTIVATIONS", _ANY)),
        "optimizer": optimizer,
        "lr": draw.choice(_LR[optimizer]),
        "epochs": draw.choice(world.epochs),
        "batch_size": world.batch_size,
        "normalize": draw.choice(("symmetric", "zscore")),
    }
    return Setting.of(range(first, first + SEEDS), **{**fields, **fixed})


def target_of(function: Function, largest: int) -> dict[str, Any]:
    """The fields of a dataset that say what its target is."""
    if len(function) == 2:
        return {"task": function[0], "n_numbers": function[1], "largest": largest}
    found = {"formula": function[0], "n_numbers": function[1], "low": function[2], "high": function[3]}
    return found | ({"noise": function[4]} if len(function) == 5 else {})


def no_activation(draw: random.Random, world: World) -> Pair:
    """All layers are linear."""
    control = healthy(draw, world, TASKS=world.curved)
    return control.but(activation="identity"), control


def readout_not_trained(draw: random.Random, world: World) -> Pair:
    """Smooth features, from which gradient descent doesn't find the last layer."""
    case = healthy(draw, world, ACTIVATIONS=_SMOOTH)
    return case, case.but(readout="solved")


def too_few_steps(draw: random.Random, world: World) -> Pair:
    """A small part of the epochs."""
    control = healthy(draw, world)
    return control.but(epochs=max(2, control["epochs"] // draw.choice((15, 30, 60)))), control


def lr_too_high(draw: random.Random, world: World) -> Pair:
    """30 to 300 times a good learning rate."""
    control = healthy(draw, world)
    return control.but(lr=control["lr"] * draw.choice((30, 100, 300))), control


def lr_too_low(draw: random.Random, world: World) -> Pair:
    """A hundredth of a good learning rate, or less."""
    control = healthy(draw, world)
    return control.but(lr=control["lr"] / draw.choice((100, 300, 1000))), control


def weight_decay_too_high(draw: random.Random, world: World) -> Pair:
    """30 to 1000 times what is usual; decoupled from the gradient it is multiplied by the learning rate."""
    control = healthy(draw, world, OPTIMIZERS=("adam", "adamw", "rmsprop", "momentum"))
    usual = 0.1 if control["optimizer"] == "adamw" else 0.001
    return control.but(weight_decay=usual * draw.choice((30, 100, 300, 1000))), control


def dead_units(draw: random.Random, world: World) -> Pair:
    """First weights that are all negative, so that every unit is 0 on numbers above 0."""
    control = healthy(
        draw, world, ACTIVATIONS=("relu",), WIDTHS=((1,), (2,), (3,)), normalize="unit", init="glorot_uniform"
    )
    dead, alive = _starts(control)
    return control.but(seeds=dead[:SEEDS]), control.but(seeds=alive[:SEEDS])


def output_cannot_reach(draw: random.Random, world: World) -> Pair:
    """An output activation that reaches a part of the targets."""
    control = healthy(draw, world, TASKS=world.curved)
    return control.but(output=draw.choice(("sigmoid", "relu", "tanh"))), control


def seed_luck(draw: random.Random, world: World) -> Pair:
    """The same, in most of the seeds."""
    case, control = dead_units(draw, world)
    lucky = draw.choice((1, 2))
    return control.but(seeds=(*case.seeds[lucky:], *control.seeds[:lucky])), control


def _starts(setting: Setting) -> tuple[list[int], list[int]]:
    """Seeds with which all first weights are negative, and such with which all are positive."""
    first = setting.seeds[0]
    shape = (setting["n_numbers"], setting["hidden"][0])
    weights = uniform(np.arange(first, first + 20_000, dtype=np.uint64), WEIGHTS, math.prod(shape))
    return [(first + np.flatnonzero((weights * sign > 0).all(axis=1))).tolist() for sign in (-1, 1)]


def saturated(draw: random.Random, world: World) -> Pair:
    """Steps so large that units of a bounded activation end at the ends of their range."""
    control = healthy(draw, world, ACTIVATIONS=("tanh", "sigmoid"), OPTIMIZERS=("adam", "rmsprop"))
    return control.but(lr=draw.choice((3.0, 10.0))), control


def inputs_not_scaled(draw: random.Random, world: World) -> Pair:
    """The question's own scaling, which squashes the inputs; or none, of large ones."""
    control = healthy(draw, world, TASKS=world.raw or world.curved)
    return control.but(normalize="none" if world.raw else "question"), control


def target_not_scaled(draw: random.Random, world: World) -> Pair:
    """A target over its largest value, which it hardly ever comes near; or a large one as it is."""
    control = healthy(draw, world, TASKS=(*world.many, *world.raw), normalize="zscore")
    is_raw = world.raw and "x1 * x2 * x3" not in control["formula"] and "exp" not in control["formula"]
    return control.but(**({"normalize_target": "none"} if is_raw else {"normalize": "unit"})), control


def too_narrow(draw: random.Random, world: World) -> Pair:
    """One or two units."""
    wide = tuple(each for each in world.widths if len(each) == 1 and each[0] >= 20)
    control = healthy(draw, world, TASKS=world.curved, WIDTHS=wide, ACTIVATIONS=("relu", "leaky_relu", "tanh"))
    return control.but(hidden=(draw.choice((1, 2)),)), control


def knots_misplaced(draw: random.Random, world: World) -> Pair:
    """All knots of ReLU units at 0, the end of the range."""
    shallow = tuple(each for each in world.widths if len(each) == 1)
    case = healthy(
        draw, world, TASKS=world.curved, WIDTHS=shallow, ACTIVATIONS=("relu",), normalize="unit", readout="solved"
    )
    return case, case.but(init="spread_knots")


def memorised(draw: random.Random, world: World) -> Pair:
    """A handful of rows, with as many steps."""
    control = healthy(draw, world)
    few = draw.choice((8, 15, 30))
    steps = control["epochs"] * -(-control["rows"] // control["batch_size"])
    return control.but(rows=few, epochs=steps), control


def unused_input(draw: random.Random, world: World) -> Pair:
    """Inputs that the target doesn't depend on, and few rows."""
    control = healthy(draw, world, ROWS=(100, 200))
    return control.but(unused=draw.choice((3, 6, 12))), control


def outside_range(draw: random.Random, world: World) -> Pair:
    """A network that doesn't continue the function; one of squares does."""
    shallow = tuple(each for each in world.widths if len(each) == 1)
    case = healthy(draw, world, TASKS=[each for each in world.curved if each != ("product", 3)], WIDTHS=shallow)
    return case, case.but(activation="square")


PLANTS: dict[str, Callable[[random.Random, World], Pair]] = {
    plant.__name__: plant
    for plant in (
        no_activation,
        readout_not_trained,
        too_few_steps,
        lr_too_high,
        lr_too_low,
        weight_decay_too_high,
        dead_units,
        saturated,
        inputs_not_scaled,
        target_not_scaled,
        too_narrow,
        knots_misplaced,
        memorised,
        unused_input,
        output_cannot_reach,
        seed_luck,
        outside_range,
    )
}


class Lab:
    """Trains settings in a store of its own; what was trained before is found there."""

    def __init__(self, folder: str) -> None:
        self._store = Store(folder)
        self._progress = Quiet(quiet=True)

    def cases(self, settings: Iterable[Setting]) -> dict[Setting, Case]:
        """The case of each setting, alone, without neighbours."""
        found: dict[Setting, Case] = {}
        left = list(dict.fromkeys(settings))
        # A summary's row is of all seeds of a variant, so settings that differ in their seeds alone go apart.
        while left:
            together = {setting.fields: setting for setting in reversed(left)}
            found |= self._trained([*together.values()])
            left = [setting for setting in left if setting not in found]
        return found

    def _trained(self, settings: Sequence[Setting]) -> dict[Setting, Case]:
        spec = spec_of(settings)
        with Runtime(IN_PROCESS, self._store, self._progress) as runtime:
            summary = run_spec(spec, runtime).summary
        rows = {row["variant_id"]: row for row in summary.table.to_pylist()}
        rmse: dict[str, list[float]] = {name: [] for name in rows}
        for trial in summary.trials.to_pylist():
            rmse[trial["variant_id"]] += [] if trial["rmse"] is None else [trial["rmse"]]
        return {
            setting: Case(rows[variant.id], summary.datasets[variant.dataset.name], tuple(sorted(rmse[variant.id])), {})
            for setting, variant in variants(settings).items()
        }

    def proofs(self, diagnoses: Sequence[tuple[Setting, Cause]], seeds: int) -> list[Proof]:
        """The proof of each diagnosis as `explain --prove` gives it: alone, with this many seeds at least."""
        if not diagnoses:
            return []
        variant_of = variants([setting for setting, _ in diagnoses])
        planned = [
            experiment(variant_of[setting], cause, setting.seeds, seeds, "auto", CONTROL)
            for setting, cause in diagnoses
        ]
        with Runtime(IN_PROCESS, self._store, self._progress) as runtime:
            return prove("causes", "auto", planned, runtime)[0]


class Quiet(Progress):
    """Says nothing at all: each spec differs from the one before it."""

    def warn(self, text: str) -> None:
        """Not even a warning."""


def dataset_names(settings: Iterable[Setting]) -> dict[tuple[tuple[str, Any], ...], str]:
    """A name for each of their datasets."""
    return {dataset: f"d{place}" for place, dataset in enumerate(dict.fromkeys(each.dataset for each in settings))}


def variants(settings: Iterable[Setting]) -> dict[Setting, Variant]:
    """The variant of each of these settings."""
    settings = [*settings]
    names = dataset_names(settings)
    found = {}
    for setting in settings:
        dataset = NamedDataset.model_validate({"name": names[setting.dataset], **dict(setting.dataset)})
        found[setting] = Variant(
            dataset=dataset, **{name: value for name, value in setting.fields if name not in _OF_DATASET}
        )
    return found


def spec_of(settings: Sequence[Setting]) -> JobSpec:
    """A job spec of these settings, a grid each."""
    names = dataset_names(settings)
    lines = ['name = "causes"']
    for dataset, name in names.items():
        lines += ["[[dataset]]", f'name = "{name}"', *(f"{field} = {json.dumps(value)}" for field, value in dataset)]
    for setting in settings:
        lines += ["[[grid]]", f'dataset = "{names[setting.dataset]}"', f"seeds = {list(setting.seeds)}"]
        for field, value in setting.fields:
            if field not in _OF_DATASET:
                lines.append(f"{field} = {json.dumps([value] if field == 'hidden' else value)}")
    return parse_spec("\n".join(lines).encode(), "causes.toml", 10**7)


def changed(setting: Setting, change: Change) -> Setting:
    """The setting with the change, and all else as it was."""
    if change.also is not None:
        setting = changed(setting, change.also)
    if change.field == "seeds":
        return setting.but(seeds=range(max(setting.seeds) + 1, max(setting.seeds) + 1 + change.value))
    return setting.but(**{change.field: change.value})


def gain(cause: Cause, before: Case, after: Case) -> float:
    """By what factor a change made smaller what its cause is about."""
    if cause.name == "seed_luck":  # more seeds help the best one
        return times(before.rmse, min(after.rmse_S, default=None))
    if cause.name == "outside_range":
        return times(before.number("rmse_extrapolation_median"), after.number("rmse_extrapolation_median"))
    return times(before.rmse, after.rmse)


@dataclass(frozen=True)
class Found:
    """What was found for one planted cause."""

    name: str
    drawn: int
    cases: int
    controls: int
    named: int
    first: int
    mended: int
    planted_mended: int
    """Of the cases in which the planted cause is named: those that its own change mends."""
    diagnoses: int
    right: int
    false: int
    told: dict[str, int]
    """First diagnoses that name a change, by the cause."""
    wrong: dict[str, int]
    """Those of them whose change mends nothing."""
    proved: dict[str, int] | None
    """Those of them whose change the test calls better; None without --prove."""
    others: int
    """Proofs that have a control: another change of the same variant."""
    others_better: int
    """Those of them whose control the test calls better."""


def measured(name: str, lab: Lab, world: World, wanted: int, seed: int, seeds: int) -> Found:
    """Plants a fault in settings until so many count, and puts every diagnosis to the test.

    Proofs have this many seeds; none is made with 0.
    """
    draw = random.Random(f"{name} {seed}")  # noqa: S311  no secret
    pairs: list[tuple[Setting, Setting]] = []
    known: dict[Setting, Case] = {}
    drawn = 0
    while len(pairs) < wanted and drawn < 10 * wanted:
        some = [PLANTS[name](draw, world) for _ in range(wanted - len(pairs))]
        drawn += len(some)
        known |= lab.cases(each for pair in some for each in pair)
        pairs += [pair for pair in some if is_fault(name, known[pair[0]], known[pair[1]])]
    causes = {each: causes_of(known[each]) for pair in pairs for each in pair}
    found = tested(name, lab, drawn, pairs, known, causes)
    return proved(found, lab, [(each, causes[each][0]) for pair in pairs for each in pair], seeds) if seeds else found


def is_fault(name: str, case: Case, control: Case) -> bool:
    """Whether what was planted makes a difference: a network that is exact in most seeds has no fault."""
    if control.rmse is None:
        return False
    if name == "outside_range":
        beyond = [each.number("rmse_extrapolation_median") for each in (case, control)]
        return case.rmse is not None and times(*beyond) >= FAULT_BEYOND
    if 2 * (case.row["n_exact"] or 0) > case.row["n"] > 0:
        return False
    if name == "seed_luck" and times(case.rmse, min(case.rmse_S, default=None)) < FAULT:
        return False
    return times(case.rmse, control.rmse) >= FAULT


def tested(
    name: str,
    lab: Lab,
    drawn: int,
    pairs: Sequence[Pair],
    known: Mapping[Setting, Case],
    causes: Mapping[Setting, tuple[Cause, ...]],
) -> Found:
    """Trains again with every first change and with the planted cause's, and counts."""
    planted = {each: next((cause for cause in found if cause.name == name), None) for each, found in causes.items()}
    wanted = [
        (each, cause)
        for each in causes
        for cause in (causes[each][0], planted[each])
        if cause is not None and cause.change
    ]
    again = lab.cases(changed(each, cause.change) for each, cause in wanted if cause.change)

    def mends(each: Setting, cause: Cause | None) -> bool:
        if cause is None or cause.change is None:
            return False
        return gain(cause, known[each], again[changed(each, cause.change)]) >= LEAST_GAIN

    cases, controls = [case for case, _ in pairs], [control for _, control in pairs]
    first = [each for each in (*cases, *controls) if causes[each][0].change is not None]
    wrong = Counter(causes[each][0].name for each in first if not mends(each, causes[each][0]))
    return Found(
        name=name,
        drawn=drawn,
        cases=len(cases),
        controls=len(controls),
        named=sum(planted[each] is not None for each in cases),
        first=sum(causes[each][0].name == name for each in cases),
        mended=sum(mends(each, causes[each][0]) for each in cases),
        planted_mended=sum(mends(each, planted[each]) for each in cases),
        diagnoses=len(first),
        right=len(first) - wrong.total(),
        false=sum(planted[each] is not None and not mends(each, planted[each]) for each in controls),
        told=dict(Counter(causes[each][0].name for each in first)),
        wrong=dict(wrong),
        proved=None,
        others=0,
        others_better=0,
    )


def proved(found: Found, lab: Lab, first: Iterable[tuple[Setting, Cause]], seeds: int) -> Found:
    """Adds the proofs of those first diagnoses that name a change."""
    proofs = lab.proofs([(setting, cause) for setting, cause in first if cause.change], seeds)
    others = [each.control.verdict for each in proofs if each.control]
    return replace(
        found,
        proved=dict(Counter(each.cause.name for each in proofs if each.is_proved)),
        others=len(others),
        others_better=others.count("better"),
    )


def total(found: Sequence[Found]) -> Found:
    """The sums of all counts."""

    def summed(values: Sequence[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return dict(sum(map(Counter, values), Counter[str]()))
        return None if values[0] is None else sum(values)

    names = [each.name for each in fields(Found) if each.name != "name"]
    return Found("all", **{name: summed([getattr(each, name) for each in found]) for name in names})


def table(found: Sequence[Found]) -> str:
    """The counts as Markdown."""
    rows = [
        (
            each.name,
            share(each.named, each.cases),
            share(each.first, each.cases),
            share(each.mended, each.cases),
            share(each.planted_mended, each.named),
            share(each.right, each.diagnoses),
            share(each.false, each.controls),
            *proof_cells(each),
            ", ".join(f"{name} {count}" for name, count in each.wrong.items()),
        )
        for each in (*found, total(found))
    ]
    head = ["planted", "named", "named first", "mended", "mended by its own change", "right", "false"]
    return markdown([*head, *(["proved", "control"] if found[0].proved is not None else []), "wrong"], rows)


def proof_cells(found: Found) -> list[str]:
    """How many first diagnoses are proved, and how many of the controls beside them; nothing without --prove."""
    if found.proved is None:
        return []
    return [share(sum(found.proved.values()), found.diagnoses), share(found.others_better, found.others)]


def table_of_diagnoses(found: Sequence[Found]) -> str:
    """The precision of each cause where it is named first, whatever was planted, as Markdown."""
    everything = total(found)
    told, wrong, shown = (Counter(each) for each in (everything.told, everything.wrong, everything.proved or {}))
    rows = [
        (name, share(count - wrong_count, count), share(shown_count, count))
        for name, count, wrong_count, shown_count in (
            *((name, told[name], wrong[name], shown[name]) for name in NAMES if told[name]),
            ("all", told.total(), wrong.total(), shown.total()),
        )
    ]
    cells = 2 if everything.proved is None else 3
    return markdown(["first cause", "right", "proved"][:cells], [row[:cells] for row in rows])


def main() -> None:
    """Measures the causes and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60, help="cases per cause, and as many controls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(PLANTS), metavar="NAME")
    parser.add_argument("--tuning", action="store_true", help="the settings that thresholds were fixed on")
    parser.add_argument(
        "--formulas", action="store_true", help="formulas of real numbers and integers instead of tasks"
    )
    parser.add_argument("--prove", action="store_true", help="prove each first diagnosis, with a control beside it")
    parser.add_argument("--seeds", type=int, default=SEEDS_OF_PROOF, help="of each proof")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin the process to")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    world = FORMULAS if options.formulas else TUNING if options.tuning else OTHER
    seeds = options.seeds if options.prove else 0
    names = options.only or [name for name in PLANTS if name != "outside_range" or not options.formulas]
    with tempfile.TemporaryDirectory() as folder:
        found = [measured(name, Lab(f"{folder}/{name}"), world, options.cases, options.seed, seeds) for name in names]
    if options.json:
        asked = {"cases": options.cases, "seed": options.seed, "seeds_of_proofs": seeds, "least_gain": LEAST_GAIN}
        facts = {"machine": machine(options.core), **asked, "found": [asdict(each) for each in found]}
        print(json.dumps(facts, indent=1))
    else:
        print(f"{table(found)}\n\n{table_of_diagnoses(found)}")


if __name__ == "__main__":
    main()
