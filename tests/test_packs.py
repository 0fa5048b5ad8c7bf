"""Packs: each trial is in exactly one, each pack has one shape, and its size suits the machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import small

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.cpu_cost import lanes_seconds
from sumsquares.jobs.stages.packs import MAX_MODELS, PACK_BYTES, pack_size, plan_packs


@given(st.sets(st.integers(0, 50)), st.sampled_from(["cpu", "cuda"]))
@settings(max_examples=30, deadline=None)
def test_each_trial_is_in_one_pack_of_its_shape(left_out, device):
    """This holds for any subset of the trials, and all trials of a pack have its shape."""
    wanted = [trial for index, trial in enumerate(trials(small())) if index not in left_out]
    packs = plan_packs(wanted, device)
    assert sorted(trial.id for pack in packs for trial in pack.trials) == sorted(trial.id for trial in wanted)
    for pack in packs:
        for trial in pack.trials:
            assert trial.variant.dataset == pack.variant.dataset
            assert trial.variant.normalize == pack.variant.normalize
            assert trial.variant.normalize_target == pack.variant.normalize_target
            assert trial.variant.hidden == pack.program.hidden
            assert trial.variant.activation == pack.program.activation


def test_the_longest_pack_comes_first_whatever_the_order_of_the_trials():
    """Otherwise one worker would still train the longest pack when all others are done."""
    wanted = trials(small())
    packs = plan_packs(wanted)
    assert [pack.seconds for pack in packs] == sorted((pack.seconds for pack in packs), reverse=True)
    assert [pack.id for pack in plan_packs(wanted[::-1])] == [pack.id for pack in packs]


def test_the_parts_of_a_split_are_the_whole():
    """A pack of one trial can't be split."""
    for pack in plan_packs(trials(small())):
        parts = pack.split()
        assert sum((half.trials for half in parts), ()) == (pack.trials if len(pack.trials) > 1 else ())
        assert pack.id not in {half.id for half in parts}


def test_many_trials_of_a_shape_are_cut_evenly():
    """There are as few packs as the size limit allows, and their sizes differ by at most one."""
    packs = plan_packs(trials(small(seeds=200, hidden="[[16, 16]]", activation='["tanh"]', lr="[0.01]")))
    sizes = [len(pack.trials) for pack in packs]
    assert sum(sizes) == 400
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= pack_size(packs[0].program, "cpu")


@pytest.mark.parametrize(("width", "expected"), [(1, 256), (16, 70), (64, 14), (512, 1)])
def test_a_pack_fits_the_cache(width, expected):
    """It has at least one model, and about as many as were fastest: 64 with 16 units, 16 with 64 units."""
    program = Program(1, (width, width), "relu", "adam", "constant", 100, 500, 1000, "float32", 0)
    size = pack_size(program, "cpu")
    assert size == expected
    assert size == 1 or size * program.model_bytes <= PACK_BYTES["cpu"]
    assert size <= MAX_MODELS["cpu"]


def test_operations_are_counted_per_weight_and_row():
    """1-16-16-1 on 1,000 rows in batches of 100 takes 6 * 16 * 16 * 100 + 10 * 16 * 100 per step, for 5,000 steps."""
    program = Program(1, (16, 16), "relu", "adam", "constant", 100, 500, 1000, "float32", 0)
    assert program.steps == 5000
    assert program.parameters == 321
    assert program.flops == 5000 * (6 * 16 * 16 * 100 + (4 + 6) * 16 * 100)


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({"batch_size": 1}, 14e-6),
        ({"batch_size": 1, "dtype": "float64"}, 44e-6),
        ({"batch_size": 10}, 23e-6),
        ({"batch_size": 100}, 119e-6),
        ({"batch_size": 1, "hidden": (64, 64)}, 193e-6),
        ({"batch_size": 100, "inputs": 1024, "hidden": (16,)}, 3800e-6),
    ],
)
def test_the_expected_time_in_lanes_is_near_the_measured_time(changes, measured):
    """For a step of 64 models of 2-16-16-1 with Adam on one core, it is within a factor of 1.5."""
    shape = {"inputs": 2, "hidden": (16, 16), "activation": "relu", "optimizer": "adam", "schedule": "constant"}
    program = Program(**shape | {"epochs": 1, "rows": 1000, "dtype": "float32", "shuffle_seed": 0} | changes)
    assert 1 / 1.5 < lanes_seconds(program, 64) / program.steps / measured < 1.5
