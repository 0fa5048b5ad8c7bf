"""What the emulated GPU finds in a kernel that a real one would answer with wrong numbers, or not at all."""

from __future__ import annotations

import emulated_gpu
import numpy as np
import pytest

from sumsquares.jobs.engines.cuda import compiler, driver

SOURCE = """
constexpr unsigned ALL = 0xffffffffu;
extern "C" __global__ void add(float* x, int at) { x[at] += 1.0f; }
extern "C" __global__ void aligned(float* x, int at) { ((float4*)(x + at))->x = 1.0f; }
extern "C" __global__ void own(float* x, int at) { float mine[4] = {1, 2, 3, 4}; x[0] = mine[at]; }
extern "C" __global__ void shared(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  x[0] = s[at];
}
extern "C" __global__ void branch_of_a_warp(float* x, int at) {
  if (threadIdx.x < at)
    x[threadIdx.x] = __shfl_xor_sync(ALL, 1.0f, 1);
  else
    __syncwarp();
}
extern "C" __global__ void branch_of_a_block(float* x, int at) {
  if (threadIdx.x < at)
    __syncthreads();
  else
    __syncthreads();
}
extern "C" __global__ void barrier_of_some(float* x, int at) {
  if (threadIdx.x < at) __syncthreads();
  __syncwarp();
}
extern "C" __global__ void from_nobody(float* x, int at) {
  if (threadIdx.x < at) x[threadIdx.x] = __shfl_sync(ALL, 1.0f, 31);
}
extern "C" __global__ void half_of_a_warp(float* x, int at) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffu, (float)threadIdx.x, 1);
}
extern "C" __global__ void not_in_its_mask(float* x, int at) { __syncwarp(0xffffu); }
extern "C" __global__ void copies(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  emulated::copy_later(s, x, 16);
  if (at == 1) emulated::copies_done();
  x[0] = s[0] + 1.0f;
  if (at == 2) emulated::copies_done();
}
extern "C" __global__ void races(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  s[threadIdx.x] = threadIdx.x;
  if (at) __syncwarp();
  x[threadIdx.x] = s[threadIdx.x ^ 1] + 1.0f;
}
extern "C" __global__ void beside_a_shuffle(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  s[threadIdx.x] = 1.0f;
  if (at) __syncwarp();
  const float other = __shfl_xor_sync(ALL, 1.0f, 1);
  x[threadIdx.x] = s[threadIdx.x ^ 1] + other;
}
extern "C" __global__ void two_warps(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  x[threadIdx.x % 32] = 1.0f;  // all write the same
  const float read = s[threadIdx.x];
  if (at == 1) __syncthreads();
  if (at == 0) __syncwarp();
  s[(threadIdx.x + 32) % 40] = read;
}
extern "C" __global__ void copied_over(float* x, int at) {
  extern __shared__ __align__(16) float s[];
  x[16 + threadIdx.x] = s[threadIdx.x];
  if (at) __syncwarp();
  if (threadIdx.x == 0) emulated::copy_later(s, x, 16);
  emulated::copies_done();
}
extern "C" __global__ void static_shared(float* x, int at) {
  __shared__ float s[32];
  s[threadIdx.x] = 1.0f;
  if (at) __syncwarp();
  x[threadIdx.x] = s[threadIdx.x ^ 1];
}
extern "C" __global__ void in_global_memory(float* x, int at) {
  x[threadIdx.x] = 1.0f;
  if (at) __syncwarp();
  x[16 + threadIdx.x] = x[threadIdx.x ^ 1];
}
extern "C" __global__ void shuffles(float* x, int at) {
  const int i = threadIdx.x;
  x[i] = __shfl_xor_sync(ALL, (float)i, 5);
  x[32 + i] = __shfl_up_sync(ALL, (float)i, 3, 16);
  x[64 + i] = __shfl_down_sync(ALL, (double)i, 3, 16);
  x[96 + i] = __shfl_sync(ALL, i, 2, 8);
  x[128 + i] = __ballot_sync(ALL, i % 3 == 0) == 0x49249249u && __any_sync(ALL, i == 7) && !__all_sync(ALL, i < 31);
}
extern "C" __global__ void __launch_bounds__(64, 2) bounded(float* x, int at) { x[threadIdx.x] = 0.0f; }
extern "C" __global__ void tiny(float* x, int at) { x[0] = x[0] * 0.5f; }
"""
ILLEGAL, MISALIGNED, FAILED = "CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED"


@pytest.fixture
def _races(monkeypatch):
    """Kernels are compiled so that races are found."""
    monkeypatch.setenv("EMULATED_RACES", "1")


@pytest.fixture
def run(gpu):
    """Runs a kernel on an array of 40 ones, or on that of the test, and returns the array."""
    module = gpu.load(compiler.compiled(SOURCE, gpu.architecture).image)

    def run(name, at, threads=1, array=None):
        array = gpu.put(np.ones(40, np.float32)) if array is None else array
        module.function(name).launch(1, threads, 160, array, at)
        return array.get()

    return run


