"""A night of an edited spec beside its champion: which datasets both have, measured on the champion's test rows.

What is compared then is for jobs.night.best, and what follows from it for jobs.night.decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.night.best import Comparison, Pair, Table, compare, table_of, worst
from sumsquares.jobs.night.gate import Policy, Scores
from sumsquares.jobs.night.matching import matched, one_stream, same_test_rows
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.scores import measure_on, variant_name
from sumsquares.jobs.spec.variants import Variant, variants
from sumsquares.jobs.storage.store import Store


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
    def datasets(self) -> dict[str, NamedDataset]:
        """Those that are trained on, as they were given."""
        return {variant.dataset.name: variant.dataset for variant in variants(self.night.spec)}

    @cached_property
    def trained(self) -> dict[str, NamedDataset]:
        """The same, with the rows that were trained on."""
        return {each.name: each for each in self.night.trained.datasets if each.name in self.datasets}


@dataclass(frozen=True)
class Edited:
    """What the gate finds of a night of an edited spec."""

    datasets: Mapping[str, str | None]
    """By the champion's datasets the night's; None where it has nothing to be compared with."""
    found: Mapping[str, Comparison]
    """By the champion's datasets, of those that both have."""
    names: Mapping[str, Variant]
    """The night's variants by the names that scores have of them."""
    champion_names: Mapping[str, Variant]
    """The champion's: one of them may be the night's as well, under another name of its dataset."""
    added: Sequence[str] = ()
    """Datasets that the champion doesn't have; they are not judged."""

    @property
    def verdict(self) -> str:
        """worse, apart, better or same."""
        return worst([self.found[name].verdict if ours else "apart" for name, ours in self.datasets.items()])


def is_edited(night: Scores, champion: Scores) -> bool:
    """Whether the variants are others than the champion's, or none of their trials has a partner."""
    return not has_variants_of(champion, night) or not np.isin(night.trial_T, champion.trial_T).any()


def have_same_rows(one: Side, other: Side) -> bool:
    """Whether both were trained on the same rows, whatever their datasets are called."""
    ours, theirs = ({dataset.digest for dataset in side.trained.values()} for side in (one, other))
    return ours == theirs


def has_variants_of(one: Scores, other: Scores) -> bool:
    """Whether both have the same variants."""
    return set(one.variant_T.tolist()) == set(other.variant_T.tolist())


def compare_edited(
    store: Store, night: Side, champion: Side, history: Sequence[Scores], policy: Policy, read: Reading
) -> Edited:
    """Compares the best of each dataset with the champion's; `history` as in jobs.night.gate, the champion first."""
    ours, theirs = night.datasets, champion.datasets
    matches = matched(list(theirs.values()), list(ours.values()))
    shared = {name: match for name, match in matches.items() if match is not None}
    elsewhere = {ours.name: theirs[name] for name, ours in shared.items() if not same_test_rows(ours, theirs[name])}
    measured = measure_on(store, night.night, elsewhere, read) if elsewhere else night.scores
    past = [each for each in history if np.isin(champion.scores.trial_T, each.trial_T).all()]
    pairs = []
    for name, match in shared.items():
        mine = _table(measured if match.name in elsewhere else night.scores, night.names, match.name)
        shared_luck = one_stream(night.trained[match.name], champion.trained[name])
        luck = [] if shared_luck else [_table(each, champion.names, name) for each in past]
        pairs.append(Pair(mine, _table(champion.scores, champion.names, name), luck))
    return Edited(
        {name: match.name if match else None for name, match in matches.items()},
        dict(zip(shared, compare(pairs, policy), strict=True)),
        night.names,
        champion.names,
        sorted(ours.keys() - {match.name for match in shared.values()}),
    )


def _table(scores: Scores, names: Mapping[str, Variant], dataset: str) -> Table:
    keep_T: NDArray[np.bool_] = np.array([names[name].dataset.name == dataset for name in scores.variant_T.tolist()])
    return table_of(Scores(scores.trial_T[keep_T], scores.variant_T[keep_T], scores.rmse_T[keep_T]))
