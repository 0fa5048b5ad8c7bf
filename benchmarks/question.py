"""The question's squares with 1-16-16-1 as a spec, ten seeds of each variant: what benchmarks of whole runs train."""

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
    """The spec, with these keys in its grid as well."""
    return SPEC.format(name=name, epochs=epochs) + "".join(f"{key} = {json.dumps(grid[key])}\n" for key in grid)


def learning_rates(count: int) -> list[float]:
    """From 0.0001 to 0.01, each as many times the one before."""
    return [float(f"{1e-4 * 100 ** (rate / max(1, count - 1)):.9g}") for rate in range(count)]
