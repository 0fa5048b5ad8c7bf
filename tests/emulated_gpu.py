"""A GPU without a GPU: builds the fake driver and the fake NVRTC of emulated_gpu/, and points the engine at them.

It needs g++ on x86-64 Linux, and of Python the standard library alone. Built once for each state of its sources.

A kernel's threads run one after the other, each until it waits for others. Found are addresses outside of arrays or
not aligned, barriers and shuffles that not all lanes reach, numbers that nobody wrote (they are NaN), copies that are
read too early, and, with EMULATED_ORDER=both, results that depend on the order of threads. With EMULATED_RACES=1
also races, in any order: two threads touch a number, one of them writes it, and no barrier is between them; a shuffle
is none. With EMULATED_FLAGS=-DEMULATED_ROUGH approximate functions are up to a unit in the last place off. The
variables that make it another GPU are listed in libcuda.cpp.
"""

import ctypes
import fcntl
import gc
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "emulated_gpu"
LIBCUDA, LIBNVRTC = "libcuda.so.1", "libnvrtc.so.13"
FLAGS = ("-std=c++17", "-O2", "-march=native", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-U_FORTIFY_SOURCE")


def reason() -> str | None:
    """Why there is no emulation on this machine, or None if there is."""
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        return "the emulated GPU runs on x86-64 Linux alone"
    return None if shutil.which("g++") else "the emulated GPU needs g++"


@cache
def folder() -> Path:
    """Where the built libraries are: lib64/libcuda.so.1 and lib64/libnvrtc.so.13, so that it can be a CUDA_PATH."""
    version = subprocess.run(["g++", "-v"], capture_output=True, text=True, check=True).stderr  # noqa: S607
    digest = hashlib.sha256(f"{version}{FLAGS}{SOURCES}".encode())
    for file in sorted(SOURCES.iterdir()):
        digest.update(file.read_bytes())
    made = cache_folder() / digest.hexdigest()[:16]
    with (cache_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes wait for what they need too
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as name:
                _build(Path(name) / "built" / "lib64")
                (Path(name) / "built").rename(made)
    return made


def cache_folder() -> Path:
    """Where built libraries and compiled kernels are kept between runs."""
    base = Path(os.environ.get("EMULATED_GPU_CACHE") or Path(tempfile.gettempdir()) / f"emulated-gpu-{os.getuid()}")
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    return base


def _build(into: Path) -> None:
    into.mkdir(parents=True)
    driver = [
        SOURCES / name for name in ("libcuda.cpp", "devices.cpp", "state.cpp", "fibers.cpp", "memory.cpp", "races.cpp")
    ]
    # Without a soname: in a process that has loaded it, others such as torch still find the real driver.
    _run("g++", *FLAGS, "-o", into / LIBCUDA, *driver, "-ldl", "-pthread")
    _run("g++", *FLAGS, "-O0", f'-DEMULATION="{SOURCES}"', "-o", into / LIBNVRTC, SOURCES / "libnvrtc.cpp")


def _run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def install() -> None:
    """Makes the engine of this process use the emulation, which runs each launch in both orders of its threads."""
    from sumsquares.jobs.engines.cuda import compiler, driver

    os.environ.update(variables())
    os.environ.setdefault("EMULATED_ORDER", "both")
    driver.LIBRARY, compiler.LIBRARY = libraries()


def forget() -> None:
    """Drops all that the engine keeps on the device between packs, while its driver is still there."""
    from sumsquares.jobs.engines import cuda_engine
    from sumsquares.jobs.engines.cuda import evaluation, exact, kernels, rows, weights

    rows._resident.clear()
    for kept in (kernels._loaded, evaluation._module, exact._module, weights._module, cuda_engine._device):
        kept.cache_clear()
    gc.collect()


def libraries() -> tuple[str, str]:
    """The files of the fake driver and of the fake NVRTC."""
    return str(folder() / "lib64" / LIBCUDA), str(folder() / "lib64" / LIBNVRTC)


def reset() -> None:
    """Forgets what has spoilt the context, as a new process does."""
    ctypes.CDLL(libraries()[0]).emulated_reset()


def fail(kind: str, next_call: int, code: int) -> None:
    """Lets a coming call of a kind (launch, alloc, copy, module) fail with an error of CUDA's: 1 is the next one."""
    ctypes.CDLL(libraries()[0]).emulated_fail(kind.encode(), next_call, code)


def environment() -> dict[str, str]:
    """The variables with which a child process finds the emulation by itself."""
    path = f"{folder() / 'lib64'}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {"LD_LIBRARY_PATH": path, "CUDA_PATH": str(folder()), **variables()}


def variables() -> dict[str, str]:
    """Where compiled kernels are kept: nothing goes to the caches of the user.

    The engine keeps a kernel by its source, and knows nothing of the emulation's flags: those of each have a folder.
    """
    flags = "".join(os.environ.get(name, "") for name in ("EMULATED_RACES", "EMULATED_FLAGS"))
    kernels = cache_folder() / f"flags-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
    return {"EMULATED_GPU_CACHE": str(cache_folder()), "XDG_CACHE_HOME": str(kernels)}
