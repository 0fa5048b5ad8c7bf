"""The limit of a core: measured float32 operations per second in independent chains of fused multiply-adds.

It compiles fma_peak.cpp with the machine's C++ compiler. A step is FLOPS operations, at the best of three widths.
"""

import ctypes
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from protocol import Candidate, UnavailableError, serve

CHAINS = 12
FLOPS = 1 << 20
"""Approximate operations per step."""
BUILD = Path(__file__).parent.parent.parent / "build"


def groups(_question):
    """Returns one group: vectors of 64, 32 and 16 bytes."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise UnavailableError("no C++ compiler to measure the peak with")
    return [[Candidate(f"vectors of {size} bytes", 1, partial(build, compiler, size))] for size in (64, 32, 16)]


def build(compiler, size):
    """Compiles the loop, and returns a function that runs it."""
    BUILD.mkdir(exist_ok=True)
    library = BUILD / f"fma_peak_{size}.so"
    flags = ["-O3", "-march=native", "-ffp-contract=fast", "-funroll-loops", f"-DBYTES={size}", "-fPIC", "-shared"]
    source = Path(__file__).with_suffix(".cpp")
    made = subprocess.run([compiler, *flags, source, "-o", library], capture_output=True, text=True, check=False)
    if made.returncode:
        raise UnavailableError(f"the C++ compiler rejects fma_peak.cpp: {made.stderr.strip()[:200]}")
    chains = ctypes.CDLL(str(library)).chains
    chains.restype, chains.argtypes = ctypes.c_float, [ctypes.c_long]
    rounds = FLOPS // (CHAINS * size // 4 * 2)

    def run(steps):
        chains(steps * rounds)

    return run


if __name__ == "__main__":
    serve(groups)
