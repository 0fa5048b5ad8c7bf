"""The answer to a dataset's question in a few sentences: why its first network ends where it does, and what mends it.

The first variant of a dataset in the spec stands for the network of whoever asks, or where `fit` has chosen one, the
chosen one. "Because" is only said of what is
shown: by the floor of a linear function near which it ends, or by the gate's paired test between trials of the same
seeds. Everything else is "most likely because". tests/test_answer.py checks each sentence against the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import pyarrow.compute as pc

from sumsquares.jobs.results.case import LEAST_GAIN, Cause
from sumsquares.jobs.results.described import (
    is_of_integers,
    is_table,
    noise_words,
    shared_of,
    spec_of,
    splits_of,
    target_spread,
)
from sumsquares.jobs.results.everywhere import combinations
from sumsquares.jobs.results.middle import has_splits, middle
from sumsquares.jobs.results.proof import Place, Rmse, Side, compared, pairing, pairs_of
from sumsquares.jobs.results.scale import unit_in
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.format import Row, counted, distinguish, number, over_words, percent, share
from sumsquares.jobs.show.matters import sentence as matters_words
from sumsquares.jobs.show.proof_text import p_words
from sumsquares.jobs.spec.axes import AXES

REASONS = {
    "no_activation": "it has no activation",
    "output_cannot_reach": "its output activation stands in the way",
    "readout_not_trained": "its last layer is not trained out",
    "too_few_steps": "it has too few steps",
    "lr_too_high": "its learning rate is too high",
    "lr_too_low": "its learning rate is too low",
    "weight_decay_too_high": "its weight decay is too high",
    "dead_units": "hardly any of its units is alive",
    "saturated": "some of its units are saturated",
    "inputs_not_scaled": "the scale of its inputs does not suit it",
    "target_not_scaled": "the scale of its target does not suit it",
    "too_narrow": "it has too few units",
    "knots_misplaced": "the knots of its units are misplaced",
    "memorised": "it has memorised its training rows",
    "unused_input": "an input that the target does not depend on disturbs it",
    "seed_luck": "only some of its seeds succeed",
}
"""Causes of an RMSE as clauses. What happens beyond the range is none: the RMSE is measured within it."""
_NAMED = 6  # variants that are exact everywhere, and that are named one by one


def answer(summary: Summary, name: str, run: str, chosen: Row | None = None) -> list[str]:
    """Returns the sentences about a dataset, by its name; `run` is the run's name, `chosen` the variant of `fit`."""
    rows = summary.table.filter(pc.equal(summary.table["dataset"], name)).to_pylist()
    return answer_about(summary, Mine.of(summary, rows, chosen), rows, run)


def answer_about(summary: Summary, mine: Mine, rows: Sequence[Row], run: str) -> list[str]:
    """Returns the same about a network of a dataset, of whose variants these are the rows in the order of the spec."""
    name = mine.row["dataset"]
    sentences = list(_about_mine(mine, rows, run)) if mine.causes else []
    about = mine.about
    if about.get("noise") and [cause.name for cause in mine.causes[:1]] != ["at_noise"]:
        sentences.append(f"{noise_words(about)}; test rows have none.")
    sentences += _about_every_number(about, rows)
    if (matters := summary.importance.get(name)) is not None:
        sentences += filter(None, [matters_words(matters, splits_of(about))])
    return sentences


@dataclass(frozen=True, slots=True)
class Mine:
    """The network of whoever asks, and how it ended."""

    row: Row
    called: str
    """`The first network of the spec`."""
    about: Row
    """Its dataset's entry in the summary."""
    causes: Sequence[Cause]
    """Empty until explained."""
    tested: Side | None
    """The change of the first cause, tested on what the run has."""

    @classmethod
    def of(cls, summary: Summary, rows: Sequence[Row], chosen: Row | None = None) -> Mine:
        """Of a dataset's variants, in the order of the spec: the first one, if none is chosen."""
        row = rows[0] if chosen is None else chosen
        causes = summary.causes.get(row["variant_id"], ())
        called = "The first network of the spec" if chosen is None else "The chosen network"
        is_faulty = causes and causes[0].name not in ("solved", "at_noise") and _is_trained(row)
        tested = _tested(summary, row, rows, causes[0]) if is_faulty else None
        return cls(row, called, summary.datasets[row["dataset"]], causes, tested)

    @property
    def is_better(self) -> bool:
        """Whether the test shows that the change helps."""
        return self.tested is not None and self.tested.verdict == "better"

    @property
    def reason(self) -> str:
        """Why its RMSE is what it is, as a clause: ` because it has no activation`; empty if that isn't known."""
        cause = self.causes[0]
        if cause.name not in REASONS:
            return ""
        is_at_floor = cause.name == "no_activation" and _is_near_floor(self.row)
        is_shown = self.is_better or (is_at_floor and not is_table(self.about))
        return f"{' because' if is_shown else ', most likely because'} {REASONS[cause.name]}"


def _is_trained(row: Row) -> bool:
    return bool(row["n"] + row["n_diverged"])


def _about_mine(mine: Mine, rows: Sequence[Row], run: str) -> Iterator[str]:
    """The asker's network, its reason, what shows that, and what mends it."""
    cause, which = mine.causes[0], f"{mine.called}, {distinguish(mine.row, rows)},"
    if cause.name == "solved":
        yield f"{which} {_how_exact(mine.row, mine.about)}."
        return
    if cause.name == "at_noise":
        yield f"{which} is at the noise of its training rows."
        yield cause.sentence
        return
    if not _is_trained(mine.row):
        yield f"{which} has no result yet."
        return
    yield f"{which} {_ended(mine.row)}{mine.reason}."
    yield cause.sentence
    if mine.tested is not None and mine.is_better:
        yield f"What mends it: {mine.tested.change} ({_test_words(mine.tested, cause)})."
    elif cause.change is not None:
        yield f"What should mend it: {cause.change}. `sumsquares explain {run} --prove` puts that to the test."
    # What happens beyond the range competes with no cause of the RMSE, which is measured within it.
    yield from (other.sentence for other in mine.causes[1:] if other.name == "outside_range")


