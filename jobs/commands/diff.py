"""What `sumsquares diff` does: compares two runs, of one store or of two, by their specs and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.commands.printing import console
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.stored_run import Stored, stored_run
from sumsquares.jobs.night.matching import same_test_rows
from sumsquares.jobs.results.gate import Change
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.run_difference import Compared, Pair, compare
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.diff_text import apart_lines, dataset_text, spec_lines
from sumsquares.jobs.show.format import describe_variant
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.storage.store import Store

_ORDER = ("worse", "apart", "better", "same")


def diff(before: str, after: str, other_store: str | None, shows_all: bool, shared: Shared) -> int:
    """Returns 0 whether or not they differ, and 3 if files of a run are damaged. --json has the verdict.

    Raises:
        UsageError: there is no such run, or it isn't finished.
        DataError: a spec or a summary is damaged.

    """
    runs = stored_run(Store(shared.store), before), stored_run(Store(other_store or shared.store), after)
    summaries = runs[0].summary(), runs[1].summary()
    names, reasons = _matched(runs, summaries)
    found = {name: compare(*summaries, (name, other)) for name, other in names.items()}
    lines = describe_difference(runs[0].spec, runs[1].spec)
    difference = _Difference(runs, summaries, names, found, reasons, lines)
    if shared.json:
        shared.print(_facts(difference), "")
    else:
        _print(difference, shows_all)
    damage = [line for run in runs for line in run.damage]
    shared.progress().warn_all(damage)
    return exits.DATA if damage else exits.OK


_Both = tuple[Stored, Stored]
_Summaries = tuple[Summary, Summary]


@dataclass(frozen=True, slots=True)
class _Difference:
    """What was found of two runs."""

    runs: _Both
    summaries: _Summaries
    names: Mapping[str, str]
    """The second run's dataset by that of the first with the same test rows."""
    found: Mapping[str, Compared]
    """By the first run's dataset."""
    reasons: Mapping[str, str]
    """By dataset, why it can't be compared."""
    lines: list[str]
    """How the specs differ."""

    def best(self, name: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        """The best variant of each run on the first run's dataset."""
        return self.summaries[0].best[name], self.summaries[1].best[self.names[name]]


def _matched(runs: _Both, summaries: _Summaries) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the second run's dataset by that of the first with the same test rows, and why others have none."""
    ours, theirs = (
        {each.name: each for each in run.spec.datasets if each.name in summary.datasets}
        for run, summary in zip(runs, summaries, strict=True)
    )
    names, reasons = {}, {}
    for name, dataset in ours.items():
        same = [other for other, rows in theirs.items() if same_test_rows(dataset, rows)]
        if same:
            names[name] = name if name in same else same[0]
        elif name in theirs:
            reasons[name] = f"other test rows: dataset {dataset.digest[:12]} -> {theirs[name].digest[:12]}"
        else:
            reasons[name] = "only the first run has it"
    left = theirs.keys() - names.values() - reasons.keys()
    return names, reasons | {name: "only the second run has it" for name in theirs if name in left}


def _print(difference: _Difference, shows_all: bool) -> None:
    out, found = console(), difference.found
    for line in spec_lines(difference.lines, *(run.words for run in difference.runs)):
        out.print(line, soft_wrap=True, highlight=False, markup=False)
    for name, other in difference.names.items():
        title = name if name == other else f"{name} (in the second run {other})"
        about = difference.summaries[0].datasets[name]
        out.print()
        for part in dataset_text(title, about, difference.best(name), found[name], out.width, shows_all):
            out.print(part)
    for line in apart_lines(difference.reasons):
        out.print()
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def _facts(difference: _Difference) -> dict[str, Any]:
    found, reasons = difference.found, difference.reasons
    verdicts = {*(each.verdict for each in found.values()), *(["apart"] if reasons else [])}
    return {
        "before": _run_facts(difference.runs[0]),
        "after": _run_facts(difference.runs[1]),
        "verdict": next((verdict for verdict in _ORDER if verdict in verdicts), "same"),
        "spec": difference.lines,
        "datasets": {
            name: _dataset_facts(found[name], other, *difference.best(name)) for name, other in difference.names.items()
        },
        "not_comparable": dict(reasons),
    }


def _run_facts(run: Stored) -> dict[str, Any]:
    return {"run": run.words, "store": run.store.root, "folder": run.folder, "spec_digest": run.spec.digest}


def _dataset_facts(
    found: Compared, other: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "in_second": other,
        "verdict": found.verdict,
        "best_rmse": [best and middle(best) for best in (before, after)],
        "constants": {axis: list(values) for axis, values in found.constants.items()},
        "only_in_first": [row["variant_id"] for row in found.only_before],
        "only_in_second": [row["variant_id"] for row in found.only_after],
        "variants": [_pair_facts(pair) for pair in found.pairs],
    }


def _pair_facts(pair: Pair) -> dict[str, Any]:
    return {
        "variant": describe_variant(pair.after),
        "variant_ids": [pair.before["variant_id"], pair.after["variant_id"]],
        "rmse": [middle(pair.before), middle(pair.after)],
        "same_trials": pair.is_same,
        **_change_facts(pair.change),
    }


def _change_facts(change: Change | None) -> dict[str, Any]:
    if change is None:
        return {"verdict": "untested"}
    return {
        "verdict": change.verdict,
        "effect": change.effect,
        "low": change.low,
        "high": change.high,
        "p": change.p,
        "pairs": change.seeds,
    }
