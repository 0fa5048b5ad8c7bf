"""Nights of a spec with formulas: fresh rows, scores in the unit of the dataset, and comparison after an edit."""

from __future__ import annotations

import shutil
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from night_world import said, spec_of
from verify_world import MINE, found, start

from sumsquares.datasets.rows import blocks
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.night.scores import read_scores, scores_path
from sumsquares.jobs.results.scale import unit_of
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import Store

SPEC = MINE.replace('"mine"', '"waves"').replace("lr = [0.01, 0.02]", "lr = [0.01]")


@pytest.fixture(scope="module", name="nights")
def two_nights(tmp_path_factory):
    """Returns the store of two nights of one spec on fresh rows, and how they ended."""
    store = Store(str(tmp_path_factory.mktemp("nights") / "store"))
    return store, [start(store, day, SPEC) for day in ("2026-11-01", "2026-11-02")]


def night_of(day, text=SPEC):
    """Returns that night."""
    return Night(date.fromisoformat(day), spec_of(text), fresh=True)


def test_a_fresh_night_draws_other_rows_of_the_same_formula():
    """Only the seed differs, and so do the ids of the trials."""
    given, trained = night_of("2026-11-01").spec.datasets[1], night_of("2026-11-01").trained.datasets[1]
    assert given.seed != trained.seed
    assert given == trained.model_copy(update={"seed": given.seed})


def test_nights_are_judged_and_leave_a_store_without_damage(nights):
    """The first is the champion, and a night that differs by its rows alone is compared with it."""
    store, ended = nights
    assert [each.exit_code for each in ended] == [0, 0]
    records = [read_night(store, night_of(day).id) for day in ("2026-11-01", "2026-11-02")]
    assert [each.result for each in records] == ["first", "same"]
    assert {*records[0].best} == {"sums", "waves"}
    assert found(store) == {}


def test_scores_are_stored_as_they_are_and_compared_in_the_unit_of_their_dataset(nights):
    """That of integers is 1; a thousandth of the target's standard deviation is worth a tenth of the other."""
    store, _ = nights
    night = night_of("2026-11-01")
    raw = pq.read_table(f"{store.root}/{scores_path(night.id)}")["rmse"].to_numpy()
    scores = read_scores(store, night.id, read_night(store, night.id).scores_sha256)
    units = np.array([unit_of(trial.variant.dataset) for trial in trials(night.spec)])
    assert scores.rmse_T.tolist() == (raw / units).tolist()
    assert {trial.variant.dataset.name: unit for trial, unit in zip(trials(night.spec), units, strict=True)} == {
        "sums": 1.0,
        "waves": pytest.approx(0.01 * targets_std(night.spec.datasets[1])),
    }


def targets_std(dataset):
    """Returns the standard deviation of the test targets."""
    return np.concatenate([target_N for _, target_N in blocks(dataset, "test")]).std()


def test_the_best_is_told_in_the_units_of_the_target(nights):
    """The lowest median of the stored RMSEs."""
    store, _ = nights
    night = night_of("2026-11-01")
    raw = pq.read_table(f"{store.root}/{scores_path(night.id)}")["rmse"].to_numpy()
    named = np.array([trial.variant.dataset.name for trial in trials(night.spec)])
    best = read_night(store, night.id).best
    assert best["waves"].rmse_median == pytest.approx(np.median(raw[named == "waves"]))


@pytest.mark.parametrize(
    ("old", "new", "is_apart"),
    [
        ("noise = 0.1", "noise = 0.2", False),
        ("rows = 100\n", "rows = 90\n", False),
        ("sin(x1) + x2", "sin(x1) - x2", True),
        ("low = -2.0", "low = -1.0", True),
    ],
)
def test_an_edited_night_is_comparable_if_it_asks_the_same(nights, tmp_path, old, new, is_apart):
    """Noise and the number of rows are how it is trained; the formula and its range are what is asked."""
    store = Store(str(shutil.copytree(nights[0].root, tmp_path / "store")))
    edited = SPEC.replace(old, new)
    assert edited != SPEC
    ended = start(store, "2026-11-03", edited)
    message = said(read_night(store, night_of("2026-11-03", edited).id))
    assert ("no dataset of the same target" in message) is is_apart
    assert ended.exit_code == (8 if is_apart else 0)