def _is_near_floor(first: Row) -> bool:
    """Whether what no linear function gets below is most of the RMSE."""
    rmse, floor = middle(first), first["floor"]
    return first["floor_kind"] == "linear" and rmse is not None and rmse < LEAST_GAIN * floor


def _how_exact(row: Row, about: Row) -> str:
    if not is_of_integers(about):
        rmse = middle(row)
        assert rmse is not None
        share_of = percent(rmse / target_spread(about))
        return f"is solved: its RMSE is {share_of} of the target's standard deviation"
    if row["exact_everywhere"] == 1:
        return "is solved: its best trial is right after rounding on the whole range"
    seeds = counted(row["n"] + row["n_diverged"], "seed")
    return f"is solved: every test row is right after rounding in {row['n_exact']} of {seeds}"


def _ended(row: Row) -> str:
    """How a variant with a result ended: `has an RMSE of 73,659 (median of 5 seeds)`."""
    rmse = middle(row)
    if rmse is None:
        lost, noun = row["n_diverged"], "trial" if has_splits(row) else "seed"
        return f"diverged in {f'all {lost:,} {noun}s that were' if lost > 1 else f'the only {noun} that was'} trained"
    over = f" ({words})" if (words := over_words(row)) else ""
    return f"has an RMSE of {number(rmse)}{over}"


def _tested(summary: Summary, first: Row, rows: Sequence[Row], cause: Cause) -> Side | None:
    """The change of a cause, tested on what the run has: the variant with that change, or the readout solved."""
    if cause.change is None:
        return None
    metric = "rmse_extrapolation" if cause.name == "outside_range" else "rmse"
    before = _by_place(summary, first["variant_id"], metric)
    # With another loss too, the hidden layers would be others.
    if cause.name == "readout_not_trained" and cause.change.also is None:
        after, variant_id = _by_place(summary, first["variant_id"], "rmse_solved"), first["variant_id"]
    else:
        wanted = {**first, **_values(cause)}
        found = [row["variant_id"] for row in rows if all(row[axis] == wanted[axis] for axis in AXES)]
        if found in ([], [first["variant_id"]]):
            return None
        [variant_id] = found
        after = _by_place(summary, variant_id, metric)
    about = summary.datasets[first["dataset"]]
    places, paired_by = sorted(before.keys() & after.keys(), key=str), pairing(splits_of(about))
    before_S, after_S = (pairs_of(each, places, paired_by) for each in (before, after))
    return compared(before_S, cause.change, variant_id, after_S, unit_in(about), paired_by, shared_of(about))


def _values(cause: Cause) -> dict[str, Any]:
    """The changed columns of a variant's row."""
    change, found = cause.change, {}
    while change is not None:
        is_list = isinstance(change.value, list | tuple)
        found[change.field] = str(list(change.value)) if is_list else change.value
        change = change.also
    return found


def _by_place(summary: Summary, variant_id: str, metric: str) -> dict[Place, Rmse]:
    """A metric of each of a variant's trials: infinite where it diverged, or where its answers are not finite."""
    trials = summary.trials.filter(pc.equal(summary.trials["variant_id"], variant_id))
    rows = trials.select(["split", "seed", "status", metric]).to_pylist()
    unknown = None if metric == "rmse_solved" else inf
    return {
        (row["split"], row["seed"]): inf if row["status"] != "ok" else unknown if row[metric] is None else row[metric]
        for row in rows
    }


def _test_words(side: Side, cause: Cause) -> str:
    """What the test found: `8.8 times smaller over 5 seeds, p = 3e-06`."""
    judged = side.judged
    assert judged is not None
    after, before = judged.diverged
    seeds, p = counted(judged.seeds, side.paired_by), p_words(judged)
    if after or before:
        return f"diverged: {before} of {seeds} before, {after} after, {p}"
    least = "at least " if judged.is_small else ""
    where = "beyond the range " if cause.name == "outside_range" else ""
    return f"{where}{least}{number(float(f'{1 / (1 + judged.effect):.3g}'))} times smaller over {seeds}, {p}"


def _about_every_number(about: Row, rows: Sequence[Row]) -> Iterator[str]:
    """What the check on every number of the range has shown."""
    checked = [row for row in rows if row["exact_everywhere"] is not None]
    if not checked:
        return
    count = combinations(spec_of(about))
    assert count is not None
    inputs = counted(count, "number" if about["n_numbers"] == 1 else "combination")
    opening = f"Checked on {'the only' if count == 1 else 'all'} {inputs.removeprefix('1 ')} of the range"
    exact = [row for row in checked if row["exact_everywhere"] == 1]
    if len(exact) > 1 and exact == [row for row in rows if row["n_exact"]]:  # findings.py names them
        yield f"{opening}, the best trial of every exact variant is right on {'it' if count == 1 else 'every one'}."
    elif exact:
        told = "; ".join(distinguish(row, rows) for row in exact[:_NAMED])
        more = f"; and {counted(len(exact) - _NAMED, 'other variant')}" if len(exact) > _NAMED else ""
        right = "right" if count == 1 else "right on every one"
        yield f"{opening}, the best trial is {right}: {told}{more}."
    elif any(row["n_exact"] for row in checked):
        best = max(checked, key=lambda row: float(row["exact_everywhere"]))
        yield (f"{opening}, the best trial of {distinguish(best, rows)} is right on {share(best['exact_everywhere'])}.")
