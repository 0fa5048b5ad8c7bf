"""The estimated cost of a plan: its measurement is short, whatever the spec."""

from __future__ import annotations

import pytest
import torch
from specs import SMALL, small

from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import cost as module
from sumsquares.jobs.stages.cost import (
    LEAST_STEPS,
    MEASURED_BYTES,
    MEASURED_FLOPS,
    MEASURED_ROWS,
    MEASURED_STEPS,
    estimate,
    measurable,
)
from sumsquares.jobs.stages.packs import plan_packs

WIDE = "[[2048, 2048]]"


def packs_of(rows=60, batch=20, epochs=8, hidden="[[], [6], [5, 4]]", device="cpu", unused=1):
    """Returns packs of the small spec with other sizes."""
    text = (
        SMALL.replace("\nrows = 60", f"\nrows = {rows}")
        .replace("\nunused = 1", f"\nunused = {unused}")
        .replace("batch_size = 20", f"batch_size = {batch}")
    )
    text = text.replace("epochs = 8", f"epochs = {epochs}").replace("[[], [6], [5, 4]]", hidden)
    return plan_packs(trials(parse_spec(text.encode(), "spec.toml")), device)


@pytest.fixture(autouse=True)
def _denormals():
    """Restores the setting: the engine flushes denormals to zero in its process."""
    yield
    torch.set_flush_denormal(False)


SIZES = [
    {},
    {"epochs": 1},
    {"epochs": 1, "batch": 60},
    {"rows": 10**6, "batch": 100_000, "epochs": 1, "hidden": WIDE},
    {"rows": 10**6, "batch": 100, "hidden": WIDE, "device": "cuda"},
    {"rows": 10**6, "batch": 10, "hidden": "[[16, 16]]", "device": "cuda"},
    {"rows": 10**9, "batch": 10**9, "epochs": 10},
    {"rows": 10**12, "batch": 10**12, "epochs": 1},
    {"rows": 10**6, "hidden": f"[{[16_384] * 64}]"},
    {"rows": 10**6, "batch": 10_000, "unused": 1000},
]


@pytest.mark.parametrize("sizes", SIZES)
def test_a_measured_sample_stays_within_the_pack_and_the_limits(sizes):
    """This holds for its steps, rows per batch, operations and memory."""
    for pack in packs_of(**sizes):
        sample = measurable(pack)
        if sample is None:
            continue
        assert sample.program.steps <= min(MEASURED_STEPS, pack.program.steps)
        assert sample.program.batch_size <= pack.program.batch_size
        assert sample.program.epochs * sample.program.rows <= MEASURED_ROWS
        assert sample.program.epochs * sample.program.rows * sample.program.inputs * 16 <= MEASURED_BYTES
        assert sample.flops <= min(MEASURED_FLOPS, pack.flops)
        assert sample.program.model_bytes * len(sample.trials) <= MEASURED_BYTES


def test_small_packs_are_measured_with_their_own_batches():
    """Their batches are not made smaller, and half of the steps are warm-up."""
    for pack in packs_of(epochs=1000):
        sample = measurable(pack)
        assert sample.program.steps == MEASURED_STEPS
        assert sample.program.batch_size == pack.program.batch_size
        assert sample.program.epochs == 2
        assert sample.program.layers == pack.program.layers


def test_wide_networks_are_measured_with_smaller_batches():
    """They are measured with the fewest steps that are allowed."""
    (pack, *_) = packs_of(rows=10**6, batch=100_000, epochs=1, hidden=WIDE)
    sample = measurable(pack)
    assert sample.program.steps == LEAST_STEPS
    assert sample.program.batch_size < 1000


@pytest.mark.parametrize("sizes", [SIZES[6], {**SIZES[3], "hidden": "[[512, 512]]"}])
def test_a_large_spec_is_estimated_in_little_time_and_memory(sizes):
    """It takes seconds and megabytes, where real steps take minutes and 149 GiB; more work has a higher estimate."""
    cost = estimate(packs_of(**sizes)[:1], workers=0)
    assert cost.measured
    assert cost.seconds > 10 * estimate(packs_of()[:1], workers=0).seconds


def test_a_pack_that_cannot_be_measured_is_estimated_by_the_cost_model(monkeypatch):
    """Examples are a pack of one step, and one with too many parameters."""
    monkeypatch.setattr(module, "_measured_factor", None)
    for sizes in ({"epochs": 1, "batch": 60}, SIZES[8]):
        packs = packs_of(**sizes)
        cost = estimate(packs, workers=0)
        assert not cost.measured
        assert cost.seconds == pytest.approx(sum(pack.expected_seconds for pack in packs))


def test_readouts_that_are_solved_count_where_they_take_longer_than_the_training():
    """One epoch of 1,024 units trains in no time; solving takes seconds a model, and memory for the triangles."""
    trained = packs_of(epochs=1, hidden="[[1024]]")
    solved = packs_of(epochs=1, hidden="[[1024]]\nreadout = ['solved']")
    costs = [estimate(packs, workers=0) for packs in (trained, solved)]
    assert costs[1].seconds > costs[0].seconds + sum(len(pack.trials) for pack in solved)
    assert costs[1].memory >= 2 * 8 * 1026**2 > costs[0].memory


def test_workers_share_the_time_but_not_the_longest_pack():
    """Two workers take half the time, and a thousand workers as long as the longest pack."""
    packs = plan_packs(trials(small()))
    one, two, many = (estimate(packs, workers) for workers in (1, 2, 1000))
    assert one.core_seconds == one.seconds
    assert two.seconds < two.core_seconds
    assert 0 < many.seconds < many.core_seconds
