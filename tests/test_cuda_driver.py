"""Memory, modules and launches by the CUDA driver, on an emulated GPU; and what is said where there is none."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading

import emulated_gpu
import numpy as np
import pytest

from sumsquares.jobs.engines.cuda import compiler, driver

SOURCE = """
extern "C" __device__ const int info[4] = {7, 8, 9, 10};
extern "C" __global__ void add(const float* x, const float* y, int count, float* sum) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) sum[i] = x[i] + (y ? y[i] : 0.0f);
}
extern "C" __global__ void numbers(int a, long long b, float c, double d, double* out) {
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}
extern "C" __global__ void places(int* out) {
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = 1000 * block + thread;
}
extern "C" __global__ void through_shared(int words, float* out) {
  extern __shared__ __align__(16) float s[];
  for (int i = threadIdx.x; i < words; i += blockDim.x) s[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) for (int i = 0; i < words; i++) out[blockIdx.x] = i ? out[blockIdx.x] + s[i] : s[i];
}
"""
DTYPES = ["float32", "float64", "int32", "int64", "uint8"]


@pytest.fixture
def module(gpu):
    return gpu.load(compiler.compiled(SOURCE, gpu.architecture).image)


def test_a_device_tells_what_it_is(gpu):
    """Name, architecture, multiprocessors and their shared memory."""
    assert (gpu.name, gpu.architecture) == ("Emulated GPU", "sm_90")
    assert (gpu.multiprocessors, gpu.shared_per_block) == (132, 232_448)
    assert driver.devices() == 1
    assert driver.version() == (13, 0)
    assert driver.reason() is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4), (0,), (4, 0)])
def test_what_is_put_is_what_comes_back(gpu, dtype, shape):
    """For each dtype and shape, contiguous or not."""
    values = np.arange(np.prod(shape) * 2).astype(dtype).reshape(*shape, 2)[..., 1]
    array = gpu.put(values)
    assert array.shape == shape
    assert array.get().dtype == dtype
    assert np.array_equal(array.get(), values)
    assert not gpu.zeros(shape, dtype).get().any()


def test_a_slice_is_a_view(gpu):
    """It shares the memory, which stays as long as one of them is there."""
    array = gpu.put(np.arange(12.0).reshape(6, 2))
    view = array[2:5][1:]
    del array
    assert view.get().tolist() == [[6, 7], [8, 9]]
    view.set(np.zeros((2, 2)))
    assert not view.get().any()
    assert len(view[5:]) == 0


def test_values_of_another_shape_are_refused(gpu):
    """Nothing is copied partly."""
    with pytest.raises(ValueError, match=r"shape \(3,\) can't be copied to a device array of shape \(2,\)"):
        gpu.zeros(2, np.float32).set(np.ones(3))


def test_memory_is_freed_with_the_last_array(gpu):
    """Free bytes are then as many as before."""
    gc.collect()  # what earlier tests have left is freed now, and not in between
    before = gpu.memory()
    array = gpu.zeros((1000, 1000), np.float64)
    assert gpu.memory() == (before[0] - 8_000_000, before[1])
    view = array[:1]
    del array
    assert gpu.memory()[0] < before[0]
    del view
    assert gpu.memory() == before


def test_what_does_not_fit_is_an_error_that_spoils_nothing(gpu):
    """Its code tells it from others, and smaller arrays can still be made."""
    with pytest.raises(driver.CudaError, match="CUDA_ERROR_OUT_OF_MEMORY") as caught:
        gpu.empty(2**40, np.int8)
    assert caught.value.code == 2
    assert not gpu.zeros(3, np.int8).get().any()


def test_a_kernel_runs_in_every_thread_of_every_block(gpu, module):
    """Arrays, views and no array at all are arguments."""
    x, y = gpu.put(np.arange(100, dtype=np.float32)), gpu.put(np.ones(100, np.float32))
    out = gpu.zeros(50, np.float32)
    module.function("add").launch(2, 32, 0, x[50:], y[50:], 50, out)
    assert np.array_equal(out.get(), np.arange(51, 101))
    module.function("add").launch(2, 32, 0, x, None, 50, out)
    assert np.array_equal(out.get(), np.arange(50))


def test_numbers_arrive_with_their_size(gpu, module):
    """Python's int has 32 bits, its float 64; numpy's numbers keep theirs."""
    out = gpu.zeros(4, np.float64)
    module.function("numbers").launch(1, 1, 0, -5, np.int64(2**40), np.float32(0.1), 0.1, out)
    assert out.get().tolist() == [-5, 2**40, np.float32(0.1), 0.1]


def test_grids_and_blocks_have_up_to_three_dimensions(gpu, module):
    """Each thread sees its own place."""
    out = gpu.zeros(2 * 3 * 2 * 4 * 2 * 5, np.int32)
    module.function("places").launch((2, 3, 2), (4, 2, 5), 0, out)
    expected = 1000 * np.arange(12)[:, None] + np.arange(40)
    assert np.array_equal(out.get(), expected.ravel())


@pytest.mark.parametrize("arguments", [(1,), (1.0, np.int64(1), np.float32(1), 1.0, None), ()])
def test_arguments_of_other_sizes_are_refused(module, arguments):
    """A GPU would read whatever lies beside them."""
    with pytest.raises(TypeError, match=r"kernel numbers takes parameters of \[4, 8, 4, 8, 8\] bytes and was given"):
        module.function("numbers").launch(1, 1, 0, *arguments)


@pytest.mark.parametrize("argument", [2**31, "1", [1], np.ones(1)])
def test_arguments_that_a_kernel_can_not_have_are_refused(module, argument):
    """Among them a numpy array, which is no memory of the device."""
    with pytest.raises(TypeError, match="a kernel can't be given"):
        module.function("places").launch(1, 1, 0, argument)


def test_shared_memory_beyond_48_kib_is_asked_for(gpu, module):
    """Up to what a block of the device can have; more is an error, and spoils nothing."""
    function, out = module.function("through_shared"), gpu.zeros(3, np.float32)
    for size in (4, 49_152, 49_156, gpu.shared_per_block):
        function.launch(3, 32, size, size // 4, out)
        assert out.get().tolist() == [np.cumsum(np.arange(size // 4, dtype=np.float32))[-1]] * 3
    with pytest.raises(driver.CudaError, match="more shared memory than a block can have"):
        function.launch(3, 32, gpu.shared_per_block + 4, 1, out)
    assert function.blocks_per_multiprocessor(128, 60_000) == 3
    gpu.synchronize()


def test_a_launch_that_did_not_ask_for_its_shared_memory_is_refused(gpu, module):
    """As a GPU refuses it."""
    function = module.function("through_shared")
    function._allowed = gpu.shared_per_block
    with pytest.raises(driver.CudaError, match="more shared memory than the function's attribute allows"):
        function.launch(1, 32, 49_156, 1, gpu.zeros(1, np.float32))


def test_a_constant_is_read(module):
    """As many of its integers as are asked for."""
    assert module.constant("info", 3).tolist() == [7, 8, 9]


def test_what_a_module_has_not_is_an_error(module):
    """Of kernels and of variables."""
    for missing in (lambda: module.function("none"), lambda: module.constant("none", 1)):
        with pytest.raises(driver.CudaError, match="CUDA_ERROR_NOT_FOUND"):
            missing()


def test_what_is_no_module_is_an_error(gpu):
    """Whatever the compiler gave; and what was compiled for another generation."""
    with pytest.raises(driver.CudaError, match="CUDA_ERROR_INVALID_IMAGE"):
        gpu.load(bytes(100))
    with pytest.raises(driver.CudaError, match="CUDA_ERROR_NO_BINARY_FOR_GPU"):
        gpu.load(compiler.compiled(SOURCE, "sm_80").image)


def test_an_error_of_a_launch_spoils_the_context(gpu, module):
    """The launch itself returns, and every call after it fails: the worker must end."""
    out = gpu.zeros(40, np.int32)
    emulated_gpu.fail("launch", 2, 719)
    module.function("places").launch(1, 40, 0, out)
    assert out.get()[-1] == 39
    module.function("places").launch(1, 40, 0, out)
    for call in (gpu.synchronize, out.get, lambda: gpu.zeros(1, np.int8), gpu.event, lambda: module.function("add")):
        with pytest.raises(driver.CudaError, match="CUDA_ERROR_LAUNCH_FAILED") as caught:
            call()
        assert (caught.value.code, caught.value.ends_worker) == (719, True)


def test_an_error_comes_home_from_another_process(gpu):
    """It can be pickled, with its code and its text."""
    emulated_gpu.fail("copy", 1, 700)
    with pytest.raises(driver.CudaError) as caught:
        gpu.put(np.ones(3))
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  our own
    assert (str(copy), copy.code, copy.call) == (str(caught.value), 700, "cuMemcpyHtoD_v2")


def test_every_thread_can_use_a_device(gpu, module):
    """The context is made current where a call is made."""
    results = []

    def work():
        out = gpu.zeros(40, np.int32)
        module.function("places").launch(1, 40, 0, out)
        results.append(out.get()[-1])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert results == [39] * 4


def test_events_measure_the_time_between_them(gpu, module):
    """In seconds, once what was launched before them is done."""
    start = gpu.event()
    module.function("places").launch(1, 40, 0, gpu.zeros(40, np.int32))
    end = gpu.event()
    assert 0 < end.elapsed(start) < 60


def test_a_machine_without_a_driver_says_so(monkeypatch):
    """In one line, and nothing else happens."""
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-that-nobody-has.so.1")
    assert driver.reason() == "this machine has no NVIDIA driver (libcuda-that-nobody-has.so.1)"
    assert driver.version() is None


def said(script, **variables):
    """Returns what a process prints that finds the emulated GPU by itself."""
    own = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)} | emulated_gpu.environment() | variables
    return subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, check=True).stdout


ASK = "from sumsquares.jobs.engines.cuda import driver; print(driver.reason())"
WHICH = """
from sumsquares.jobs.engines.cuda import driver
device = driver.Device()
print(device.architecture, device.shared_per_block)
"""
TRY = """
from sumsquares.jobs.engines.cuda import driver
for _ in range(3):
    try:
        print(driver.Device().zeros(3, "int8").get())
    except driver.CudaError as error:
        print(error.code, error.ends_worker)
