"""The text of a first job spec, with comments: the question, small enough to answer in seconds. It is data."""

from __future__ import annotations

FIRST_NAME = "first"
FIRST_SPEC = """\
# Why does a network learn sums of two numbers, and not squares? Run it with
#
#     sumsquares run first.toml
#
# Every list of the grid is an axis: all combinations are trained, each with all seeds. docs/specs.md has all keys.
name = "first"

[[dataset]]                     # rows are generated: arithmetic by its name
name = "squares"
task = "square"                 # sum, product, square or sum_of_squares
largest = 1000                  # of numbers 1..1000; beyond the range: 1001..2000
rows = 1_000

[[dataset]]                     # or by a formula of x, or of x1, x2 and so on
name = "waves"
formula = "sin(x1) + 0.5 * x2**2"
low = -3.0
high = 3.0
rows = 1_000

# [[dataset]]                   # or rows of your own; `sumsquares init --from houses.csv` writes a spec for them
# name = "houses"
# file = "houses.csv"           # Parquet or CSV
# target = "price"

[[grid]]                        # about all datasets, unless `dataset` names some
hidden = [[16], [16, 16]]       # units of each hidden layer; [] is a linear model
activation = ["identity", "relu", "tanh"]
lr = [0.001, 0.01]              # learning rates of the optimizer, which is adam
epochs = 200                    # passes over the training rows
seeds = 3                       # networks of each variant
"""
