"""How many variants, seeds and starts a proof takes. It imports nothing, as the command line shows these numbers."""

VARIANTS = 5
"""Of how many variants a cause is proved at a time, unless more are asked for."""
FEWEST_SEEDS = 5
"""Fewest seeds of a proof. At alpha = 0.01 the mean of the differences must be 1.7 times their standard deviation with
five seeds, 4 times with three, 22 times with two."""
SEEDS = 10
"""Seeds of a proof unless the variant has more. Of 28 remedies for the variants of examples/question.toml the test
called 19 better with 5 seeds, 26 with 10 and with 16; of their controls 1, 2 and 5."""
MOST_STARTS = 20
"""Most starts of which the best is kept if more seeds are the change: one of them is lucky in 9 of 10 cases even where
one in nine is."""
