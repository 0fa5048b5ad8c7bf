"""Compiles kernels at run time with NVRTC, by ctypes, and keeps what was compiled on disk (kept.py). It needs no GPU.

NVRTC comes with PyTorch's CUDA wheels. What it compiles is for one architecture, and loads with a driver of its own
major version or a newer one.
"""

import ctypes
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from sumsquares.jobs.engines.cuda import driver, kept

LIBRARY: str | None = None
"""The file of NVRTC; None searches for it. Tests name an emulated one."""
OPTIONS = ("--std=c++17", "-fmad=false", "-ftz=true", "--ptxas-options=-v")
"""A multiply-add is one only where the source says so: neither NVRTC's version nor a kernel's variant changes bits."""
_USUAL = Path("/usr/local/cuda")
_SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12")


class CompileError(RuntimeError):
    """NVRTC is missing or did not compile a kernel; another engine can train."""


class Compiled(NamedTuple):
    """A kernel that a driver can load."""

    image: bytes
    """A cubin of one architecture."""
    log: str
    """What the compiler reported: registers, spills."""


def reason(architecture: str | None = None) -> str | None:
    """Why kernels can't be compiled here, or not for an architecture; None if they can."""
    try:
        found = _version(_library()[1])
    except CompileError as error:
        return str(error)
    most = driver.version()
    if architecture and most and found[0] > most[0]:
        return "the NVIDIA driver supports CUDA {}.{} and doesn't load what NVRTC {}.{} compiles".format(*most, *found)
    known = architecture is None or _supported(architecture) is not None
    return None if known else f"this NVRTC doesn't know {architecture}"


def compiled(source: str, architecture: str) -> Compiled:
    """Compiles a source for an architecture such as sm_90, or finds it among those that were compiled before.

    Raises:
        CompileError: there is no NVRTC, or it refuses the source or the architecture; its messages are in the text.

    """
    name, library = _library()
    own = _supported(architecture)
    if own is None:
        raise CompileError(f"{name} doesn't know {architecture}")
    key = kept.key(source, *OPTIONS, own, ".".join(map(str, _version(library))), name)
    found = kept.read(key)
    if found is None:
        found = _compiled(library, source, own)
        kept.write(key, *found)
    return Compiled(*found)


def _compiled(library: ctypes.CDLL, source: str, architecture: str) -> tuple[bytes, str]:
    program = ctypes.c_void_p()
    _call(library, "nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={architecture}", *OPTIONS]
        array = (ctypes.c_char_p * len(options))(*[each.encode() for each in options])
        code = library.nvrtcCompileProgram(program, len(options), array)
        log = _bytes(library, "nvrtcGetProgramLog", program).rstrip(b"\0").decode(errors="replace")
        if code:
            raise CompileError(f"NVRTC can't compile a kernel: {_name(library, code)}\n{log}")
        return _bytes(library, "nvrtcGetCUBIN", program), log
    finally:
        _call(library, "nvrtcDestroyProgram", ctypes.byref(program))


def _bytes(library: ctypes.CDLL, name: str, program: ctypes.c_void_p) -> bytes:
    """What a pair of functions gives: one its size, the other the bytes."""
    size = ctypes.c_size_t()
    _call(library, f"{name}Size", program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    _call(library, name, program, buffer)
    return buffer.raw


def _call(library: ctypes.CDLL, name: str, *arguments: Any) -> None:
    code = getattr(library, name)(*arguments)
    if code:
        raise CompileError(f"NVRTC answered {name} with {_name(library, code)}")


def _name(library: ctypes.CDLL, code: int) -> str:
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return str(library.nvrtcGetErrorString(code).decode())


@cache
def _version(library: ctypes.CDLL) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _call(library, "nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def _supported(architecture: str) -> str | None:
    """The architecture to compile for: this one, or else the newest that NVRTC knows and this one runs."""
    library = _library()[1]
    count = ctypes.c_int()
    _call(library, "nvrtcGetNumSupportedArchs", ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    _call(library, "nvrtcGetSupportedArchs", known)
    number = int(architecture.removeprefix("sm_"))
    runs = [each for each in known if each // 10 == number // 10 and each <= number]
    return f"sm_{max(runs)}" if runs else None


def _library() -> tuple[str, ctypes.CDLL]:
    """NVRTC's name and the loaded library."""
    return _loaded(LIBRARY, os.environ.get("CUDA_PATH", ""))


@cache
def _loaded(name: str | None, toolkit: str) -> tuple[str, ctypes.CDLL]:
    for each in [name] if name else _candidates(toolkit):
        with suppress(OSError):
            _load_builtins(Path(each))
            return each, ctypes.CDLL(each)
    raise CompileError("NVRTC, which compiles kernels, isn't installed; it comes with PyTorch's CUDA wheels")


def _load_builtins(library: Path) -> None:
    """Loads what NVRTC opens by name when it compiles: in wheels it lies beside it, where nobody would look."""
    for each in library.parent.glob("libnvrtc-builtins.so.*") if library.is_absolute() else []:
        ctypes.CDLL(str(each), ctypes.RTLD_GLOBAL)


def _candidates(toolkit: str) -> list[str]:
    """Names of NVRTC: in the toolkit that CUDA_PATH names, in wheels, where toolkits are, wherever the loader looks.

    Those that are newer than the driver come last: it would not load what they compile.
    """
    wheels = find_spec("nvidia")
    places = list(wheels.submodule_search_locations or []) if wheels else []
    found = _newest(Path(toolkit), "lib64") if toolkit else []
    found += [name for place in places for name in _newest(Path(place), "*/lib")]
    found += _newest(_USUAL, "lib64")
    most = driver.version() or (sys.maxsize, 0)
    return sorted([*found, *_SONAMES], key=lambda name: _major(name) > most[0])


def _newest(place: Path, folders: str) -> list[str]:
    names = [str(each) for each in place.glob(f"{folders}/libnvrtc.so.*") if each.stem == "libnvrtc.so"]
    return sorted(names, key=_major, reverse=True)


def _major(name: str) -> int:
    return int(name.rpartition(".")[2])
