"""Trials by column: the columns of their rows, and how they are sent to another process."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from result_rows import SQUARES, SUMS, variant
from specs import small
from table_specs import houses

from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.trial_columns import columns_of, trial_columns, variant_columns
from sumsquares.jobs.spec.sent_trials import SentTrials
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.packs import Pack

MIXED = [
    *trials(small()),
    *trials(houses(folds="3")),
    *[
        Trial(variant(dataset, hidden=(), weight_decay=decay), 7)
        for dataset in (SUMS, SQUARES)
        for decay in (0.0, -0.0)
    ],
]


def some(seed):
    """60 of them in any order."""
    return [MIXED[place] for place in np.random.default_rng(seed).permutation(len(MIXED))[:60]]


def sent(value):
    """What another process receives."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  our own bytes


@pytest.mark.parametrize("seed", range(3))
def test_the_columns_of_many_trials_are_those_of_each(seed):
    """In whatever order they come, with several datasets and splits, and variants that are equal but not the same."""
    mixed = some(seed)
    columns = trial_columns(mixed)
    assert [name for name in SCHEMA.names if name in columns] == list(columns)
    for index, trial in enumerate(mixed):
        row = {name: values[index].as_py() for name, values in columns.items()}
        assert row == variant_columns(trial.variant)
    assert all(values.type == SCHEMA.field(name).type for name, values in columns.items())
    assert columns_of([]) == {name: [] for name in columns}


@pytest.mark.parametrize("seed", range(3))
def test_sent_trials_are_the_same_trials(seed):
    """With their ids, and as many distinct variants: 0.0 and -0.0 stay two values."""
    mixed = some(seed)
    found = sent(SentTrials.of(mixed)).trials()
    assert list(found) == mixed
    assert [trial.id for trial in found] == [trial.id for trial in mixed]
    assert len({id(trial.variant) for trial in found}) == len({id(trial.variant) for trial in mixed})
    decays = [[np.signbit(trial.variant.weight_decay) for trial in each] for each in (found, mixed)]
    assert decays[0] == decays[1]


@pytest.mark.parametrize("is_named", [False, True])
def test_a_sent_pack_is_the_same_pack(is_named):
    """With its engine and id, whether the id was known before or not."""
    pack = Pack(tuple(trials(small())[:10]), "lanes")
    assert not is_named or pack.id
    found = sent(pack)
    assert (found, found.engine, found.id, found.trial_ids) == (pack, "lanes", pack.id, pack.trial_ids)
