"""Arrays in a device's memory."""

from __future__ import annotations

import ctypes
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sumsquares.jobs.engines.cuda.driver import Device


class Memory:
    """Bytes of device memory. They are freed when nothing uses them; the driver then waits for launches that do."""

    def __init__(self, device: Device, count: int) -> None:
        address = ctypes.c_void_p()
        device.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(1, count)))
        self.device = device
        self.address = address.value or 0

    def __del__(self) -> None:
        with suppress(AttributeError, TypeError):  # it was not allocated; Python ends
            self.device.answer("cuMemFree_v2", ctypes.c_void_p(self.address))


class Array:
    """Device memory with a shape and a dtype, in C's order."""

    def __init__(self, memory: Memory, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
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

    def __getitem__(self, place: slice) -> Array:
        """The same memory, from one index of the first axis to another."""
        first, end, step = place.indices(len(self))
        assert step == 1
        stride = math.prod(self.shape[1:]) * self.dtype.itemsize
        shape = (max(0, end - first), *self.shape[1:])
        return Array(self._memory, self.address + first * stride, shape, self.dtype)

    def get(self) -> NDArray[Any]:
        """A copy on the host, once all that was launched before is done."""
        values = np.empty(self.shape, self.dtype)
        self._copy("cuMemcpyDtoH_v2", values.ctypes.data, self.address)
        return values

    def set(self, values: NDArray[Any]) -> None:
        """Copies values from the host, once all that was launched before is done."""
        own = np.ascontiguousarray(values, self.dtype).reshape(values.shape)
        if own.shape != self.shape:
            raise ValueError(f"values of shape {own.shape} can't be copied to a device array of shape {self.shape}")
        self._copy("cuMemcpyHtoD_v2", self.address, own.ctypes.data)

    def _copy(self, call: str, to: int, source: int) -> None:
        if self.nbytes:
            size = ctypes.c_size_t(self.nbytes)
            self._memory.device.call(call, ctypes.c_void_p(to), ctypes.c_void_p(source), size)
