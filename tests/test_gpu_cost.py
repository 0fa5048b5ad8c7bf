"""The cost model of GPUs and the packs that follow from it, and how CPU and GPU workers cut these packs."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import small

from sumsquares.cluster.workers import WorkerRequest
from sumsquares.jobs.engines import readout
from sumsquares.jobs.engines.cuda.layout import Layout
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.spec.axes import Activation
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import cost
from sumsquares.jobs.stages.cost import estimate_on_gpus
from sumsquares.jobs.stages.gpu_cost import (
    INSTRUCTIONS,
    MOST_MODELS,
    OBSERVING_SPEED,
    PACK_BYTES,
    cuda_pack_size,
    cuda_seconds,
    model_bytes,
    seconds_by,
    step_seconds,
    torch_seconds,
)
from sumsquares.jobs.stages.mixed import Mixed
from sumsquares.jobs.stages.packs import plan_packs
from sumsquares.jobs.stages.placement import Placement

SMALL = Program(1, (16, 16), "relu", "adam", "constant", 100, 500, 1000, "float32", 0)
LARGE = replace(SMALL, hidden=(64, 64))
MANY = trials(small(seeds=3_000, hidden="[[16, 16]]", activation='["relu"]', lr="[0.01]"))


FIGURES = Path(__file__).parent.parent / "docs/figures"
MEASURED = json.loads((FIGURES / "gpu_shapes.json").read_text())


@pytest.fixture(scope="module")
def programs():
    """The programs that were measured, by name."""
    sys.path.insert(0, str(FIGURES.parent.parent / "benchmarks/peers"))
    groups = importlib.import_module("gpu_programs").GROUPS
    sys.path.pop(0)
    return {case.name: case.program for group in groups.values() for case in group}


@pytest.mark.parametrize("row", MEASURED["rows"], ids=lambda row: f"{row['name']}, {row['models']}")
def test_the_expected_time_of_cuda_is_near_the_measured_time(row, programs):
    """Per model and step on an H200, by the layout that was measured, it is within a factor of 1.2, or 1.35 of two."""
    program, macros = programs[row["name"]], row["layout"]
    if not program.hidden:
        found = cuda_seconds(program, row["models"]) / program.steps
    else:
        model = seconds_by(program, Layout(**macros, shared_bytes=0))
        found = step_seconds(model, row["models"])
    factor = 1.35 if row["name"] in {"300-16-16-1", "20-16-16-1"} else 1.2
    assert 1 / factor < found / row["models"] * 1e9 / row["ns"] < factor


@pytest.mark.parametrize("row", MEASURED["beside"], ids=lambda row: row["name"])
def test_the_expected_time_of_observing_is_near_the_measured_time(row, programs):
    """On a GPU, it is within a factor of 1.4."""
    found = 1e6 * readout.seconds_of(programs[row["name"]]) / OBSERVING_SPEED
    assert 1 / 1.4 < found / row["observing"] < 1.4


def test_every_activation_has_an_expected_time():
    """By its name."""
    assert set(INSTRUCTIONS) == set(get_args(Activation))


@pytest.mark.parametrize(("program", "nanoseconds"), [(SMALL, 115), (LARGE, 433)])
def test_the_expected_time_of_torch_on_a_gpu_is_near_the_measured_time(program, nanoseconds):
    """Of 10,000 models on an H200, it is within a factor of 1.4; of a few, each step takes some 450 us."""
    assert 1 / 1.4 < torch_seconds(program, 10_000) / program.steps / 10_000 * 1e9 / nanoseconds < 1.4
    assert torch_seconds(program, 64) / program.steps == pytest.approx(450e-6)


@pytest.mark.parametrize(
    ("changes", "count", "size"),
    [
        ({}, 100, 2_000),
        ({}, 10_000, 2_000),
        ({}, 80_000, 5_000),
        ({}, 10**6, 10_000),
        ({"hidden": (64, 64)}, 10**6, 5_138),
        ({"hidden": (128, 128)}, 10**6, 1_323),
        ({"hidden": (128, 128), "epochs": 10**6}, 10**6, 256),
    ],
)
def test_packs_have_thousands_of_models(changes, count, size):
    """Fewer if they would take long, or much memory; a shape has several packs if it has trials enough."""
    program = replace(SMALL, **changes)
    assert cuda_pack_size(program, count) == size <= MOST_MODELS
    assert size * model_bytes(program) <= PACK_BYTES


def test_packs_of_gpus_are_estimated_without_a_measurement(monkeypatch):
    """A CPU would tell nothing of them. GPUs share the time, and cores beside them take some of it."""
    monkeypatch.setattr(cost, "_measured_factor", None)
    packs = plan_packs(MANY, "cuda", "cuda")
    one, two, beside = (
        estimate_on_gpus(packs, Placement(WorkerRequest(workers=cores, gpu_workers=gpus)), "lanes")
        for cores, gpus in ((0, 1), (0, 2), (16, 1))
    )
    assert not one.measured
    assert two.seconds < one.seconds
    assert beside.seconds < one.seconds
    assert one.memory == max(len(pack.trials) for pack in packs) * model_bytes(packs[0].program)


@given(st.sampled_from(["cpu", "cuda"]), st.floats(1e-3, 1e3), st.sampled_from(["lanes", "torch"]))
@settings(max_examples=50, deadline=None)
def test_the_parts_of_a_cut_are_the_whole(device, seconds, cpu_engine):
    """The first part takes about as long as it may, unless it would waste most of the device."""
    mixed = Mixed(cpu_engine)
    whole = mixed.item(plan_packs(MANY, "cuda", "cuda")[0])
    first, rest = mixed.cut(whole, device, seconds)
    parts = [first, *([rest] if rest else [])]
    assert sum((part.payload.trials for part in parts), ()) == whole.payload.trials
    assert sum(part.size for part in parts) == whole.size == len(whole.payload.trials)
    assert len({part.key for part in parts}) == len(parts)
    if rest:
        assert first.seconds[device] <= seconds or first.size <= 132
        assert set(first.seconds) == {"cpu", "cuda"}


def test_cpu_workers_take_packs_of_their_size():
    """64 models where lanes trains, of packs of thousands."""
    mixed = Mixed("lanes")
    whole = mixed.item(plan_packs(MANY, "cuda", "cuda")[0])
    first, rest = mixed.cut(whole, "cpu", 1e9)
    assert (first.size, rest.size) == (64, whole.size - 64)
    assert mixed.cut(whole, "cuda", 1e9) == (whole, None)


def test_workers_that_share_a_gpu_take_longer():
    """By their number, but for what comes beside the training."""
    pack = plan_packs(MANY, "cuda", "cuda")[0]
    alone, shared = (Mixed("lanes", share).item(pack) for share in (1.0, 0.25))
    assert shared.seconds["cuda"] == pytest.approx(alone.seconds["cuda"] + 3 * pack.seconds)
    assert shared.seconds["cpu"] == alone.seconds["cpu"]
