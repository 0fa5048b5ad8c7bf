"""GPUs through the CUDA driver alone: memory, copies, modules and launches, by ctypes. It compiles nothing (compiler.py).

All work goes to one stream, in order; a launch returns at once, a copy when it is done. The context is the device's primary one, so
that torch in the same process shares it. No device, no problem: `reason` says why, and nothing happens at import.
"""

import ctypes
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

LIBRARY = "libcuda.so.1"
"""The driver's library. Tests name an emulated one."""
STATIC_SHARED = 48 * 1024
"""Bytes of shared memory that a launch may use without asking."""
_MAJOR, _MINOR, _MULTIPROCESSORS, _SHARED_PER_MULTIPROCESSOR, _SHARED_PER_BLOCK = (
    75,
    76,
    16,
    81,
    97,
)  # CUdevice_attribute
_REGISTERS, _LOCAL_BYTES, _MOST_SHARED = 4, 3, 8  # CUfunction_attribute
_BLOCKING = 4  # CU_CTX_SCHED_BLOCKING_SYNC: who waits for the GPU leaves the core to others
_EVENT_BLOCKING = 1  # the same for events


class CudaError(RuntimeError):
    """A call that the driver answered with an error. Most of them spoil the process's context: all later calls fail too."""

    ends_worker = True
    """Whoever trains must end this process; another one can go on."""

    def __init__(self, call: str, code: int, what: str) -> None:
        super().__init__(f"The CUDA driver answered {call} with {what}")
        self.call = call
        self.code = code

    def __reduce__(self) -> Any:
        return (_error, (str(self), self.call, self.code))


def _error(text: str, call: str, code: int) -> CudaError:
    made = CudaError(call, code, "")
    made.args = (text,)
    return made


