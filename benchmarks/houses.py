"""Makes the table of examples/table.toml: 300 houses that nobody has sold, with a price that follows from a formula.

    python benchmarks/houses.py     # writes examples/houses.csv

A square meter costs less the farther it is from the centre, and the less the older the house is, up to a point: a
straight line can't say that. The noise is 4 % of the price.
"""

from __future__ import annotations

import csv
import io
import math
import random
from pathlib import Path

PATH = Path(__file__).parent.parent / "examples/houses.csv"
HEAD = ("area", "rooms", "age", "distance", "garden", "street", "price")
ROWS = 300
NOISE = 0.04


def house(draw: random.Random) -> tuple[str | int, ...]:
    """Returns one row."""
    area = round(draw.uniform(40, 240))
    rooms = max(1, round(area / 28 + draw.gauss(0, 0.7)))
    age = round(draw.uniform(0, 110))
    distance = round(draw.expovariate(1 / 6), 1)
    garden = draw.random() < distance / (distance + 4)
    square_meter = 1_900 + 3_800 * math.exp(-distance / 5)
    worn = 1 - 0.3 * math.sin(math.pi * min(age, 110) / 110)
    price = (area * square_meter * worn + 25_000 * garden) * math.exp(draw.gauss(0, NOISE))
    street = f"{draw.choice(('Oak', 'Mill', 'Station', 'Church'))} street"
    return area, rooms, age, f"{distance:.1f}", str(garden).lower(), street, round(price / 1_000)


def text() -> str:
    """Returns the table as CSV; prices are in thousands."""
    draw, sink = random.Random(14), io.StringIO()  # noqa: S311  a fixed draw of an example
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerows([HEAD, *(house(draw) for _ in range(ROWS))])
    return sink.getvalue()


if __name__ == "__main__":
    PATH.write_text(text())
