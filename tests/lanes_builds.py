"""The builds of the lanes kernel that this machine supports, each in all layouts."""

from __future__ import annotations

import pytest

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.lanes.library import LAYOUTS, VARIANTS, Library, load

REASON = lanes_engine.available()
needs_lanes = pytest.mark.skipif(REASON is not None, reason=f"no lanes engine: {REASON}")


def builds(fused_only=False):
    """Returns all variants up to the best one, in all layouts."""
    best = load()
    if isinstance(best, str):
        return []
    variants = VARIANTS[: VARIANTS.index(best.variant) + 1]
    found = [Library(variant, layout=layout) for variant in variants for layout in LAYOUTS]
    return [library for library in found if library.fused or not fused_only]


def named(libraries):
    return {f"{library.variant}-{library.layout}": library for library in libraries}