@cache
def _loaded(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(name)


def _named(code: int) -> str:
    """The name and the text of an error."""
    library, texts = _loaded(LIBRARY), []
    for function in (library.cuGetErrorName, library.cuGetErrorString):
        text = ctypes.c_char_p()
        if not function(code, ctypes.byref(text)) and text.value:
            texts.append(text.value.decode(errors="replace"))
    return f"error {code} ({': '.join(texts)})"


def _call(name: str, *arguments: Any) -> None:
    code = getattr(_loaded(LIBRARY), name)(*arguments)
    if code:
        raise CudaError(name, code, _named(code))


def _size(value: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(value)


def reason() -> str | None:
    """Why no CUDA device can be used in this process, or None if one can."""
    try:
        _loaded(LIBRARY)
    except OSError:
        return f"this machine has no NVIDIA driver ({LIBRARY})"
    try:
        return None if devices() else "the NVIDIA driver shows no device"
    except CudaError as error:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        shown = "" if visible is None else f"; CUDA_VISIBLE_DEVICES is {visible!r}"
        return f"{error}{shown}"
    except AttributeError as error:
        return f"{LIBRARY} is no CUDA driver that this version can use: {error}"


def devices() -> int:
    """How many CUDA devices this process sees; CUDA_VISIBLE_DEVICES is obeyed by the driver."""
    _call("cuInit", 0)
    count = ctypes.c_int()
    _call("cuDeviceGetCount", ctypes.byref(count))
    return count.value


def architecture(index: int = 0) -> str:
    """The architecture of a device, such as sm_90, without opening it: a plan needs none of its memory."""
    _call("cuInit", 0)
    handle, found = ctypes.c_int(), (ctypes.c_int(), ctypes.c_int())
    _call("cuDeviceGet", ctypes.byref(handle), index)
    for value, number in zip(found, (_MAJOR, _MINOR), strict=True):
        _call("cuDeviceGetAttribute", ctypes.byref(value), number, handle)
    return f"sm_{found[0].value}{found[1].value}"


class Device:
    """A GPU, by its place among those that this process sees."""

    def __init__(self, index: int = 0) -> None:
        _call("cuInit", 0)
        handle, context = ctypes.c_int(), ctypes.c_void_p()
        _call("cuDeviceGet", ctypes.byref(handle), index)
        self._handle = handle.value
        with suppress(CudaError):  # a context that torch has made keeps its own flags
            _call("cuDevicePrimaryCtxSetFlags_v2", handle, _BLOCKING)
        _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._context = context
        name = ctypes.create_string_buffer(256)
        _call("cuDeviceGetName", name, len(name), handle)
        self.name = name.value.decode(errors="replace")
        self.capability = (self._attribute(_MAJOR), self._attribute(_MINOR))
        self.architecture = "sm_{}{}".format(*self.capability)
        self.multiprocessors = self._attribute(_MULTIPROCESSORS)
        self.shared_per_block = self._attribute(_SHARED_PER_BLOCK)
        self.shared_per_multiprocessor = self._attribute(_SHARED_PER_MULTIPROCESSOR)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        _call("cuDeviceGetAttribute", ctypes.byref(value), number, self._handle)
        return value.value

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the driver in this device's context, on whichever thread this is."""
        _call("cuCtxSetCurrent", self._context)
        _call(name, *arguments)

    def memory(self) -> tuple[int, int]:
        """Bytes of device memory: free ones, and all."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def empty(self, shape: int | Sequence[int], dtype: DTypeLike) -> "Array":
        """An array whose content is anything."""
        sizes = (shape,) if isinstance(shape, int) else tuple(int(each) for each in shape)
        kind = np.dtype(dtype)
        memory = _Memory(self, max(1, math.prod(sizes) * kind.itemsize))
        return Array(memory, memory.address, sizes, kind)

    def zeros(self, shape: int | Sequence[int], dtype: DTypeLike) -> "Array":
        """An array of zeros."""
        made = self.empty(shape, dtype)
        if made.nbytes:
            self.call("cuMemsetD8_v2", ctypes.c_void_p(made.address), ctypes.c_ubyte(0), _size(made.nbytes))
        return made

    def put(self, values: NDArray[Any]) -> "Array":
        """A copy of a numpy array."""
        made = self.empty(values.shape, values.dtype)
        made.set(values)
        return made

    def load(self, image: bytes) -> "Module":
        """A compiled module, ready to be launched."""
        return Module(self, image)

    def synchronize(self) -> None:
        """Waits until all that was launched is done; raises what went wrong in it."""
        self.call("cuCtxSynchronize")

    def event(self) -> "Event":
        """A mark behind what has been launched so far."""
        return Event(self)


class _Memory:
    """Bytes of device memory, freed when nothing uses them any more; the driver waits for launches that do."""

    def __init__(self, device: Device, count: int) -> None:
        address = ctypes.c_void_p()
        device.call("cuMemAlloc_v2", ctypes.byref(address), _size(count))
        self.device = device
        self.address = address.value or 0

    def __del__(self) -> None:
        with suppress(
            AttributeError, TypeError, CudaError
        ):  # it was never allocated, Python ends, the context is spoilt
            self.device.call("cuMemFree_v2", ctypes.c_void_p(self.address))


class Array:
    """Device memory with a shape and a dtype, rows after rows as in C."""

    def __init__(self, memory: _Memory, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._memory = memory
        self.address = address
        self.shape = shape
        self.dtype = dtype

    @property
    def nbytes(self) -> int:
        """Its bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> "Array":
        """The same memory, from one index of the first axis to another."""
        first, end, step = rows.indices(len(self))
        assert step == 1
        count = max(0, end - first)
        stride = math.prod(self.shape[1:]) * self.dtype.itemsize
        return Array(self._memory, self.address + first * stride, (count, *self.shape[1:]), self.dtype)

    def get(self) -> NDArray[Any]:
        """A copy on the host, once all that was launched before is done."""
        values = np.empty(self.shape, self.dtype)
        if self.nbytes:
            self._memory.device.call(
                "cuMemcpyDtoH_v2",
                ctypes.c_void_p(values.ctypes.data),
                ctypes.c_void_p(self.address),
                _size(self.nbytes),
            )
        return values

    def set(self, values: NDArray[Any]) -> None:
        """Copies values from the host, once all that was launched before is done."""
        own = np.ascontiguousarray(values, self.dtype)
        if own.shape != self.shape:
            raise ValueError(f"Values of shape {own.shape} can't be copied to a device array of shape {self.shape}.")
        if self.nbytes:
            self._memory.device.call(
                "cuMemcpyHtoD_v2", ctypes.c_void_p(self.address), ctypes.c_void_p(own.ctypes.data), _size(self.nbytes)
            )


class Module:
    """What was compiled, loaded into a device's context; unloaded when collected."""

    def __init__(self, device: Device, image: bytes) -> None:
        self.device = device
        handle = ctypes.c_void_p()
        device.call("cuModuleLoadData", ctypes.byref(handle), image)
        self._handle = handle
        self._functions: dict[str, Function] = {}

    def __del__(self) -> None:
        with suppress(AttributeError, TypeError, CudaError):
            self.device.call("cuModuleUnload", self._handle)

    def function(self, name: str) -> "Function":
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
        self.device.call("cuMemcpyDtoH_v2", ctypes.c_void_p(values.ctypes.data), address, _size(values.nbytes))
        return values


class Function:
    """A kernel of a module."""

    def __init__(self, module: Module, name: str, handle: ctypes.c_void_p) -> None:
        self._module = module
        self.name = name
        self._handle = handle
        self._sizes = self._parameter_sizes()
        self._shared = STATIC_SHARED

    def _parameter_sizes(self) -> list[int] | None:
        """Bytes of each parameter; None where the driver is older than CUDA 12.4 and can't say."""
        if not hasattr(_loaded(LIBRARY), "cuFuncGetParamInfo"):
            return None
        sizes: list[int] = []
        offset, size = ctypes.c_size_t(), ctypes.c_size_t()
        with suppress(CudaError):  # there are no more
            while True:
                place = _size(len(sizes))
                self._module.device.call(
                    "cuFuncGetParamInfo", self._handle, place, ctypes.byref(offset), ctypes.byref(size)
                )
                sizes.append(size.value)
        return sizes

    def attribute(self, number: int) -> int:
        """One of the driver's CUfunction_attribute."""
        value = ctypes.c_int()
        self._module.device.call("cuFuncGetAttribute", ctypes.byref(value), number, self._handle)
        return value.value

    @property
    def registers(self) -> int:
        """Registers of a thread."""
        return self.attribute(_REGISTERS)

    def blocks_per_multiprocessor(self, threads: int, shared_bytes: int) -> int:
        """How many blocks of a launch a multiprocessor runs at once."""
        self._allow(shared_bytes)
        blocks = ctypes.c_int()
        self._module.device.call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            ctypes.byref(blocks),
            self._handle,
            threads,
            _size(shared_bytes),
        )
        return blocks.value

    def _allow(self, shared_bytes: int) -> None:
        if shared_bytes > self._shared:
            self._module.device.call("cuFuncSetAttribute", self._handle, _MOST_SHARED, shared_bytes)
            self._shared = shared_bytes

    def launch(
        self, grid: int | tuple[int, ...], block: int | tuple[int, ...], shared_bytes: int, *arguments: object
    ) -> None:
        """Starts the kernel: a grid of blocks, and a block of threads, of one to three dimensions.

        An argument is an Array, None for no array, an int (32 bits), a float (64 bits), or a numpy number, which keeps its size.
        """
        values = [_value(each) for each in arguments]
        sizes = [ctypes.sizeof(each) for each in values]
        if self._sizes is not None and sizes != self._sizes:
            raise TypeError(f"Kernel {self.name} takes parameters of {self._sizes} bytes, and was given {sizes}.")
        pointers = (ctypes.c_void_p * max(1, len(values)))(*[ctypes.addressof(each) for each in values])
        self._allow(shared_bytes)
        self._module.device.call(
            "cuLaunchKernel", self._handle, *_three(grid), *_three(block), shared_bytes, None, pointers, None
        )


def _three(size: int | tuple[int, ...]) -> tuple[int, ...]:
    sizes = (size,) if isinstance(size, int) else size
    return (*sizes, 1, 1)[:3]


def _value(argument: object) -> Any:
    """An argument of a launch as C has it."""
    match argument:
        case Array():
            return ctypes.c_void_p(argument.address)
        case None:
            return ctypes.c_void_p()
        case np.generic():
            return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
        case int() if -(2**31) <= argument < 2**31:
            return ctypes.c_int(argument)
        case float():
            return ctypes.c_double(argument)
    raise TypeError(f"A kernel can't be given {argument!r}.")


class Event:
    """A mark in the stream."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._handle = ctypes.c_void_p()
        device.call("cuEventCreate", ctypes.byref(self._handle), _EVENT_BLOCKING)
        device.call("cuEventRecord", self._handle, None)

    def __del__(self) -> None:
        with suppress(AttributeError, TypeError, CudaError):
            self._device.call("cuEventDestroy_v2", self._handle)

    def wait(self) -> None:
        """Waits until all that was launched before the mark is done."""
        self._device.call("cuEventSynchronize", self._handle)

    def elapsed(self, since: Self) -> float:
        """Seconds of the GPU between an earlier mark and this one, once this one is reached."""
        self.wait()
        milliseconds = ctypes.c_float()
        self._device.call("cuEventElapsedTime", ctypes.byref(milliseconds), since._handle, self._handle)
        return milliseconds.value / 1000
