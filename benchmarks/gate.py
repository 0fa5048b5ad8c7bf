"""Measures how often the gate errs on edited specs, and what it detects, with simulated nights whose truth is known.

    python benchmarks/gate.py [--nights 2000] [--alpha 0.01] [--only TEXT ...] [--json]

The logarithm of an RMSE is drawn with noise per seed (standard deviation 0.3) and, with fresh rows, also with noise per
variant and night (0.3 too); a share of the seeds diverges. No edit changes the true quality, so every verdict of
better or worse is a false alarm. The variants are near ties (evenly spaced up to 0.3), or equal, or one is better than
the others by 0.9 divided by the root of the number of seeds, where the two halves often disagree. Each edit faces a
champion with up to 19 nights of its own that were judged the same. In lives, LIFE edits follow each other, and a night
judged better becomes the champion, so that lucky ones stay. Power is the share of nights judged worse among nights that
are worse by a factor, with a history of 10 nights. By default it takes ten minutes on one core; --only keeps the worlds
whose description contains one of the texts.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from tables import markdown

from sumsquares.jobs.night.gate_best import Pair, Table, compare, worst
from sumsquares.jobs.results.gate import Policy
from sumsquares.jobs.results.scale import DIVERGED

NOISE = 0.3
LIFE = 20
HISTORY = 20
KINDS = ("normal", "exponential", "student3")
Shape = tuple[int, int]
"""Number of variants and of seeds."""
Night = list[Table]
"""One table per dataset."""


@dataclass(frozen=True)
class World:
    """The distribution that nights are drawn from."""

    champion: Shape
    night: Shape
    kind: str = "normal"
    """Distribution of the noise: normal, exponential, or Student's t with 3 degrees of freedom."""
    fresh: bool = False
    """Whether each night adds noise from rows of its own."""
    diverging: float = 0.0
    """Share of the seeds that diverge."""
    variants: str = "near ties"
    """near ties, equal variants, or one better variant."""
    datasets: int = 1

    def __str__(self) -> str:
        """The description, such as `6 x 5, normal, fresh rows`."""
        shapes = " and ".join(f"{v} x {s}" for v, s in dict.fromkeys((self.champion, self.night)))
        parts = [shapes, self.kind, "fresh rows" if self.fresh else "same rows"]
        parts += [f"{self.diverging:.0%} diverge"] if self.diverging else []
        parts += [self.variants] if self.variants != "near ties" else []
        parts += [f"{self.datasets} datasets"] if self.datasets > 1 else []
        return ", ".join(parts)


def main() -> None:
    """Simulates every world and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2000, help="edited nights per world")
    parser.add_argument("--alpha", type=float, default=0.01, help="false-alarm rate of the policy")
    parser.add_argument("--only", nargs="*", default=[""], help="keep worlds whose description contains one of these")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    policy = Policy(alpha=options.alpha)
    found = [
        measured(world, options.nights, policy)
        for world in worlds()
        if any(text in str(world) for text in options.only)
    ]
    print(json.dumps(found) if options.json else table(found))


def worlds() -> Iterator[World]:
    """Yields every combination of the basic settings, then the harder worlds."""
    for variants, seeds, kind, fresh in product((1, 6, 33), (4, 5, 10), KINDS, (False, True)):
        yield World((variants, seeds), (variants, seeds), kind, fresh)
    for fresh in (False, True):
        for variants in (2, 3, 6, 33):
            yield World((variants, 4), (variants, 4), fresh=fresh, variants="equal variants")
        for shape in ((6, 4), (12, 10), (33, 5)):
            yield World(shape, shape, fresh=fresh, variants="one better variant")
        for share, shape in product((0.01, 0.05), ((1, 4), (6, 5), (33, 10))):
            yield World(shape, shape, fresh=fresh, diverging=share)
        for pair in (((6, 5), (33, 5)), ((1, 5), (33, 5)), ((6, 4), (6, 10))):
            yield World(*pair, fresh=fresh)
        yield World((6, 5), (6, 5), fresh=fresh, datasets=3)


def measured(world: World, nights: int, policy: Policy) -> dict[str, object]:
    """Returns the shares of a world, for single edits and for edits in lives, and its power."""
    draw = np.random.default_rng(1)
    single: Counter[str] = Counter()
    lives: Counter[str] = Counter()
    for _ in range(nights):
        single.update(live(world, 1, int(draw.integers(HISTORY)), policy, draw))
    for _ in range(max(1, nights // LIFE)):
        lives.update(live(world, LIFE, 1, policy, draw))
    shares = {word: single[word] / single.total() for word in ("worse", "better")}
    shares |= {f"{word} in lives": lives[word] / lives.total() for word in ("worse", "better")}
    power = {f"{factor} x worse": found(world, factor, max(1, nights // 10), policy, draw) for factor in (2, 10)}
    return {"world": str(world), "nights": nights, **shares, **power}


def live(world: World, edits: int, before: int, policy: Policy, draw: np.random.Generator) -> Iterator[str]:
    """Yields verdicts on nights of edited specs, each after `before` nights of the champion's own."""
    own, other = world.champion, world.night
    champion = drawn(world, own, draw)
    history = [champion]
    for _ in range(edits):
        for _ in range(before if world.fresh else 0):
            again = drawn(world, own, draw)
            history += [again] if verdict(again, champion, history, policy) == "same" else []
        night = drawn(world, other, draw)
        yield (word := verdict(night, champion, history if world.fresh else (), policy))
        if word == "better":
            own, other, champion, history = other, own, night, [night]
        history = [history[0], *history[1:][1 - HISTORY :]]


