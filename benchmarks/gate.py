"""How often the gate errs on edited specs, and what it finds, over lives of made-up nights of which the truth is known.

    python benchmarks/gate.py [--nights 2000] [--alpha 0.01] [--only TEXT] [--json]

A life has a champion, nights of its own spec in between, and nights of edited specs, each compared best with best; who
is better becomes the champion, lucky or not, and after LIFE edited nights a new life begins. No variant is ever better
or worse than those before: what is called so is a false alarm. RMSEs have a logarithm with luck of each seed (standard
deviation 0.3), with fresh rows also of each variant's rows in each night (the same), and a share of the seeds diverges.
Variants are equal, or lie up to 0.3 apart. The power is the share of nights called worse of which all variants are
worse by a factor, against a champion with a history of 9 nights. The default takes four minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tables import markdown

from jobs.night.best import Pair, Table, compare, worst
from jobs.night.gate import LOST, Policy

LUCK = 0.3
LIFE = 20
HISTORY = 20
KINDS = ("normal", "exponential", "student3")
Shape = tuple[int, int]
"""Variants and seeds."""


@dataclass(frozen=True)
class World:
    """What nights are drawn from."""

    champion: Shape
    night: Shape
    kind: str = "normal"
    """Of the luck: normal, exponential, or Student's t of 3 degrees."""
    fresh: bool = False
    """Whether each night has luck with its rows."""
    diverging: float = 0.0
    """Share of the seeds that diverge."""
    apart: float = LUCK
    """What the last variant is worse than the first by, in the logarithm."""
    datasets: int = 1

    def __str__(self) -> str:
        """As in `6 x 5, normal, fresh rows`."""
        shapes = " and ".join(f"{v} x {s}" for v, s in dict.fromkeys((self.champion, self.night)))
        parts = [shapes, self.kind, "fresh rows" if self.fresh else "same rows"]
        parts += [f"{self.diverging:.0%} diverge"] if self.diverging else []
        parts += ["equal variants"] if not self.apart else []
        parts += [f"{self.datasets} datasets"] if self.datasets > 1 else []
        return ", ".join(parts)


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2000, help="edited nights of each world")
    parser.add_argument("--alpha", type=float, default=0.01, help="the policy's")
    parser.add_argument("--only", default="", help="worlds whose words have this in them")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    policy = Policy(alpha=options.alpha)
    found = [measured(world, options.nights, policy) for world in worlds() if options.only in str(world)]
    print(json.dumps(found) if options.json else table(found))  # noqa: T201


def worlds() -> Iterator[World]:
    """Those of every combination, then those that are harder."""
    for variants in (1, 6, 33):
        for seeds in (4, 5, 10):
            for kind in KINDS:
                for fresh in (False, True):
                    yield World((variants, seeds), (variants, seeds), kind, fresh)
    for fresh in (False, True):
        for variants in (2, 3, 6, 33):
            yield World((variants, 4), (variants, 4), fresh=fresh, apart=0.0)
        for share in (0.01, 0.05):
            for shape in ((1, 4), (6, 5), (33, 10)):
                yield World(shape, shape, fresh=fresh, diverging=share)
        for pair in (((6, 5), (33, 5)), ((1, 5), (33, 5)), ((6, 4), (6, 10))):
            yield World(*pair, fresh=fresh)
        yield World((6, 5), (6, 5), fresh=fresh, datasets=3)


def measured(world: World, nights: int, policy: Policy) -> dict[str, object]:
    """Shares of a world."""
    draw = np.random.default_rng(1)
    verdicts: Counter[str] = Counter()
    while verdicts.total() < nights:
        verdicts.update(live(world, min(LIFE, nights - verdicts.total()), policy, draw))
    shares = {word: verdicts[word] / nights for word in ("worse", "better")}
    power = {f"x{factor}": found(world, factor, max(1, nights // 10), policy, draw) for factor in (2, 10)}
    return {"world": str(world), "nights": nights, **shares, **power}


def live(world: World, nights: int, policy: Policy, draw: np.random.Generator) -> Iterator[str]:
    """Verdicts on edited nights, each after one of the champion's own spec."""
    own, other = world.champion, world.night
    champion = drawn(world, own, draw)
    history = [champion]
    for _ in range(nights):
        if world.fresh:
            again = drawn(world, own, draw)
            history += [again] if verdict(again, champion, history, policy) == "same" else []
        night = drawn(world, other, draw)
        yield (word := verdict(night, champion, history if world.fresh else (), policy))
        if word == "better":
            own, other, champion, history = other, own, night, [night]
        history = [history[0], *history[1:][1 - HISTORY :]]


def found(world: World, factor: float, nights: int, policy: Policy, draw: np.random.Generator) -> float:
    """The share called worse that is."""
    count = 0
    for _ in range(nights):
        history = [drawn(world, world.champion, draw) for _ in range(9 if world.fresh else 1)]
        night = drawn(world, world.night, draw, math.log(factor))
        count += verdict(night, history[0], history if world.fresh else (), policy) == "worse"
    return count / nights


def verdict(
    night: list[Table], champion: list[Table], history: list[list[Table]] | tuple[()], policy: Policy
) -> str:
    """On all datasets."""
    pairs = [Pair(ours, theirs, [each[d] for each in history]) for d, (ours, theirs) in enumerate(zip(night, champion, strict=True))]
    return worst([each.verdict for each in compare(pairs, policy)])


def drawn(world: World, shape: Shape, draw: np.random.Generator, worse: float = 0.0) -> list[Table]:
    """The datasets of one night."""
    variants, seeds = shape
    names = tuple(f"{v}" for v in range(variants))
    tables = []
    for _ in range(world.datasets):
        log_VS = 5 + worse + np.linspace(0, world.apart, variants)[:, None] + LUCK * noise(world.kind, shape, draw)
        log_VS += LUCK * noise(world.kind, (variants, 1), draw) if world.fresh else 0.0
        tables.append(Table(names, np.where(draw.random(shape) < world.diverging, math.log(LOST), log_VS)))
    return tables


def noise(kind: str, shape: Shape, draw: np.random.Generator) -> NDArray[np.float64]:
    """Of mean 0 and standard deviation 1."""
    if kind == "student3":
        return draw.standard_t(3, shape) / math.sqrt(3)
    return draw.exponential(1, shape) - 1 if kind == "exponential" else draw.normal(size=shape)


def table(found: list[dict[str, object]]) -> str:
    """In Markdown."""
    head = ["variants x seeds, luck", "nights", "called worse", "called better", "2 x worse found", "10 x worse found"]
    rows = []
    for each in found:
        shares = (f"{each['worse']:.1%}", f"{each['better']:.1%}", f"{each['x2']:.0%}", f"{each['x10']:.0%}")
        rows.append((str(each["world"]), f"{each['nights']:,}", *shares))
    return markdown(head, rows)


if __name__ == "__main__":
    main()