@pytest.mark.parametrize(
    ("name", "good", "bad", "threads", "error"),
    [
        ("add", 39, 40, 1, ILLEGAL),
        ("add", 0, -1, 1, ILLEGAL),
        ("add", 0, 2_000_000_000, 1, ILLEGAL),
        ("aligned", 8, 9, 1, MISALIGNED),
        ("own", 3, 4, 1, MISALIGNED),
        ("shared", 39, 40, 1, ILLEGAL),
        ("branch_of_a_warp", 32, 16, 32, f"{FAILED}.*a shuffle of kernel.cu:12; .* __syncwarp of kernel.cu:14"),
        ("branch_of_a_block", 64, 32, 64, f"{FAILED}.*__syncthreads of kernel.cu:18 and of kernel.cu:20"),
        ("branch_of_a_block", 32, 16, 32, f"{FAILED}.*__syncthreads of kernel.cu:18 and of kernel.cu:20"),
        ("barrier_of_some", 32, 16, 32, f"{FAILED}.*lanes 0 to 15 are at __syncthreads of kernel.cu:23"),
        ("from_nobody", 32, 31, 32, f"{FAILED}.*reads from a lane that takes no part in it"),
        ("from_nobody", 0, 30, 30, f"{FAILED}.*reads from a lane that takes no part in it"),
        ("not_in_its_mask", 0, 0, 17, f"{FAILED}.*not in the mask"),
        ("copies", 1, 0, 1, f"{FAILED}.*before its asynchronous copies"),
        ("bounded", 0, 0, 65, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
    ],
)
def test_a_wrong_kernel_is_found(run, name, good, bad, threads, error):
    """It spoils the context with the error and the place; a right one, or a right use, doesn't."""
    run(name, good, min(threads, 16) if name in ("not_in_its_mask", "bounded") else threads)
    with pytest.raises(driver.CudaError, match=error):
        run(name, bad, threads)


def test_memory_that_nobody_wrote_is_nan(gpu, run):
    """Shared memory, and that of an array: what a kernel reads too early shows in its results."""
    assert np.isnan(run("shared", 39)[0])
    assert np.isnan(gpu.empty(5, np.float64).get()).all()


def test_what_is_copied_in_the_background_is_not_there_before_it_was_waited_for(run):
    """Until then the target is NaN."""
    assert run("copies", 1)[0] == 2
    assert np.isnan(run("copies", 2)[0])


def test_a_missing_barrier_shows_in_another_order_of_the_lanes(run, monkeypatch):
    """With the barrier all orders give the same."""
    results = {}
    for barrier in (0, 1):
        for order in ("0", "1", "2", "3"):
            monkeypatch.setenv("EMULATED_ORDER", order)
            results[barrier, order] = run("races", barrier, 32).tobytes()
    assert len({results[1, order] for order in "0123"}) == 1
    assert len({results[0, order] for order in "0123"}) > 1


def test_a_launch_in_both_orders_fails_if_a_barrier_is_missing(run, monkeypatch):
    """So that any test of a kernel can look for it."""
    monkeypatch.setenv("EMULATED_ORDER", "both")
    assert run("races", 1, 32)[0] == 2
    with pytest.raises(driver.CudaError, match="memory depends on the order in which threads run, kernel races"):
        run("races", 0, 32)


@pytest.mark.parametrize(
    ("name", "threads"),
    [
        ("races", 32),
        ("beside_a_shuffle", 32),
        ("two_warps", 40),
        ("copied_over", 4),
        ("static_shared", 32),
        ("in_global_memory", 16),
    ],
)
@pytest.mark.usefixtures("_races")
def test_a_race_is_found_in_any_order(run, name, threads):
    """With EMULATED_RACES: also beside a shuffle, which is no barrier, and where the numbers happen to be right."""
    run(name, 1, threads)
    with pytest.raises(driver.CudaError, match=f"a race: .*, by lane .* kernel {name}"):
        run(name, 0, threads)


def test_kernels_of_other_flags_are_not_taken_for_each_other(monkeypatch):
    """The engine keeps them by their source: without a folder of their own no race would be found after another run."""
    monkeypatch.delenv("EMULATED_FLAGS", raising=False)
    monkeypatch.delenv("EMULATED_RACES", raising=False)
    found = [emulated_gpu.environment()["XDG_CACHE_HOME"]]
    for name, value in (("EMULATED_RACES", "1"), ("EMULATED_FLAGS", "-DEMULATED_ROUGH")):
        monkeypatch.setenv(name, value)
        found.append(emulated_gpu.environment()["XDG_CACHE_HOME"])
    assert len(set(found)) == 3


@pytest.mark.usefixtures("_races")
def test_blocks_race_too(gpu):
    """Nothing orders two blocks of a launch."""
    function = gpu.load(compiler.compiled(SOURCE, gpu.architecture).image).function("in_global_memory")
    array = gpu.zeros(40, np.float32)
    function.launch(1, 16, 0, array, 1)
    gpu.synchronize()
    function.launch(2, 16, 0, array, 1)
    with pytest.raises(driver.CudaError, match=r"a race: .* block 1, kernel in_global_memory"):
        gpu.synchronize()


def test_lanes_exchange_what_they_would_on_a_gpu(gpu, run):
    """Across the warp, within parts of it, and within half a warp alone; votes too."""
    found = run("shuffles", 0, 32, gpu.zeros(160, np.float32)).reshape(5, 32)
    lanes = np.arange(32)
    part = lanes % 16
    assert np.array_equal(found[0], lanes ^ 5)
    assert np.array_equal(found[1], np.where(part < 3, lanes, lanes - 3))
    assert np.array_equal(found[2], np.where(part > 12, lanes, lanes + 3))
    assert np.array_equal(found[3], lanes // 8 * 8 + 2)
    assert found[4].all()
    assert np.array_equal(run("half_of_a_warp", 0, 32)[:16], lanes[:16] ^ 1)


def test_denormal_floats_count_as_zero(gpu, run):
    """As kernels are compiled with -ftz=true."""
    assert run("tiny", 0, 1, gpu.put(np.array([2e-38], np.float32)))[0] == 0
