"""The public questions of examples/questions: what each must show, and what a run of its spec has shown.

The first variant of a spec is the network as it was asked; the others mend it. Nothing is printed or written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import Case, times
from sumsquares.jobs.results.causes import causes_of
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.answer import answer
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

FOLDER = Path(__file__).parent.parent / "examples/questions"
INSIDE, BEYOND = "rmse_median", "rmse_extrapolation_median"


@dataclass(frozen=True)
class Expected:
    """What a question must show."""

    causes: tuple[str, ...]
    """The true cause; several where the public answer gave several, or one has two names."""
    cure: Mapping[str, Any]
    """Columns whose values together only the variant has that mends it."""
    measured: tuple[str, str] = (INSIDE, INSIDE)
    """The columns that are compared: of the network as it was asked, and of the one that mends it."""
    is_named: bool = True
    """Whether the true cause is among the first two named. Where it isn't, the rules have something to learn."""


QUESTIONS = {
    "q01": Expected(("inputs_not_scaled", "target_not_scaled"), {"normalize": "symmetric"}),
    "q02": Expected(("no_activation",), {"activation": "relu"}),
    "q03": Expected(("no_activation",), {"hidden": "[8, 8]"}),
    "q04": Expected(("too_few_steps", "lr_too_low", "target_not_scaled"), {"optimizer": "adam"}),
    "q06": Expected(("inputs_not_scaled", "target_not_scaled"), {"normalize": "log"}),
    "q07": Expected(("memorised",), {"dataset": "more-products"}),
    "q09": Expected(
        ("lr_too_high", "inputs_not_scaled", "target_not_scaled"), {"activation": "relu", "normalize": "symmetric"}
    ),
    "q10": Expected(("inputs_not_scaled", "saturated"), {"normalize": "symmetric"}),
    "q12": Expected(("lr_too_low", "output_cannot_reach"), {"optimizer": "adam"}),
    "q13": Expected(("output_cannot_reach",), {"output": "tanh"}),
    "q16": Expected(("inputs_not_scaled", "target_not_scaled", "weight_decay_too_high"), {"activation": "square"}),
    "q18": Expected(("inputs_not_scaled",), {"normalize": "zscore"}),
    "q19": Expected(("outside_range",), {"dataset": "whole-range"}, (BEYOND, INSIDE)),
    "q21": Expected(("dead_units", "too_narrow"), {"loss": "bce"}),
    "q22": Expected(("no_activation", "too_narrow"), {"hidden": "[4]"}),
    "q24": Expected(("outside_range",), {"activation": "square"}, (BEYOND, BEYOND), is_named=False),
    "q25": Expected(("outside_range",), {"activation": "square"}, (BEYOND, BEYOND)),
    "q27": Expected(("output_cannot_reach",), {"output": "linear"}),
    "q28": Expected(("inputs_not_scaled", "target_not_scaled"), {"hidden": "[]", "normalize": "log"}),
    "q29": Expected(("output_cannot_reach",), {"dataset": "sums", "hidden": "[]"}),
    "q31": Expected(("solved",), {"hidden": "[]"}),
    "q34": Expected(("too_few_steps",), {"epochs": 10_000}),
    "q35": Expected(("memorised",), {"dataset": "more-sums"}),
    "q37": Expected(("output_cannot_reach", "dead_units"), {"hidden": "[]"}),
    "q38": Expected(("dead_units", "seed_luck"), {"hidden": "[8]"}),
    "q40": Expected(("too_few_steps",), {"epochs": 100}),
    "q41": Expected(("memorised",), {"hidden": "[]"}),
    "q43": Expected(("output_cannot_reach",), {"output": "linear"}),
}
"""By the name of the spec. Nothing in sumsquares was fitted to them."""


@dataclass(frozen=True)
class Asked:
    """A question's spec, run in a store."""

    name: str
    store: Store = field(repr=False)
    spec: JobSpec = field(repr=False)
    summary: Summary = field(repr=False)
    rows: Sequence[Mapping[str, Any]] = field(repr=False)

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """The row of the network as it was asked."""
        return self.rows[0]

    @cached_property
    def cured(self) -> Mapping[str, Any]:
        """The row of the variant that mends it."""
        cure = QUESTIONS[self.name].cure
        [row] = [row for row in self.rows if all(row[key] == value for key, value in cure.items())]
        return row

    @property
    def before(self) -> float | None:
        """What is measured of the network as it was asked; None where it diverged."""
        return _number(self.first, QUESTIONS[self.name].measured[0])

    @property
    def after(self) -> float | None:
        """The same of the variant that mends it."""
        return _number(self.cured, QUESTIONS[self.name].measured[1])

    @property
    def gain(self) -> float:
        """How many times smaller it is then."""
        return times(self.before, self.after)

    @property
    def causes(self) -> list[str]:
        """The causes of the network as it was asked, in the run that has the cure, the first one first."""
        return [cause.name for cause in self.summary.causes[self.first["variant_id"]]]

    @property
    def causes_alone(self) -> list[str]:
        """The same without a look at the other variants of the run."""
        name, about = self.first["variant_id"], self.summary.datasets[self.first["dataset"]]
        trials = self.summary.trials.to_pylist()
        rmse_S = sorted(row["rmse"] for row in trials if row["variant_id"] == name and row["rmse"] is not None)
        return [cause.name for cause in causes_of(Case(self.first, about, tuple(rmse_S), {}))]

    @property
    def change(self) -> str:
        """All that the variant that mends it has otherwise, as a spec writes it."""
        first, cured = (_told(row) for row in (self.first, self.cured))
        other = {axis: value for axis, value in cured.items() if value != first.get(axis)}
        if other.get("normalize") == other.get("normalize_target"):  # one key says both
            other.pop("normalize_target", None)
        return ", ".join(f"{axis} = {_written(axis, value)}" for axis, value in other.items())

    @property
    def sentences(self) -> list[str]:
        """The answer to the network as it was asked."""
        return answer(self.summary, self.first["dataset"], self.spec.name)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to tell of a variant: no activation without a layer, and the scale of the target in any case."""
    left_out = {"activation"} if row["hidden"] == "[]" else set()
    scale = row["normalize"] if row["normalize_target"] == "same" else row["normalize_target"]
    return {axis: row[axis] for axis in ("dataset", *AXES) if axis not in left_out} | {"normalize_target": scale}


def _written(axis: str, value: Any) -> str:
    return f"[{value}]" if axis == "hidden" else f"{value:_}" if type(value) is int else json.dumps(value)


def _number(row: Mapping[str, Any], column: str) -> float | None:
    value: float | None = row[column]
    return value


def ask(name: str, store: str) -> Asked:
    """Runs a question's spec in this process."""
    spec = load_spec(FOLDER / f"{name}.toml")
    with Runtime(IN_PROCESS, Store(store), Progress(quiet=True)) as runtime:
        summary = run_spec(spec, runtime).summary
    return Asked(name, Store(store), spec, summary, summary.table.to_pylist())


def title(name: str) -> str:
    """The question in a line: the first one of its spec."""
    return (FOLDER / f"{name}.toml").read_text().partition("\n")[0].removeprefix("# ")


def is_restated(name: str) -> bool:
    """Whether the spec says that it asks something else than was asked."""
    return re.search(r"^# Restated: ", (FOLDER / f"{name}.toml").read_text(), re.MULTILINE) is not None
