"""The decision on a night: what it is compared with, and whether it is promoted.

Choosing the champion and the history is done here. How two nights are compared is for results/gate.py or, if the spec
was edited, for gate_best.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.champion import ACCEPTED, Champion, champion_night, promote, read_champion, recovery
from sumsquares.jobs.night.common import CommonRows
from sumsquares.jobs.night.context import LockedContext, NightContext
from sumsquares.jobs.night.gate_best import Comparison, Pair, Table, compare, table_of, worst
from sumsquares.jobs.night.grown import Grown, grown_tables, measured_again, nights_between
from sumsquares.jobs.night.matching import match_datasets, one_stream, same_test_rows
from sumsquares.jobs.night.names import variant_name
from sumsquares.jobs.night.nights import Night, list_nights
from sumsquares.jobs.night.records import NightRecord, read_night
from sumsquares.jobs.night.scores import make_scores, measure_on, read_scores, without_result
from sumsquares.jobs.results.gate import Judgement, Scores, judge
from sumsquares.jobs.spec.variants import Variant, variants
from sumsquares.jobs.storage.checksummed import DamagedRecord

HISTORY = 20
"""Maximum number of nights in the gate's history."""
_TRIES = 3


@dataclass(frozen=True)
class Decision:
    """How a night was judged."""

    result: str
    """first or better: it is the champion now; same, worse, apart (not comparable) or failed: it isn't."""
    against: str | None
    """The champion that it was judged against."""
    judgement: Judgement | EditedJudgement | None
    """Variant by variant, or of an edited spec best by best; None if the night was not judged."""
    lost: Sequence[str] = ()
    """Datasets without a result of any trial: why the night failed."""
    nights: int = 0
    """Nights that show the noise of the rows; 0 if both nights have the same rows."""
    tables: Mapping[str, CommonRows] = field(default_factory=dict)
    """By the champion's dataset those with other rows than the champion's, and on which rows they were compared."""


@dataclass(frozen=True)
class EditedJudgement:
    """What the gate finds of a night of an edited spec."""

    datasets: Mapping[str, str | None]
    """The night's dataset by the champion's; None if it has none to compare."""
    found: Mapping[str, Comparison]
    """By the champion's dataset, of those that both have."""
    names: Mapping[str, Variant]
    """The night's variants by the names that scores have of them."""
    champion_names: Mapping[str, Variant]
    """The champion's: one of them may be the night's as well, under another name of its dataset."""
    added: Sequence[str] = ()
    """Datasets that the champion doesn't have; they are not judged."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why the champion's datasets that are tables have nothing to be compared with."""

    @property
    def apart(self) -> list[str]:
        """The champion's datasets that have nothing to be compared with."""
        return [name for name, ours in self.datasets.items() if ours is None]

    @property
    def verdict(self) -> str:
        """worse, apart, better or same."""
        return worst([self.found[name].verdict if ours else "apart" for name, ours in self.datasets.items()])


@dataclass(frozen=True)
class Side:
    """A night and what it has reached."""

    night: Night
    scores: Scores

    @cached_property
    def names(self) -> dict[str, Variant]:
        """Its variants by the names that scores have of them."""
        return {variant_name(variant): variant for variant in variants(self.night.spec)}

    @cached_property
    def datasets(self) -> dict[str, Whole]:
        """Datasets that are trained on, as they were given."""
        return {variant.dataset.name: variant.dataset.whole for variant in variants(self.night.spec)}

    @cached_property
    def trained(self) -> dict[str, Whole]:
        """The same, with the rows that were trained on."""
        return {each.name: each for each in self.night.trained.datasets if each.name in self.datasets}


def decide(context: LockedContext, scores: Scores) -> Decision:
    """Judges the night and promotes it if it has earned that; starts over if the champion moves meanwhile.

    Raises:
        BusyError: the lock was lost, or the champion was moved again and again.

    """
    night, store = context.night, context.store
    for _ in range(_TRIES):
        champion, _ = read_champion(store)
        decision = _judged(context, scores, champion)
        if champion is not None and champion.night == night.id:  # promoted by an attempt that ended right afterwards
            return decision
        if decision.result not in ("first", "better"):
            return decision
        context.lock.check()
        at = context.clock.stamp()
        if promote(store, night.id, night.spec.name, context.lock.token, at, decision.against):
            return decision
    raise BusyError(f"the champion was moved {_TRIES} times while night {night.id} was judged; start it again")


def is_edited(night: Scores, champion: Scores) -> bool:
    """Whether the variants differ from the champion's, or no trial has a partner there."""
    return not has_variants_of(champion, night) or not np.isin(night.trial_T, champion.trial_T).any()


def have_same_rows(one: Side, other: Side) -> bool:
    """Whether both were trained on the same rows, whatever their datasets are called."""
    ours, theirs = ({dataset.digest for dataset in side.trained.values()} for side in (one, other))
    return ours == theirs


def has_variants_of(one: Scores, other: Scores) -> bool:
    """Whether both have the same variants."""
    return set(one.variant_T.tolist()) == set(other.variant_T.tolist())


def _judged(context: NightContext, scores: Scores, champion: Champion | None) -> Decision:
    night = context.night

    # A night that is the champion already is judged against the champion before it.
    lineage = champion.lineage if champion else []
    is_champion = bool(lineage) and lineage[-1] == night.id
    against = ([None, *lineage][-2] if is_champion else lineage[-1]) if lineage else None

    # Without a result for each dataset there is nothing to promote, and without a champion nothing to compare with.
    if lost := without_result(scores, variants(night.spec)):
        return Decision("failed", against, None, lost)
    if champion is None or against is None:
        return Decision("first", None, None)

    # A night that the gate has promoted stays "better", whatever the gate would find now.
    decision = _compared(context, Side(night, scores), against, champion.rolled_back)
    is_promoted = is_champion and champion.moves[-1].kind != ACCEPTED
    return replace(decision, result="better") if is_promoted else decision


