"""A spec of the question's squares with 1-16-16-1, ten seeds per variant: the workload of the whole-run benchmarks."""

from __future__ import annotations

import json

SEEDS = 10
SPEC = """
name = "{name}"
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1000
test_rows = 1000
[train]
epochs = {epochs}
batch_size = 100
[[grid]]
dataset = "squares"
hidden = [[16, 16]]
activation = "relu"
"""


def question(name: str, epochs: int, **grid: object) -> str:
    """Returns the spec as TOML, with these keys added to its grid."""
    return SPEC.format(name=name, epochs=epochs) + "".join(f"{key} = {json.dumps(grid[key])}\n" for key in grid)


def learning_rates(count: int) -> list[float]:
    """Learning rates from 0.0001 to 0.01, evenly spaced in the logarithm."""
    return [float(f"{1e-4 * 100 ** (rate / max(1, count - 1)):.9g}") for rate in range(count)]
