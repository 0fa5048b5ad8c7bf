"""The kernels in C++, where setup.py could build them: faster than numpy's single operations, with the same bits."""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = Path(__file__).with_name("kernels.cpp")
LIBRARY = SOURCE.with_suffix(".so")


class Table:
    """What a kernel reads of a function's table and constants, in the kernel's order."""

    def __init__(self, constants: list[Any], *arrays: NDArray[Any]) -> None:
        self._arrays = [np.array([float(one) for one in constants]), *arrays]
        self.addresses = [one.ctypes.data for one in self._arrays]


@cache
def load() -> ctypes.CDLL | None:
    """Returns the library; None if there is none, or one that was built from another version of its source."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        library.kernels_source.restype = ctypes.c_char_p
        built_from = library.kernels_source()
    except (OSError, AttributeError):
        return None
    return library if built_from == hashlib.sha256(SOURCE.read_bytes()).hexdigest().encode() else None


def run(name: str, arrays: tuple[NDArray[np.float64] | None, ...], table: Table, *numbers: int) -> bool:
    """Runs a kernel on arrays of one length. False if it can't: then numpy must do it."""
    library = load()
    if library is None:
        return False
    assert arrays[0] is not None
    addresses = [0 if one is None else one.ctypes.data for one in arrays]
    arguments = [arrays[0].size, *addresses, *table.addresses, *numbers]
    return bool(getattr(library, f"kernels_{name}")(*map(ctypes.c_int64, arguments)))
