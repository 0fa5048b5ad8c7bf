"""GPUs through the CUDA driver alone, by ctypes: memory, copies, modules, launches. It compiles nothing (compiler.py).

All work goes to one stream, in order; a launch returns at once, a copy when it is done. The context is the device's
primary one, which torch in the same process shares. Without a driver `reason` says so; nothing is loaded at import.
"""

import ctypes
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sumsquares.jobs.engines.cuda.memory import Array, Memory
from sumsquares.jobs.engines.cuda.modules import Event, Function, Module

__all__ = ["Array", "CudaError", "Device", "Event", "Function", "Module", "devices", "reason", "version"]

LIBRARY = "libcuda.so.1"
"""The driver's library. Tests name an emulated one."""
_MULTIPROCESSORS, _MAJOR, _MINOR, _SHARED_PER_BLOCK = 16, 75, 76, 97  # CUdevice_attribute
_BLOCKING = 4  # CU_CTX_SCHED_BLOCKING_SYNC: who waits for the GPU leaves the core to others


class CudaError(RuntimeError):
    """A call that the driver answered with an error. Most of them spoil the context: all later calls fail too."""

    ends_worker = True
    """Whoever trains must end this process; another one can go on."""

    def __init__(self, call: str, code: int, what: str) -> None:
        super().__init__(call, code, what)
        self.call = call
        self.code = code
        self.what = what

    def __str__(self) -> str:
        return f"the CUDA driver answered {self.call} with error {self.code} ({self.what})"


@cache
def _loaded(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(name)


def _checked(library: ctypes.CDLL, call: str, code: int) -> None:
    """Raises an error with its name and its text."""
    if not code:
        return
    texts = []
    for function in (library.cuGetErrorName, library.cuGetErrorString):
        text = ctypes.c_char_p()
        if not function(code, ctypes.byref(text)) and text.value:
            texts.append(text.value.decode(errors="replace"))
    raise CudaError(call, code, ": ".join(texts))


def _call(name: str, *arguments: Any) -> None:
    library = _loaded(LIBRARY)
    _checked(library, name, getattr(library, name)(*arguments))


def reason() -> str | None:
    """Why this process can use no CUDA device, or None if it can."""
    try:
        return None if devices() else "the NVIDIA driver shows no device"
    except OSError:
        return f"this machine has no NVIDIA driver ({LIBRARY})"
    except CudaError as error:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return str(error) if visible is None else f"{error}; CUDA_VISIBLE_DEVICES is {visible!r}"


def devices() -> int:
    """How many CUDA devices this process sees; the driver obeys CUDA_VISIBLE_DEVICES."""
    _call("cuInit", 0)
    count = ctypes.c_int()
    _call("cuDeviceGetCount", ctypes.byref(count))
    return count.value


def version() -> tuple[int, int] | None:
    """The newest CUDA that the driver supports; None without a driver."""
    number = ctypes.c_int()
    try:
        _call("cuDriverGetVersion", ctypes.byref(number))
    except (OSError, CudaError):
        return None
    return number.value // 1000, number.value % 1000 // 10


def architecture(index: int = 0) -> str:
    """The architecture of a device, such as sm_90, without opening it: a plan needs none of its memory."""
    handle = _handle(index)
    return f"sm_{_attribute(handle, _MAJOR)}{_attribute(handle, _MINOR)}"


def _handle(index: int) -> ctypes.c_int:
    _call("cuInit", 0)
    handle = ctypes.c_int()
    _call("cuDeviceGet", ctypes.byref(handle), index)
    return handle


def _attribute(handle: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    _call("cuDeviceGetAttribute", ctypes.byref(value), number, handle)
    return value.value


class Device:
    """A GPU, by its place among those that this process sees."""

    def __init__(self, index: int = 0) -> None:
        handle, context = _handle(index), ctypes.c_void_p()
        self._library = _loaded(LIBRARY)
        with suppress(CudaError):  # a context that torch has made keeps its own flags
            _call("cuDevicePrimaryCtxSetFlags_v2", handle, _BLOCKING)
        _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._context = context
        name = ctypes.create_string_buffer(256)
        _call("cuDeviceGetName", name, len(name), handle)
        self.name = name.value.decode(errors="replace")
        self.architecture = architecture(index)
        self.multiprocessors = _attribute(handle, _MULTIPROCESSORS)
        self.shared_per_block = _attribute(handle, _SHARED_PER_BLOCK)

    def answer(self, name: str, *arguments: Any) -> int:
        """Calls a function of the driver in this device's context, on whichever thread this is; returns its code."""
        return int(self._library.cuCtxSetCurrent(self._context) or getattr(self._library, name)(*arguments))

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the driver, and raises CudaError unless it succeeds."""
        _checked(self._library, name, self.answer(name, *arguments))

    def knows(self, name: str) -> bool:
        """Whether the driver is new enough to have a function."""
        return hasattr(self._library, name)

    def memory(self) -> tuple[int, int]:
        """Bytes of device memory: free ones, and all."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def empty(self, shape: int | Sequence[int], dtype: DTypeLike) -> Array:
        """An array whose content is anything."""
        sizes = (shape,) if isinstance(shape, int) else tuple(int(each) for each in shape)
        kind = np.dtype(dtype)
        memory = Memory(self, math.prod(sizes) * kind.itemsize)
        return Array(memory, memory.address, sizes, kind)

    def zeros(self, shape: int | Sequence[int], dtype: DTypeLike) -> Array:
        """An array of zeros."""
        made = self.empty(shape, dtype)
        if made.nbytes:
            count = ctypes.c_size_t(made.nbytes)
            self.call("cuMemsetD8_v2", ctypes.c_void_p(made.address), ctypes.c_ubyte(0), count)
        return made

    def put(self, values: NDArray[Any]) -> Array:
        """A copy of a numpy array."""
        made = self.empty(values.shape, values.dtype)
        made.set(values)
        return made

    def load(self, image: bytes) -> Module:
        """A compiled module, ready to be launched."""
        return Module(self, image)

    def synchronize(self) -> None:
        """Waits until all that was launched is done, and raises what went wrong in it."""
        self.call("cuCtxSynchronize")

    def event(self) -> Event:
        """A mark behind all that has been launched."""
        return Event(self)
