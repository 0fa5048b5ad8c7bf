"""Applies a function to an array piece by piece, so that all its intermediate values stay in the processor's cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Buffers = list[Floats]
"""Arrays as long as the piece, with no particular content."""
Kernel = Callable[..., None]
"""A function (*inputs, out, buffers). It may use `out` only for its result."""
PIECE = 8192
"""Elements: 64 KiB. Smaller pieces cost more calls, larger ones more cache."""
N_BUFFERS = 16
_local = threading.local()


def constant(value: float) -> Floats:
    """Returns a number as an array, which numpy need not convert at each operation."""
    return np.array(value, np.float64)


def apply(kernel: Kernel, inputs: Sequence[Floats], out: Floats | None) -> Floats:
    """Returns the kernel's results for arrays of one shape, or for scalars beside them."""
    shape = next((one.shape for one in inputs if one.ndim), ())
    if any(one.ndim and one.shape != shape for one in inputs):
        shape = np.broadcast_shapes(*(one.shape for one in inputs))
    flat = [_flat(one, shape) for one in inputs]
    result = out if out is not None and _usable(out, flat) else np.empty(shape)
    flat_result = result.reshape(-1)
    with np.errstate(all="ignore"):
        for start in range(0, flat_result.size, PIECE):
            piece = slice(start, start + PIECE)
            target = flat_result[piece]
            given = (one if one.ndim == 0 else np.ascontiguousarray(one[piece]) for one in flat)
            kernel(*given, target, _buffers(target.size))
    if out is None:
        return result
    if out is not result:
        out[...] = result
    return out


def _flat(one: Floats, shape: tuple[int, ...]) -> Floats:
    """Returns one dimension, or a scalar where that serves as well."""
    if one.ndim == 0 and shape:
        return one
    return (one if one.shape == shape else np.broadcast_to(one, shape)).reshape(-1)


def _usable(out: Floats, inputs: Sequence[Floats]) -> bool:
    return out.flags.c_contiguous and not any(np.may_share_memory(out, one) for one in inputs)


def _buffers(count: int) -> Buffers:
    """Returns this thread's buffers, which are allocated once."""
    if not hasattr(_local, "buffers"):
        _local.buffers = [np.empty(PIECE) for _ in range(N_BUFFERS)]
    whole: Buffers = _local.buffers
    return whole if count == PIECE else [one[:count] for one in whole]


def polynomial(x: Floats, coefficients: Sequence[Floats], out: Floats) -> None:
    """Writes the value of a polynomial of two or more coefficients, the highest first (Horner)."""
    np.multiply(x, coefficients[0], out)
    np.add(out, coefficients[1], out)
    for one in coefficients[2:]:
        np.multiply(out, x, out)
        np.add(out, one, out)