def found(world: World, factor: float, nights: int, policy: Policy, draw: np.random.Generator) -> float:
    """The share of worse nights that is judged worse."""
    count = 0
    for _ in range(nights):
        history = [drawn(world, world.champion, draw) for _ in range(10 if world.fresh else 1)]
        night = drawn(world, world.night, draw, math.log(factor))
        count += verdict(night, history[0], history if world.fresh else (), policy) == "worse"
    return count / nights


def verdict(night: Night, champion: Night, history: Sequence[Night], policy: Policy) -> str:
    """The verdict over all datasets."""
    pairs = [
        Pair(ours, theirs, [each[d] for each in history])
        for d, (ours, theirs) in enumerate(zip(night, champion, strict=True))
    ]
    return worst([each.verdict for each in compare(pairs, policy)])


def drawn(world: World, shape: Shape, draw: np.random.Generator, worse: float = 0.0) -> Night:
    """Draws one night."""
    names = tuple(f"{v}" for v in range(shape[0]))
    tables = []
    for _ in range(world.datasets):
        log_VS = 5 + worse + offsets(world.variants, shape)[:, None] + NOISE * noise(world.kind, shape, draw)
        log_VS += NOISE * noise(world.kind, (shape[0], 1), draw) if world.fresh else 0.0
        tables.append(Table(names, np.where(draw.random(shape) < world.diverging, math.log(DIVERGED), log_VS)))
    return tables


def offsets(variants: str, shape: Shape) -> NDArray[np.float64]:
    """How much worse than the best each variant is, as a logarithm."""
    gap = {"near ties": NOISE, "equal variants": 0.0, "one better variant": 3 * NOISE / math.sqrt(shape[1])}[variants]
    return gap * (np.arange(shape[0]) > 0) if variants == "one better variant" else np.linspace(0, gap, shape[0])


def noise(kind: str, shape: Shape, draw: np.random.Generator) -> NDArray[np.float64]:
    """Draws noise of mean 0 and standard deviation 1."""
    if kind == "student3":
        return draw.standard_t(3, shape) / math.sqrt(3)
    return draw.exponential(1, shape) - 1 if kind == "exponential" else draw.normal(size=shape)


def table(found: list[dict[str, object]]) -> str:
    """Formats the shares as Markdown."""
    shares = ("worse", "better", "worse in lives", "better in lives", "2 x worse", "10 x worse")
    rows = [(str(each["world"]), *(f"{each[share]:.1%}" for share in shares)) for each in found]
    return markdown(["variants x seeds, noise", *shares], rows)


if __name__ == "__main__":
    main()
