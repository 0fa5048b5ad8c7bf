"""Compiled kernels that are loaded into a device's context, their launches, and marks in the stream of launches."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.cuda.memory import Array

if TYPE_CHECKING:
    from sumsquares.jobs.engines.cuda.driver import Device

FREE_SHARED = 48 * 1024
"""Bytes of shared memory that a launch may use without asking."""
_MOST_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_CARVEOUT, _NO_CACHE = 9, 100  # CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: percent that isn't cache
_NUMBERS: dict[str, Any] = {
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
_EVENT_BLOCKING = 1  # CU_EVENT_BLOCKING_SYNC


class Module:
    """What was compiled, loaded into a device's context; unloaded when nothing uses it."""

    def __init__(self, device: Device, image: bytes) -> None:
        handle = ctypes.c_void_p()
        device.call("cuModuleLoadData", ctypes.byref(handle), image)
        self.device = device
        self._handle = handle

    def __del__(self) -> None:
        with suppress(AttributeError, TypeError):  # it was not loaded; Python ends
            self.device.answer("cuModuleUnload", self._handle)

    def function(self, name: str) -> Function:
        """One of its kernels."""
        handle = ctypes.c_void_p()
        self.device.call("cuModuleGetFunction", ctypes.byref(handle), self._handle, name.encode())
        return Function(self, name, handle)

    def constant(self, name: str, count: int) -> NDArray[np.int32]:
        """The first integers of one of its variables."""
        address, size = ctypes.c_void_p(), ctypes.c_size_t()
        self.device.call("cuModuleGetGlobal_v2", ctypes.byref(address), ctypes.byref(size), self._handle, name.encode())
        values = np.empty(count, np.int32)
        assert values.nbytes <= size.value
        to = ctypes.c_void_p(values.ctypes.data)
        self.device.call("cuMemcpyDtoH_v2", to, address, ctypes.c_size_t(values.nbytes))
        return values


class Function:
    """A kernel of a module."""

    def __init__(self, module: Module, name: str, handle: ctypes.c_void_p) -> None:
        self._module = module  # it stays loaded
        self._device = module.device
        self._handle = handle
        self.name = name
        self._sizes = self._parameter_sizes()
        self._allowed = FREE_SHARED
        self._cached = True

    def _parameter_sizes(self) -> list[int] | None:
        """Bytes of each parameter; None where the driver is older than CUDA 12.4 and can't tell."""
        if not self._device.knows("cuFuncGetParamInfo"):
            return None
        sizes: list[int] = []
        offset, size = ctypes.c_size_t(), ctypes.c_size_t()
        places = (ctypes.byref(offset), ctypes.byref(size))
        while not self._device.answer("cuFuncGetParamInfo", self._handle, ctypes.c_size_t(len(sizes)), *places):
            sizes.append(size.value)
        return sizes

    def blocks_per_multiprocessor(self, threads: int, shared_bytes: int) -> int:
        """How many blocks of such a launch a multiprocessor runs at once."""
        self._allow(shared_bytes)
        blocks, shared = ctypes.c_int(), ctypes.c_size_t(shared_bytes)
        name = "cuOccupancyMaxActiveBlocksPerMultiprocessor"
        self._device.call(name, ctypes.byref(blocks), self._handle, threads, shared)
        return blocks.value

    def _allow(self, shared_bytes: int) -> None:
        if shared_bytes and self._cached:  # else the driver may leave room for fewer blocks than the registers do
            self._device.call("cuFuncSetAttribute", self._handle, _CARVEOUT, _NO_CACHE)
            self._cached = False
        if shared_bytes > self._allowed:
            self._device.call("cuFuncSetAttribute", self._handle, _MOST_SHARED, shared_bytes)
            self._allowed = shared_bytes

    def launch(
        self, grid: int | tuple[int, ...], block: int | tuple[int, ...], shared_bytes: int, *arguments: object
    ) -> None:
        """Starts the kernel with a grid of blocks of threads, each of one to three dimensions, and doesn't wait.

        An argument is an Array, None for no array, an int (32 bits), a float (64 bits), or a number of numpy's, which
        keeps its size.
        """
        values = [_value(each) for each in arguments]
        sizes = [ctypes.sizeof(each) for each in values]
        if self._sizes is not None and sizes != self._sizes:
            raise TypeError(f"kernel {self.name} takes parameters of {self._sizes} bytes and was given {sizes}")
        pointers = (ctypes.c_void_p * max(1, len(values)))(*[ctypes.addressof(each) for each in values])
        self._allow(shared_bytes)
        sizes_3 = (*_three(grid), *_three(block))
        self._device.call("cuLaunchKernel", self._handle, *sizes_3, shared_bytes, None, pointers, None)


def _three(size: int | tuple[int, ...]) -> tuple[int, ...]:
    sizes = size if isinstance(size, tuple) else (size,)
    return (*sizes, 1, 1)[:3]


def _value(argument: object) -> Any:
    """An argument of a launch as C has it."""
    match argument:
        case Array():
            return ctypes.c_void_p(argument.address)
        case None:
            return ctypes.c_void_p()
        case np.generic() if argument.dtype.name in _NUMBERS:
            return _NUMBERS[argument.dtype.name](argument.item())
        case int() if -(2**31) <= argument < 2**31:
            return ctypes.c_int(argument)
        case float():
            return ctypes.c_double(argument)
    raise TypeError(f"a kernel can't be given {argument!r}")


class Event:
    """A mark in the stream."""

    def __init__(self, device: Device) -> None:
        handle = ctypes.c_void_p()
        device.call("cuEventCreate", ctypes.byref(handle), _EVENT_BLOCKING)
        self._device = device
        self._handle = handle
        device.call("cuEventRecord", handle, None)

    def __del__(self) -> None:
        with suppress(AttributeError, TypeError):  # it was not made; Python ends
            self._device.answer("cuEventDestroy_v2", self._handle)

    def wait(self) -> None:
        """Waits until all that was launched before the mark is done."""
        self._device.call("cuEventSynchronize", self._handle)

    def elapsed(self, since: Event) -> float:
        """Seconds on the GPU from an earlier mark to this one, once this one is reached."""
        self.wait()
        milliseconds = ctypes.c_float()
        self._device.call("cuEventElapsedTime", ctypes.byref(milliseconds), since._handle, self._handle)
        return milliseconds.value / 1000
