"""Whole runs by the public command with an emulated GPU: one that fails time and again, one with a core beside it."""

from __future__ import annotations

import math

import emulated_command
import emulated_gpu
import pytest
from specs import SMALL, small

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import compiler, driver
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


def alone(store, folder, monkeypatch):
    """The rows of the small spec's trials, each trained in a pack of its own, in this process."""
    libcuda, libnvrtc = emulated_gpu.libraries()
    monkeypatch.setattr(driver, "LIBRARY", libcuda)
    monkeypatch.setattr(compiler, "LIBRARY", libnvrtc)
    for name, value in emulated_gpu.environment().items():
        monkeypatch.setenv(name, value)
    cuda_engine._device.cache_clear()
    own = Store(str(folder / "alone"))
    for path in store.list("datasets"):
        own.put(path, store.get(path))
    reader = DatasetReader(own)
    for pack in plan_packs(trials(small()), "cuda", "cuda"):
        for trial in pack.trials:
            train_pack(own, reader, pack.of((trial,)), Trainer("cuda", "cuda"), lambda _share: None)
    cuda_engine._device.cache_clear()
    return rows_of(own)


def test_a_gpu_that_fails_again_and_again_changes_no_bit(tmp_path, monkeypatch):
    """Each process ends with its 75th launch, and another one tries its pack again. A second run trains nothing."""
    ended, rows = run(tmp_path, "--workers", 0, EMULATED_FAULT="launch:75:700")
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in ended.stderr
    assert "which ended its worker; trying again (2 of 3)" in ended.stderr
    assert {row["engine"] for row in rows.values()} == {repr("cuda-sm_90")}
    assert rows == alone(Store(str(tmp_path / "store")), tmp_path, monkeypatch)
    again, same = run(tmp_path, "--workers", 0)
    assert "60 trained before, 0 to train" in again.stderr
    assert same == rows


def test_a_core_beside_a_gpu_takes_a_share_of_the_trials(tmp_path, monkeypatch):
    """Each trial is trained once; those of the GPU have the bits that they have alone, those of the core are close."""
    _, rows = run(tmp_path, "--workers", 1)
    expected = alone(Store(str(tmp_path / "store")), tmp_path, monkeypatch)
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        if row["device"] == repr("cuda"):
            assert row == expected[key]
        else:
            assert math.isclose(float(row["rmse"]), float(expected[key]["rmse"]), rel_tol=1e-3)
