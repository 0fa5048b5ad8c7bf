"""Kernels compiled at run time: by an emulated NVRTC, and by the real one, which needs no GPU."""

from __future__ import annotations

from pathlib import Path

import emulated_gpu
import pytest

from sumsquares.jobs.engines.cuda import compiler, driver, kept
from sumsquares.jobs.engines.cuda.source import source

SOURCE = 'extern "C" __global__ void one(float* x) { x[threadIdx.x] = fma(x[0], 2.0f, 1.0f); }'
OTHER = SOURCE.replace("one", "another")
WRONG = SOURCE.replace("x[0]", "z[0]")


@pytest.fixture
def real(monkeypatch, tmp_path):
    """The real NVRTC, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if reason := compiler.reason():
        pytest.skip(reason)


def files():
    return sorted(kept.folder().iterdir())


def test_macros_stand_before_the_files():
    """A value is written as it is."""
    text = source({"N": 3, "KIND": "float"}, ["gather.cuh"])
    assert text.startswith('#define N 3\n#define KIND float\n#line 1 "gather.cuh"\n')


def test_what_was_compiled_is_kept(gpu, monkeypatch):
    """One file for each source and architecture; the second time nothing is compiled."""
    first = compiler.compiled(SOURCE, "sm_90")
    assert len(files()) == 1
    compiler.compiled(SOURCE, "sm_80")
    compiler.compiled(OTHER, "sm_90")
    assert len(files()) == 3
    monkeypatch.setattr(compiler, "_compiled", None)
    assert compiler.compiled(SOURCE, "sm_90") == first


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 100])
def test_a_damaged_file_is_compiled_again(gpu, damage):
    """And is good afterwards: empty, cut off, or with other bytes."""
    first = compiler.compiled(SOURCE, "sm_90")
    (path,) = files()
    good = path.read_bytes()
    for bad in (damage, good[:-3], good + damage[:1] + b"y", good[:50] + damage + good[50 + len(damage) + 1 :]):
        path.write_bytes(bad)
        assert compiler.compiled(SOURCE, "sm_90") == first
        assert path.read_bytes() == good
    assert files() == [path]


def test_a_file_of_another_kernel_is_not_used(gpu):
    """A file says whose it is."""
    first = compiler.compiled(SOURCE, "sm_90")
    (path,) = files()
    compiler.compiled(OTHER, "sm_90")
    (other,) = set(files()) - {path}
    path.write_bytes(other.read_bytes())
    assert compiler.compiled(SOURCE, "sm_90") == first


def test_a_cache_that_can_not_be_written_does_no_harm(gpu, monkeypatch, tmp_path):
    """Kernels are then compiled each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiler.compiled(SOURCE, "sm_90") == compiler.compiled(SOURCE, "sm_90")


def test_the_cache_is_in_the_home_folder_unless_said_otherwise(monkeypatch):
    """As the XDG specification has it."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert kept.folder() == Path.home() / ".cache" / "sumsquares" / "kernels"


@pytest.mark.parametrize("compilers", ["gpu", "real"])
def test_an_error_in_a_kernel_names_its_place(compilers, request):
    """And nothing is kept of it."""
    request.getfixturevalue(compilers)
    with pytest.raises(compiler.CompileError, match=r"(?s)NVRTC_ERROR_COMPILATION.*kernel\.cu.*z"):
        compiler.compiled(WRONG, "sm_90")
    assert not kept.folder().exists()


@pytest.mark.parametrize("compilers", ["gpu", "real"])
def test_architectures_that_are_not_known_are_refused(compilers, request):
    """With the reason, before anything is compiled."""
    request.getfixturevalue(compilers)
    assert compiler.reason("sm_90") is None
    assert compiler.reason("sm_50") == "this NVRTC doesn't know sm_50"
    with pytest.raises(compiler.CompileError, match="doesn't know sm_50"):
        compiler.compiled(SOURCE, "sm_50")


def test_a_newer_device_of_a_known_generation_is_compiled_for(gpu):
    """It runs what is compiled for the earlier one."""
    assert compiler.compiled(SOURCE, "sm_99") == compiler.compiled(SOURCE, "sm_90")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100", "sm_120"])
def test_the_real_nvrtc_compiles_and_reports(real, architecture):
    """A cubin, and how many registers it takes; from the cache it is the same."""
    image, log = compiler.compiled(SOURCE, architecture)
    assert image.startswith(b"\x7fELF")
    assert "registers" in log
    assert "0 bytes spill stores" in log
    assert compiler.compiled(SOURCE, architecture) == (image, log)


def test_without_nvrtc_the_reason_is_said(monkeypatch):
    """And what brings it."""
    monkeypatch.setattr(compiler, "LIBRARY", "libnvrtc-that-nobody-has.so.13")
    expected = "NVRTC, which compiles kernels, isn't installed; it comes with PyTorch's CUDA wheels"
    assert compiler.reason() == expected
    with pytest.raises(compiler.CompileError, match=expected):
        compiler.compiled(SOURCE, "sm_90")


def test_the_toolkit_that_cuda_path_names_comes_first(gpu, monkeypatch):
    """Before the wheels."""
    monkeypatch.setattr(compiler, "LIBRARY", None)
    monkeypatch.setenv("CUDA_PATH", str(emulated_gpu.folder()))
    assert compiler._library()[0] == emulated_gpu.libraries()[1]


def test_compilers_newer_than_the_driver_come_last(monkeypatch, tmp_path):
    """A driver of CUDA 12 can't load what NVRTC 13 compiles."""
    (tmp_path / "lib64").mkdir()
    for version in (12, 13):
        (tmp_path / "lib64" / f"libnvrtc.so.{version}").touch()
    (tmp_path / "lib64" / "libnvrtc.so.12.9.86").touch()
    for version, first in (((12, 8), 12), ((13, 0), 13), (None, 13)):
        monkeypatch.setattr(compiler.driver, "version", lambda version=version: version)
        assert compiler._candidates(str(tmp_path))[0] == str(tmp_path / "lib64" / f"libnvrtc.so.{first}")


def test_a_compiler_newer_than_the_driver_is_a_reason(gpu, monkeypatch):
    """The driver would not load what it compiles, but the source still can be compiled for other machines."""
    assert compiler.reason("sm_90") is None
    monkeypatch.setattr(driver, "version", lambda: (12, 8))
    assert compiler.reason("sm_90") == "the NVIDIA driver supports CUDA 12.8 and doesn't load what NVRTC 13.0 compiles"
    assert compiler.reason() is None
