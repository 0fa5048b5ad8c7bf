"""Job specs for tests, which take a second or two to train."""

from __future__ import annotations

from sumsquares.jobs.spec.job_spec import parse_spec

SMALL = """
name = "small"
[[dataset]]
name = "sums"
task = "sum"
largest = 50
rows = 60
test_rows = 40
seed = 1
[[dataset]]
name = "squares"
task = "square"
largest = 50
rows = 60
test_rows = 40
seed = 1
unused = 1
[train]
epochs = 8
batch_size = 20
[[grid]]
dataset = ["sums", "squares"]
hidden = [[], [6], [5, 4]]
activation = ["identity", "tanh"]
lr = [0.001, 0.01]
seeds = 3
"""

LONGER = 'engine = "torch"\n' + SMALL.replace("epochs = 8", "epochs = 1500")
"""About twenty seconds of training, with the slower engine, so that tests can interrupt it."""


def small(**replaced):
    """Returns the small spec; each keyword replaces the lines that begin with that key."""
    lines = SMALL.splitlines()
    for key, value in replaced.items():
        assert any(line.startswith(f"{key} =") for line in lines)
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
    return parse_spec("\n".join(lines).encode(), "small.toml")