"""
FORK = """
import os
from sumsquares.jobs.engines.cuda import driver
device = driver.Device()
array = device.zeros(3, "int8")
if not os.fork():
    try:
        array.get()
    except driver.CudaError as error:
        print(error.code, flush=True)
    os._exit(0)
os.wait()
print(array.get())
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "None"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "None"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_ERROR_NO_DEVICE"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, "; CUDA_VISIBLE_DEVICES is '-1'"),
        ({"EMULATED_DEVICES": "0"}, "CUDA_ERROR_NO_DEVICE"),
    ],
)
def test_a_process_that_sees_no_device_says_why(gpu, variables, expected):
    """The driver obeys CUDA_VISIBLE_DEVICES, by which Ray gives a worker its GPU."""
    assert expected in said(ASK, **variables)


@pytest.mark.parametrize(
    ("capability", "architecture", "shared"),
    [("8.0", "sm_80", 166_912), ("8.9", "sm_89", 101_376), ("10.0", "sm_100", 232_448), ("12.0", "sm_120", 101_376)],
)
def test_other_generations_have_other_sizes(gpu, capability, architecture, shared):
    """What a block can have of shared memory is as on the real ones."""
    assert said(WHICH, EMULATED_CAPABILITY=capability) == f"{architecture} {shared}\n"


def test_a_fault_in_another_process_spoils_its_context(gpu):
    """The second copy fails, and whatever comes after it."""
    assert said(TRY, EMULATED_FAULT="copy:2:700").splitlines() == ["[0 0 0]", "700 True", "700 True"]


def test_a_forked_process_has_no_device(gpu):
    """CUDA doesn't survive a fork: the child gets an error, and its parent goes on."""
    assert said(FORK).splitlines() == ["3", "[0 0 0]"]
