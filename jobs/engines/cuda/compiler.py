"""Compiles kernels at run time with NVRTC, by ctypes, and keeps what was compiled on disk. It needs no GPU."""

import ctypes
import glob
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

LIBRARY: str | None = None
"""The file of NVRTC; None searches for it. Tests name an emulated one."""
OPTIONS = ("--std=c++17", "-fmad=false", "-ftz=true")
"""A multiply-add is one only where the source says so: so neither NVRTC's version nor the variant of a kernel changes bits."""


class CompileError(RuntimeError):
    """NVRTC didn't compile a kernel."""


class Compiled(NamedTuple):
    """A kernel that a driver can load."""

    image: bytes
    """A cubin of one architecture."""
    log: str
    """What the compiler reported: registers, spills."""


@cache
def _loaded(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(name)


def _library() -> ctypes.CDLL:
    return _loaded(LIBRARY or "libnvrtc.so.13")


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    code = getattr(library, name)(*arguments)
    if code:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompileError(f"{name}: {library.nvrtcGetErrorString(code).decode()}")


def compiled(source: str, architecture: str) -> Compiled:
    """Compiles a source for an architecture such as sm_90."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    _call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={architecture}", *OPTIONS]
        array = (ctypes.c_char_p * len(options))(*[each.encode() for each in options])
        code = _library().nvrtcCompileProgram(program, len(options), array)
        _call("nvrtcGetProgramLogSize", program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        _call("nvrtcGetProgramLog", program, log)
        if code:
            raise CompileError(log.value.decode(errors="replace"))
        _call("nvrtcGetCUBINSize", program, ctypes.byref(size))
        image = ctypes.create_string_buffer(size.value)
        _call("nvrtcGetCUBIN", program, image)
        return Compiled(image.raw, log.value.decode(errors="replace"))
    finally:
        _call("nvrtcDestroyProgram", ctypes.byref(program))