def _compared(context: NightContext, ours: Side, against: str, rolled_back: set[str]) -> Decision:
    champion = champion_night(context.store, against)
    theirs = Side(champion, _scores_of(context, champion))
    matches = match_datasets(list(theirs.datasets.values()), list(ours.datasets.values()))

    # Tables with other rows are measured again, on rows that neither night was trained on.
    try:
        grown = grown_tables(context.store, matches, theirs.datasets, ours.datasets)
    except (DataError, FileNotFoundError) as error:
        why = f"the test rows of the champion, night {champion.id}, can't be read: {error}"
        raise DamagedRecord(f"{why}: put a copy back; or {recovery(context.store, champion.id)}") from error
    ours, theirs = _measured_again(context, grown, ours, theirs)

    # On the same rows there is no noise of the rows, so no history is needed to estimate it.
    same_rows = have_same_rows(ours, theirs)
    history = [] if same_rows else [theirs.scores, *_history(context, theirs, rolled_back, grown)]

    if not is_edited(ours.scores, theirs.scores) and not grown.apart:
        judgement = judge(ours.scores, theirs.scores, history, context.options.policy)
        return Decision(judgement.verdict, against, judgement, nights=len(history), tables=grown.common)
    matches |= dict.fromkeys(grown.apart)
    edited = replace(_compare_edited(context, ours, theirs, matches, history), reasons=grown.apart)
    return Decision(edited.verdict, against, edited, tables=grown.common)


def _measured_again(context: NightContext, grown: Grown, ours: Side, theirs: Side) -> tuple[Side, Side]:
    """Returns both nights with the scores that they have on the common rows of their tables."""
    store, read = context.store, context.results
    mine = measured_again(store, ours.night, ours.scores, grown.of_night, False, read)
    others = measured_again(store, theirs.night, theirs.scores, grown.common, True, read)
    return replace(ours, scores=mine), replace(theirs, scores=others)


def _history(context: NightContext, champion: Side, rolled_back: set[str], grown: Grown) -> list[Scores]:
    """Returns scores of the latest nights on other rows than the champion's that didn't differ from it."""
    same = _same_nights(context, champion.night.id, rolled_back)
    if grown.common:
        others = _of_other_rows(same, {context.night.trained.digest, champion.night.trained.digest})
        return nights_between(champion.scores, islice(others, HISTORY - 1))
    fresh = (record for record in same if record.fresh)
    scores = (read_scores(context.store, record.night, record.scores_sha256) for record in fresh)
    found = (each for each in scores if each is not None and has_variants_of(champion.scores, each))
    return [*islice(found, HISTORY - 1)]


def _same_nights(context: NightContext, against: str, rolled_back: set[str]) -> Iterator[NightRecord]:
    """Yields the nights that didn't differ from the champion, the latest first."""
    for each in reversed(list_nights(context.store)):
        record = read_night(context.store, each) if each not in (context.night.id, against, *rolled_back) else None
        if record is not None and (record.result, record.against) == ("same", against):
            yield record


def _of_other_rows(records: Iterable[NightRecord], trained: set[str]) -> Iterator[NightRecord]:
    """Yields the first night of each spec that was trained, but those of `trained`: equal specs have equal rows."""
    for record in records:
        if record.trained_digest not in trained:
            trained = trained | {record.trained_digest}
            yield record


def _scores_of(context: NightContext, champion: Night) -> Scores:
    """Returns the champion's scores, measured again if they or its night.json are damaged."""
    record = read_night(context.store, champion.id)
    scores = read_scores(context.store, champion.id, record.scores_sha256) if record else None
    return make_scores(context.store, champion, context.results)[0] if scores is None else scores


def _compare_edited(
    context: NightContext,
    night: Side,
    champion: Side,
    matches: Mapping[str, Whole | None],
    history: Sequence[Scores],
) -> EditedJudgement:
    """Compares the best of each dataset with the champion's; `history` as in results/gate.py, the champion first."""
    ours, theirs = night.datasets, champion.datasets
    shared = {name: match for name, match in matches.items() if match is not None}

    # Both sides are measured on the champion's test rows; those of tables have been already.
    elsewhere = {
        match.name: rows
        for name, match in shared.items()
        if isinstance(rows := theirs[name], NamedDataset) and not same_test_rows(match, rows)
    }
    measured = measure_on(context.store, night.night, elsewhere, context.results) if elsewhere else night.scores

    # Only nights with all the champion's trials show the noise of its rows, which matters only if the rows differ.
    past = [each for each in history if np.isin(champion.scores.trial_T, each.trial_T).all()]
    pairs = []
    for name, match in shared.items():
        mine = _table(measured if match.name in elsewhere else night.scores, night.names, match.name)
        share_rows = one_stream(night.trained[match.name], champion.trained[name])
        noise = [] if share_rows else [_table(each, champion.names, name) for each in past]
        pairs.append(Pair(mine, _table(champion.scores, champion.names, name), noise))

    return EditedJudgement(
        {name: match.name if match else None for name, match in matches.items()},
        dict(zip(shared, compare(pairs, context.options.policy), strict=True)),
        night.names,
        champion.names,
        sorted(ours.keys() - {match.name for match in shared.values()}),
    )


def _table(scores: Scores, names: Mapping[str, Variant], dataset: str) -> Table:
    keep_T: NDArray[np.bool_] = np.array([names[name].dataset.name == dataset for name in scores.variant_T.tolist()])
    return table_of(Scores(scores.trial_T[keep_T], scores.variant_T[keep_T], scores.rmse_T[keep_T]))
