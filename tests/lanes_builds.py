"""The builds of the lanes kernel that this machine supports, each in all layouts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.lanes.library import LAYOUTS, VARIANTS, Library, load

REASON = lanes_engine.available()
PEAK = """
import resource
{prepare}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{work}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / {array}.nbytes)
"""
needs_lanes = pytest.mark.skipif(REASON is not None, reason=f"no lanes engine: {REASON}")


def builds(fused_only=False):
    """Returns all variants up to the best one, in all layouts."""
    best = load()
    if isinstance(best, str):
        return []
    variants = VARIANTS[: VARIANTS.index(best.variant) + 1]
    found = [Library(variant, layout=layout) for variant in variants for layout in LAYOUTS]
    return [library for library in found if library.fused or not fused_only]


def peak_of(prepare, work, array):
    """Returns the memory that some lines of Python take in a process of its own, in times an array's; on Linux."""
    command = [sys.executable, "-c", PEAK.format(prepare=prepare, work=work, array=array)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=True)
    return float(ended.stdout)


def named(libraries):
    return {f"{library.variant}-{library.layout}": library for library in libraries}
