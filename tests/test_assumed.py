"""What a plan assumes about the machine is told, in text and as data."""

from __future__ import annotations

import os
from dataclasses import asdict, replace

import pytest
from specs import small

from sumsquares.cluster.workers import WorkerRequest
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.assumed import assumed, in_words
from sumsquares.jobs.stages.cost import Estimate, estimate
from sumsquares.jobs.stages.packs import PACK_SECONDS, plan_packs
from sumsquares.jobs.stages.placement import IN_PROCESS, Placement

PACKS = plan_packs(trials(small()))
COST = Estimate(flops=1.0, memory=1, core_seconds=1.0, seconds=1.0, factor=1.5)


def test_cores_workers_and_constants_are_told():
    """As data, everything that the estimate rests on."""
    found = asdict(assumed(PACKS, COST, Placement(WorkerRequest(workers=2), processes=2)))
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert (found["workers"], found["elsewhere"], found["idle"]) == (2, False, True)
    assert found["engines"] == ("torch",)
    assert found["instructions"] is None
    assert found["pack_seconds"] == PACK_SECONDS


@pytest.mark.parametrize("factor", [None, 1.5])
def test_the_text_says_whether_anything_was_measured(factor):
    """Without a measurement, only the cost model speaks."""
    text = "\n".join(in_words(assumed(PACKS, replace(COST, factor=factor), IN_PROCESS)))
    assert ("measured just now, a step takes 1.50 times as long" in text) is bool(factor)
    assert "1 core of this machine with nothing else to do" in text
    assert "60 GFLOP/s" in text


def test_workers_elsewhere_are_assumed_to_be_like_this_machine():
    """Nothing was measured on the nodes of a cluster."""
    found = assumed(PACKS, COST, Placement(WorkerRequest(workers=8), address="auto"))
    assert in_words(found)[0].startswith("8 cores like this machine's with nothing else to do")


def test_packs_of_few_models_count_with_what_they_take_beside_their_training():
    """A hundred packs of one model take longer than one pack of them all."""
    parts = [part for pack in PACKS for part in pack.split()]
    assert estimate(parts, 0).core_seconds > len(parts) * PACK_SECONDS
    for pack in parts:
        assert pack.expected_seconds >= pack.seconds + PACK_SECONDS
