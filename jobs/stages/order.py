"""The order in which packs are trained: one of each shape first, then the others; the longest-running come first.

The first ones tell how long the others will take: with the longest first alone, nothing is known of the small shapes
before the end, and the time left is wrong by as much as the cost model. In drawn runs this order takes as long to the
last pack (benchmarks/time_left.py), since the many short packs that keep all workers busy at the end are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.time_left import Expected


def in_order(packs: Sequence[Pack]) -> list[tuple[Pack, bool]]:
    """Returns packs that are sorted with the longest first in their order of training, and whether each is a first one.

    A shape with a single pack has no others that it could tell of.
    """
    shapes = [expected(pack).shape for pack in packs]
    counts, seen = Counter(shapes), set()
    first, others = [], []
    for pack, shape in zip(packs, shapes, strict=True):
        if counts[shape] > 1 and shape not in seen:
            seen.add(shape)
            first.append((pack, True))
        else:
            others.append((pack, False))
    return first + others


def expected(pack: Pack) -> Expected:
    """Returns what is expected of a pack: errors of the expectation go with the program, and mostly with its layers."""
    program = pack.program
    return Expected(
        pack.expected_seconds, (pack.variant.dataset.name, pack.engine, program), (pack.engine, program.hidden)
    )
