"""A GPU without a GPU: builds the fake driver and the fake NVRTC of emulated_gpu/, and points the engine at them.

It needs g++ on x86-64 Linux, and of Python the standard library alone. Built once for each state of its sources.
"""

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
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as name:
            built = Path(name) / "built"
            _build(built / "lib64")
            try:
                built.rename(made)
            except OSError:  # another process was first
                assert made.exists()
    return made


def cache_folder() -> Path:
    """Where built libraries and compiled kernels are kept between runs."""
    base = Path(os.environ.get("EMULATED_GPU_CACHE") or Path(tempfile.gettempdir()) / f"emulated-gpu-{os.getuid()}")
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    return base


def _build(into: Path) -> None:
    into.mkdir(parents=True)
    driver = [SOURCES / name for name in ("libcuda.cpp", "fibers.cpp", "memory.cpp")]
    soname = f"-Wl,-soname,{LIBCUDA}"
    _run("g++", *FLAGS, soname, "-o", into / LIBCUDA, *driver, "-ldl", "-pthread")
    _run("g++", *FLAGS, f'-DEMULATION="{SOURCES}"', "-o", into / LIBNVRTC, SOURCES / "libnvrtc.cpp")


def _run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def install() -> None:
    """Makes the engine of this process use the emulation."""
    from sumsquares.jobs.engines.cuda import compiler, driver

    os.environ.setdefault("EMULATED_GPU_CACHE", str(cache_folder()))
    driver.LIBRARY = str(folder() / "lib64" / LIBCUDA)
    compiler.LIBRARY = str(folder() / "lib64" / LIBNVRTC)


def environment() -> dict[str, str]:
    """The variables with which a child process finds the emulation by itself."""
    libraries = f"{folder() / 'lib64'}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {"LD_LIBRARY_PATH": libraries, "CUDA_PATH": str(folder()), "EMULATED_GPU_CACHE": str(cache_folder())}
