"""Whole runs by the public command with an emulated GPU: one that fails time and again, one with a core beside it."""

from __future__ import annotations

import math

import emulated_command
import emulated_gpu
import pytest
from specs import SMALL, small

from sumsquares.cluster.queue import DEATHS
from sumsquares.jobs.engines.torch_build import without_cuda
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.packs import plan_packs
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack
from sumsquares.jobs.storage.store import Store

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason())),
]
VOLATILE = ("train_seconds", "pack")


def run(folder, *options, **environment):
    """Runs the small spec with a GPU worker; returns the ended command, and the rows of its store by trial."""
    (folder / "small.toml").write_text(SMALL)
    arguments = ("run", folder / "small.toml", "--store", folder / "store", "--gpu-workers", 1, *options)
    ended = emulated_command.run(*arguments, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended, rows_of(Store(str(folder / "store")))


def rows_of(store):
    """Every number of each result, as text, without what depends on where it was trained."""
    rows = read_results(store).table.to_pylist()
    return {row["trial_id"]: {name: repr(row[name]) for name in row if name not in VOLATILE} for row in rows}


def alone(store, folder):
    """The rows of the small spec's trials, each trained in a pack of its own, in this process."""
    own = Store(str(folder / "alone"))
    for path in store.list("datasets"):
        own.put(path, store.get(path))
    reader = DatasetReader(own)
    for pack in plan_packs(trials(small()), "cuda", "cuda"):
        for trial in pack.trials:
            train_pack(own, reader, pack.of((trial,)), Trainer("cuda", "cuda"), lambda _share: None)
    return rows_of(own)


def test_a_gpu_that_fails_again_and_again_changes_no_bit(emulated, tmp_path):
    """Each process ends with its 75th launch, and another one tries its pack again. A second run trains nothing."""
    ended, rows = run(tmp_path, "--workers", 0, EMULATED_FAULT="launch:75:700")
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in ended.stderr
    assert "which ended its worker; trying again (2 of 3)" in ended.stderr
    assert {row["engine"] for row in rows.values()} == {repr("cuda-sm_90")}
    assert rows == alone(Store(str(tmp_path / "store")), tmp_path)
    again, same = run(tmp_path, "--workers", 0)
    assert "60 trained before, 0 to train" in again.stderr
    assert same == rows


def test_a_core_beside_a_gpu_takes_a_share_of_the_trials(emulated, tmp_path):
    """Each trial is trained once; those of the GPU have the bits that they have alone, those of the core are close."""
    _, rows = run(tmp_path, "--workers", 1)
    expected = alone(Store(str(tmp_path / "store")), tmp_path)
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        if row["device"] == repr("cuda"):
            assert row == expected[key]
        else:
            assert math.isclose(float(row["rmse"]), float(expected[key]["rmse"]), rel_tol=1e-3)


WIDE = SMALL.replace("hidden = [[], [6], [5, 4]]", "hidden = [[6], [300, 300]]").replace("seeds = 3", "seeds = 1")
"""Half of its trials don't fit into a GPU's shared memory."""


def started(folder, spec, *options, **environment):
    """The same with another spec, however it ends."""
    (folder / "wide.toml").write_text(spec)
    arguments = (folder / "wide.toml", "--store", folder / "store", "--gpu-workers", 1, *options)
    return emulated_command.run("run", *arguments, env=environment)


@pytest.fixture
def _cpu_torch():
    if without_cuda() is None:
        pytest.skip("this torch can use GPUs")


@pytest.mark.usefixtures("_cpu_torch")
def test_cores_train_what_a_gpu_without_a_torch_for_it_cannot(tmp_path):
    """Nothing fails, and no GPU worker tries it."""
    ended = started(tmp_path, WIDE, "--workers", 1)
    assert ended.returncode == 0, ended.stderr
    assert "trying again" not in ended.stderr
    rows = read_results(Store(str(tmp_path / "store"))).table.to_pylist()
    assert {row["device"] for row in rows if "300" in str(row["hidden"])} == {"cpu"}
    assert len(rows) == 16


@pytest.mark.usefixtures("_cpu_torch")
def test_without_cores_it_is_refused_before_anything_is_written(tmp_path):
    """With the networks, the reason and the remedy."""
    ended = started(tmp_path, WIDE, "--workers", 0)
    assert ended.returncode == 2, ended.stderr
    assert "no worker can train hidden = [300, 300]" in ended.stderr
    assert "is built without CUDA; ask for CPU workers" in ended.stderr
    assert not (tmp_path / "store").exists() or not list((tmp_path / "store").rglob("*"))


def test_a_gpu_that_always_fails_is_given_up_soon(tmp_path):
    """In one sentence with the last error; a new run, on a GPU that works, trains the rest."""
    ended = started(tmp_path, SMALL, "--workers", 0, EMULATED_FAULT="launch:1:700")
    assert ended.returncode == 5, ended.stderr
    (last,) = ended.stderr.strip().splitlines()[-1:]
    assert f"ended {DEATHS} times in a row without finishing anything" in last
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in last
    assert "run again to resume" in last
    assert "Traceback" not in ended.stderr
    again, rows = run(tmp_path, "--workers", 0)
    assert len(rows) == 60
    assert "Traceback" not in again.stderr
