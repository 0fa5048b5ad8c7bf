"""Layouts of a program on a GPU that might be faster than the one that jobs/engines/cuda/layout.py chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sumsquares.jobs.engines.cuda import layout as rules
from sumsquares.jobs.engines.cuda.layout import RESERVED, SHARED, SMALL, Layout, Shared, layout
from sumsquares.jobs.engines.program import Program

BEST, OTHERS = 3, 5
"""The best layouts by the estimate, and the best that have another number of warps or columns, or other tiles."""
MOST_WARPS = 16
"""On a multiprocessor: more than the rule allows."""


def candidates(program: Program, architecture: str, most: int) -> list[Layout]:
    """Returns layouts, each once: the rule's own comes first."""
    own = layout(program, architecture)
    if isinstance(own, str) or not program.hidden:
        return []
    shared = SHARED.get(architecture, SMALL)
    ranked, crowded = (_ranked(program, shared, warps) for warps in (rules.BUSY, MOST_WARPS))
    others = {(each.WARPS, each.LC, each.TILE): each for each in reversed(ranked)}
    distinct = sorted(others.values(), key=ranked.index)[:OTHERS]
    near = [*_near(own, shared), *_near(ranked[0], shared)]
    return list(dict.fromkeys([own, *ranked[:BEST], *crowded[:1], *near[:3], *distinct, *near[3:]]))[:most]


def _ranked(program: Program, shared: Shared, warps: int) -> list[Layout]:
    """Layouts by the estimate, the best first, with so many warps on a multiprocessor at most."""
    before, rules.BUSY = rules.BUSY, warps
    tilings = rules._tilings(rules._shape(program))
    fitted = [found for each in tilings if (found := rules._fitted(each, shared))]
    rules.BUSY = before
    return [found for _, found in sorted(fitted, key=lambda found: found[0])]


def _near(own: Layout, shared: Shared) -> Iterator[Layout]:
    """Yields a layout with its state elsewhere, and with more or fewer blocks on a multiprocessor."""
    yield replace(own, MOM=1 - own.MOM)
    for blocks in (own.MINB - 1, own.MINB + 1, own.MINB + 2, own.MINB + 4):
        memory = blocks * (own.shared_bytes + RESERVED)
        if blocks > 0 and memory <= shared.multiprocessor and blocks * own.WARPS <= MOST_WARPS:
            yield replace(own, MINB=blocks)
