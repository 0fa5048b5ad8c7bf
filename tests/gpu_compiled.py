"""Compiles the kernels of many cases in several processes, so that whoever needs them finds them among those kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from gpu_cases import Case

from sumsquares.jobs.engines.cuda import compiler, driver
from sumsquares.jobs.engines.cuda.layout import layout

MOST_WORKERS = 16


def compile_all(cases: Iterable[Case]) -> str:
    """Compiles what can be trained, and tells how long that took; what can't be compiled is left to who needs it."""
    architecture = driver.architecture()
    texts = sorted({of.source(architecture) for of in cases if not isinstance(layout(of.program, architecture), str)})
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    began, libraries = time.monotonic(), (driver.LIBRARY, compiler.LIBRARY)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        failed = sum(pool.map(_fails, texts, [architecture] * len(texts), [libraries] * len(texts)))
    seconds = time.monotonic() - began
    return f"compiled {len(texts)} modules in {seconds:.0f} s, {workers} at a time; {failed} failed"


def _fails(text: str, architecture: str, libraries: tuple[str, str | None]) -> bool:
    driver.LIBRARY, compiler.LIBRARY = libraries
    try:
        compiler.compiled(text, architecture)
    except compiler.CompileError:
        return True
    return False
