"""The text of a first job spec, small enough to run in seconds, with every key that has a default. It is data."""

from __future__ import annotations

FIRST_NAME = "first"
FIRST_SPEC = """\
# What do small networks learn of squares, and of a wave? Which of them, and why?
#
#     sumsquares plan first.toml    # says what would be trained, and how long it takes
#     sumsquares run first.toml
#
# Behind a # are the other keys with their defaults. Take the # away to change one.
name = "first"                      # of the run
# engine = "auto"                   # lanes, cuda, torch

[[dataset]]                         # rows are generated: arithmetic by its name
name = "squares"
task = "square"                     # sum, product, sum_of_squares
largest = 1000                      # numbers are in 1..1000, and beyond the range in 1001..2000
rows = 1_000                        # training rows
# n_numbers = 1                     # numbers of a row; 2 unless the task is square
# test_rows = 1_000                 # as many as rows, at most 10_000
# seed = 0                          # of the random numbers
# unused = 0                        # more inputs, on which the target doesn't depend

[[dataset]]                         # or by a formula of x, or of x1, x2 and so on
name = "waves"
formula = "sin(x1) + 0.5 * x2**2"
low = -3.0                          # one number for all inputs, or a list of one for each
high = 3.0
rows = 1_000
# numbers = "real"                  # integer
# noise = 0.0                       # standard deviation, added to the targets of the training rows

# Rows of your own: `sumsquares init --from houses.csv --target price` writes a spec for them.

[[grid]]                            # all combinations of its lists are trained; another [[grid]] adds more
hidden = [[16], [16, 16]]           # units of each hidden layer; [[]] is a linear model
activation = ["identity", "relu", "tanh"]   # leaky_relu, elu, sigmoid, gelu, silu, square
lr = [0.001, 0.01]                  # learning rates
epochs = 200                        # passes over the training rows
seeds = 3                           # networks of each combination
# dataset = ["squares", "waves"]    # all of the spec
# optimizer = "adam"                # sgd, momentum, nesterov, adamw, rmsprop
# schedule = "constant"             # cosine: the learning rate decays to 0
# weight_decay = 0.0
# batch_size = 100                  # rows of a step
# init = "glorot_uniform"           # he_uniform, pytorch, spread_knots
# normalize = "unit"                # scale: question, symmetric, zscore, none, log
# normalize_target = "same"         # scale of the target alone: unit, symmetric, zscore, none, log
# dtype = "float32"                 # float64
# shuffle_seed = 0                  # of the order of the rows
# readout = "trained"               # solved: the last layer by least squares, once the others are trained
# output = "linear"                 # activation of the output: sigmoid, tanh, relu
# loss = "mse"                      # mae, huber, bce
"""
